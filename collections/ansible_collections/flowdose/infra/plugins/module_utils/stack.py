# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole environment at once: check the data, look at everything that is there, plan, apply in parallel."""

from __future__ import annotations

import difflib
import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from queue import Empty, SimpleQueue
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from .applied import Applied
from .client import CLIENT_OPTIONS, CloudError
from .costs import read_prices
from .plan import Plan
from .resource import TIMEOUT_OPTION, Cloud, Facts, PlanEntry, Resource, item_spec, suggest
from .resources.alert_policy import AlertPolicy
from .resources.certificate import Certificate
from .resources.connection_pool import ConnectionPool
from .resources.database import Database
from .resources.database_cluster import DatabaseCluster
from .resources.database_user import DatabaseUser
from .resources.domain import Domain
from .resources.domain_record import DomainRecord
from .resources.droplet import Droplet
from .resources.firewall import Firewall
from .resources.load_balancer import LoadBalancer
from .resources.project import Project
from .resources.reserved_ip import ReservedIp
from .resources.spaces_bucket import SpacesBucket
from .resources.spaces_key import SpacesKey
from .resources.ssh_key import SshKey
from .resources.tag import Tag
from .resources.uptime_check import UptimeCheck
from .resources.volume import Volume
from .resources.vpc import Vpc
from .spaces import SPACES_OPTIONS
from .watch import Watch, typical

KINDS: tuple[type[Resource], ...] = (
    Tag,
    SshKey,
    Vpc,
    Droplet,
    Volume,
    ReservedIp,
    Firewall,
    DatabaseCluster,
    Database,
    DatabaseUser,
    ConnectionPool,
    SpacesBucket,
    SpacesKey,
    Domain,
    Certificate,
    LoadBalancer,
    DomainRecord,
    AlertPolicy,
    UptimeCheck,
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
    "adopt": {"type": "dict", "default": {}},
    "unprotected": {"type": "list", "elements": "str", "default": []},
    "empty_buckets": {"type": "bool", "default": False},
    "plan_dir": {"type": "path"},
    "expect_plan": {"type": "str"},
    "applied_file": {"type": "path"},
    **{kind.plural: {"type": "list", "elements": "dict", "default": []} for kind in KINDS},
}
TAG_PREFIX = "flowdose-"
MODE: dict[str, Any] = {"state": "present", "prune": False, "unprotected": []}  # what decides beside the lists
READERS = 12  # threads that look at what is there


