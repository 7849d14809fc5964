# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole environment at once: check the data, look at everything that is there, plan, apply in parallel."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .client import CLIENT_OPTIONS, CloudError
from .resource import HIDDEN, IRREVERSIBLE, TIMEOUT_OPTION, Cloud, Facts, PlanEntry, Resource, item_spec, show
from .resources.database_cluster import DatabaseCluster
from .resources.domain import Domain
from .resources.domain_record import DomainRecord
from .resources.droplet import Droplet
from .resources.firewall import Firewall
from .resources.project import Project
from .resources.spaces_bucket import SpacesBucket
from .resources.ssh_key import SshKey
from .resources.vpc import Vpc
from .spaces import SPACES_OPTIONS

KINDS: tuple[type[Resource], ...] = (
    SshKey,
    Vpc,
    Droplet,
    Firewall,
    DatabaseCluster,
    SpacesBucket,
    Domain,
    DomainRecord,
    Project,
)
STACK_OPTIONS: dict[str, dict[str, Any]] = {
    **CLIENT_OPTIONS,
    **SPACES_OPTIONS,
    "timeout": TIMEOUT_OPTION,
    "environment": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "adopted", "absent"], "default": "present"},
    "confirm": {"type": "str"},
    "prune": {"type": "bool", "default": False},
    "unprotected": {"type": "list", "elements": "str", "default": []},
    "plan_dir": {"type": "path"},
    "expect_plan": {"type": "str"},
    "applied_file": {"type": "path"},
    **{kind.plural: {"type": "list", "elements": "dict", "default": []} for kind in KINDS},
}
TAG_PREFIX = "flowdose-"
READERS = 12  # threads that look at what is there
REPORT_EVERY = 5.0  # seconds between two lines about what is waited for; three times that after half a minute
SIGNS = {"create": "+", "update": "~", "delete": "-", "unmanaged": "?"}


class StackError(CloudError):
    """What failed, each with its place in the data."""

    def __init__(self, summary: str, failures: dict[str, CloudError], skipped: Iterable[str] = ()) -> None:
        self.failures = failures
        self.skipped = list(skipped)
        lines = [summary]
        for place, error in failures.items():
            lines += [f"- {place}: " + str(error).replace("\n", "\n  ")]
        lines += [f"- {place}: not tried, because what it needs failed" for place in self.skipped]
        super().__init__("\n".join(lines))

    def as_result(self) -> dict[str, Any]:
        failures = [{"place": place, **error.as_result()["error"]} for place, error in self.failures.items()]
        return {"msg": str(self), "failures": failures, "skipped": self.skipped}


