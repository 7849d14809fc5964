# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud firewalls: what may reach the droplets of a tag, and what they may reach."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

from ..client import CloudError
from ..resource import NONE, Change, Cloud, Facts, Resource
from .droplet import Droplet, normalise_tags
from .load_balancer import LoadBalancer, normalise_address, shown_address

RULE_OPTIONS: dict[str, Any] = {
    "protocol": {"type": "str", "choices": ["tcp", "udp", "icmp"], "default": "tcp"},
    "ports": {"type": "str", "default": "all"},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "list", "elements": "str", "default": []},
    "droplets": {"type": "list", "elements": "str", "default": []},
    "load_balancers": {"type": "list", "elements": "str", "default": []},
}
RULES_OPTION: dict[str, Any] = {"type": "list", "elements": "dict", "options": RULE_OPTIONS}
MAX_DROPLETS, MAX_TAGS = 10, 5  # of one firewall
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
    updates: ClassVar = dict.fromkeys(("name", "tags", "droplets", "inbound_rules", "outbound_rules"), NONE)
    references: ClassVar = {"droplets": Droplet, **dict.fromkeys(DIRECTIONS, LoadBalancer)}  # see `dependencies`

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9.\-]+", desired["name"]):
            raise CloudError("the name of a firewall has letters, digits, hyphens and dots only, two at least")
        if "tags" in desired:
            desired["tags"] = normalise_tags(desired["tags"])
            if len(desired["tags"]) > MAX_TAGS:
                raise CloudError(f"a firewall takes {MAX_TAGS} tags at most")
        if "droplets" in desired:
            desired["droplets"] = sorted(set(desired["droplets"]))
            if len(desired["droplets"]) > MAX_DROPLETS:
                raise CloudError(f"a firewall takes {MAX_DROPLETS} droplets by name at most: use tags for more")
        for direction in DIRECTIONS:
            if direction in desired:
                desired[direction] = sort_rules(normalise_rule(rule) for rule in desired[direction])
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        return {
            "id": raw.get("id"),
            "name": raw.get("name"),
            "tags": sorted(raw.get("tags") or []),
            "droplet_ids": sorted(raw.get("droplet_ids") or []),
            **{
                direction: sort_rules(flatten_rule(rule, rule.get(peers) or {}) for rule in raw.get(direction) or [])
                for direction, peers in DIRECTIONS.items()
            },
        }

    def dependencies(self) -> list[tuple[type[Resource], str]]:
        rules = [rule for direction in DIRECTIONS for rule in self.desired.get(direction, [])]
        droplets = [*self.desired.get("droplets", []), *(name for rule in rules for name in rule["droplets"])]
        balancers = [name for rule in rules for name in rule["load_balancers"]]
        return [
            *((Droplet, name) for name in dict.fromkeys(droplets)),
            *((LoadBalancer, name) for name in dict.fromkeys(balancers)),
        ]

    def details(self, facts: Facts) -> Facts:
        found: Facts = {}
        if "droplets" in self.desired:
            found["droplets"] = sorted(self.cloud.name_of(Droplet, id) for id in facts["droplet_ids"])
        for direction in DIRECTIONS:
            found[direction] = sort_rules(self._with_names(rule) for rule in facts[direction])
        return found

    def _with_names(self, rule: dict[str, Any]) -> dict[str, Any]:
        return {
            **rule,
            "droplets": sorted(self.cloud.name_of(Droplet, int(id)) if id.isdigit() else id for id in rule["droplets"]),
            "load_balancers": sorted(self.cloud.name_of(LoadBalancer, id) for id in rule["load_balancers"]),
        }

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
        return self.client.call(f"create {self.title}", "firewalls.create", body=self._body({}))["firewall"]

    def update(self, changes: dict[str, Change]) -> None:
        raw = self.read(self.existing)
        if raw is None:
            raise self.fail("it does not exist any more", hint="Run again to create it.")
        self.client.call(f"update {self.title}", "firewalls.update", self.existing["id"], body=self._body(raw))

    def delete(self, facts: Facts) -> None:
        self.client.call(f"delete {self.title}", "firewalls.delete", facts["id"])

    def _body(self, raw: dict[str, Any]) -> dict[str, Any]:
        """All of it, what is not declared as the API has it (`raw`): a PUT resets what it does not name."""
        body: dict[str, Any] = {"name": self.name, "tags": self.desired.get("tags", raw.get("tags") or [])}
        body["droplet_ids"] = raw.get("droplet_ids") or []
        if "droplets" in self.desired:
            body["droplet_ids"] = [self.cloud.require(Droplet, name)["id"] for name in self.desired["droplets"]]
        tags = set(body["tags"])
        for direction, peers in DIRECTIONS.items():
            body[direction] = raw.get(direction) or []
            if direction in self.desired:
                tags.update(tag for rule in self.desired[direction] for tag in rule["tags"])
                body[direction] = [self._rule(rule, peers) for rule in self.desired[direction]]
        self.cloud.ensure_tags(sorted(tags))
        return body

    def _rule(self, rule: dict[str, Any], peers: str) -> dict[str, Any]:
        targets: dict[str, Any] = {key: rule[key] for key in ("addresses", "tags") if rule[key]}
        if rule["droplets"]:
            targets["droplet_ids"] = [self.cloud.require(Droplet, name)["id"] for name in rule["droplets"]]
        if rule["load_balancers"]:
            ids = [self.cloud.require(LoadBalancer, name)["id"] for name in rule["load_balancers"]]
            targets["load_balancer_uids"] = ids
        body = {"protocol": rule["protocol"], "ports": rule["ports"], peers: targets}
        if rule["protocol"] == "icmp":
            del body["ports"]
        return body


