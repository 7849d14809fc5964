# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API with machines behind it: what only the two together can show."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_cloud import LiveCloud, eventually
from localcloud.daemon import ServerLock

pytestmark = pytest.mark.machines


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCloud]:
    given = LiveCloud(tmp_path_factory.mktemp("machines"))
    given.up()
    try:
        yield given
    finally:
        given.run("down")


@pytest.fixture(scope="module")
def droplet(cloud: LiveCloud) -> dict[str, Any]:
    """Id and address of a droplet that answers; a Valkey cluster trusts its tag."""
    key = {"name": "ops", "public_key": Path(f"{cloud.key}.pub").read_text()}
    key_id = cloud.api("POST", "/v2/account/keys", key)["ssh_key"]["id"]
    vpc = cloud.api("POST", "/v2/vpcs", {"name": "dev", "region": "fra1", "ip_range": "10.91.0.0/24"})["vpc"]
    body = {"name": "web-1", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64", "tags": ["web"]}
    more = {"vpc_uuid": vpc["id"], "ssh_keys": [key_id], "monitoring": True}
    created = cloud.api("POST", "/v2/droplets", {**body, **more})["droplet"]
    cluster = {"name": "cache-1", "engine": "valkey", "region": "fra1", "size": "db-s-1vcpu-1gb", "num_nodes": 1}
    rules = [{"type": "tag", "value": "web"}]
    cloud.api("POST", "/v2/databases", {**cluster, "private_network_uuid": vpc["id"], "rules": rules})
    eventually(lambda: cloud.status()["clusters"][0]["state"] == "online")
    (shown,) = cloud.status()["droplets"]
    eventually(lambda: cloud.ssh(shown["public_ipv4"], "true") is not None)
    return {"id": created["id"], "address": shown["public_ipv4"]}


def _reaches_cache(cloud: LiveCloud, droplet: dict[str, Any]) -> bool:
    (cluster,) = cloud.status()["clusters"]
    probe = f"timeout 3 bash -c '</dev/tcp/{cluster['private_host']}/25061' && echo open || echo closed"
    return cloud.ssh(droplet["address"], probe) == "open"


def test_trusted_sources_follow_a_tag(cloud: LiveCloud, droplet: dict[str, Any]) -> None:
    resource = {"resources": [{"resource_id": str(droplet["id"]), "resource_type": "droplet"}]}
    assert _reaches_cache(cloud, droplet)
    cloud.api("DELETE", "/v2/tags/web/resources", resource)
    eventually(lambda: not _reaches_cache(cloud, droplet), 20)
    cloud.api("POST", "/v2/tags/web/resources", resource)
    eventually(lambda: _reaches_cache(cloud, droplet), 20)


def test_firewall_closes_and_opens(cloud: LiveCloud, droplet: dict[str, Any]) -> None:
    rule = {"protocol": "tcp", "ports": "80", "sources": {"addresses": ["0.0.0.0/0"]}}
    firewall = cloud.api("POST", "/v2/firewalls", {"name": "web", "tags": ["web"], "inbound_rules": [rule]})["firewall"]
    eventually(lambda: cloud.ssh(droplet["address"], "true") is None, 20)
    cloud.api("DELETE", f"/v2/firewalls/{firewall['id']}")
    eventually(lambda: cloud.ssh(droplet["address"], "true") is not None, 20)


def test_alerts_ring_for_what_a_droplet_does(cloud: LiveCloud, droplet: dict[str, Any]) -> None:
    def outcomes() -> list[str]:
        return [note["subject"] for note in json.loads(cloud.run("notifications", "--json"))]

    def states() -> dict[str, str]:
        return {check["name"]: check["regions"]["eu_west"] for check in cloud.status()["checks"]}

    assert cloud.ssh(droplet["address"], "systemd-run --unit=web python3 -m http.server 80") is not None
    for kind, target in (("http", f"http://{droplet['address']}/"), ("ping", droplet["address"])):
        check = {"name": kind, "type": kind, "target": target, "regions": ["eu_west"], "enabled": True}
        cloud.api("POST", "/v2/uptime/checks", check)
    told = {"email": ["ops@localcloud.test"], "slack": []}
    policy = {"type": "v1/insights/droplet/cpu", "description": "busy", "compare": "GreaterThan", "value": 10}
    more = {"window": "5m", "entities": [], "tags": ["web"], "alerts": told, "enabled": True}
    cloud.api("POST", "/v2/monitoring/alerts", {**policy, **more})
    eventually(lambda: states() == {"http": "UP", "ping": "UP"})
    assert cloud.ssh(droplet["address"], "systemd-run --unit=busy sh -c 'while :; do :; done'") is not None
    eventually(lambda: outcomes() == ["[triggered] busy"])
    assert cloud.ssh(droplet["address"], "systemctl stop busy web") is not None
    eventually(lambda: outcomes() == ["[triggered] busy", "[resolved] busy"])
    eventually(lambda: states() == {"http": "DOWN", "ping": "UP"})


def test_machines_outlive_the_server(cloud: LiveCloud, droplet: dict[str, Any]) -> None:
    boot = cloud.ssh(droplet["address"], "systemctl show --property=UserspaceTimestampMonotonic")
    before = cloud.status()
    os.kill(before["pid"], signal.SIGKILL)
    assert cloud.ssh(droplet["address"], "true") is not None
    eventually(lambda: not ServerLock(cloud.state).is_held(), 10)
    assert "taking over" in cloud.up()
    after = cloud.status()
    assert [machine["state"] for machine in (*after["droplets"], *after["clusters"])] == ["active", "online"]
    assert not [machine["error"] for machine in (*after["droplets"], *after["clusters"]) if machine["error"]]
    assert cloud.ssh(droplet["address"], "systemctl show --property=UserspaceTimestampMonotonic") == boot
    assert _reaches_cache(cloud, droplet)


def test_power_off_from_within_is_seen(cloud: LiveCloud, droplet: dict[str, Any]) -> None:
    path = f"/v2/droplets/{droplet['id']}"
    cloud.ssh(droplet["address"], "systemctl poweroff")
    eventually(lambda: cloud.api("GET", path)["droplet"]["status"] == "off")
    cloud.api("POST", f"{path}/actions", {"type": "power_on"})
    eventually(lambda: cloud.api("GET", path)["droplet"]["status"] == "active")
    eventually(lambda: cloud.ssh(droplet["address"], "true") is not None)
