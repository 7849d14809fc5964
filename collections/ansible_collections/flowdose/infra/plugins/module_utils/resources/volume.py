# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Block storage: disks that outlive the droplets they are attached to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from ..actions import carry_out
from ..catalog import check_region
from ..client import CloudError
from ..resource import IRREVERSIBLE, NONE, RESTART, Change, Cloud, Facts, Resource
from .droplet import Droplet, normalise_tags

REPLACE = (
    "A volume is never replaced, because its data would be lost. Declare one with another name, copy the data, and "
    "delete the old one (state: absent). Or put into the data what this one has, and it stays."
)
LARGEST = 16384  # GiB
LABEL_LENGTHS = {"ext4": 16, "xfs": 12}


class Volume(Resource):
    kind = "volume"
    plural = "volumes"
    label = "volume"
    options: ClassVar = {
        "name": {"type": "str", "required": True},
        "region": {"type": "str"},
        "size_gigabytes": {"type": "int"},
        "description": {"type": "str"},
        "filesystem_type": {"type": "str", "choices": list(LABEL_LENGTHS)},
        "filesystem_label": {"type": "str"},
        "snapshot_id": {"type": "str"},
        "droplet": {"type": "str"},
        "tags": {"type": "list", "elements": "str"},
    }
    identity = ("name", "region")  # a name is unique within a region
    updates: ClassVar = {"size_gigabytes": IRREVERSIBLE, "droplet": RESTART, "tags": NONE}
    # snapshot_id matters at creation only, and cannot be read back.
    immutable: ClassVar = {
        "description": "The API sets the description of a volume at creation only: put the old one back into the data.",
        "filesystem_type": REPLACE,
        "filesystem_label": REPLACE,
    }
    later = frozenset({"droplet"})
    required_for_create = ("region", "size_gigabytes")
    references: ClassVar = {"droplet": Droplet}
    taggable = "volume"
    stateful = True
    in_use_statuses = frozenset({409})  # attached: the droplet is going too

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        if not re.fullmatch(r"[a-z][a-z0-9\-]{0,63}", desired["name"]):
            raise CloudError(
                "the name of a volume has lower case letters, digits and hyphens, 64 at most, and starts with a letter"
            )
        if not 1 <= desired.get("size_gigabytes", 1) <= LARGEST:
            raise CloudError(f"size_gigabytes must be between 1 and {LARGEST}")
        if "filesystem_label" in desired:
            type = desired.get("filesystem_type")
            if type is None:
                raise CloudError("filesystem_label goes with filesystem_type")
            if len(desired["filesystem_label"]) > LABEL_LENGTHS[type]:
                raise CloudError(f"the filesystem_label of {type} has {LABEL_LENGTHS[type]} characters at most")
        if "tags" in desired:
            desired["tags"] = normalise_tags(desired["tags"])
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        return {
            "id": raw.get("id"),
            "name": raw.get("name"),
            "region": (raw.get("region") or {}).get("slug"),
            "size_gigabytes": raw.get("size_gigabytes"),
            "description": raw.get("description") or "",
            "filesystem_type": raw.get("filesystem_type") or "",
            "filesystem_label": raw.get("filesystem_label") or "",
            "droplet_ids": list(raw.get("droplet_ids") or []),
            "tags": sorted(raw.get("tags") or []),
        }

    def matches(self, facts: Facts) -> bool:
        return bool(facts["name"] == self.name) and self.desired.get("region") in (None, facts["region"])

    def impact(self, change: Change) -> str:
        # Attaching disturbs nothing; taking it from a droplet disturbs what has files open on it.
        return NONE if change.key == "droplet" and not change.before else super().impact(change)

    def details(self, facts: Facts) -> Facts:
        if "droplet" not in self.desired:
            return {}
        return {"droplet": self.cloud.name_of(Droplet, facts["droplet_ids"][0]) if facts["droplet_ids"] else ""}

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        return cloud.client.list_all("list the volumes", "volumes.list", "volumes")

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self.client.find(f"read {self.title}", "volumes.get", facts["id"])
        return found and found["volume"]

    def preflight(self, changes: dict[str, Change]) -> None:
        if self.current is None:
            check_region(self.cloud, self.desired["region"])
        elif "size_gigabytes" in changes and changes["size_gigabytes"].after < self.current["size_gigabytes"]:
            raise self.fail(
                f"it has {self.current['size_gigabytes']} GiB, and cannot be made smaller",
                hint=f"Put size_gigabytes: {self.current['size_gigabytes']} into the data. {REPLACE}",
            )
        if "droplet" in changes and self.desired.get("droplet"):
            droplet = self.cloud.find(Droplet, self.desired["droplet"])
            region = self.desired.get("region") or (self.current or {}).get("region")
            if droplet and droplet["region"] != region:
                raise self.fail(
                    f"it is in region {region}, and droplet {droplet['name']} in {droplet['region']}",
                    hint="A volume can be attached to droplets of its own region only.",
                )

    def create(self) -> dict[str, Any]:
        body = {key: value for key, value in self.desired.items() if key != "droplet"}
        return self.client.call(f"create {self.title}", "volumes.create", body=body)["volume"]

    def update(self, changes: dict[str, Change]) -> None:
        if "droplet" in changes:
            self._detach()
            if self.desired["droplet"]:
                droplet = self.cloud.require(Droplet, self.desired["droplet"])["id"]
                attempted = f"attach {self.title} to droplet {self.desired['droplet']}"
                with self.cloud.lock(("actions of a droplet", droplet)):
                    self._action(
                        "attach", attempted, lambda facts: facts["droplet_ids"] == [droplet], droplet_id=droplet
                    )
        if "size_gigabytes" in changes:
            size = changes["size_gigabytes"].after
            self._action(
                "resize",
                f"resize {self.title} to {size} GiB",
                lambda facts: facts["size_gigabytes"] >= size,
                size_gigabytes=size,
            )

    def delete(self, facts: Facts) -> None:
        self._detach()  # while it is attached it cannot be deleted
        self.client.call(f"delete {self.title}", "volumes.delete", facts["id"])

    def _detach(self) -> None:
        for droplet in self.existing["droplet_ids"]:
            attempted = f"detach {self.title} from droplet {droplet}"
            with self.cloud.lock(("actions of a droplet", droplet)):
                self._action("detach", attempted, lambda facts: not facts["droplet_ids"], droplet_id=droplet)

    def _action(self, type: str, attempted: str, reached: Callable[[Facts], bool], **arguments: Any) -> None:
        volume = self.existing["id"]

        def send() -> dict[str, Any]:
            body = {"type": type, **arguments}
            return self.client.call(attempted, "volume_actions.post_by_id", volume, body=body)["action"]

        def read() -> Facts | None:
            raw = self.read({"id": volume})
            return self.flatten(raw) if raw else None

        def follow(action: int) -> dict[str, Any] | None:
            found = self.client.find(f"follow: {attempted}", "volume_actions.get", volume, action)
            return found and found["action"]

        self.current = carry_out(
            self, attempted, send=send, read=read, reached=reached, follow=follow, doing=f"{type} in progress"
        )