def sort_rules(rules: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """In one order: that in which the API returns them does not matter."""
    return sorted(rules, key=lambda rule: [str(value) for value in rule.values()])


def flatten_rule(rule: dict[str, Any], peers: dict[str, Any]) -> dict[str, Any]:
    """A rule as the API has it, with ids where `details` puts names. Also one that could not be declared is shown."""
    found = {
        "protocol": rule["protocol"],
        "ports": normalise_ports(rule["protocol"], rule.get("ports") or "all"),
        "addresses": sorted(shown_address(address) for address in peers.get("addresses") or []),
        "tags": sorted(peers.get("tags") or []),
        "droplets": sorted(str(id) for id in peers.get("droplet_ids") or []),
        "load_balancers": sorted(peers.get("load_balancer_uids") or []),
    }
    clusters = {"kubernetes_ids": sorted(peers["kubernetes_ids"])} if peers.get("kubernetes_ids") else {}
    return found | clusters


def normalise_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule as it is declared; refuses what the API would refuse."""
    protocol, ports = rule["protocol"], normalise_ports(rule["protocol"], rule["ports"])
    numbers = [int(number) for number in ports.split("-")] if re.fullmatch(r"\d+(-\d+)?", ports) else []
    if ports != "all" and not (numbers and numbers == sorted(set(numbers)) and 1 <= numbers[0] <= numbers[-1] <= 65535):
        raise CloudError(f"ports {ports!r} is neither a port, nor a range such as 8000-9000, nor all")
    peers = {key: sorted(set(rule[key])) for key in ("tags", "droplets", "load_balancers")}
    peers["tags"] = normalise_tags(peers["tags"])
    addresses = sorted({normalise_address(address) for address in rule["addresses"]})
    if not (addresses or any(peers.values())):
        raise CloudError(
            f"the rule for {protocol} {ports} names neither addresses nor tags nor droplets nor load_balancers"
        )
    return {"protocol": protocol, "ports": ports, "addresses": addresses, **peers}


def normalise_ports(protocol: str, ports: str) -> str:
    # "0" is how some answers spell all ports; icmp has none.
    return "all" if protocol == "icmp" or ports in ("0", "1-65535") else ports