class StackError(CloudError):
    """What failed, each with its place in the data."""

    def __init__(self, summary: str, failures: dict[str, CloudError], skipped: Iterable[str] = ()) -> None:
        self.failures = failures
        self.skipped = list(skipped)
        lines = [summary]
        told: set[str | None] = set()
        for place, error in failures.items():
            # What to do about it is said once, not with each that failed for the same reason.
            text = str(error).removesuffix(f"\n{error.hint}") if error.hint in told else str(error)
            lines += [f"- {place}: " + text.replace("\n", "\n  ")]
            told.add(error.hint)
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
        self.pruned: list[Resource] = []
        self.remarks: list[str] = []  # for people, to be shown below the plan
        self.applied = Applied(None)
        self.prices: dict[str, float] = {}
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
        self.applied = Applied(self.data.get("applied_file"))
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
        self.cloud.declared = {(r.kind, r.reference) for r in self.resources if r.state == "present"}
        leaving = {(r.kind, r.reference) for r in self.resources if r.state == "absent"}
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
        failures |= self._check_adopt()
        if failures:
            raise StackError("The data is not right; nothing was changed.", failures)
        try:
            self._order().prepare()
        except CycleError as error:
            titles = " -> ".join(resource.title for resource in error.args[1])
            raise StackError("The data is not right; nothing was changed.", {titles: CloudError("a cycle")}) from None

    def _check_adopt(self) -> dict[str, CloudError]:
        """Tell the cloud under which names the data knows what `adopt` names."""
        failures: dict[str, CloudError] = {}
        known = {f"{resource.kind}:{resource.name}": resource for resource in self.resources}
        for key, there in (self.data.get("adopt") or {}).items():
            resource = known.get(key)
            if resource is None:
                failures[f"adopt: {key}"] = CloudError(
                    "nothing of that kind and name is declared", hint=suggest(key, known)
                )
            elif not resource.taggable and "name" not in resource.updates:
                failures[f"adopt: {key}"] = CloudError(
                    f"a {resource.label} is known by its name alone",
                    hint="Declare it under the name that it has there.",
                )
            elif (resource.kind, str(there)) in self.cloud.adopted:
                failures[f"adopt: {key}"] = CloudError(f"{there} is adopted as two")
            else:
                self.cloud.adopted[resource.kind, str(there)] = resource.name
        return failures

    def plan(self) -> list[PlanEntry]:
        """Look at everything that is there, at once, and compare. Changes nothing."""
        failures: dict[str, CloudError] = {}
        self._look()
        self._check_adopted()
        with ThreadPoolExecutor(max_workers=READERS) as pool:
            plans = {resource: pool.submit(resource.plan) for resource in self.resources}
            for resource, planned in plans.items():
                try:
                    planned.result()
                except CloudError as error:
                    failures[str(resource.place)] = error
        if failures:
            raise StackError("This cannot be made as declared; nothing was changed.", failures)
        self._find_unmanaged()
        return self.entries

    def approve(self, check_mode: bool) -> None:
        """Refuse a plan that somebody has to agree to and nobody has. Comes after the plan was shown."""

    def document(self) -> Plan:
        """What was planned, to be read, kept and approved."""
        mode = {key: self.data.get(key) or default for key, default in MODE.items()}
        others = self.entries[len(self.resources) :]
        return Plan.of(self.environment, mode, self.resources, others, self.applied, self.prices)

    def apply(self, say: Callable[[str], None] = lambda line: None) -> None:
        """Make it so. Whatever does not depend on something that failed is finished before `StackError` is raised."""
        order = self._order()
        order.prepare()
        watch = Watch(self.cloud, say)
        failures: dict[Resource, BaseException] = {}
        skipped: list[Resource] = []
        made: list[Resource] = []
        chains = self._chains()
        running: set[Resource] = set()
        ended: SimpleQueue[tuple[Resource, BaseException | None]] = SimpleQueue()

        def work(resource: Resource) -> None:
            error: BaseException | None = None
            try:
                resource.apply()
            except BaseException as caught:
                error = caught
            ended.put((resource, error))

        try:
            while order.is_active():
                # All that can begin does, the longest chain first. What waits costs a thread that sleeps; how much
                # goes on at the same time at the API is the client's to limit (`IN_FLIGHT`).
                for resource in sorted(order.get_ready(), key=lambda resource: -chains[resource]):
                    if any(needed in failures or needed in skipped for needed in self._before(resource)):
                        skipped.append(resource)
                        order.done(resource)
                    else:
                        running.add(resource)
                        watch.started(resource)
                        # A daemon: the end of the process waits for none of them.
                        threading.Thread(target=work, args=(resource,), name=resource.title, daemon=True).start()
                if running:
                    with suppress(Empty):
                        resource, error = ended.get(timeout=watch.patience())
                        running.remove(resource)
                        order.done(resource)
                        if error is not None:
                            failures[resource] = error
                        else:
                            made.append(resource)
                        watch.ended(resource, failed=error is not None)
                watch.report()
        except BaseException:
            self.cloud.close()
            raise
        finally:
            try:
                self.applied.save(made, self.resources)
            except CloudError as unsaved:
                say(f"{unsaved} The next plan will not know why something differs.")
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

    def _look(self) -> None:
        """Ask for every list that will be needed, at once."""
        scopes = {(type(resource), resource.scope) for resource in self.resources}
        scopes |= {(kind, None) for kind in KINDS if kind.taggable}
        with ThreadPoolExecutor(max_workers=READERS) as pool:
            try:
                prices = pool.submit(read_prices, self.cloud)
                lists = {scope: pool.submit(self.cloud.all, *scope) for scope in scopes}
                for (_kind, within), listed in lists.items():
                    # No token, no API: said once, not once for everything that is declared. What is wrong within a
                    # zone or a cluster is said with what is declared there.
                    if within is None or not isinstance(listed.exception(), CloudError):
                        listed.result()
                self.prices = prices.result()
            except BaseException:
                self.cloud.close()  # else leaving the pool waits for all that it was asked
                raise

    def _check_adopted(self) -> None:
        """What is told to be there under another name must be there, or else it would be made."""
        failures = {}
        for kind in KINDS:
            for (adopted, there), name in self.cloud.adopted.items():
                if adopted == kind.kind and all(facts["name"] != name for facts in self.cloud.all(kind)):
                    names = [facts["name"] for facts in self.cloud.all(kind)]
                    failures[f"adopt: {adopted}:{name}"] = CloudError(
                        f"there is no {kind.label} with the name or id {there}", hint=suggest(there, names)
                    )
        if failures:
            raise StackError("The data is not right; nothing was changed.", failures)

    def _before(self, resource: Resource) -> list[Resource]:
        """What must be done first: what it needs; and before something goes, all that needs it goes."""
        if resource in self.pruned:
            return [other for other in self.resources if other.state == "present"]
        if resource.state == "present" or resource.container:
            needed = {(kind.kind, name) for kind, name in resource.dependencies()}
            return [other for other in self.resources if (other.kind, other.reference) in needed]
        own = (type(resource), resource.reference)
        leaving = [other for other in self.resources if other.state == "absent" and not other.container]
        return [other for other in leaving if own in other.dependencies()]

    def _chains(self) -> dict[Resource, float]:
        """For each resource the seconds that it and what needs it are likely to take, one after the other."""
        chains = {resource: 0.0 for resource in self.resources}
        for resource in reversed(list(self._order().static_order())):
            chains[resource] += typical(resource) or 1.0
            for needed in self._before(resource):
                chains[needed] = max(chains[needed], chains[resource])
        return chains

    def _order(self) -> TopologicalSorter[Resource]:
        return TopologicalSorter({resource: self._before(resource) for resource in self.resources})

    def _find_unmanaged(self) -> None:
        """Tagged as of this environment, but not declared: reported; with `prune` deleted, unless it holds data."""
        for kind in KINDS:
            if not kind.taggable:
                continue
            declared = [resource for resource in self.resources if isinstance(resource, kind)]
            for facts in self.cloud.all(kind):
                if not self._is_ours(facts) or any(resource.matches(facts) for resource in declared):
                    continue
                kept = "" if not self.data.get("prune") else self._reason_not_to_prune(kind, facts)
                if self.data.get("prune") and not kept:
                    self.pruned.append(self._undeclared(kind, facts))
                    self.pruned[-1].plan_deletion(facts, "not declared")
                else:
                    self.unmanaged.append(PlanEntry(kind.kind, facts["name"], "unmanaged", why=kept))
        # When they are among the resources, those that were found by their name have been compared.
        self.resources += self.pruned

    def _reason_not_to_prune(self, kind: type[Resource], facts: Facts) -> str:
        if kind.stateful:
            return "holds data"
        others = self._tags_of_others(facts)
        return f"has the tag {', '.join(others)} too" if others else ""

    def _tags_of_others(self, facts: Facts) -> list[str]:
        """Those that say that it belongs to another environment."""
        tags = [tag for tag in facts.get("tags") or [] if tag.lower().startswith(TAG_PREFIX)]
        return [tag for tag in tags if not self._is_own_tag(tag)]

    def _is_own_tag(self, tag: str) -> bool:
        """The environment's, or one that begins with it. Whoever writes a tag first decides on its capitals."""
        return f"{tag}-".lower().startswith(f"{self.cloud.tag}-".lower())

    def _is_ours(self, facts: Facts) -> bool:
        return str(self.cloud.tag).lower() in {tag.lower() for tag in facts["tags"]}

    def _undeclared(self, kind: type[Resource], facts: Facts) -> Resource:
        """One that is there without being in the data. Nobody has said yet that it may go."""
        params = {key: facts[key] for key in kind.identity}
        place = f"{kind.kind}:{facts['name']}"
        resource = kind(self.cloud, {**params, "state": "absent", "protected": False}, place)
        resource.protected = kind.stateful
        if "vpc" in kind.options and facts.get("vpc_uuid"):
            resource.desired["vpc"] = self.cloud.name_of(Vpc, facts["vpc_uuid"])  # so that it goes before that
        return resource