class Stack:
    """One environment as declared. Use: `check`, `plan`, and `apply` unless it is only about the plan."""

    def __init__(self, cloud: Cloud, environment: str, data: dict[str, Any]) -> None:
        """`data`: the lists of the option names in `STACK_OPTIONS`, items not yet validated."""
        self.cloud = cloud
        self.environment = environment
        self.data = data
        self.resources: list[Resource] = []
        self.unmanaged: list[PlanEntry] = []
        cloud.tag = TAG_PREFIX + environment

    @property
    def entries(self) -> list[PlanEntry]:
        return [resource.entry for resource in self.resources] + self.unmanaged

    def check(self) -> None:
        """Refuse data that cannot be right, without asking the API."""
        if not re.fullmatch(r"[a-zA-Z0-9_\-:]{1,64}", self.environment):
            raise CloudError(
                f"environment {self.environment!r} cannot be part of a tag: use letters, digits and hyphens"
            )
        failures: dict[str, CloudError] = {}
        seen: dict[tuple[Any, ...], str] = {}
        for kind in KINDS:
            for index, item in enumerate(self.data.get(kind.plural) or []):
                place = f"{kind.plural}[{index}]" + (f" ({item['name']})" if item.get("name") else "")
                try:
                    resource = kind(self.cloud, validated(kind, item), place)
                except CloudError as error:
                    failures[place] = error
                    continue
                identity = (kind.kind, *resource.identity_value)
                if identity in seen:
                    failures[place] = CloudError(f"{resource.title} is declared twice, first in {seen[identity]}")
                seen.setdefault(identity, place)
                self.resources.append(resource)
        if failures:
            raise StackError("The data is not right; nothing was changed.", failures)
        self.cloud.declared = {(r.kind, str(r.desired["name"])) for r in self.resources if r.state == "present"}
        leaving = {(r.kind, str(r.desired["name"])) for r in self.resources if r.state == "absent"}
        for resource in self.resources:
            if resource.state == "present":
                try:
                    resource.check_beside([other for other in self.resources if other.state == "present"])
                except CloudError as error:
                    failures[str(resource.place)] = error
            for kind, name in resource.dependencies():
                if resource.state == "present" and (kind.kind, name) in leaving:
                    place = str(resource.place)
                    failures[place] = CloudError(f"it needs {kind.label} {name}, which is declared state: absent")
        if failures:
            raise StackError("The data is not right; nothing was changed.", failures)
        try:
            self._order().prepare()
        except CycleError as error:
            titles = " -> ".join(resource.title for resource in error.args[1])
            raise StackError("The data is not right; nothing was changed.", {titles: CloudError("a cycle")}) from None

    def plan(self) -> list[PlanEntry]:
        """Look at everything that is there, at once, and compare. Changes nothing."""
        failures: dict[str, CloudError] = {}
        tagged = [kind for kind in KINDS if kind.taggable]
        scopes = {(type(resource), resource.scope) for resource in self.resources} | {(kind, None) for kind in tagged}
        with ThreadPoolExecutor(max_workers=READERS) as pool:
            # No token, no API: said once, not once for everything that is declared.
            for listed in [pool.submit(self.cloud.all, kind, scope) for kind, scope in scopes]:
                listed.result()
            plans = {resource: pool.submit(resource.plan) for resource in self.resources}
            for resource, planned in plans.items():
                try:
                    planned.result()
                except CloudError as error:
                    failures[str(resource.place)] = error
        if failures:
            raise StackError("This cannot be made as declared; nothing was changed.", failures)
        self.unmanaged = [entry for kind in tagged for entry in self._unmanaged(kind)]
        return self.entries

    def apply(self, say: Callable[[str], None] = lambda line: None) -> None:
        """Make it so. Whatever does not depend on something that failed is finished before `StackError` is raised."""
        order = self._order()
        order.prepare()
        watch = Watch(self.cloud, say)
        failures: dict[Resource, BaseException] = {}
        skipped: list[Resource] = []
        running: dict[Future[None], Resource] = {}
        pool = ThreadPoolExecutor(max_workers=max(1, min(len(self.resources), 200)))
        try:
            while order.is_active():
                for resource in order.get_ready():
                    if any(needed in failures or needed in skipped for needed in self._before(resource)):
                        skipped.append(resource)
                        order.done(resource)
                    else:
                        running[pool.submit(resource.apply)] = resource
                        watch.started(resource)
                ended = wait(running, timeout=watch.patience(), return_when=FIRST_COMPLETED).done
                for future in ended:
                    resource = running.pop(future)
                    order.done(resource)
                    error = future.exception()
                    if error is not None:
                        failures[resource] = error
                    watch.ended(resource, failed=error is not None)
                watch.report()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        for error in failures.values():
            if not isinstance(error, CloudError):
                raise error  # a mistake of ours: with its traceback
        if failures:
            raise StackError(
                f"{len(failures)} of {len(self.resources)} resources failed. "
                "All that does not need them is as declared; run again to go on from here.",
                {str(resource.place): error for resource, error in failures.items() if isinstance(error, CloudError)},
                [str(resource.place) for resource in skipped],
            )

    def results(self, check_mode: bool) -> dict[str, dict[str, Facts]]:
        """kind -> name -> facts."""
        found: dict[str, dict[str, Facts]] = {}
        for resource in self.resources:
            facts = resource.result(check_mode)
            if facts is not None:
                found.setdefault(resource.kind, {})[resource.name] = facts
        return found

    def _before(self, resource: Resource) -> list[Resource]:
        """What must be done first: what it needs; and before something goes, all that needs it goes."""
        if resource.state == "present" or resource.container:
            needed = {(kind.kind, name) for kind, name in resource.dependencies()}
            return [other for other in self.resources if (other.kind, str(other.desired["name"])) in needed]
        own = (type(resource), str(resource.desired["name"]))
        leaving = [other for other in self.resources if other.state == "absent" and not other.container]
        return [other for other in leaving if own in other.dependencies()]

    def _order(self) -> TopologicalSorter[Resource]:
        return TopologicalSorter({resource: self._before(resource) for resource in self.resources})

    def _unmanaged(self, kind: type[Resource]) -> list[PlanEntry]:
        """Tagged as of this environment, but not declared: reported, never touched."""
        declared = {str(resource.desired["name"]) for resource in self.resources if resource.kind == kind.kind}
        return [
            PlanEntry(kind.kind, facts["name"], "unmanaged")
            for facts in self.cloud.all(kind)
            if self.cloud.tag in facts["tags"] and facts["name"] not in declared
        ]


