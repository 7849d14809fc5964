# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects: how the control panel groups the resources of an environment."""

from __future__ import annotations

from typing import Any, ClassVar

from ..client import CloudError
from ..resource import NONE, Change, Cloud, Facts, Resource
from .database_cluster import DatabaseCluster
from .domain import Domain
from .droplet import Droplet
from .load_balancer import LoadBalancer
from .reserved_ip import ReservedIp
from .spaces_bucket import SpacesBucket
from .volume import Volume

ENVIRONMENTS = ("Development", "Staging", "Production")
LENGTHS = {"name": 175, "description": 255, "purpose": 255}
PURPOSE_OF_ITS_OWN = "Other: "  # what the API puts before a purpose that is not one of its own
# How resources are written here -> kind, first part of DigitalOcean's uniform resource name, key of its last part
MEMBERS: dict[str, tuple[type[Resource], str, str]] = {
    "droplet": (Droplet, "do:droplet:", "id"),
    "database_cluster": (DatabaseCluster, "do:dbaas:", "id"),
    "domain": (Domain, "do:domain:", "name"),
    "spaces_bucket": (SpacesBucket, "do:space:", "name"),
    "load_balancer": (LoadBalancer, "do:loadbalancer:", "id"),
    "volume": (Volume, "do:volume:", "id"),
    "reserved_ip": (ReservedIp, "do:floatingip:", "ip"),  # by its droplet's name; the URN has its former name
}


class Project(Resource):
    kind = "project"
    plural = "projects"
    label = "project"
    options: ClassVar = {
        "name": {"type": "str", "required": True},
        "description": {"type": "str"},
        "purpose": {"type": "str"},
        "environment": {"type": "str"},
        "resources": {"type": "list", "elements": "str"},
    }
    updates: ClassVar = dict.fromkeys(("name", "description", "purpose", "environment", "resources"), NONE)
    later = frozenset({"resources"})
    required_for_create = ("purpose",)
    references: ClassVar = {"resources": Resource}  # type: ignore[type-abstract]  # of any kind
    container = True
    in_use_statuses = frozenset({412})  # what was moved or deleted a moment ago is still registered

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        if "environment" in desired:
            desired["environment"] = desired["environment"].capitalize()
            if desired["environment"] not in ENVIRONMENTS:
                raise CloudError(f"environment must be one of {', '.join(ENVIRONMENTS)}")
        for key, most in LENGTHS.items():
            if len(desired.get(key, "")) > most:
                raise CloudError(f"{key} is longer than {most} characters")
        if "resources" in desired:
            for member in desired["resources"]:
                if member.partition(":")[0] not in MEMBERS or not member.partition(":")[2]:
                    raise CloudError(
                        f"resource {member!r} is not of the form KIND:NAME", hint=f"Kinds are: {', '.join(MEMBERS)}."
                    )
            desired["resources"] = sorted(set(desired["resources"]))
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        return {
            "id": raw.get("id"),
            "name": raw.get("name"),
            "description": raw.get("description") or "",
            "purpose": (raw.get("purpose") or "").removeprefix(PURPOSE_OF_ITS_OWN),
            "environment": raw.get("environment") or None,
            "is_default": bool(raw.get("is_default")),
        }

    def same(self, key: str, wanted: Any, found: Any) -> bool:
        if key == "resources":  # resources leave a project only by moving to another one
            return set(wanted) <= set(found)
        return super().same(key, wanted, found)

    def dependencies(self) -> list[tuple[type[Resource], str]]:
        members = [member.split(":", 1) for member in self.desired.get("resources", [])]
        return [(MEMBERS[kind][0], name) for kind, name in members]

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        return cloud.client.list_all("list the projects", "projects.list", "projects")

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self.client.find(f"read {self.title}", "projects.get", facts["id"])
        return found and found["project"]

    def details(self, facts: Facts) -> Facts:
        if "resources" not in self.desired:
            return {}
        urns = set(self.members(facts))
        return {"resources": [member for member in self.desired["resources"] if self._urn(member) in urns]}

    def members(self, facts: Facts) -> list[str]:
        """The URNs of what is in it."""
        members = self.client.list_all(
            f"list the resources of {self.title}", "projects.list_resources", "resources", facts["id"]
        )
        return [member["urn"] for member in members]

    def _urn(self, member: str) -> str | None:
        """None while it does not exist."""
        kind_name, name = member.split(":", 1)
        kind, prefix, key = MEMBERS[kind_name]
        if key == "name":
            return prefix + name
        found = self.cloud.find(kind, name)
        return prefix + str(found[key]) if found else None

    def create(self) -> dict[str, Any]:
        return self.client.call(f"create {self.title}", "projects.create", body=self._body(self.desired))["project"]

    def update(self, changes: dict[str, Change]) -> None:
        fields = {key: change.after for key, change in changes.items() if key != "resources"}
        if fields:
            self.client.call(f"update {self.title}", "projects.patch", self.existing["id"], body=self._body(fields))
        if "resources" in changes:
            self.assign([member for member in changes["resources"].after if member not in changes["resources"].before])

    def assign(self, members: list[str]) -> None:
        """Move into it what is in other projects, or in none."""
        id = self.existing["id"]
        attempted = f"move {', '.join(members)} to {self.title}"
        body = {"resources": [self._urn(member) for member in members]}
        answer = self.client.call(attempted, "projects.assign_resources", id, body=body, repeatable=True)
        # One status for each, in an answer that is a success as a whole.
        refused = {
            item["urn"]: item["status"]
            for item in answer.get("resources") or []
            if item.get("status") in ("not_found", "service_down")
        }
        if refused:
            raise CloudError(
                ", ".join(f"{urn}: {status}" for urn, status in refused.items()),
                attempted=attempted,
                hint="Run again; if it stays, the resource does not exist (any more).",
            )

    def delete(self, facts: Facts) -> None:
        # Only an empty one can be deleted, and what is in one can only be moved.
        members = self.members(facts)
        if members:
            self.client.call(
                f"move what is in {self.title} to the default project",
                "projects.assign_resources_default",
                body={"resources": members},
                repeatable=True,
            )
        self.client.call(f"delete {self.title}", "projects.delete", facts["id"])

    def _body(self, fields: Facts) -> dict[str, Any]:
        return {key: value for key, value in fields.items() if key != "resources"}