def validated(kind: type[Resource], item: dict[str, Any]) -> dict[str, Any]:
    """The item with types and defaults, checked against the same spec as the options of the kind's module."""
    spec = item_spec(kind)
    result = ArgumentSpecValidator(spec).validate(item)
    # Ansible's own message for a key that there is not names neither its place nor the one that was meant.
    wrong = unsupported_keys(spec, item)
    wrong += [str(error) for error in result.errors if not isinstance(error, UnsupportedError)]
    if wrong:
        raise CloudError("; ".join(wrong))
    return dict(result.validated_parameters)


def unsupported_keys(spec: dict[str, Any], item: dict[str, Any], path: str = "") -> list[str]:
    """What is said of keys that `spec` does not have, at any depth: unsupported key inbound_rules[1].prots, ..."""
    found = []
    for key, value in item.items():
        if key not in spec:
            near = difflib.get_close_matches(str(key), spec, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(spec))}"
            found.append(f"unsupported key {path}{key}, {hint}")
        elif "options" in spec[key]:
            inner = [(f"{path}{key}", value)]
            if isinstance(value, list):
                inner = [(f"{path}{key}[{index}]", each) for index, each in enumerate(value)]
            for place, each in inner:
                found += unsupported_keys(spec[key]["options"], each, f"{place}.") if isinstance(each, dict) else []
    return found
