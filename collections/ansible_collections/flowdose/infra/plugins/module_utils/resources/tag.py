# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags. Most are made by being given to something; declared, they are there before and after."""

from __future__ import annotations

from typing import Any, ClassVar

from ..client import CloudError
from ..resource import Change, Cloud, Facts, Resource
from .droplet import normalise_tags

COUNTED = ("droplets", "databases", "volumes", "volume_snapshots", "images")


class Tag(Resource):
    kind = "tag"
    plural = "tags"
    label = "tag"
    options: ClassVar = {"name": {"type": "str", "required": True}}

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        normalise_tags([desired["name"]])
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        """With how many resources carry it."""
        resources = raw.get("resources") or {}
        return {
            "id": raw.get("name"),
            "name": raw.get("name"),
            "resources": resources.get("count", 0),
            **{key: (resources.get(key) or {}).get("count", 0) for key in COUNTED},
        }

    def matches(self, facts: Facts) -> bool:
        # Capitals do not make another tag; how they were first written is its name.
        return bool(facts["name"].lower() == self.desired["name"].lower())

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        return cloud.client.list_all("list the tags", "tags.list", "tags")

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self.client.find(f"read {self.title}", "tags.get", facts["name"])
        return found and found["tag"]

    def preflight(self, changes: dict[str, Change]) -> None:
        if self.state == "absent" and self.name == self.cloud.tag:
            raise CloudError(f"the tag {self.name} says what belongs to this environment, and is not deleted")

    def create(self) -> dict[str, Any]:
        answer = self.client.call(f"create {self.title}", "tags.create", body={"name": self.name}, repeatable=True)
        return answer["tag"]

    def delete(self, facts: Facts) -> None:
        self.client.call(f"delete {self.title}", "tags.delete", facts["name"])
