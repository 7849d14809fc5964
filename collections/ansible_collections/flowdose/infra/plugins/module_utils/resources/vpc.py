# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private networks, one region each."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, ClassVar

from ..catalog import check_region
from ..client import CloudError
from ..resource import NONE, Change, Cloud, Facts, Resource

REPLACE = (
    "A VPC is not replaced, because all that is in it would have to be. Declare one with another name and move. "
    "Or put into the data what this one has, and it stays."
)

PRIVATE = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


class Vpc(Resource):
    kind = "vpc"
    plural = "vpcs"
    label = "VPC"
    options: ClassVar = {
        "name": {"type": "str", "required": True},
        "region": {"type": "str"},
        "ip_range": {"type": "str"},
        "description": {"type": "str"},
        "default": {"type": "bool"},
    }
    updates: ClassVar = {"name": NONE, "description": NONE, "default": NONE}
    immutable: ClassVar = {"region": REPLACE, "ip_range": REPLACE}
    later = frozenset({"default"})
    required_for_create = ("region",)
    in_use_statuses = frozenset({409})

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        if not re.fullmatch(r"[a-zA-Z0-9\-.]+", desired["name"]):
            raise CloudError("the name of a VPC has letters, digits, hyphens and dots only")
        if len(desired.get("description", "")) > 255:
            raise CloudError("description is longer than 255 characters")
        if "ip_range" in desired:
            try:
                network = ipaddress.IPv4Network(desired["ip_range"])
            except ValueError as error:
                raise CloudError(f"ip_range: {error}", hint="It looks like: 10.10.0.0/20") from None
            if not any(network.subnet_of(private) for private in PRIVATE):
                raise CloudError(f"ip_range {network} is not private: it must lie in {', '.join(map(str, PRIVATE))}")
            if not 16 <= network.prefixlen <= 28:
                raise CloudError(f"ip_range {network} must be between /16 and /28")
            desired["ip_range"] = str(network)
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        return {
            **{key: raw.get(key) for key in ("id", "name", "region", "ip_range")},
            "description": raw.get("description") or "",
            "default": bool(raw.get("default")),
        }

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        return cloud.client.list_all("list the VPCs", "vpcs.list", "vpcs")

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self.client.find(f"read {self.title}", "vpcs.get", facts["id"])
        return found and found["vpc"]

    def preflight(self, changes: dict[str, Change]) -> None:
        if "state" in changes and self.current and self.current["default"]:
            raise CloudError(
                f"it is the default VPC of region {self.current['region']}, which cannot be deleted",
                hint="Make another VPC of the region its default first, or leave this one: it costs nothing.",
            )
        if "default" in changes and changes["default"].after is False and self.current:
            raise CloudError(
                f"it is the default VPC of region {self.current['region']}",
                hint="Make another VPC of the region its default (default: true): that takes it from this one.",
            )
        if "region" in changes:
            check_region(self.cloud, self.desired["region"])
        if "ip_range" in changes:
            wanted = ipaddress.ip_network(self.desired["ip_range"])
            for other in self.cloud.all(Vpc):
                if other["name"] != self.name and wanted.overlaps(ipaddress.ip_network(other["ip_range"])):
                    raise CloudError(f"ip_range {wanted} overlaps with {other['ip_range']} of VPC {other['name']}")

    def create(self) -> dict[str, Any]:
        # Two at once in one region fail.
        with self.cloud.lock(("create a VPC", self.desired["region"])):
            body = {key: value for key, value in self.desired.items() if key != "default"}
            return self.client.call(f"create {self.title}", "vpcs.create", body=body)["vpc"]

    def update(self, changes: dict[str, Change]) -> None:
        body = {key: change.after for key, change in changes.items()}
        self.client.call(f"update {self.title}", "vpcs.patch", self.existing["id"], body=body)

    def delete(self, facts: Facts) -> None:
        self.client.call(f"delete {self.title}", "vpcs.delete", facts["id"])
