# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: from what is wanted and what is there to a plan, and from the plan to the calls.

The only place that knows present and absent, check mode, diffs, waiting, and the shape of results. A kind of resource
(`resources/<kind>.py`) is a subclass of `Resource`: declarations, pure functions between the API's shape and ours, and
the few calls that are its own.
"""

from __future__ import annotations

import collections
import copy
import difflib
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, TypeVar

from ansible.module_utils.basic import AnsibleModule

from .client import CLIENT_OPTIONS, PAGE_SIZE, Client, CloudError, backoff
from .spaces import SPACES_OPTIONS, Spaces

T = TypeVar("T")
Facts = dict[str, Any]  # one resource: flat, with the names of our options where there is one
Progress = Callable[[str, str, float], None]  # (title of the resource, its state, seconds waited so far)

# What an update does to what runs, from harmless to grave.
NONE, RESTART, POWER_OFF, IRREVERSIBLE = "none", "restart", "power-off", "irreversible"
IMPACTS = (NONE, RESTART, POWER_OFF, IRREVERSIBLE)

HIDDEN = "VALUE_HIDDEN"
TOLERANCE = 120.0  # seconds for which polling goes on although the API does not answer
LOOKS = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0)  # seconds before each look for what a POST without a clear answer may have made
LAG = 120.0  # seconds in which what was just created or changed need not be seen everywhere
GONE_AFTER = 300.0  # seconds after which what cannot be seen is taken to be gone
SHARED_LOOK = 2.0  # seconds for which a list answers for all that are waited for, times its number of pages
RELEASE_TIME = 300.0  # seconds in which the API lets go of what a resource contained, before that can be deleted

# Refusals that say that there is one already: perhaps made by a run that ended before it could be seen.
DUPLICATE = re.compile(r"already|taken|duplicate|unique|exists", re.IGNORECASE)

STATE_OPTION: dict[str, Any] = {"type": "str", "choices": ["present", "absent"], "default": "present"}
PROTECTED_OPTION: dict[str, Any] = {"type": "bool", "default": True}
TIMEOUT_OPTION: dict[str, Any] = {"type": "int", "default": 1800}


@dataclass(frozen=True)
class Change:
    key: str
    before: Any
    after: Any


@dataclass
class PlanEntry:
    """What would happen to one resource; `action` is create, update, delete, none, unmanaged or keep."""

    kind: str
    name: str
    action: str
    impact: str = NONE
    changes: list[Change] = field(default_factory=list)
    why: str = ""  # for people; empty where the changes say it

    @property
    def changed(self) -> bool:
        return self.action in ("create", "update", "delete")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def as_diff(self) -> dict[str, Any]:
        """In the form that `ansible-playbook --diff` prints."""
        title = f"{self.kind} {self.name}"
        return {
            "before_header": title,
            "after_header": title,
            "before": {} if self.action == "create" else {change.key: change.before for change in self.changes},
            "after": {} if self.action == "delete" else {change.key: change.after for change in self.changes},
        }


class Cloud:
    """One run's view of the account: each list is asked for once, however many resources and threads want it."""

    def __init__(
        self,
        client: Callable[[], Client],
        spaces: Callable[[], Spaces],
        *,
        timeout: float = TIMEOUT_OPTION["default"],
        tag: str | None = None,
        progress: Progress = lambda title, state, elapsed: None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_client = client
        self._make_spaces = spaces
        self.timeout = timeout
        self.tag = tag  # on all that can carry one
        self.progress = progress
        self._sleep = sleep
        self.monotonic = monotonic
        self._closed = False
        self.declared: set[tuple[str, str]] = set()  # (kind, name) of what this run will create if it is not there
        self.adopted: dict[tuple[str, str], str] = {}  # (kind, id or name there) -> name in the data
        self._known: dict[Any, Any] = {}
        self._locks: dict[Any, threading.Lock] = {}
        self._lock = threading.Lock()
        self._waiting: collections.Counter[str] = collections.Counter()
        self._seen: dict[Any, tuple[float | None, list[Facts]]] = {}

    @classmethod
    def from_options(cls, options: dict[str, Any], **kwargs: Any) -> Cloud:
        """With the options of a module. A client is made, or a missing token refused, when it is first needed."""
        return cls(
            lambda: Client(options["token"], api_url=options["api_url"], ca_file=options["ca_file"]),
            lambda: Spaces.from_options(options),
            timeout=options["timeout"],
            **kwargs,
        )

    @property
    def client(self) -> Client:
        return self.once("client", self._make_client)

    @property
    def spaces(self) -> Spaces:
        return self.once("spaces", self._make_spaces)

    def close(self) -> None:
        """The run was interrupted: nothing is asked or changed any more, whatever threads still wait for."""
        with self._lock:
            self._closed = True
            if "client" in self._known:
                self._known["client"].close()

    def sleep(self, seconds: float) -> None:
        self._sleep(seconds)
        if self._closed:
            raise CloudError("this run was interrupted")

    def once(self, key: Any, ask: Callable[[], T]) -> T:
        """The answer of `ask`, which is asked once per key; other threads wait for that one answer."""
        with self.lock(key):
            if key not in self._known:
                self._known[key] = ask()
            return self._known[key]

    def lock(self, key: Any) -> threading.Lock:
        """For what must not be done by two threads at once."""
        with self._lock:
            return self._locks.setdefault(key, threading.Lock())

    def all(self, kind: type[Resource], scope: str | None = None) -> list[Facts]:
        """Every resource of a kind. Some kinds are listed per scope: records per domain, buckets per region."""
        return self.once((kind.kind, scope), lambda: kind.observe_all(self, scope))

    def as_declared(self, kind: type[Resource], found: list[Facts]) -> list[Facts]:
        """Adopted ones under their names in the data, with the one they have there as `called`."""
        for (adopted, there), name in self.adopted.items():
            if adopted != kind.kind or not any(there in (str(facts["id"]), facts["name"]) for facts in found):
                continue
            for index, facts in enumerate(found):
                if there in (str(facts["id"]), facts["name"]):
                    found[index] = {"called": facts["name"], **facts, "name": name}
                elif facts["name"] == name:  # it was said which of the two is meant
                    found[index] = {**facts, "name": f"{name} ({facts['id']})"}
        return found

    def find(self, kind: type[Resource], name: str) -> Facts | None:
        """The one resource of that name."""
        return only_one(kind.kind, name, [facts for facts in self.all(kind) if facts["name"] == name])

    def require(self, kind: type[Resource], name: str) -> Facts:
        found = self.find(kind, name)
        if found is None:
            names = [facts["name"] for facts in self.all(kind)]
            names += [declared for declared_kind, declared in self.declared if declared_kind == kind.kind]
            raise CloudError(f"there is no {kind.label} named {name}", hint=suggest(name, names))
        return found

    def name_of(self, kind: type[Resource], id: Any) -> str:
        """The name for an id, or the id itself as text when nothing here has it."""
        return next((facts["name"] for facts in self.all(kind) if facts["id"] == id), str(id))

    def remember(self, kind: type[Resource], scope: str | None, facts: Facts) -> None:
        self.all(kind, scope)
        with self._lock:
            # A new list, because other threads may be going through the old one.
            known = self._known[kind.kind, scope]
            self._known[kind.kind, scope] = [other for other in known if other["id"] != facts["id"]] + [facts]

    def ensure_tags(self, tags: Iterable[str]) -> None:
        """Firewalls, trusted sources and the tag calls want tags that exist. Creating one again is a success."""
        for tag in tags:
            self.once(("tag", tag), lambda tag=tag: self._create_tag(tag))  # type: ignore[misc]

    def _create_tag(self, tag: str) -> dict[str, Any]:
        return self.client.call(f"create the tag {tag}", "tags.create", body={"name": tag}, repeatable=True)

    def settle(self, send: Callable[[], T], look: Callable[[], T | None]) -> T:
        """Send a POST whose effect must come exactly once.

        When no clear answer comes (5xx, broken connection), `look` tells whether it had its effect after all; only when
        it did not, also not half a minute later, is it sent again.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                return send()
            except CloudError as error:
                # A second try that is refused says that the first had its effect; a first try that is refused as a
                # duplicate, that there is one which the lists did not show yet.
                refused = error.status in (409, 422) and (attempt > 1 or DUPLICATE.search(error.message))
                if not error.ambiguous and not refused:
                    raise
                found = self._look_again(look, LOOKS if error.ambiguous else LOOKS[:4])
                if found is not None:
                    return found
                if attempt == 3 or not error.ambiguous:
                    raise
                self.sleep(backoff(attempt))

    def _look_again(self, look: Callable[[], T | None], pauses: Iterable[float]) -> T | None:
        """None only when a look has found nothing: not having seen is no reason to send anything again."""
        unseen: CloudError | None = None
        for pause in pauses:
            self.sleep(pause)
            try:
                found = look()
            except CloudError as error:
                if not error.transient:
                    raise
                unseen = error
            else:
                unseen = None
                if found is not None:
                    return found
        if unseen is not None:
            raise unseen
        return None

    def look_at(
        self, kind: type[Resource], scope: str | None, id: Any, read: Callable[[], Facts | None]
    ) -> Facts | None:
        """One resource as it is now. When several of a kind are waited for, one list answers for all of them."""
        if self._waiting[kind.kind] < 2:
            return read()
        with self.lock(("look", kind.kind, scope)):
            asked_at, seen = self._seen.get((kind.kind, scope), (None, []))
            pages = 1 + len(seen) // PAGE_SIZE
            if asked_at is None or self.monotonic() - asked_at >= SHARED_LOOK * pages:
                seen = kind.observe_all(self, scope)
                self._seen[kind.kind, scope] = (self.monotonic(), seen)
        return next((facts for facts in seen if facts["id"] == id), None)

    def wait(
        self,
        title: str,
        look: Callable[[], T],
        done: Callable[[T], bool],
        describe: Callable[[T], str],
        timeout: float | None = None,
        group: str = "",
    ) -> T:
        """Look again and again until done; the pause grows with the time waited, and no more than 2 % of it are lost.

        `group` is the kind of what is waited for, see `look_at`.
        """
        start = last_answer = self.monotonic()
        timeout = timeout or self.timeout
        state = "not visible yet"
        with self._lock:
            self._waiting[group] += 1
        try:
            while True:
                try:
                    seen = look()
                    state = describe(seen)
                    last_answer = self.monotonic()
                    if done(seen):
                        return seen
                except CloudError as error:
                    # An outage of the API need not end the wait for what goes on behind it.
                    if not error.transient or self.monotonic() - last_answer > TOLERANCE:
                        raise
                    state = "unknown, the API does not answer"
                elapsed = self.monotonic() - start
                if elapsed >= timeout:
                    raise CloudError(
                        f"it is still {state} after {elapsed:.0f} s",
                        attempted=f"wait for {title}",
                        hint="Run again to go on waiting (nothing is created twice), or raise `timeout`.",
                    )
                self.progress(title, state, elapsed)
                self.sleep(min(5.0, max(0.5, elapsed / 50)))
        finally:
            with self._lock:
                self._waiting[group] -= 1


class Resource(ABC):
    """One declared resource. A subclass declares its kind; the hooks below `# --` are what it may override."""

    kind: ClassVar[str]  # singular: the module's name and the key of its result
    plural: ClassVar[str]  # the key of the stack's data
    label: ClassVar[str]  # for people, such as "SSH key"
    options: ClassVar[dict[str, dict[str, Any]]]  # argument spec, without `state`
    identity: ClassVar[tuple[str, ...]] = ("name",)
    updates: ClassVar[dict[str, str]] = {}  # keys that can be changed in place -> impact
    immutable: ClassVar[dict[str, str]] = {}  # keys that cannot -> what to do instead
    later: ClassVar[frozenset[str]] = frozenset()  # keys that creating does not take: set when the resource is ready
    required_for_create: ClassVar[tuple[str, ...]] = ()
    references: ClassVar[dict[str, type[Resource]]] = {}  # keys that hold the name, or names, of other resources
    taggable: ClassVar[str | None] = None  # its resource_type in the tag API
    findable: ClassVar[bool] = True  # by its name alone, with the API token
    stateful: ClassVar[bool] = False  # holds data that outlive what uses them: protected unless `protected: false`
    delete_impact: ClassVar[str] = NONE  # of a kind that is not stateful
    container: ClassVar[bool] = False  # is deleted after what it refers to, not before
    in_use_statuses: ClassVar[frozenset[int]] = frozenset()  # answers to a deletion that mean: not yet, still in use

    def __init__(self, cloud: Cloud, params: dict[str, Any], place: str | None = None) -> None:
        """`params` as validated by the argument spec; `place` is where they stand in the data, for errors."""
        self.cloud = cloud
        self.state = params.get("state") or "present"
        self.desired = self.normalise({key: params[key] for key in self.options if params.get(key) is not None})
        self.declared = copy.deepcopy(self.desired)  # as in the data, without what planning adds
        self.place = place
        self.current: Facts | None = None
        self.entry = PlanEntry(self.kind, self.name, "none")
        self.protected = self.stateful and params.get("protected") is not False
        if self.protected and self.state == "absent":
            raise CloudError(
                f"{self.title} holds data and is protected: nothing deletes it",
                hint="If all that it holds may be lost, set `protected: false` beside `state: absent`.",
            )

    @property
    def name(self) -> str:
        return str(self.desired["name"])

    @property
    def reference(self) -> str:
        """What others in the data refer to it by."""
        return str(self.desired["name"])

    @property
    def title(self) -> str:
        return f"{self.label} {self.name}"

    @property
    def client(self) -> Client:
        return self.cloud.client

    @property
    def existing(self) -> Facts:
        """`current`, where the engine has seen to it that there is one."""
        if self.current is None:
            raise RuntimeError(f"{self.title} does not exist")
        return self.current

    @property
    def identity_value(self) -> tuple[Any, ...]:
        return tuple(self.desired.get(key) for key in self.identity)

    # -- the kind's own: pure

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        """One spelling for what can be spelt in several ways; refuses what no API call is needed to refuse."""
        return desired

    @classmethod
    @abstractmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        """The API's object as facts, in the spelling of `normalise`. Takes {} too: every key with an empty value."""

    @classmethod
    def ready(cls, facts: Facts) -> bool:
        """Whether it can be used, and changed."""
        return True

    @classmethod
    def describe(cls, facts: Facts) -> str:
        return str(facts.get("status") or "waiting")

    @classmethod
    def broken(cls, facts: Facts) -> tuple[str, str] | None:
        """What went wrong with it for good, and what to do: then it is neither waited for nor changed."""
        return None

    @property
    def scope(self) -> str | None:
        return None

    def matches(self, facts: Facts) -> bool:
        return all(facts.get(key) == self.desired.get(key) for key in self.identity)

    def same(self, key: str, wanted: Any, found: Any) -> bool:
        if key == "tags":  # whoever writes a tag first decides on its capitals
            return {tag.lower() for tag in wanted} == {tag.lower() for tag in found}
        return bool(wanted == found)

    def impact(self, change: Change) -> str:
        """What carrying out one change of a key in `updates` does to what runs."""
        return self.updates.get(change.key, NONE)

    def check_beside(self, others: Sequence[Resource]) -> None:  # noqa: B027, a hook that most kinds leave empty
        """Refuse what does not go with something else in the data of a stack. Asks nobody."""

    def dependencies(self) -> list[tuple[type[Resource], str]]:
        """What must exist before this: (kind, name)."""
        found = []
        for key, kind in self.references.items():
            names = self.desired.get(key) or []
            found += [(kind, name) for name in ([names] if isinstance(names, str) else names)]
        return found

    # -- the kind's own: calls

    @classmethod
    @abstractmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        """All of the kind, or all in `scope`, as the API's objects."""

    @abstractmethod
    def read(self, facts: Facts) -> dict[str, Any] | None:
        """The API's object now, None when it is gone."""

    def resolve(self) -> None:  # noqa: B027, a hook that most kinds leave empty
        """Replace in `desired` what stands for something else (a version, a name) by what that is today."""

    def details(self, facts: Facts) -> Facts:
        """What the list does not contain but comparing needs: names for ids, settings with calls of their own."""
        return {}

    def preflight(self, changes: dict[str, Change]) -> None:  # noqa: B027, as `resolve`
        """Refuse what the API would refuse, before anything is written. `changes` as in `update`, or to `state`."""

    @abstractmethod
    def create(self) -> dict[str, Any]:
        """Make it; returns the API's object."""

    def update(self, changes: dict[str, Change]) -> None:
        """Carry out changes of keys in `updates`; `tags` of a taggable kind are done already."""
        raise TypeError(f"a {self.kind} has no {', '.join(changes)} to update")

    @abstractmethod
    def delete(self, facts: Facts) -> None:
        """Remove it."""

    def in_use(self, error: CloudError) -> bool:
        """Whether a deletion was refused because something still uses it, which ends by itself."""
        return error.status in self.in_use_statuses

    # -- the engine

    @classmethod
    def observe_all(cls, cloud: Cloud, scope: str | None) -> list[Facts]:
        return cloud.as_declared(cls, [cls.flatten(raw) for raw in cls.fetch(cloud, scope)])

    def plan(self) -> PlanEntry:
        """Compare; asks the API but never changes anything. Raises what stands in the way of the wanted state."""
        self.current = self._observe(self.cloud.all(type(self), self.scope))
        action, changes = "none", []
        if self.state == "absent":
            if self.current is not None:
                action, changes = "delete", [Change("state", "present", "absent")]
        elif self.current is None:
            missing = [key for key in self.required_for_create if key not in self.desired]
            if missing:
                raise CloudError(f"{', '.join(missing)} must be given, because it does not exist yet")
            self._want_tag()
            action, changes = "create", [Change(key, None, value) for key, value in self.desired.items()]
        else:
            self._want_tag()
            changes = self._differences()
            action = "update" if changes else "none"
        return self._enter(action, changes)

    def _enter(self, action: str, changes: list[Change]) -> PlanEntry:
        """Into the plan, unless something stands in the way of the changes."""
        if changes:
            self._check_references({change.key for change in changes})
            self.preflight({change.key: change for change in changes})
        impacts = [self.impact(change) for change in changes] if action == "update" else []
        self.entry = PlanEntry(
            self.kind,
            self.name,
            action,
            self._delete_impact() if action == "delete" else max(impacts, key=IMPACTS.index, default=NONE),
            [self._shown(change) for change in changes],
        )
        return self.entry

    def plan_deletion(self, facts: Facts, why: str = "") -> PlanEntry:
        """Instead of `plan`: exactly this one shall go, whatever else answers to its name."""
        self.state, self.current = "absent", facts
        gone = Change("state", "present", "absent")
        self.entry = PlanEntry(self.kind, self.name, "delete", self._delete_impact(), [gone], why)
        return self.entry

    def apply(self) -> None:
        """Make the plan true and wait until it is; what is already so is left alone."""
        action = self.entry.action
        if action == "delete":
            self._delete()
            return
        missing: Collection[str] | None = None
        if action == "create":
            self.current, made = self._create()
            # One that was found instead, because of another run or of a lost answer, may be different in all.
            missing = self.later if made else None
        if self.current is None:
            return
        awaited = not self.ready(self.existing)
        self._wait_until_ready()
        if action == "create":
            self._once_visible(lambda: self._update(self._differences(missing)))
        elif action == "update" or awaited:
            # Not from the plan but from what is there now, for a resource that was still being made then.
            changes = self._differences()
            if changes and action == "none":
                self._enter("update", changes)
            self._update(changes)
        self.cloud.remember(type(self), self.scope, self.existing)

    def result(self, check_mode: bool = False) -> Facts | None:
        """The facts of the resource, without secrets; in check mode as they would be, None where only the API will
        know them."""
        if self.state == "absent" or (self.current is None and not check_mode):
            return None
        facts = self.flatten({}) if self.current is None else without_secrets(self.options, self.current)
        if check_mode:
            comparable = facts.keys() | self.updates.keys() | self.immutable.keys()
            facts.update({change.key: change.after for change in self.entry.changes if change.key in comparable})
        return facts

    def fail(self, message: str, hint: str | None = None) -> CloudError:
        return CloudError(message, attempted=f"have {self.title} as declared", hint=hint)

    def _delete_impact(self) -> str:
        return IRREVERSIBLE if self.stateful else self.delete_impact

    def _observe(self, candidates: Iterable[Facts]) -> Facts | None:
        return only_one(self.label, self.name, [facts for facts in candidates if self.matches(facts)])

    def _want_tag(self) -> None:
        if self.taggable and self.cloud.tag:
            tags = self.desired["tags"] if "tags" in self.desired else (self.current or {}).get("tags", [])
            self.desired["tags"] = sorted({*tags, self.cloud.tag})

    def _differences(self, keys: Collection[str] | None = None) -> list[Change]:
        """Of all keys that can be compared, or of `keys`."""
        self._refuse_broken(self.existing)
        self.resolve()
        self.current = current = {**self.existing, **self.details(self.existing)}
        if "called" in current:
            current["name"] = called = current.pop("called")
            if called != self.desired["name"] and "name" not in self.updates:
                raise self.fail(
                    f"it is called {called}, and a {self.label} cannot be renamed",
                    hint=f"Put `name: {called}` into the data, also where it is referred to, and no longer `adopt` it.",
                )
        changes = [
            Change(key, current.get(key), wanted)
            for key, wanted in self.desired.items()
            if (key in keys if keys is not None else key in self.updates or key in self.immutable)
            and not self.same(key, wanted, current.get(key))
        ]
        stuck = [change for change in changes if change.key in self.immutable]
        if stuck:
            raise self.fail(
                "; ".join(
                    f"{c.key} is {show(c.before)}, not {show(c.after)}, and cannot be changed"
                    for c in map(self._shown, stuck)
                ),
                hint=" ".join(dict.fromkeys(self.immutable[change.key] for change in stuck)),
            )
        return changes

    def _check_references(self, keys: set[str]) -> None:
        if not keys & self.references.keys():
            return
        for kind, name in self.dependencies():
            if kind.findable and (kind.kind, name) not in self.cloud.declared:
                self.cloud.require(kind, name)

    def _create(self) -> tuple[Facts, bool]:
        """What there is now, and whether it is what the API said that it has made."""
        self.cloud.progress(self.title, "creating", 0)
        sent = 0
        made: Facts | None = None

        def send() -> Facts:
            nonlocal sent, made
            sent += 1
            made = self.flatten(self.create())
            return made

        def look() -> Facts | None:
            return self._observe(self.observe_all(self.cloud, self.scope))

        facts = self.cloud.settle(send, look)
        if sent > 1:
            look()  # refuses two of them, should the first one have come to be after all
        # Known from now on, so that what refers to it by name and needs no more than its id finds it.
        self.cloud.remember(type(self), self.scope, facts)
        return facts, facts is made

    def _refuse_broken(self, facts: Facts) -> None:
        wrong = self.broken(facts)
        if wrong:
            raise self.fail(wrong[0], hint=wrong[1])

    def _wait_until_ready(self) -> None:
        facts = self.existing
        self._refuse_broken(facts)
        if self.ready(facts):
            return

        def read() -> Facts | None:
            raw = self.read(facts)
            return self.flatten(raw) if raw else None  # not found is normal just after creating

        start = self.cloud.monotonic()

        def done(seen: Facts | None) -> bool:
            if seen is None and self.cloud.monotonic() - start > GONE_AFTER:
                raise self.fail(
                    f"it was there (id {facts['id']}) and cannot be seen any more",
                    hint="If somebody deleted it meanwhile, it is made anew when you run again.",
                )
            return seen is not None and (self.ready(seen) or self.broken(seen) is not None)

        ready = self.cloud.wait(
            self.title,
            lambda: self.cloud.look_at(type(self), self.scope, facts["id"], read),
            done,
            lambda seen: self.describe(seen) if seen else "not visible yet",
            group=self.kind,
        )
        self.current = ready
        self._refuse_broken(self.existing)

    def _update(self, changes: list[Change]) -> None:
        """Carry out the changes, until they can be read back."""
        keys = {change.key for change in changes}
        while changes:
            self.cloud.progress(self.title, "updating", 0)
            try:
                self._carry_out(changes)
                refused = None
            except CloudError as error:
                # Of a call that was sent twice, the second may be refused because the first had its effect.
                if not error.repeated or error.transient:
                    raise
                refused = error
            left = self._still_different(keys)
            if left and len(left) == len(changes):
                raise refused or self.fail(
                    "; ".join(f"{c.key} is still {show(c.before)}, not {show(c.after)}" for c in map(self._shown, left))
                    + f", {LAG:.0f} s after the change was accepted",
                    hint="Run again; if it stays, look at it in the control panel.",
                )
            changes = left

    def _carry_out(self, changes: list[Change]) -> None:
        by_key = {change.key: change for change in changes}
        if self.taggable and "tags" in by_key:
            self._update_tags(by_key.pop("tags"))
        if by_key:
            self.update(by_key)

    def _still_different(self, keys: set[str]) -> list[Change]:
        """What of `keys` does not read back as declared, although some time was given: reads may lag behind."""
        start = self.cloud.monotonic()
        while True:
            raw = self.read(self.existing)
            if raw:
                self.current = self.flatten(raw)
            self._wait_until_ready()
            left = self._differences(keys)
            if not left or self.cloud.monotonic() - start > LAG:
                return left
            self.cloud.progress(self.title, "changed, not to be seen yet", self.cloud.monotonic() - start)
            self.cloud.sleep(2.0)

    def _once_visible(self, do: Callable[[], None]) -> None:
        """Do something with what was created a moment ago: that it is not found is not the last word then."""
        start = self.cloud.monotonic()
        while True:
            try:
                do()
                return
            except CloudError as error:
                if error.status != 404 or self.cloud.monotonic() - start > LAG:
                    raise
            self.cloud.progress(self.title, "not visible yet", self.cloud.monotonic() - start)
            self.cloud.sleep(2.0)
            raw = self.read(self.existing)
            if raw:
                self.current = self.flatten(raw)

    def plan_adoption(self, facts: Facts) -> PlanEntry:
        """Instead of `plan`: this one gets the tag of the environment, and nothing else is changed."""
        self.current = facts
        owned = sorted({*facts["tags"], str(self.cloud.tag)})
        self.entry = PlanEntry(self.kind, self.name, "update", NONE, [Change("tags", facts["tags"], owned)], "adopted")
        return self.entry

    def adopt(self) -> None:
        """Carry out `plan_adoption`."""
        for change in self.entry.changes:
            self._update_tags(change)

    def _update_tags(self, change: Change) -> None:
        body = {"resources": [{"resource_id": str(self.existing["id"]), "resource_type": self.taggable}]}
        added = _lacking(change.after, change.before)
        self.cloud.ensure_tags(added)
        for tag in added:
            attempted = f"tag {self.title} with {tag}"
            self.client.call(attempted, "tags.assign_resources", tag, body=body, repeatable=True)
        for tag in _lacking(change.before, change.after):
            self.client.call(f"take the tag {tag} off {self.title}", "tags.unassign_resources", tag, body=body)

    def _delete(self) -> None:
        facts = self.existing
        start = self.cloud.monotonic()
        while True:
            try:
                self.delete(facts)
                break
            except CloudError as error:
                if error.status == 404:
                    break
                # What it contained is deregistered some time after it was deleted.
                elapsed = self.cloud.monotonic() - start
                if not (self.in_use(error) or error.busy) or elapsed > RELEASE_TIME:
                    raise
                self.cloud.progress(self.title, f"still in use ({error.message})", elapsed)
                self.cloud.sleep(2.0)
        self.cloud.wait(
            self.title, lambda: self.read(facts), lambda seen: seen is None, lambda seen: "being deleted", RELEASE_TIME
        )
        self.current = None

    def _shown(self, change: Change) -> Change:
        option = self.options.get(change.key, {})
        return Change(change.key, _without_secret(option, change.before), _without_secret(option, change.after))


def only_one(label: str, name: str, found: list[Facts]) -> Facts | None:
    """The single element; two resources that answer to one name are never guessed between."""
    if len(found) > 1:
        ids = " and ".join(str(facts.get("id")) for facts in found)
        raise CloudError(
            f"there are {len(found)} resources that match {label} {name}: {ids}",
            hint="Rename or delete the one that is not meant, then run again.",
        )
    return found[0] if found else None


def without_secrets(options: dict[str, dict[str, Any]], facts: Facts) -> Facts:
    """The facts with a placeholder for every value that the argument spec says is not to be shown, at any depth."""
    return {key: _without_secret(options.get(key, {}), value) for key, value in facts.items()}


def _without_secret(option: dict[str, Any], value: Any) -> Any:
    if option.get("no_log"):
        return value and HIDDEN
    if isinstance(value, dict) and "options" in option:
        return without_secrets(option["options"], value)
    if isinstance(value, list) and "options" in option:
        return [_without_secret(option, item) for item in value]
    return value


def _lacking(tags: list[str], others: list[str]) -> list[str]:
    """Those that are not among the others, in whatever capitals."""
    known = {tag.lower() for tag in others}
    return [tag for tag in tags if tag.lower() not in known]


def show(value: Any) -> str:
    return "nothing" if value in (None, "", []) else str(value)


def suggest(wanted: str, offered: Iterable[str]) -> str:
    """A hint for a name that does not exist: what comes near, or all when they are few."""
    offered = sorted(set(offered))
    near = difflib.get_close_matches(wanted, offered, n=5, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"There {'are: ' + ', '.join(offered[:30]) if offered else 'is none yet'}."


def run(kind: type[Resource]) -> None:
    """The main function of a module."""
    module = AnsibleModule(argument_spec=argument_spec(kind), supports_check_mode=True)
    try:
        resource = kind(Cloud.from_options(module.params), module.params)
        entry = resource.plan()
        if not module.check_mode:
            resource.apply()
    except CloudError as error:
        module.fail_json(**error.as_result())
        return
    result: dict[str, Any] = {"changed": entry.changed, "diff": entry.as_diff()}
    facts = resource.result(module.check_mode)
    if facts is not None:
        result[kind.kind] = facts
    module.exit_json(**result)


def item_spec(kind: type[Resource]) -> dict[str, Any]:
    """The keys of one item in the data of the stack."""
    protected = {"protected": PROTECTED_OPTION} if kind.stateful else {}
    return {"state": STATE_OPTION, **protected, **kind.options}


def argument_spec(kind: type[Resource]) -> dict[str, Any]:
    """All options of the module of a kind."""
    spaces = SPACES_OPTIONS if kind.kind == "spaces_bucket" else {}
    return {**CLIENT_OPTIONS, **spaces, "timeout": TIMEOUT_OPTION, **item_spec(kind)}
