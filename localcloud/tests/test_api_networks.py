# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VPCs and cloud firewalls."""

from __future__ import annotations

from typing import Any

import pytest
from localcloud.testing import RunningCloud
from plain_api import Api

SSH: dict[str, Any] = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0", "::/0"]}}
OUT: dict[str, Any] = {"protocol": "tcp", "ports": "all", "destinations": {"addresses": ["0.0.0.0/0"]}}


# -- VPCs ------------------------------------------------------------------------------------------------------------


def test_vpc_life(api: Api) -> None:
    api.vpc("first", "10.78.0.0/20")
    vpc = api.vpc("dev", "10.79.0.0/20")
    assert (vpc["default"], vpc["urn"], vpc["description"]) == (False, f"do:vpc:{vpc['id']}", "")
    path = f"/v2/vpcs/{vpc['id']}"
    assert api("PATCH", path, {"description": "d"})["vpc"]["description"] == "d"
    # A PUT resets what it leaves out.
    assert api("PUT", path, {"name": "new"})["vpc"]["description"] == ""
    api("DELETE", path, status=204)
    api.refused("GET", path, status=404)


def test_first_vpc_of_a_region_is_its_default_and_stays(api: Api) -> None:
    first, second = api.vpc("a", "10.78.0.0/20"), api.vpc("b", "10.79.0.0/20")
    assert (first["default"], second["default"]) == (True, False)
    assert "default" in api.refused("DELETE", f"/v2/vpcs/{first['id']}", status=403)
    api("PATCH", f"/v2/vpcs/{second['id']}", {"default": True})
    api("DELETE", f"/v2/vpcs/{first['id']}", status=204)


def test_droplet_without_a_vpc_goes_to_the_default(api: Api) -> None:
    droplet = api.droplet()
    vpc = api("GET", f"/v2/vpcs/{droplet['vpc_uuid']}")["vpc"]
    assert (vpc["name"], vpc["default"], vpc["ip_range"]) == ("default-fra1", True, "10.104.0.0/20")


def test_members_hold_a_vpc_until_they_have_left(api: Api, cloud: RunningCloud) -> None:
    api.vpc("first", "10.79.0.0/20")
    vpc = api.vpc()
    path = f"/v2/vpcs/{vpc['id']}"
    droplet = api.droplet(vpc_uuid=vpc["id"])
    cluster = api.cluster(private_network_uuid=vpc["id"])
    urns = [member["urn"] for member in api("GET", f"{path}/members")["members"]]
    assert urns == [f"do:droplet:{droplet['id']}", f"do:dbaas:{cluster['id']}"]
    assert len(api("GET", f"{path}/members?resource_type=droplet")["members"]) == 1
    api("DELETE", f"/v2/droplets/{droplet['id']}", status=204)
    api("DELETE", f"/v2/databases/{cluster['id']}", status=204)
    assert api.refused("DELETE", path, status=409) == "Can not delete VPC with members"
    cloud.clock.advance(8)  # the droplet is gone, not yet deregistered
    api.refused("GET", f"/v2/droplets/{droplet['id']}", status=404)
    api.refused("DELETE", path, status=409)
    cloud.clock.advance(60)
    api("DELETE", path, status=204)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "dev"}, "unique"),
        ({"name": "a_b"}, "letters, numbers, dashes"),
        ({"region": "xyz1"}, "Region xyz1"),
        ({"ip_range": "10.78.15.0/24"}, "overlaps with another VPC network in your account: dev"),
        ({"ip_range": "10.77.1.0/24"}, "reserved"),
        ({"ip_range": "8.8.8.0/24"}, "192.168.0.0/16"),
        ({"ip_range": "10.80.0.0/12"}, "/28 and /16"),
        ({"ip_range": "10.80.0.0/29"}, "/28 and /16"),
        ({"ip_range": "10.80.0.1/20"}, "not a valid IP range"),
        ({"description": "x" * 256}, "255"),
    ],
)
def test_bad_vpc(api: Api, change: dict[str, str], message: str) -> None:
    api.vpc()
    body = {"name": "other", "region": "fra1", "ip_range": "10.80.0.0/20", **change}
    assert message in api.refused("POST", "/v2/vpcs", body, status=422)


