# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from ..catalog import check_image, check_region, check_size
from ..client import CloudError
from ..resource import IRREVERSIBLE, NONE, POWER_OFF, Change, Cloud, Facts, Resource
from .ssh_key import SshKey
from .vpc import Vpc

REPLACE = (
    "A droplet is not replaced, because its disk would be lost. Declare one with another name, move to it, "
    "and delete the old one (state: absent)."
)
ACTION_TIMEOUT = 1200.0  # seconds; a resize moves the droplet
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
        "ipv6": {"type": "bool"},
        "user_data": {"type": "str", "no_log": True},
        "powered": {"type": "bool", "default": True},
    }
    updates: ClassVar = {"tags": NONE, "backups": NONE, "ipv6": NONE, "size": POWER_OFF, "powered": POWER_OFF}
    # ssh_keys and user_data matter at creation only, and cannot be read back.
    immutable: ClassVar = {"region": REPLACE, "image": REPLACE, "vpc": REPLACE, "monitoring": REPLACE}
    required_for_create = ("region", "size", "image")
    references: ClassVar = {"vpc": Vpc, "ssh_keys": SshKey}
    taggable = "droplet"
    delete_impact = IRREVERSIBLE
    in_use_statuses = frozenset({422})  # an action still runs, such as its deletion by a run that was interrupted

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        if not re.fullmatch(r"[a-zA-Z0-9]([a-zA-Z0-9.\-]*[a-zA-Z0-9])?", desired["name"]):
            raise CloudError("the name of a droplet is a host name: letters, digits, hyphens and dots")
        if "tags" in desired:
            desired["tags"] = normalise_tags(desired["tags"])
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        addresses = {net["type"]: net["ip_address"] for net in (raw.get("networks") or {}).get("v4") or []}
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
        }

    @classmethod
    def ready(cls, facts: Facts) -> bool:
        # A locked droplet takes no action, whatever its status.
        return facts["status"] in ("active", "off") and not facts["locked"]

    def details(self, facts: Facts) -> Facts:
        if "vpc" not in self.desired:
            return {}
        return {"vpc": self.cloud.name_of(Vpc, facts["vpc_uuid"])}

    def same(self, key: str, wanted: Any, found: Any) -> bool:
        if key == "image" and (not found or found.isdigit() != wanted.isdigit()):
            return True  # the slug has moved on to a newer image, and the droplet's own image has only an id left
        if key == "tags":
            return {tag.lower() for tag in wanted} == {tag.lower() for tag in found}
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
        if "ipv6" in changes and changes["ipv6"].after is False and self.current:
            raise self.fail("ipv6 cannot be switched off again", hint="Remove `ipv6: false`, or replace the droplet.")

    def create(self) -> dict[str, Any]:
        body = {key: self.desired[key] for key in self.desired if key not in ("vpc", "ssh_keys", "powered")}
        if self.desired["image"].isdigit():
            body["image"] = int(self.desired["image"])
        if "vpc" in self.desired:
            body["vpc_uuid"] = self.cloud.require(Vpc, self.desired["vpc"])["id"]
        if "ssh_keys" in self.desired:
            body["ssh_keys"] = [self.cloud.require(SshKey, name)["id"] for name in self.desired["ssh_keys"]]
        return self.client.call(f"create {self.title}", "droplets.create", body=body)["droplet"]

    def update(self, changes: dict[str, Change]) -> None:
        for key in ("backups", "ipv6"):
            if key in changes:
                wanted = changes[key].after
                self._action(("enable_" if wanted else "disable_") + key, lambda facts: facts[key] == wanted)  # noqa: B023
        powered = self.desired.get("powered", True)
        if "size" in changes:
            size = changes["size"].after
            self._power_off()
            try:
                # Without `disk`, so that the droplet can be made smaller again.
                self._action("resize", lambda facts: facts["size"] == size, size=size)
            finally:
                # Also after a failure: better the old size than a shop that is down.
                if powered:
                    self._power_on()
        elif "powered" in changes:
            if powered:
                self._power_on()
            else:
                self._power_off()

    def delete(self, facts: Facts) -> None:
        self.client.call(f"delete {self.title}", "droplets.destroy", facts["id"])

    def _power_on(self) -> None:
        self._action("power_on", lambda facts: facts["status"] == "active")

    def _power_off(self) -> None:
        if self.existing["status"] == "off":
            return
        try:
            self._action("shutdown", lambda facts: facts["status"] == "off", timeout=SHUTDOWN_TIMEOUT)
        except CloudError as error:
            if error.status is not None:
                raise
            # Its system does not listen.
            self._action("power_off", lambda facts: facts["status"] == "off")

    def _action(
        self, type: str, reached: Callable[[Facts], bool], timeout: float = ACTION_TIMEOUT, **arguments: Any
    ) -> None:
        """Start an action; wait until it has ended and the droplet has become what it was meant to."""
        droplet = self.existing["id"]
        doing = type.replace("_", " ")
        attempted = f"{doing} of {self.title}" if type.startswith(("enable_", "disable_")) else f"{doing} {self.title}"

        def observe() -> Facts:
            raw = self.read({"id": droplet})
            if raw is None:
                raise CloudError("it does not exist any more", attempted=attempted)
            return self.flatten(raw)

        def send() -> dict[str, Any]:
            body = {"type": type, **arguments}
            return self.client.call(attempted, "droplet_actions.post", droplet, body=body)["action"]

        def look() -> dict[str, Any] | None:
            facts = observe()
            return {"id": None} if facts["locked"] or reached(facts) else None

        action = self.cloud.settle(send, look)

        def done(facts: Facts) -> bool:
            if reached(facts) and self.ready(facts):
                return True
            if action["id"] and not facts["locked"]:
                ended = self.client.call(f"follow: {attempted}", "actions.get", action["id"])["action"]
                if ended["status"] == "errored":
                    raise CloudError(
                        "the action ended with status errored",
                        attempted=attempted,
                        hint=f"See the history of droplet {droplet} in the control panel, then run again.",
                    )
            return False

        self.current = self.cloud.wait(self.title, observe, done, lambda facts: doing, timeout)


def normalise_tags(tags: list[str]) -> list[str]:
    for tag in tags:
        if not re.fullmatch(r"[a-zA-Z0-9_\-:]{1,255}", tag):
            raise CloudError(f"tag {tag!r} may contain letters, digits, colons, hyphens and underscores only")
    return sorted(set(tags))
