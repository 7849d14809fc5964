# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of an environment: what goes and in which order, what stays and why, and what must be named before it goes.

What can carry a tag goes when it carries the environment's, declared or not, and stays when it does not. Everything
else goes when it is declared, and nobody else needs it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from .client import CloudError
from .resource import Facts, PlanEntry, Resource
from .resources.domain import Domain
from .resources.domain_record import DomainRecord
from .resources.droplet import Droplet
from .resources.firewall import Firewall
from .resources.load_balancer import LoadBalancer
from .resources.project import MEMBERS, Project
from .resources.reserved_ip import ReservedIp
from .resources.spaces_bucket import SpacesBucket
from .resources.ssh_key import SshKey
from .resources.tag import Tag
from .resources.vpc import Vpc
from .stack import KINDS, Stack, StackError

OF_THE_ZONE = ("NS", "SOA")  # records at its apex that a zone has from the start


class Teardown(Stack):
    """Takes the place of `Stack` for `state: absent`: the same data, to the opposite end."""

    def __init__(self, cloud: Any, environment: str, data: dict[str, Any]) -> None:
        super().__init__(cloud, environment, data)
        self.kept: list[PlanEntry] = []
        self._unnamed: list[Resource] = []  # protected, and not named
        self._full: list[SpacesBucket] = []
        self._unprotected = set(data.get("unprotected") or [])

    @property
    def entries(self) -> list[PlanEntry]:
        return [resource.entry for resource in self.resources] + self.kept

    def check(self) -> None:
        super().check()
        kinds = {kind.kind for kind in KINDS if kind.stateful} | {ReservedIp.kind}
        for name in sorted(self._unprotected):
            kind, _colon, rest = name.partition(":")
            if kind not in kinds or not rest:
                raise CloudError(
                    f"unprotected: {name!r} is not of the form KIND:NAME",
                    hint=f"Kinds that can be named: {', '.join(sorted(kinds))}.",
                )
        for resource in self.resources:
            resource.state = "absent"
        self.cloud.declared = set()

    def plan(self) -> list[PlanEntry]:
        """Find what there is of it. Changes nothing."""
        self._look()
        declared, self.resources = self.resources, []
        failures: dict[str, CloudError] = {}
        for kind in KINDS:
            mine = [resource for resource in declared if isinstance(resource, kind)]
            for found in self._tagged(kind, mine) if kind.taggable else self._by_name(mine, failures):
                self.resources.append(found)
        if any(isinstance(resource, ReservedIp) for resource in declared):
            self.resources += self._spare_addresses()
        self.resources += self._tags(declared)
        # What stays because of others, when all is known that goes.
        for resource in sorted(self.resources, key=lambda resource: isinstance(resource, Vpc | Domain)):
            reason = self._reason_to_keep(resource)
            if reason:
                self.resources.remove(resource)
                self._keep(resource, *reason)
        self._find_dangling()
        if not self.resources:
            self.remarks.append(f"Of {self.environment} there is nothing left to take down.")
        if failures:
            raise StackError("This cannot be taken down as declared; nothing was changed.", failures)
        self._unnamed = [r for r in self.resources if r.protected and self._key(r) not in self._unprotected]
        self._full = [r for r in self.resources if isinstance(r, SpacesBucket) and r.holds_objects()]
        for bucket in self._full:
            bucket.empty_first = True
            bucket.entry.why += ", with all objects in it"
        return self.entries

    def approve(self, check_mode: bool) -> None:
        """Refuse what nobody has agreed to. `plan` comes first, so that it is seen what that would be."""
        failures: dict[str, CloudError] = {}
        summary = f"{self.environment} was not taken down; nothing was changed."
        if self._unnamed:
            names = json.dumps([self._key(resource) for resource in self._unnamed])
            summary += (
                f"\nNot named: what is protected because it holds data. To lose it, name it in `unprotected`, for the"
                f" playbook: -e '{{\"flowdose_unprotected\": {names}}}'"
            )
            failures |= {str(r.place): CloudError("it holds data and is protected") for r in self._unnamed}
        if self._full and not self.data.get("empty_buckets"):
            summary += (
                "\nNot empty: buckets. Move what is needed; to lose the rest, set `empty_buckets`, for the playbook:"
                " -e flowdose_destroy_bucket_contents=true"
            )
            for bucket in self._full:
                message = "it holds objects" + (", and is protected" if bucket in self._unnamed else "")
                failures[str(bucket.place)] = CloudError(message)
        if failures:
            raise StackError(summary, failures)
        confirmed = self.data.get("confirm")
        if confirmed != self.environment and (confirmed or (self.resources and not check_mode)):
            raise CloudError(
                f"{self.environment} was not taken down: "
                + (f"confirmed was {confirmed!r}" if confirmed else "nobody confirmed its name"),
                hint=f"Answer the question with {self.environment}, or give `confirm` (-e confirm={self.environment}).",
            )

    # -- what goes

    def _tagged(self, kind: type[Resource], declared: list[Resource]) -> Iterator[Resource]:
        """All that carries the environment's tag; the tag, not the name, says whose it is."""
        left = list(declared)
        for facts in self.cloud.all(kind):
            match = next((resource for resource in left if resource.matches(facts)), None)
            if self._is_ours(facts):
                if match is not None:
                    left.remove(match)
                resource = match or self._undeclared(kind, facts)
                others = self._tags_of_others(facts)
                if others:
                    self._keep(resource, "used by others", f"it carries the tag {', '.join(others)} too")
                else:
                    resource.plan_deletion(facts, "the environment goes" if match else "not declared, but tagged")
                    yield resource
            elif match is not None:
                self._keep(match, "not tagged", f"it does not carry the tag {self.cloud.tag}: not made or adopted here")

    def _by_name(self, declared: list[Resource], failures: dict[str, CloudError]) -> Iterator[Resource]:
        for resource in declared:
            if "cluster" in resource.identity:
                continue  # what is in a cluster shares its fate
            if isinstance(resource, Tag):
                if not self._is_own_tag(resource.name):  # see `_tags` for those that are
                    self._keep(resource, "shared", "others may use it; the environment's own begin with its tag")
                continue
            shared = self._shared(resource)
            if shared:
                self._keep(resource, *shared)
                continue
            try:
                resource.plan()
            except CloudError as error:
                failures[str(resource.place)] = error
                continue
            if resource.current is not None:
                resource.plan_deletion(resource.current, "the environment goes")
                yield resource

    def _spare_addresses(self) -> Iterator[Resource]:
        """Reserved IPs that no droplet has. Between being taken from its droplet and released, only its project says
        whose an address was (see `_move_addresses`): after an interruption just then, where there is none, somebody
        must."""
        projects = [resource for resource in self.resources if isinstance(resource, Project)]
        own = {project.existing["id"] for project in projects if not self._members_of_others(project)}
        for facts in self.cloud.all(ReservedIp):
            if facts["droplet_id"] is not None or any(r.current is facts for r in self.resources):
                continue
            key = f"{ReservedIp.kind}:{facts['ip']}"
            if key in self._unprotected or facts["project_id"] in own:
                resource = ReservedIp(self.cloud, {"ip": facts["ip"], "state": "absent"}, key)
                resource.plan_deletion(facts, "named" if key in self._unprotected else "in the environment's project")
                yield resource
            else:
                self.remarks.append(
                    f"reserved IP {facts['ip']} has no droplet. If it is one of this environment's, which an "
                    f"interrupted run did not come to release, name {key} in `unprotected`."
                )

    def _tags(self, declared: list[Resource]) -> Iterator[Resource]:
        """The environment's tag, and those in its data that begin with it, unless something that stays carries them."""
        named = {text.lower() for resource in declared for text in _texts(resource.desired)}
        going = Counter(tag for resource in self.resources if resource.taggable for tag in resource.existing["tags"])
        for facts in self.cloud.all(Tag):
            name = facts["name"].lower()
            if not self._is_own_tag(name) or name not in {*named, str(self.cloud.tag).lower()}:
                continue
            tag = Tag(self.cloud, {"name": facts["name"], "state": "absent"}, f"tag:{facts['name']}")
            if facts["resources"] > going[facts["name"]]:
                self._keep(tag, "used by others", "something that stays carries it")
            else:
                tag.plan_deletion(facts, "the environment goes")
                yield tag

    # -- what stays

    def _shared(self, resource: Resource) -> tuple[str, str] | None:
        """Why it belongs to others too, briefly and in a sentence; None when it does not."""
        if isinstance(resource, SshKey) and resource.name != self.cloud.tag:
            return "shared", f"others may use it; the environment's own would be called {self.cloud.tag}"
        if isinstance(resource, Domain) and resource.protected and self._key(resource) not in self._unprotected:
            return "shared", "a zone is shared by environments; records in it that are not declared stay too"
        if isinstance(resource, Vpc) and (self.cloud.find(Vpc, resource.name) or {}).get("default"):
            return "default network", "it is its region's default VPC, which cannot be deleted; it costs nothing"
        if isinstance(resource, Project) and (self.cloud.find(Project, resource.name) or {}).get("is_default"):
            return "default project", "the account's default project cannot be deleted"
        return None

    def _reason_to_keep(self, resource: Resource) -> tuple[str, str] | None:
        if isinstance(resource, Firewall | LoadBalancer):
            others = self._droplets_of_others(resource.existing)
            if others:
                return "used by others", f"it serves {', '.join(others)} too, which does not belong to this environment"
        if isinstance(resource, Project):
            others = self._members_of_others(resource)
            if others:
                return "used by others", f"{', '.join(others)} is in it, and belongs to another environment"
        if isinstance(resource, Vpc):
            others = self._strangers(resource)
            if others:
                return "used by others", f"{', '.join(others)} is in it, and does not belong to this environment"
        if isinstance(resource, Domain):
            others = self._records_of_others(resource)
            if others:
                return "used by others", f"records that do not belong to this environment: {', '.join(others)}"
        return None

    def _droplets_of_others(self, facts: Facts) -> list[str]:
        """Droplets that stay, and that a firewall or load balancer means by their id or tag."""
        going = {resource.existing["id"] for resource in self.resources if isinstance(resource, Droplet)}
        tags = {*(facts.get("tags") or []), facts.get("tag")}
        return [
            f"{Droplet.label} {droplet['name']}"
            for droplet in self.cloud.all(Droplet)
            if droplet["id"] not in going and (droplet["id"] in facts["droplet_ids"] or tags & set(droplet["tags"]))
        ]

    def _members_of_others(self, project: Project) -> list[str]:
        """Members with the tag of another environment: one project may be that of several."""
        urns = set(project.members(project.existing))
        return [
            f"{kind.label} {facts['name']}"
            for kind, prefix, key in MEMBERS.values()
            if kind.taggable
            for facts in self.cloud.all(kind)
            if f"{prefix}{facts[key]}" in urns and self._tags_of_others(facts) and not self._is_ours(facts)
        ]

    def _strangers(self, vpc: Resource) -> list[str]:
        """Members that exist and do not go. Those that were deleted a moment ago are still listed as members."""
        members = self.cloud.client.list_all(
            f"list the members of {vpc.title}", "vpcs.list_members", "members", vpc.existing["id"]
        )
        going = {(type(resource), str(resource.existing["id"])) for resource in self.resources}
        found = []
        for member in members:
            for kind, prefix, _key in MEMBERS.values():
                if member["urn"].startswith(prefix):
                    id = member["urn"].removeprefix(prefix)
                    there = any(str(facts["id"]) == id for facts in self.cloud.all(kind))
                    if there and (kind, id) not in going:
                        found.append(f"{kind.label} {member['name']}")
                    break
            else:
                found.append(member["urn"])
        return found

    def _records_of_others(self, domain: Resource) -> list[str]:
        going = {r.existing["id"] for r in self.resources if isinstance(r, DomainRecord)}
        return sorted(
            f"{facts['name']} {facts['type']}"
            for facts in self.cloud.all(DomainRecord, domain.name)
            if facts["id"] not in going and not (facts["type"] in OF_THE_ZONE and facts["name"] == "@")
        )

    def _find_dangling(self) -> None:
        """Records that stay, and lead to an address that is given back: whoever gets it next gets the visitors."""
        addresses = {r.existing.get("public_ipv4") or r.existing.get("ip"): r.title for r in self.resources}
        going = {r.existing["id"] for r in self.resources if isinstance(r, DomainRecord)}
        zones = {r.scope for r in self.resources if isinstance(r, DomainRecord)}
        zones |= {entry.name for entry in self.kept if entry.kind == Domain.kind}
        for zone in sorted(filter(None, zones)):
            for facts in self.cloud.all(DomainRecord, zone):
                owner = addresses.get(facts["data"]) if facts["data"] else None
                if owner and facts["id"] not in going:
                    name = zone if facts["name"] == "@" else f"{facts['name']}.{zone}"
                    title = f"{name} {facts['type']}"
                    self.kept.append(PlanEntry(DomainRecord.kind, title, "keep", why="not declared"))
                    self.remarks.append(
                        f"record {title} stays, as it is not declared; but it leads to {facts['data']} of {owner}, "
                        f"which goes: delete it, or whoever gets that address next answers for {name}"
                    )

    def _keep(self, resource: Resource, why: str, reason: str) -> None:
        if not any(resource.matches(facts) for facts in self.cloud.all(type(resource), resource.scope)):
            return  # there is nothing to keep
        self.kept.append(PlanEntry(resource.kind, resource.name, "keep", why=why))
        self.remarks.append(f"{resource.title} stays: {reason}")

    # -- the order

    def apply(self, say: Callable[[str], None] = lambda line: None) -> None:
        self._move_addresses()
        super().apply(say)

    def _move_addresses(self) -> None:
        """Put the addresses into the environment's project, so that it is known whose they are without a droplet."""
        project = next((resource for resource in self.resources if isinstance(resource, Project)), None)
        if project is None:
            return
        elsewhere = [
            f"{resource.kind}:{resource.name}"
            for resource in self.resources
            if isinstance(resource, ReservedIp) and resource.existing["project_id"] != project.existing["id"]
        ]
        if elsewhere:
            project.assign(elsewhere)

    def _before(self, resource: Resource) -> list[Resource]:
        """As in `Stack`, but a firewall goes after the droplets, which it guards to their end, a project after the
        addresses, of which it says whose they are, and tags come last."""
        if isinstance(resource, Tag):
            return [other for other in self.resources if not isinstance(other, Tag)]
        if isinstance(resource, Firewall):
            return [other for other in self.resources if isinstance(other, Droplet)]
        if isinstance(resource, Project):
            return super()._before(resource) + [other for other in self.resources if isinstance(other, ReservedIp)]
        return [other for other in super()._before(resource) if not isinstance(other, Firewall)]

    @staticmethod
    def _key(resource: Resource) -> str:
        return f"{resource.kind}:{resource.name}"


def _texts(value: Any) -> Iterator[str]:
    """All strings in it, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
