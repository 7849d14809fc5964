# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things stand in the picture of an environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.flowdose.infra.plugins.module_utils.topology import Topology


@dataclass
class Row:
    kind: str
    name: str
    facts: dict[str, Any]
    action: str = "none"
    changed_keys: list[str] = field(default_factory=list)

    @property
    def noun(self) -> str:
        return self.kind.replace("_", " ")


def record(name: str, **leads: str) -> Row:
    return Row("domain_record", f"{name} A", {"domain": "example.test", "name": name, "type": "A", **leads})


def test_what_a_request_passes_stands_in_one_order() -> None:
    """Names and addresses are sorted by the droplets that they lead to, so that edges do not cross."""
    topology = Topology(
        [
            Row("droplet", "backend", {"vpc": "net", "tags": []}),
            Row("droplet", "storefront", {"vpc": "net", "tags": []}),
            Row("load_balancer", "shop", {"droplets": ["storefront"]}),
            Row("reserved_ip", "backend", {"droplet": "backend"}),
            record("mail", data="192.0.2.1"),
            record("@", load_balancer="shop"),
            record("api", reserved_ip="backend"),
        ]
    )
    assert [node.title for node in topology.entries] == ["backend", "shop"]
    (zone,) = topology.zones
    assert [node.title for node in zone.nodes] == ["api", "example.test", "mail"], "the zone's own name is not a sign"


def test_a_firewall_says_what_changes() -> None:
    rule = {"protocol": "tcp", "ports": "80"}
    firewall = Row("firewall", "wall", {"tags": ["web"], "inbound_rules": [rule]}, "update", ["inbound_rules"])
    topology = Topology([Row("droplet", "backend", {"vpc": "net", "tags": ["web"]}), firewall])
    (inner,) = topology.networks[0].frames
    assert (inner.sign, inner.line) == ("~", "changes: inbound_rules")