def test_small_vpc_fills_up(api: Api) -> None:
    vpc = api.vpc("small", "10.78.0.0/28")
    for number in range(13):  # 16 less the network, the gateway and the broadcast address
        api.droplet(f"n{number}", ready=False, vpc_uuid=vpc["id"])
    body = {"name": "x", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64", "vpc_uuid": vpc["id"]}
    assert "no free address" in api.refused("POST", "/v2/droplets", body, status=422)


# -- firewalls -------------------------------------------------------------------------------------------------------


def firewall(api: Api, **more: Any) -> dict[str, Any]:
    body = {"name": "fw", "inbound_rules": [SSH], **more}
    created: dict[str, Any] = api("POST", "/v2/firewalls", body, status=202)["firewall"]
    return created


def test_firewall_waits_until_it_is_applied(api: Api, cloud: RunningCloud) -> None:
    droplet = api.droplet()
    created = firewall(api, droplet_ids=[droplet["id"]], outbound_rules=[OUT])
    assert created["status"] == "waiting"
    assert created["pending_changes"] == [{"droplet_id": droplet["id"], "removing": False, "status": "waiting"}]
    cloud.clock.advance(3)
    applied = api("GET", f"/v2/firewalls/{created['id']}")["firewall"]
    assert (applied["status"], applied["pending_changes"]) == ("succeeded", [])
    # "all" is read back as "0".
    assert applied["outbound_rules"] == [{**OUT, "ports": "0"}]


def test_put_replaces_the_whole_firewall(api: Api) -> None:
    droplet = api.droplet(tags=["x"])
    created = firewall(api, droplet_ids=[droplet["id"]], tags=["x"], outbound_rules=[OUT])
    path = f"/v2/firewalls/{created['id']}"
    replaced = api("PUT", path, {"name": "fw", "inbound_rules": [SSH]})["firewall"]
    assert (replaced["droplet_ids"], replaced["tags"], replaced["outbound_rules"]) == ([], [], [])
    api.refused("PUT", path, {"inbound_rules": [SSH]}, status=422)


def test_parts_of_a_firewall(api: Api) -> None:
    droplet = api.droplet(tags=["x"])
    path = f"/v2/firewalls/{firewall(api)['id']}"
    api("POST", f"{path}/droplets", {"droplet_ids": [droplet["id"]]}, status=204)
    api("POST", f"{path}/tags", {"tags": ["x"]}, status=204)
    api("POST", f"{path}/rules", {"outbound_rules": [OUT]}, status=204)
    full = api("GET", path)["firewall"]
    assert (full["droplet_ids"], full["tags"], len(full["outbound_rules"])) == ([droplet["id"]], ["x"], 1)
    assert full["inbound_rules"] == [SSH]
    api("DELETE", f"{path}/droplets", {"droplet_ids": [droplet["id"]]}, status=204)
    api("DELETE", f"{path}/tags", {"tags": ["x"]}, status=204)
    api("DELETE", f"{path}/rules", {"outbound_rules": [OUT]}, status=204)
    empty = api("GET", path)["firewall"]
    assert (empty["droplet_ids"], empty["tags"], empty["outbound_rules"]) == ([], [], [])
    api("DELETE", path, status=204)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "fw"}, 409),
        ({"name": "_"}, 422),
        ({"inbound_rules": []}, 422),
        ({"tags": ["unknown"]}, 422),
        ({"droplet_ids": [7]}, 422),
        ({"inbound_rules": [{**SSH, "ports": "90000"}]}, 422),
        ({"inbound_rules": [{**SSH, "ports": "90-80"}]}, 422),
        ({"inbound_rules": [{**SSH, "protocol": "gre"}]}, 422),
        ({"inbound_rules": [{**SSH, "sources": {}}]}, 422),
        ({"inbound_rules": [{**SSH, "sources": {"addresses": ["anywhere"]}}]}, 422),
        ({"inbound_rules": [{**SSH, "sources": {"tags": ["unknown"]}}]}, 422),
    ],
)
def test_bad_firewall(api: Api, change: dict[str, Any], status: int) -> None:
    firewall(api)
    api.refused("POST", "/v2/firewalls", {"name": "other", "inbound_rules": [SSH], **change}, status=status)


def test_deleted_droplet_leaves_its_firewalls(api: Api, cloud: RunningCloud) -> None:
    droplet = api.droplet()
    created = firewall(api, droplet_ids=[droplet["id"]])
    api("DELETE", f"/v2/droplets/{droplet['id']}", status=204)
    cloud.clock.advance(8)
    assert api("GET", f"/v2/firewalls/{created['id']}")["firewall"]["droplet_ids"] == []
