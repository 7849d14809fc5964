# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reserved IPs and volumes, and the droplets that have them."""

from __future__ import annotations

from typing import Any

import pytest
from localcloud.testing import RunningCloud
from plain_api import Api

IPS = "/v2/reserved_ips"
VOLUMES = "/v2/volumes"


def reserve(api: Api, **body: Any) -> dict[str, Any]:
    reserved: dict[str, Any] = api("POST", IPS, body or {"region": "fra1"}, status=202)["reserved_ip"]
    return reserved


def public_addresses(api: Api, droplet: dict[str, Any]) -> list[str]:
    networks = api("GET", f"/v2/droplets/{droplet['id']}")["droplet"]["networks"]["v4"]
    return [network["ip_address"] for network in networks if network["type"] == "public"]


# -- reserved IPs ----------------------------------------------------------------------------------------------------


def test_reserved_for_a_region(api: Api) -> None:
    reserved = reserve(api)
    assert (reserved["droplet"], reserved["locked"], reserved["region"]["slug"]) == (None, False, "fra1")
    assert api("GET", f"{IPS}/{reserved['ip']}")["reserved_ip"] == reserved
    assert api("GET", IPS)["meta"]["total"] == 1
    api("DELETE", f"{IPS}/{reserved['ip']}", status=204)
    api.refused("GET", f"{IPS}/{reserved['ip']}", status=404)
    assert reserve(api)["ip"] != reserved["ip"]  # an address that was given back rests


def test_made_for_a_droplet_it_is_assigned_after_a_while(api: Api, cloud: RunningCloud) -> None:
    droplet = api.droplet()
    answer = api("POST", IPS, {"droplet_id": droplet["id"]}, status=202)
    reserved, (action,) = answer["reserved_ip"], answer["links"]["actions"]
    assert (reserved["droplet"], reserved["locked"], action["rel"]) == (None, True, "assign_ip")
    assert api("GET", f"/v2/actions/{action['id']}")["action"]["status"] == "in-progress"
    cloud.clock.advance(5)
    done = api("GET", f"{IPS}/{reserved['ip']}/actions/{action['id']}")["action"]
    assert (done["status"], done["type"], done["resource_type"]) == ("completed", "assign_ip", "reserved_ip")
    assigned = api("GET", f"{IPS}/{reserved['ip']}")["reserved_ip"]
    assert (assigned["droplet"]["id"], assigned["locked"]) == (droplet["id"], False)
    assert public_addresses(api, droplet) == [*public_addresses(api, droplet)[:1], reserved["ip"]]


def test_moves_from_droplet_to_droplet(api: Api, cloud: RunningCloud) -> None:
    first, second = api.droplet("a"), api.droplet("b")
    reserved = reserve(api, droplet_id=first["id"])
    path = f"{IPS}/{reserved['ip']}/actions"
    body = {"type": "assign", "droplet_id": second["id"]}
    assert "pending event" in api.refused("POST", path, body, status=422)
    cloud.clock.advance(5)
    api("POST", path, body, status=201)
    assert "pending event" in api.refused("DELETE", f"/v2/droplets/{second['id']}", status=422)
    cloud.clock.advance(5)
    assert api("GET", f"{IPS}/{reserved['ip']}")["reserved_ip"]["droplet"]["id"] == second["id"]
    assert reserved["ip"] not in public_addresses(api, first)
    assert "unassign it first" in api.refused("DELETE", f"{IPS}/{reserved['ip']}", status=422)
    api("POST", path, {"type": "unassign"}, status=201)
    cloud.clock.advance(5)
    assert "not assigned" in api.refused("POST", path, {"type": "unassign"}, status=422)
    assert [action["type"] for action in api("GET", path)["actions"]] == ["unassign_ip", "assign_ip", "assign_ip"]
    api("DELETE", f"{IPS}/{reserved['ip']}", status=204)


def test_deleted_droplet_leaves_its_address_behind(api: Api, cloud: RunningCloud) -> None:
    droplet = api.droplet()
    reserved = reserve(api, droplet_id=droplet["id"])
    cloud.clock.advance(5)
    api("DELETE", f"/v2/droplets/{droplet['id']}", status=204)
    cloud.clock.advance(8)
    assert api("GET", f"{IPS}/{reserved['ip']}")["reserved_ip"]["droplet"] is None


