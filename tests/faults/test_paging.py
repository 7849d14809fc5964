# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Others have resources too, more of them than one page of a list shows."""

from __future__ import annotations

import base64
import collections
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils import client
from faults.account import Account, serve

OTHERS = 250
FEWER = 90  # of what an account has no more of than a page
LISTS = (  # paginated by the API, and of a kind that the environment has
    *("account/keys", "vpcs", "droplets", "volumes", "firewalls", "domains", "certificates"),
    *("load_balancers", "monitoring/alerts", "uptime/checks", "projects", "tags"),
)


def key(number: int) -> str:
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + number.to_bytes(32, "big")
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


def others(number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """What somebody else has of each kind: operation of pydo, body."""
    name, place = f"other-{number}", {"region": "nyc3"}
    receivers = {"email": ["ops@localcloud.test"], "slack": []}
    yield "ssh_keys.create", {"name": name, "public_key": key(number)}
    yield "vpcs.create", {"name": name, **place, "ip_range": f"172.16.{number}.0/24"}
    # Not where the networks are: the first one of a region takes in all that names none, and is too small for it.
    yield "droplets.create", {"name": name, "region": "ams3", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
    yield "volumes.create", {"name": name, **place, "size_gigabytes": 1}
    if number < FEWER:
        yield "reserved_ips.create", place
        yield "spaces_key.create", {"name": name, "grants": [{"bucket": "", "permission": "fullaccess"}]}
    rule = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"]}}
    yield "firewalls.create", {"name": name, "inbound_rules": [rule]}
    yield "domains.create", {"name": f"{name}.test"}
    yield "certificates.create", {"name": name, "type": "lets_encrypt", "dns_names": [f"{name}.test"]}
    forwarding = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 80}
    yield "load_balancers.create", {"name": name, "region": "ams3", "forwarding_rules": [forwarding], "tag": name}
    policy = {"type": "v1/insights/droplet/cpu", "compare": "GreaterThan", "value": 90, "window": "10m"}
    yield (
        "monitoring.create_alert_policy",
        {**policy, "description": name, "entities": [], "tags": [], "enabled": True, "alerts": receivers},
    )
    check = {"type": "https", "target": f"https://{name}.test", "regions": ["us_east"]}
    yield "uptime.create_check", {"name": name, **check, "enabled": True}
    yield "projects.create", {"name": name, "purpose": "Web Application"}
    yield "domains.create_record", {"type": "A", "name": name, "data": "192.0.2.1"}


@pytest.fixture(scope="module")
def crowded() -> Iterator[Account]:
    """An account full of what others have."""
    with serve() as account:
        api = account.client()
        api.call("create domain", "domains.create", body={"name": "faults.test"})
        for number in range(OTHERS):
            for operation, body in others(number):
                arguments = ("faults.test",) if operation == "domains.create_record" else ()
                api.call(f"make {operation}", operation, *arguments, body=body)
        account.server.clock.advance(3600)
        yield account


@pytest.mark.faults
def test_nothing_is_overlooked_and_nothing_made_twice(crowded: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    before = crowded.world()
    made = crowded.run()
    actions = collections.Counter(entry.action for entry in made.entries)
    assert actions == {"create": len(made.entries) - 1, "none": 1}, "all but the zone"
    after = crowded.world()
    seen = len(crowded.server.requests)
    assert {entry.action for entry in crowded.run().entries} == {"none"}
    asked = crowded.server.requests[seen:]
    assert [entry["path"] for entry in asked if entry["method"] != "GET"] == []
    pages = collections.Counter(entry["path"] for entry in asked)
    assert {path: pages[f"/v2/{path}"] for path in LISTS} == dict.fromkeys(LISTS, 2), "each list once, of two pages"
    assert crowded.world() == after
    declared = {section: len(names) - len(before[section]) for section, names in after.items()}
    assert declared["droplets"] == declared["databases"] == 2
    assert declared["vpcs"] == declared["certificates"] == declared["load_balancers"] == declared["volumes"] == 1

    for length in (20, 60, 100):  # whatever the API, or something before it, makes of what is asked for
        monkeypatch.setattr(client, "PAGE_SIZE", length)
        assert {entry.action for entry in crowded.plan().entries} == {"none"}
