# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of an environment, with another one beside it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.resources.vpc import Vpc
from ansible_collections.flowdose.infra.plugins.module_utils.stack import KINDS, Stack
from ansible_collections.flowdose.infra.plugins.module_utils.teardown import Teardown

KEYS = {
    "one": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGfQ2Cz1Hf1mZpZ1m8q0b8m9w5u8WmYkq5Qh1f5m3e5L",
    "two": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHfQ2Cz1Hf1mZpZ1m8q0b8m9w5u8WmYkq5Qh1f5m3e5L",
}
SIZES = {"region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
UNPROTECTED = ["database_cluster:postgres-one"]


def environment(name: str, number: int) -> dict[str, list[dict[str, Any]]]:
    tag, vpc = f"flowdose-{name}", f"net-{name}"
    return {
        "ssh_keys": [{"name": tag, "public_key": KEYS[name]}],
        "vpcs": [{"name": vpc, "region": "fra1", "ip_range": f"10.{number}.0.0/20"}],
        "droplets": [
            {"name": f"backend-{name}", **SIZES, "vpc": vpc, "ssh_keys": [tag], "tags": [f"{tag}-backend"]},
            {"name": f"storefront-{name}", **SIZES, "vpc": vpc, "ssh_keys": [tag]},
        ],
        "firewalls": [
            {"name": tag, "tags": [f"{tag}-backend"], "inbound_rules": [{"ports": "443", "addresses": ["0.0.0.0/0"]}]}
        ],
        "database_clusters": [
            {
                "name": f"postgres-{name}",
                "engine": "pg",
                "version": "15",
                "size": "db-s-1vcpu-1gb",
                "region": "fra1",
                "vpc": vpc,
                "trusted_sources": [{"type": "tag", "value": f"{tag}-backend"}],
            }
        ],
        "domains": [{"name": "example.test"}],
        "domain_records": [
            {"domain": "example.test", "type": "A", "name": f"api-{name}", "droplet": f"backend-{name}"},
            {"domain": "example.test", "type": "TXT", "name": name, "data": f"owner={name}"},
        ],
        "projects": [
            {
                "name": f"shop {name}",
                "purpose": "Web Application",
                "resources": [f"droplet:backend-{name}", f"database_cluster:postgres-{name}", "domain:example.test"],
            }
        ],
    }


ONE, TWO = environment("one", 20), environment("two", 30)


def converge(account: Any, name: str, data: dict[str, Any]) -> Stack:
    made = Stack(account.cloud(), name, copy.deepcopy(data))
    made.check()
    made.plan()
    made.apply()
    return made


def planned(account: Any, **options: Any) -> Teardown:
    made = Teardown(account.cloud(), "one", {**copy.deepcopy(ONE), "confirm": "one", **options})
    made.check()
    made.plan()
    return made


def destroy(account: Any, **options: Any) -> Teardown:
    made = planned(account, **{"unprotected": UNPROTECTED, **options})
    made.approve(check_mode=False)
    made.apply()
    return made


def shown(made: Stack, action: str) -> set[str]:
    return {f"{entry.kind}:{entry.name}" for entry in made.entries if entry.action == action}


def inventory(account: Any) -> dict[str, set[str]]:
    """What there is, by kind."""
    cloud = account.cloud()
    scopes = {"domain_record": "example.test"}
    kinds = [kind for kind in KINDS if kind.findable or kind.kind == "domain_record"]
    return {
        kind.kind: {f"{facts['name']} {facts['id']}" for facts in cloud.all(kind, scopes.get(kind.kind))}
        for kind in kinds
    }


@pytest.fixture
def both(scaled: Any) -> Any:
    """Two environments in one account, neither of whose networks is the region's default."""
    scaled.converge(Vpc, name="default", region="fra1", ip_range="10.99.0.0/20")
    converge(scaled, "two", TWO)
    scaled.others = inventory(scaled)
    converge(scaled, "one", ONE)
    return scaled


def test_all_of_it_goes_and_nothing_else(both: Any) -> None:
    made = destroy(both)
    assert shown(made, "delete") == {
        "ssh_key:flowdose-one",
        "vpc:net-one",
        "droplet:backend-one",
        "droplet:storefront-one",
        "firewall:flowdose-one",
        "database_cluster:postgres-one",
        "domain_record:api-one.example.test A",
        "domain_record:one.example.test TXT owner=one",
        "project:shop one",
    }
    assert shown(made, "keep") == {"domain:example.test"}
    assert inventory(both) == both.others
    before = len(both.server.requests)
    again = destroy(both)
    assert shown(again, "delete") == set()
    assert both.written(before) == []
    assert again.remarks[-1] == "Of one there is nothing left to take down."