def test_does_not_move_away_from_a_droplet_that_is_worked_at(api: Api, cloud: RunningCloud) -> None:
    first, second = api.droplet("a"), api.droplet("b")
    reserved = reserve(api, droplet_id=first["id"])
    cloud.clock.advance(5)
    api("POST", f"/v2/droplets/{first['id']}/actions", {"type": "reboot"}, status=201)
    for body in ({"type": "unassign"}, {"type": "assign", "droplet_id": second["id"]}):
        assert "pending event" in api.refused("POST", f"{IPS}/{reserved['ip']}/actions", body, status=422)
    assert api("GET", f"/v2/droplets/{second['id']}")["droplet"]["locked"] is False
    cloud.clock.advance(5)
    api("POST", f"{IPS}/{reserved['ip']}/actions", {"type": "unassign"}, status=201)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "either droplet_id or region"),
        ({"region": "xyz1"}, "region xyz1"),
        ({"droplet_id": 7}, "does not exist"),
    ],
)
def test_bad_reserved_ip(api: Api, body: dict[str, Any], message: str) -> None:
    assert message in api.refused("POST", IPS, body, status=422)


def test_bad_assignments(api: Api, cloud: RunningCloud) -> None:
    new = api.droplet("new", ready=False)
    assert "pending event" in api.refused("POST", IPS, {"droplet_id": new["id"]}, status=422)
    cloud.clock.advance(40)
    elsewhere = api.droplet("elsewhere", region="ams3")
    reserved = reserve(api)
    path = f"{IPS}/{reserved['ip']}/actions"
    assign = {"type": "assign", "droplet_id": elsewhere["id"]}
    assert "same region" in api.refused("POST", path, assign, status=422)
    assert "droplet_id is required" in api.refused("POST", path, {"type": "assign"}, status=422)
    assert "assign or unassign" in api.refused("POST", path, {"type": "move"}, status=422)
    reserve(api, droplet_id=new["id"])
    cloud.clock.advance(5)
    again = {"type": "assign", "droplet_id": new["id"]}
    assert "already has a reserved IP" in api.refused("POST", path, again, status=422)
    api.refused("POST", f"{IPS}/10.77.9.9/actions", again, status=404)


def test_reserved_ip_belongs_to_a_project(api: Api) -> None:
    reserved = reserve(api)
    project = api("POST", "/v2/projects", {"name": "p", "purpose": "IoT"}, status=201)["project"]
    path = f"/v2/projects/{project['id']}/resources"
    for urn, status in ((f"do:floatingip:{reserved['ip']}", "assigned"), ("do:floatingip:10.77.9.9", "not_found")):
        assert api("POST", path, {"resources": [urn]})["resources"][0]["status"] == status
    assert [item["urn"] for item in api("GET", path)["resources"]] == [f"do:floatingip:{reserved['ip']}"]
    assert api("GET", f"{IPS}/{reserved['ip']}")["reserved_ip"]["project_id"] == project["id"]


# -- volumes ---------------------------------------------------------------------------------------------------------


def volume(api: Api, name: str = "data", **more: Any) -> dict[str, Any]:
    body = {"name": name, "region": "fra1", "size_gigabytes": 10, **more}
    created: dict[str, Any] = api("POST", VOLUMES, body, status=201)["volume"]
    return created


def act(api: Api, item: dict[str, Any], kind: str, **more: Any) -> dict[str, Any]:
    body = {"type": kind, "region": "fra1", **more}
    action: dict[str, Any] = api("POST", f"{VOLUMES}/{item['id']}/actions", body, status=202)["action"]
    api.cloud.clock.advance(5)
    return action


def test_volume_life(api: Api, cloud: RunningCloud) -> None:
    created = volume(api, filesystem_type="ext4", filesystem_label="data", tags=["Shop"], description="d")
    assert (created["droplet_ids"], created["tags"], created["filesystem_label"]) == ([], ["Shop"], "data")
    volume(api, "other")
    volume(api, region="ams3")  # one name in two regions is two volumes
    assert [item["id"] for item in api("GET", f"{VOLUMES}?name=data&region=fra1")["volumes"]] == [created["id"]]
    assert api("GET", "/v2/tags/Shop")["tag"]["resources"]["volumes"]["count"] == 1
    action = act(api, created, "resize", size_gigabytes=20)
    assert (action["status"], action["type"], action["resource_id"]) == ("in-progress", "resize_volume", None)
    path = f"{VOLUMES}/{created['id']}"
    assert api("GET", f"{path}/actions/{action['id']}")["action"]["status"] == "completed"
    assert api("GET", path)["volume"]["size_gigabytes"] == 20
    api("DELETE", path, status=204)
    api("DELETE", f"{VOLUMES}?name=other&region=fra1", status=204)
    api.refused("DELETE", f"{VOLUMES}?name=other&region=fra1", status=404)
    assert api("GET", VOLUMES)["meta"]["total"] == 1


