# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud firewalls: what may reach the droplets of a tag, and what they may reach."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, ClassVar

from ..client import CloudError
from ..resource import NONE, Change, Cloud, Facts, Resource
from .droplet import Droplet, normalise_tags

RULE_OPTIONS: dict[str, Any] = {
    "protocol": {"type": "str", "choices": ["tcp", "udp", "icmp"], "default": "tcp"},
    "ports": {"type": "str", "default": "all"},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "list", "elements": "str", "default": []},
    "droplets": {"type": "list", "elements": "str", "default": []},
}
RULES_OPTION: dict[str, Any] = {"type": "list", "elements": "dict", "options": RULE_OPTIONS}
DIRECTIONS = {"inbound_rules": "sources", "outbound_rules": "destinations"}


class Firewall(Resource):
    kind = "firewall"
    plural = "firewalls"
    label = "firewall"
    options: ClassVar = {
        "name": {"type": "str", "required": True},
        "tags": {"type": "list", "elements": "str"},
        "droplets": {"type": "list", "elements": "str"},
        "inbound_rules": RULES_OPTION,
        "outbound_rules": RULES_OPTION,
    }
    updates: ClassVar = {"tags": NONE, "droplets": NONE, "inbound_rules": NONE, "outbound_rules": NONE}
    references: ClassVar = {"droplets": Droplet, "inbound_rules": Droplet, "outbound_rules": Droplet}

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        if "tags" in desired:
            desired["tags"] = normalise_tags(desired["tags"])
        if "droplets" in desired:
            desired["droplets"] = sorted(set(desired["droplets"]))
        for direction in DIRECTIONS:
            if direction in desired:
                desired[direction] = normalise_rules(desired[direction])
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        return {
            "id": raw.get("id"),
            "name": raw.get("name"),
            "tags": sorted(raw.get("tags") or []),
            "droplet_ids": sorted(raw.get("droplet_ids") or []),
            **{
                direction: normalise_rules(
                    [
                        {
                            "protocol": rule["protocol"],
                            "ports": rule.get("ports") or "all",
                            "addresses": (rule.get(peers) or {}).get("addresses") or [],
                            "tags": (rule.get(peers) or {}).get("tags") or [],
                            # ids here; `details` puts the names in their place
                            "droplets": [str(id) for id in (rule.get(peers) or {}).get("droplet_ids") or []],
                        }
                        for rule in raw.get(direction) or []
                    ]
                )
                for direction, peers in DIRECTIONS.items()
            },
        }

    def dependencies(self) -> list[tuple[type[Resource], str]]:
        names = list(self.desired.get("droplets", []))
        for direction in DIRECTIONS:
            for rule in self.desired.get(direction, []):
                names += rule["droplets"]
        return [(Droplet, name) for name in dict.fromkeys(names)]

    def details(self, facts: Facts) -> Facts:
        found: Facts = {}
        if "droplets" in self.desired:
            found["droplets"] = sorted(self.cloud.name_of(Droplet, id) for id in facts["droplet_ids"])
        for direction in DIRECTIONS:
            found[direction] = normalise_rules([self._with_names(rule) for rule in facts[direction]])
        return found

    def _with_names(self, rule: dict[str, Any]) -> dict[str, Any]:
        names = [self.cloud.name_of(Droplet, int(id)) if id.isdigit() else id for id in rule["droplets"]]
        return {**rule, "droplets": names}

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        return cloud.client.list_all("list the firewalls", "firewalls.list", "firewalls")

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self.client.find(f"read {self.title}", "firewalls.get", facts["id"])
        return found and found["firewall"]

    def preflight(self, changes: dict[str, Change]) -> None:
        merged = {**(self.current or {}), **self.desired}
        if self.state == "present" and not merged.get("inbound_rules") and not merged.get("outbound_rules"):
            raise CloudError("a firewall needs at least one rule, inbound or outbound")

    def create(self) -> dict[str, Any]:
        return self.client.call(f"create {self.title}", "firewalls.create", body=self._body())["firewall"]

    def update(self, changes: dict[str, Change]) -> None:
        self.client.call(f"update {self.title}", "firewalls.update", self.existing["id"], body=self._body())

    def delete(self, facts: Facts) -> None:
        self.client.call(f"delete {self.title}", "firewalls.delete", facts["id"])

    def _body(self) -> dict[str, Any]:
        """All of it: a PUT resets what it does not name."""
        merged = {**(self.current or {}), **self.desired}
        if "droplets" in self.desired:
            droplet_ids = [self.cloud.require(Droplet, name)["id"] for name in self.desired["droplets"]]
        else:
            droplet_ids = merged.get("droplet_ids", [])
        tags = set(merged.get("tags", []))
        body: dict[str, Any] = {"name": self.name, "tags": sorted(tags), "droplet_ids": droplet_ids}
        for direction, peers in DIRECTIONS.items():
            body[direction] = []
            for rule in merged.get(direction, []):
                tags.update(rule["tags"])
                targets: dict[str, Any] = {key: rule[key] for key in ("addresses", "tags") if rule[key]}
                if rule["droplets"]:
                    targets["droplet_ids"] = [self.cloud.require(Droplet, name)["id"] for name in rule["droplets"]]
                body[direction].append({"protocol": rule["protocol"], "ports": rule["ports"], peers: targets})
                if rule["protocol"] == "icmp":
                    del body[direction][-1]["ports"]
        self.cloud.ensure_tags(sorted(tags))
        return body


def normalise_rules(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sorted, so that the order in which the API returns them does not matter."""
    return sorted((_normalise_rule(rule) for rule in rules), key=lambda rule: [str(value) for value in rule.values()])


def _normalise_rule(rule: dict[str, Any]) -> dict[str, Any]:
    protocol, ports = rule.get("protocol") or "tcp", str(rule.get("ports") or "all")
    # "0" is how some answers spell all ports; icmp has none.
    if protocol == "icmp" or ports in ("0", "1-65535"):
        ports = "all"
    numbers = [int(number) for number in ports.split("-")] if re.fullmatch(r"\d+(-\d+)?", ports) else []
    if ports != "all" and not (numbers and numbers == sorted(set(numbers)) and numbers[-1] <= 65535):
        raise CloudError(f"ports {ports!r} is neither a port, nor a range such as 8000-9000, nor all")
    peers = {key: sorted(set(rule.get(key) or [])) for key in ("tags", "droplets")}
    addresses = sorted({_normalise_address(address) for address in rule.get("addresses") or []})
    if not (addresses or peers["tags"] or peers["droplets"]):
        raise CloudError(f"the rule for {protocol} {ports} names neither addresses nor tags nor droplets")
    return {"protocol": protocol, "ports": ports, "addresses": addresses, **peers}


def _normalise_address(address: str) -> str:
    """Networks as networks, single addresses without /32."""
    try:
        network = ipaddress.ip_network(address)
    except ValueError as error:
        raise CloudError(f"address {address!r}: {error}") from None
    return str(network.network_address) if network.num_addresses == 1 else str(network)
