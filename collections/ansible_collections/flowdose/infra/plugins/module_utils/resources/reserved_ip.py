# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reserved IPs: addresses that can move from one droplet to another.

The API gives them no name. Here one is known by the droplet it is assigned to, of which each has one at most; or by
the address itself, where `ip` says which one is meant. One that is assigned to nothing is nobody's that we know of,
so that it is never taken unless its address is in the data.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, ClassVar

from ..actions import carry_out, when_free
from ..client import CloudError
from ..resource import IRREVERSIBLE, NONE, Change, Cloud, Facts, Resource, suggest
from .droplet import Droplet

ASSIGN_TIME = 60.0  # seconds in which a new address gets to its droplet


class ReservedIp(Resource):
    kind = "reserved_ip"
    plural = "reserved_ips"
    label = "reserved IP"
    options: ClassVar = {
        "droplet": {"type": "str"},
        "ip": {"type": "str"},
    }
    updates: ClassVar = {"droplet": NONE}
    later = frozenset({"droplet"})
    references: ClassVar = {"droplet": Droplet}
    delete_impact = IRREVERSIBLE  # the address cannot be had back

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        if not desired.get("droplet") and not desired.get("ip"):
            raise CloudError("droplet must be given (the name of the droplet that has the address), or ip")
        if "ip" in desired:
            try:
                desired["ip"] = str(ipaddress.IPv4Address(desired["ip"]))
            except ValueError:
                raise CloudError(f"ip {desired['ip']!r} is not an IPv4 address") from None
        desired["name"] = desired.get("droplet") or desired["ip"]
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        droplet = raw.get("droplet") or {}
        return {
            "id": raw.get("ip"),
            "name": droplet.get("name") or raw.get("ip"),
            "ip": raw.get("ip"),
            "region": (raw.get("region") or {}).get("slug"),
            "droplet": droplet.get("name"),
            "droplet_id": droplet.get("id"),
            "locked": bool(raw.get("locked")),
            "project_id": raw.get("project_id"),
        }

    @classmethod
    def ready(cls, facts: Facts) -> bool:
        return not facts["locked"]

    @classmethod
    def describe(cls, facts: Facts) -> str:
        return "being assigned" if facts["locked"] else "not assigned"

    def matches(self, facts: Facts) -> bool:
        if "ip" in self.desired:
            return bool(facts["ip"] == self.desired["ip"])
        return facts["droplet_id"] is not None and facts["droplet_id"] == self._droplet_id()

    def same(self, key: str, wanted: Any, found: Any) -> bool:
        if key == "droplet":
            return self.existing["droplet_id"] is not None and self.existing["droplet_id"] == self._droplet_id()
        return super().same(key, wanted, found)

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        start = cloud.monotonic()
        while True:
            found = cloud.client.list_all("list the reserved IPs", "reserved_ips.list", "reserved_ips")
            # One on its way to a droplet does not show yet to which. It could be ours, from a run that was interrupted.
            on_their_way = any(raw.get("locked") and not raw.get("droplet") for raw in found)
            if not on_their_way or cloud.monotonic() - start > ASSIGN_TIME:
                return found
            cloud.sleep(2.0)

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self.client.find(f"read {self.title}", "reserved_ips.get", facts["id"])
        return found and found["reserved_ip"]

    def preflight(self, changes: dict[str, Change]) -> None:
        if self.state == "absent":
            holder = self.existing["droplet"]
            if "droplet" in self.desired and holder not in (None, self.desired["droplet"]):
                raise self.fail(f"{self.existing['ip']} belongs to droplet {holder}", hint="It is not released.")
            return
        if self.current is None and "ip" in self.desired:
            raise self.fail(
                f"{self.desired['ip']} is not reserved in this account",
                hint="An address cannot be chosen: leave `ip` out to get one. "
                + suggest(self.desired["ip"], [facts["ip"] for facts in self.cloud.all(ReservedIp)]),
            )
        droplet = self.cloud.find(Droplet, self.desired["droplet"])
        if self.current is None or droplet is None:
            return
        if droplet["region"] != self.current["region"]:
            raise self.fail(
                f"{self.current['ip']} is reserved in region {self.current['region']}, and droplet {droplet['name']} "
                f"is in {droplet['region']}",
                hint="An address never leaves its region.",
            )
        others = [facts["ip"] for facts in self.cloud.all(ReservedIp) if facts["droplet_id"] == droplet["id"]]
        if others:
            raise self.fail(
                f"droplet {droplet['name']} has the reserved IP {others[0]} already",
                hint=f"Release it or move it first (ip: {others[0]}): a droplet has one at most.",
            )

    def create(self) -> dict[str, Any]:
        droplet = self.cloud.require(Droplet, self.desired["droplet"])["id"]
        attempted = f"reserve an IP for droplet {self.desired['droplet']}"

        def send() -> dict[str, Any]:
            return self.client.call(attempted, "reserved_ips.create", body={"droplet_id": droplet})["reserved_ip"]

        with self.cloud.lock(("actions of a droplet", droplet)):
            return when_free(self.cloud, self.title, send)

    def update(self, changes: dict[str, Change]) -> None:
        droplet = self.cloud.require(Droplet, self.desired["droplet"])["id"]
        attempted = f"assign {self.existing['ip']} to droplet {self.desired['droplet']}"
        with self.cloud.lock(("actions of a droplet", droplet)):
            self._action("assign", attempted, lambda facts: facts["droplet_id"] == droplet, droplet_id=droplet)

    def delete(self, facts: Facts) -> None:
        if self.existing["droplet_id"] is not None:
            attempted = f"take {facts['ip']} from droplet {facts['droplet']}"
            with self.cloud.lock(("actions of a droplet", facts["droplet_id"])):
                self._action("unassign", attempted, lambda seen: seen["droplet_id"] is None)
        attempted = f"release {facts['ip']}"
        when_free(self.cloud, self.title, lambda: self.client.call(attempted, "reserved_ips.delete", facts["ip"]))

    def _droplet_id(self) -> int | None:
        droplet = self.cloud.find(Droplet, self.desired["droplet"]) if "droplet" in self.desired else None
        return droplet["id"] if droplet else None

    def _action(self, type: str, attempted: str, reached: Callable[[Facts], bool], **arguments: Any) -> None:
        ip = self.existing["ip"]

        def send() -> dict[str, Any]:
            body = {"type": type, **arguments}
            return self.client.call(attempted, "reserved_ips_actions.post", ip, body=body)["action"]

        def read() -> Facts | None:
            raw = self.read({"id": ip})
            return self.flatten(raw) if raw else None

        def follow(action: int) -> dict[str, Any] | None:
            found = self.client.find(f"follow: {attempted}", "reserved_ips_actions.get", ip, action)
            return found and found["action"]

        self.current = carry_out(
            self, attempted, send=send, read=read, reached=reached, follow=follow, doing=f"{type} in progress"
        )