class Watch:
    """Says what is being waited for, and how it ended; `say` is called from the thread that calls `report`."""

    def __init__(self, cloud: Cloud, say: Callable[[str], None]) -> None:
        self._cloud = cloud
        self._say = say
        self._start = self._last = cloud.monotonic()
        self._since: dict[Resource, float] = {}
        self._states: dict[str, str] = {}
        self._lock = threading.Lock()
        cloud.progress = self._progress

    def _progress(self, title: str, state: str, elapsed: float) -> None:
        with self._lock:
            self._states[title] = state

    def started(self, resource: Resource) -> None:
        self._since[resource] = self._cloud.monotonic()

    def ended(self, resource: Resource, failed: bool) -> None:
        seconds = self._cloud.monotonic() - self._since.pop(resource)
        with self._lock:
            waited = self._states.pop(resource.title, None)
        if failed:
            self._say(f"failed: {resource.title} (after {seconds:.0f} s)")
        elif resource.entry.changed or waited:
            verb = {"create": "created", "update": "updated", "delete": "deleted", "none": "ready"}
            self._say(f"{verb[resource.entry.action]}: {resource.title} ({seconds:.0f} s)")

    def patience(self) -> float:
        return REPORT_EVERY if self._last - self._start < 30 else 3 * REPORT_EVERY

    def report(self) -> None:
        now = self._cloud.monotonic()
        if not self._since or now - self._last < self.patience():
            return
        self._last = now
        with self._lock:
            waiting = [
                f"{resource.title} ({self._states.get(resource.title, 'working')}, {now - since:.0f} s)"
                for resource, since in self._since.items()
            ]
        more = f" and {len(waiting) - 6} more" if len(waiting) > 6 else ""
        self._say(f"{now - self._start:.0f} s, waiting for: {', '.join(waiting[:6])}{more}")


def validated(kind: type[Resource], item: dict[str, Any]) -> dict[str, Any]:
    """The item with types and defaults, checked against the same spec as the options of the kind's module."""
    result = ArgumentSpecValidator(item_spec(kind)).validate(item)
    if result.error_messages:
        raise CloudError("; ".join(result.error_messages))
    return dict(result.validated_parameters)


def render_plan(environment: str, entries: list[PlanEntry]) -> str:
    """The plan as text: a line of numbers, then a line for everything that would change."""
    counts = {action: sum(entry.action == action for entry in entries) for action in (*SIGNS, "none")}
    lines = [
        f"Plan for {environment}: {counts['create']} to create, {counts['update']} to update, "
        f"{counts['delete']} to delete, {counts['none']} unchanged, {counts['unmanaged']} unmanaged"
    ]
    rows: list[tuple[PlanEntry, str]] = []
    for entry in entries:
        if entry.action == "unmanaged":
            rows.append((entry, "tagged as of this environment, but not declared: left alone"))
        elif entry.action == "delete":
            rows.append((entry, "all that it holds is lost" if entry.impact == IRREVERSIBLE else ""))
        elif entry.action != "none":
            rows.append((entry, _render_changes(entry)))
    kinds = max((len(row[0].kind) for row in rows), default=0)
    names = min(48, max((len(row[0].name) for row in rows), default=0))
    for entry, text in rows:
        impact = f"[{entry.impact}] " if entry.impact != "none" else ""
        sign = f"{SIGNS[entry.action]} {entry.action:9}"
        lines.append(f"  {sign} {entry.kind:{kinds}}  {entry.name:{names}}  {impact}{text}".rstrip())
    return "\n".join(lines)


def _render_changes(entry: PlanEntry) -> str:
    if entry.action == "create":
        brief = [
            f"{change.key}={_brief(change.after)}"
            for change in entry.changes
            if change.key
            in ("region", "size", "image", "engine", "version", "ip_range", "data", "droplet", "tags", "acl")
        ]
        return " ".join(brief)
    return ", ".join(f"{change.key}: {_brief(change.before)} -> {_brief(change.after)}" for change in entry.changes)


def _brief(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = ",".join(value)
    text = HIDDEN if value == HIDDEN else show(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
