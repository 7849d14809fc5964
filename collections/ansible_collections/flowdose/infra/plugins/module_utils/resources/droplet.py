# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from ..actions import ACTION_TIMEOUT, carry_out
from ..catalog import Size, check_image, check_region, check_size
from ..client import CloudError
from ..resource import IRREVERSIBLE, NONE, POWER_OFF, Change, Cloud, Facts, Resource, suggest
from .ssh_key import SshKey
from .vpc import Vpc

REPLACE = (
    "A droplet is not replaced, because its disk would be lost. Declare one with another name, move to it, "
    "and delete the old one (state: absent). Or put into the data what this one has, and it stays."
)
POLICY_OPTIONS: dict[str, Any] = {
    "plan": {"type": "str", "required": True, "choices": ["daily", "weekly"]},
    "weekday": {"type": "str", "choices": ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]},
    "hour": {"type": "int", "choices": [0, 4, 8, 12, 16, 20]},
}
USER_DATA_LIMIT = 64 * 1024  # bytes
SHUTDOWN_TIMEOUT = 60.0  # seconds for its system to end by itself


class Droplet(Resource):
    kind = "droplet"
    plural = "droplets"
    label = "droplet"
    options: ClassVar = {
        "name": {"type": "str", "required": True},
        "region": {"type": "str"},
        "size": {"type": "str"},
        "image": {"type": "str"},
        "vpc": {"type": "str"},
        "ssh_keys": {"type": "list", "elements": "str", "no_log": False},
        "tags": {"type": "list", "elements": "str"},
        "monitoring": {"type": "bool"},
        "backups": {"type": "bool"},
        "backup_policy": {"type": "dict", "options": POLICY_OPTIONS},
        "ipv6": {"type": "bool"},
        "user_data": {"type": "str", "no_log": True},
        "powered": {"type": "bool", "default": True},
        "resize_disk": {"type": "bool", "default": False},
    }
    updates: ClassVar = {
        **dict.fromkeys(("name", "tags", "backups", "backup_policy", "ipv6"), NONE),
        **dict.fromkeys(("size", "powered"), POWER_OFF),
    }
    # ssh_keys and user_data matter at creation only, and cannot be read back.
    immutable: ClassVar = {"region": REPLACE, "image": REPLACE, "vpc": REPLACE, "monitoring": REPLACE}
    required_for_create = ("region", "size", "image")
    not_sent: ClassVar = ("vpc", "ssh_keys", "powered", "resize_disk")  # as they are, when it is created
    references: ClassVar = {"vpc": Vpc, "ssh_keys": SshKey}
    taggable = "droplet"
    delete_impact = IRREVERSIBLE
    in_use_statuses = frozenset({422})  # an action still runs, such as its deletion by a run that was interrupted

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        if not re.fullmatch(r"[a-zA-Z0-9]([a-zA-Z0-9.\-]*[a-zA-Z0-9])?", desired["name"]):
            raise CloudError("the name of a droplet is a host name: letters, digits, hyphens and dots")
        if len(desired.get("user_data", "").encode()) > USER_DATA_LIMIT:
            raise CloudError("user_data is longer than 64 KiB")
        if "backup_policy" in desired:
            policy = {key: value for key, value in desired["backup_policy"].items() if value is not None}
            if not desired.setdefault("backups", True):
                raise CloudError("backup_policy goes with backups: true")
            if policy["plan"] == "daily" and "weekday" in policy:
                raise CloudError("backup_policy.weekday goes with plan weekly")
            desired["backup_policy"] = policy
        if "tags" in desired:
            desired["tags"] = normalise_tags(desired["tags"])
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        addresses: dict[str, str] = {}
        for network in (raw.get("networks") or {}).get("v4") or []:
            # A reserved IP stands behind the droplet's own address.
            addresses.setdefault(network["type"], network["ip_address"])
        features = raw.get("features") or []
        image = raw.get("image") or {}
        return {
            "id": raw.get("id"),
            "name": raw.get("name"),
            "status": raw.get("status"),
            "locked": bool(raw.get("locked")),
            "powered": raw.get("status") != "off",
            "region": (raw.get("region") or {}).get("slug"),
            "size": raw.get("size_slug"),
            "image": image.get("slug") or (str(image["id"]) if image.get("id") else None),
            "vpc_uuid": raw.get("vpc_uuid"),
            "public_ipv4": addresses.get("public"),
            "private_ipv4": addresses.get("private"),
            "tags": sorted(raw.get("tags") or []),
            "monitoring": "monitoring" in features,
            "backups": "backups" in features,
            "ipv6": "ipv6" in features,
            "memory": raw.get("memory"),
            "vcpus": raw.get("vcpus"),
            "disk": raw.get("disk"),
        }

    @classmethod
    def ready(cls, facts: Facts) -> bool:
        # A locked droplet takes no action, whatever its status.
        return facts["status"] in ("active", "off") and not facts["locked"]

    def details(self, facts: Facts) -> Facts:
        found: Facts = {}
        if "vpc" in self.desired:
            found["vpc"] = self.cloud.name_of(Vpc, facts["vpc_uuid"])
        if "backup_policy" in self.desired:
            found["backup_policy"] = self._backup_policy(facts) if facts["backups"] else {}
        return found

    def impact(self, change: Change) -> str:
        if change.key == "powered" and change.after:
            return NONE
        if change.key == "size" and self.desired.get("resize_disk"):
            return IRREVERSIBLE
        return super().impact(change)

    def same(self, key: str, wanted: Any, found: Any) -> bool:
        if key == "image" and (not found or found.isdigit() != wanted.isdigit()):
            return True  # the slug has moved on to a newer image, and the droplet's own image has only an id left
        if key == "backup_policy":  # what is not named in it is not compared
            return all((found or {}).get(name) == value for name, value in wanted.items())
        return super().same(key, wanted, found)

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        return cloud.client.list_all("list the droplets", "droplets.list", "droplets")

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self.client.find(f"read {self.title}", "droplets.get", facts["id"])
        return found and found["droplet"]

    def preflight(self, changes: dict[str, Change]) -> None:
        region = self.desired.get("region") or (self.current or {}).get("region")
        if "region" in changes:
            check_region(self.cloud, self.desired["region"])
        if "image" in changes:
            check_image(self.cloud, self.desired["image"], region)
        if "size" in changes:
            check_size(self.cloud, self.desired["size"], region)
        if self.current is None:
            return
        if "ipv6" in changes and changes["ipv6"].after is False:
            raise self.fail("ipv6 cannot be switched off again", hint=f"Remove `ipv6: false` from the data. {REPLACE}")
        if "size" in changes:
            # Refused here and not by the API, for which it would be shut down first.
            disks = {size["slug"]: size["disk"] for size in Size.fetch(self.cloud)}
            if disks[self.desired["size"]] < (self.current["disk"] or 0):
                fitting = [slug for slug, disk in disks.items() if disk >= self.current["disk"]]
                raise self.fail(
                    f"its disk has {self.current['disk']} GB, and size {self.desired['size']} only "
                    f"{disks[self.desired['size']]} GB: a disk cannot be made smaller",
                    hint=suggest(self.desired["size"], fitting),
                )

    def create(self) -> dict[str, Any]:
        body = {key: self.desired[key] for key in self.desired if key not in self.not_sent}
        if self.desired["image"].isdigit():
            body["image"] = int(self.desired["image"])
        if "vpc" in self.desired:
            body["vpc_uuid"] = self.cloud.require(Vpc, self.desired["vpc"])["id"]
        if "ssh_keys" in self.desired:
            body["ssh_keys"] = [self.cloud.require(SshKey, name)["id"] for name in self.desired["ssh_keys"]]
        return self.client.call(f"create {self.title}", "droplets.create", body=body)["droplet"]

    def update(self, changes: dict[str, Change]) -> None:
        if "name" in changes:
            self._action("rename", lambda facts: bool(facts["name"] == self.name), name=self.name)
        if changes.keys() & {"backups", "backup_policy"}:
            self._set_backups(self.desired["backups"])
        if "ipv6" in changes:
            self._action("enable_ipv6", lambda facts: bool(facts["ipv6"]))
        powered = self.desired.get("powered", True)
        if "size" in changes:
            self._resize(changes["size"].after, powered)
        elif "powered" in changes:
            if powered:
                self._power_on()
            else:
                self._power_off()

    def delete(self, facts: Facts) -> None:
        self.client.call(f"delete {self.title}", "droplets.destroy", facts["id"])

    def _resize(self, size: str, power_on: bool) -> None:
        try:
            self._power_off()
            # Without `disk` it can be made smaller again.
            disk = self.desired.get("resize_disk", False)
            self._action("resize", lambda facts: facts["size"] == size, size=size, disk=disk)
        except CloudError as failure:
            # Better the old size than a shop that is down.
            if power_on:
                try:
                    self._power_on()
                except CloudError as second:
                    raise CloudError(
                        f"{failure}\nNor could it be switched on again: {second}",
                        attempted=f"resize {self.title}",
                        hint="It may be off. Run again: that switches it on, and resizes it if that is still to do.",
                    ) from failure
            raise
        if power_on:
            self._power_on()

    def _power_on(self) -> None:
        if self._seen()["status"] != "active":
            self._action("power_on", lambda facts: facts["status"] == "active")

    def _power_off(self) -> None:
        if self._seen()["status"] == "off":
            return
        try:
            self._action("shutdown", lambda facts: facts["status"] == "off", timeout=SHUTDOWN_TIMEOUT)
        except CloudError as error:
            if error.status is not None:
                raise
            # Its system does not listen.
            self._action("power_off", lambda facts: facts["status"] == "off")

    def _seen(self) -> Facts:
        """As it is now, not as it was planned with: an earlier action may have failed halfway."""
        raw = self.read(self.existing)
        if raw is None:
            raise self.fail("it does not exist any more", hint="Run again to create it.")
        return self.flatten(raw)

    def _set_backups(self, enabled: bool) -> None:
        policy = {"backup_policy": self.desired["backup_policy"]} if "backup_policy" in self.desired else {}
        if not enabled:
            self._action("disable_backups", lambda facts: not facts["backups"])
        elif not self.existing["backups"]:
            self._action("enable_backups", lambda facts: bool(facts["backups"]), **policy)
        else:
            self._action("change_backup_policy", self._has_policy, **policy)

    def _has_policy(self, facts: Facts) -> bool:
        return self.same("backup_policy", self.desired["backup_policy"], self._backup_policy(facts))

    def _backup_policy(self, facts: Facts) -> Facts:
        attempted = f"read the backup policy of {self.title}"
        found = self.client.call(attempted, "droplets.get_backup_policy", facts["id"])["policy"]
        return found.get("backup_policy") or {}

    def _action(
        self, type: str, reached: Callable[[Facts], bool], timeout: float = ACTION_TIMEOUT, **arguments: Any
    ) -> None:
        droplet = self.existing["id"]
        doing = type.replace("_", " ")
        of = " of" if type.startswith(("enable_", "disable_", "change_")) else ""
        attempted = f"{doing}{of} {self.title}"

        def send() -> dict[str, Any]:
            body = {"type": type, **arguments}
            return self.client.call(attempted, "droplet_actions.post", droplet, body=body)["action"]

        def read() -> Facts | None:
            raw = self.read({"id": droplet})
            return self.flatten(raw) if raw else None

        def follow(action: int) -> dict[str, Any] | None:
            found = self.client.find(f"follow: {attempted}", "actions.get", action)
            return found and found["action"]

        self.current = carry_out(
            self, attempted, send=send, read=read, reached=reached, follow=follow, doing=doing, timeout=timeout
        )


def normalise_tags(tags: list[str]) -> list[str]:
    for tag in tags:
        if not re.fullmatch(r"[a-zA-Z0-9_\-:]{1,255}", tag):
            raise CloudError(f"tag {tag!r} may contain letters, digits, colons, hyphens and underscores only")
    return sorted(set(tags))