def test_attached_by_id_detached_by_name(api: Api, cloud: RunningCloud) -> None:
    droplet, data = api.droplet(), volume(api)
    path = f"{VOLUMES}/{data['id']}"
    body = {"type": "attach", "droplet_id": droplet["id"], "region": "fra1"}
    api("POST", f"{path}/actions", body, status=202)
    # Until it is done, neither the volume nor the droplet takes another action.
    assert "pending event" in api.refused("POST", f"{path}/actions", body, status=422)
    power_off = {"type": "power_off"}
    assert "pending event" in api.refused("POST", f"/v2/droplets/{droplet['id']}/actions", power_off, status=422)
    cloud.clock.advance(5)
    assert api("GET", path)["volume"]["droplet_ids"] == [droplet["id"]]
    assert api("GET", f"/v2/droplets/{droplet['id']}")["droplet"]["volume_ids"] == [data["id"]]
    assert api.refused("DELETE", path, status=409) == "attached volume cannot be deleted"
    detach = {"type": "detach", "volume_name": "data", "region": "fra1", "droplet_id": droplet["id"]}
    api("POST", f"{VOLUMES}/actions", detach, status=202)
    cloud.clock.advance(5)
    assert api("GET", path)["volume"]["droplet_ids"] == []
    assert api.refused("POST", f"{VOLUMES}/actions", detach, status=422) == "Attachment not found"
    assert [action["type"] for action in api("GET", f"{path}/actions")["actions"]] == ["detach_volume", "attach_volume"]


def test_droplet_is_born_with_volumes_and_leaves_them(api: Api, cloud: RunningCloud) -> None:
    data = volume(api)
    droplet = api.droplet(volumes=[data["id"]])
    assert droplet["volume_ids"] == [data["id"]]
    body = {"name": "b", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64", "volumes": [data["id"]]}
    assert "attached to a droplet already" in api.refused("POST", "/v2/droplets", body, status=422)
    api("DELETE", f"/v2/droplets/{droplet['id']}", status=204)
    cloud.clock.advance(8)
    assert api("GET", f"{VOLUMES}/{data['id']}")["volume"]["droplet_ids"] == []


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"name": "data"}, 409, "exists in the region already"),
        ({"name": "Data"}, 422, "lowercase"),
        ({"name": "1data"}, 422, "begin with a letter"),
        ({"region": "xyz1"}, 422, "region xyz1"),
        ({"size_gigabytes": 0}, 422, "between 1 and 16384"),
        ({"size_gigabytes": 16385}, 422, "between 1 and 16384"),
        ({"snapshot_id": "x"}, 404, "snapshot"),
        ({"filesystem_type": "zfs"}, 422, "ext4 or xfs"),
        ({"filesystem_label": "data"}, 422, "filesystem_type"),
        ({"filesystem_type": "xfs", "filesystem_label": "x" * 13}, 422, "12 (xfs)"),
    ],
)
def test_bad_volume(api: Api, change: dict[str, Any], status: int, message: str) -> None:
    volume(api)
    body = {"name": "other", "region": "fra1", "size_gigabytes": 10, **change}
    assert message in api.refused("POST", VOLUMES, body, status=status)


def test_bad_volume_actions(api: Api, cloud: RunningCloud) -> None:
    droplet, data = api.droplet(), volume(api)
    elsewhere = api.droplet("elsewhere", region="ams3")
    actions = f"{VOLUMES}/{data['id']}/actions"
    for body, message in (
        ({"type": "attach", "droplet_id": elsewhere["id"]}, "same region"),
        ({"type": "attach", "droplet_id": 7}, "does not exist"),
        ({"type": "attach"}, "droplet_id is required"),
        ({"type": "attach", "droplet_id": droplet["id"], "region": "ams3"}, "not in ams3"),
        ({"type": "detach", "droplet_id": droplet["id"]}, "Attachment not found"),
        ({"type": "resize", "size_gigabytes": 10}, "cannot shrink"),
        ({"type": "format"}, "attach, detach, resize"),
    ):
        assert message in api.refused("POST", actions, body, status=422)
    act(api, data, "attach", droplet_id=droplet["id"])
    other = api.droplet("other")
    body = {"type": "attach", "droplet_id": other["id"]}
    assert "attached to a droplet already" in api.refused("POST", actions, body, status=422)
    for number in range(14):
        act(api, volume(api, f"v{number}"), "attach", droplet_id=droplet["id"])
    last = volume(api, "last")
    body = {"type": "attach", "droplet_id": droplet["id"]}
    assert "15 volumes" in api.refused("POST", f"{VOLUMES}/{last['id']}/actions", body, status=422)


def test_volume_belongs_to_a_project(api: Api) -> None:
    data = volume(api)
    project = api("POST", "/v2/projects", {"name": "p", "purpose": "IoT"}, status=201)["project"]
    path = f"/v2/projects/{project['id']}/resources"
    urn = f"do:volume:{data['id']}"
    assert api("POST", path, {"resources": [urn]})["resources"][0]["status"] == "assigned"
    api("DELETE", f"{VOLUMES}/{data['id']}", status=204)
    assert api("GET", path)["resources"] == []
