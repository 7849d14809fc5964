# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from localcloud.testing import RunningCloud, running_cloud
from plain_api import PUBLIC_KEY, Api


def test_create_takes_its_time(api: Api, cloud: RunningCloud) -> None:
    answer = api(
        "POST",
        "/v2/droplets",
        {"name": "web-1", "region": "fra1", "size": "s-2vcpu-4gb", "image": "debian-13-x64", "tags": ["a"]},
        status=202,
    )
    (link,) = answer["links"]["actions"]
    assert link["rel"] == "create"
    path = f"/v2/droplets/{answer['droplet']['id']}"
    cloud.clock.advance(39.9)
    droplet = api("GET", path)["droplet"]
    assert (droplet["status"], droplet["locked"], droplet["networks"]["v4"]) == ("new", True, [])
    assert api("GET", f"/v2/actions/{link['id']}")["action"]["status"] == "in-progress"
    cloud.clock.advance(0.1)
    droplet = api("GET", path)["droplet"]
    assert (droplet["status"], droplet["locked"]) == ("active", False)
    assert {network["type"]: network["ip_address"] for network in droplet["networks"]["v4"]} == {
        "public": "10.77.0.16",
        "private": "10.104.0.2",
    }
    assert (droplet["memory"], droplet["vcpus"], droplet["disk"]) == (4096, 2, 80)
    action = api("GET", f"/v2/actions/{link['id']}")["action"]
    assert (action["status"], action["completed_at"]) == ("completed", "2026-09-01T00:00:40Z")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": "s-1vcpu"}, "invalid size"),
        ({"image": "debian-3-x64"}, "invalid image"),
        ({"image": 7}, "invalid image"),
        ({"region": "xyz1"}, "invalid region"),
        ({"region": "sfo1"}, "invalid region"),
        ({"region": "atl1", "size": "c-2"}, "Size is not available in this region"),
        ({"name": "no_underscore"}, "Only valid hostname characters"),
        ({"name": ""}, "Only valid hostname characters"),
        ({"ssh_keys": [7, "aa:bb"]}, "7, aa:bb are invalid key identifiers"),
        ({"vpc_uuid": "nowhere"}, "VPC nowhere does not exist"),
        ({"tags": ["a b"]}, "Tag name 'a b' is invalid"),
        ({"user_data": "x" * (64 * 1024 + 1)}, "64 KiB"),
        ({"backups": True, "backup_policy": {"plan": "hourly"}}, "backup policy is invalid"),
    ],
)
def test_bad_creation(api: Api, change: dict[str, object], message: str) -> None:
    body = {"name": "web-1", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64", **change}
    assert message in api.refused("POST", "/v2/droplets", body, status=422)
    assert api("GET", "/v2/droplets")["droplets"] == []
    assert api("GET", "/v2/tags")["tags"] == []
    assert api("GET", "/v2/vpcs")["vpcs"] == []


def test_names_are_not_unique(api: Api) -> None:
    assert api.droplet("web-1")["id"] != api.droplet("web-1")["id"]
    assert len(api("GET", "/v2/droplets?name=WEB-1")["droplets"]) == 2


def test_several_at_once(api: Api) -> None:
    body = {"names": ["a", "b"], "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
    answer = api("POST", "/v2/droplets", body, status=202)
    assert [droplet["name"] for droplet in answer["droplets"]] == ["a", "b"]
    assert len(answer["links"]["actions"]) == 2
    api.refused("POST", "/v2/droplets", {**body, "names": [f"n{number}" for number in range(11)]}, status=422)


def test_region_may_be_left_to_the_platform(api: Api) -> None:
    body = {"name": "a", "size": "s-1vcpu-1gb", "image": 195932981}
    assert api("POST", "/v2/droplets", body, status=202)["droplet"]["region"]["slug"]
    body["region"] = "nyc"
    assert api("POST", "/v2/droplets", body, status=202)["droplet"]["region"]["slug"].startswith("nyc")


def test_list_filters(api: Api) -> None:
    api.droplet("a", tags=["x"])
    api.droplet("b", tags=["x", "y"])
    names = lambda query: [droplet["name"] for droplet in api("GET", f"/v2/droplets?{query}")["droplets"]]  # noqa: E731
    assert names("tag_name=x") == ["a", "b"]
    assert names("tag_name=y") == ["b"]
    assert names("tag_name=z") == []
    assert names("name=b") == ["b"]
    assert names("type=gpus") == []
    api.refused("GET", "/v2/droplets?name=a&tag_name=x", status=400)


def test_delete_is_seen_until_it_is_done(api: Api, cloud: RunningCloud) -> None:
    droplet = api.droplet()
    path = f"/v2/droplets/{droplet['id']}"
    api("DELETE", path, status=204)
    assert api("GET", path)["droplet"]["locked"] is True
    assert api.refused("DELETE", path, status=422) == "Droplet already has a pending event."
    cloud.clock.advance(8)
    api.refused("GET", path, status=404)


def test_delete_by_tag(api: Api, cloud: RunningCloud) -> None:
    api.droplet("a", tags=["x"])
    api.droplet("b", tags=["y"])
    api("DELETE", "/v2/droplets?tag_name=x", status=204)
    cloud.clock.advance(8)
    assert [droplet["name"] for droplet in api("GET", "/v2/droplets")["droplets"]] == ["b"]


def test_one_event_at_a_time(api: Api, cloud: RunningCloud) -> None:
    droplet = api.droplet(ready=False)
    actions = f"/v2/droplets/{droplet['id']}/actions"
    assert api.refused("POST", actions, {"type": "reboot"}, status=422) == "Droplet already has a pending event."
    api.refused("DELETE", f"/v2/droplets/{droplet['id']}", status=422)
    cloud.clock.advance(40)
    api("POST", actions, {"type": "reboot"}, status=201)
    api.refused("POST", actions, {"type": "reboot"}, status=422)
    cloud.clock.advance(5)
    api("POST", actions, {"type": "power_off"}, status=201)


def test_power(api: Api, cloud: RunningCloud) -> None:
    droplet = api.droplet()
    path = f"/v2/droplets/{droplet['id']}"
    assert "already powered on" in api.refused("POST", f"{path}/actions", {"type": "power_on"}, status=422)
    action = api("POST", f"{path}/actions", {"type": "shutdown"}, status=201)["action"]
    assert (action["status"], action["type"]) == ("in-progress", "shutdown")
    cloud.clock.advance(5)
    assert api("GET", path)["droplet"]["status"] == "off"
    assert api("GET", f"{path}/actions/{action['id']}")["action"]["status"] == "completed"
    api.refused("POST", f"{path}/actions", {"type": "reboot"}, status=422)
    api("POST", f"{path}/actions", {"type": "power_on"}, status=201)
    cloud.clock.advance(5)
    assert api("GET", path)["droplet"]["status"] == "active"
    assert [a["type"] for a in api("GET", f"{path}/actions")["actions"]] == ["power_on", "shutdown", "create"]


def test_resize_wants_a_droplet_that_is_off(api: Api, cloud: RunningCloud) -> None:
    droplet = api.droplet()
    path = f"/v2/droplets/{droplet['id']}"
    body = {"type": "resize", "size": "s-1vcpu-2gb"}
    assert "power it off" in api.refused("POST", f"{path}/actions", body, status=422)
    api("POST", f"{path}/actions", {"type": "power_off"}, status=201)
    cloud.clock.advance(5)
    api.refused("POST", f"{path}/actions", {"type": "resize", "size": "s-1vcpu-1gb"}, status=422)
    api("POST", f"{path}/actions", body, status=201)
    cloud.clock.advance(60)
    resized = api("GET", path)["droplet"]
    assert (resized["size_slug"], resized["memory"], resized["disk"]) == ("s-1vcpu-2gb", 2048, 25)
    api("POST", f"{path}/actions", {"type": "resize", "size": "s-2vcpu-4gb", "disk": True}, status=201)
    cloud.clock.advance(60)
    assert api("GET", path)["droplet"]["disk"] == 80
    # A disk never shrinks.
    assert "smaller disk" in api.refused("POST", f"{path}/actions", body, status=422)


def test_other_actions(api: Api, cloud: RunningCloud) -> None:
    droplet = api.droplet()
    path = f"/v2/droplets/{droplet['id']}"
    policy = {"plan": "weekly", "weekday": "MON", "hour": 4}
    for body in (
        {"type": "rename", "name": "web-2"},
        {"type": "enable_backups", "backup_policy": policy},
        {"type": "enable_ipv6"},
    ):
        api("POST", f"{path}/actions", body, status=201)
        cloud.clock.advance(5)
    changed = api("GET", path)["droplet"]
    assert changed["name"] == "web-2"
    assert {"backups", "ipv6"} <= set(changed["features"])
    assert changed["next_backup_window"] == {"start": "2026-09-07T04:00:00Z", "end": "2026-09-07T08:00:00Z"}
    assert changed["networks"]["v6"]
    api("POST", f"{path}/actions", {"type": "disable_backups"}, status=201)
    cloud.clock.advance(5)
    assert api("GET", path)["droplet"]["next_backup_window"] is None
    assert "not valid" in api.refused("POST", f"{path}/actions", {"type": "explode"}, status=422)


def test_actions_by_tag(api: Api, cloud: RunningCloud) -> None:
    api.droplet("a", tags=["x"])
    api.droplet("b", tags=["x"])
    actions = api("POST", "/v2/droplets/actions?tag_name=x", {"type": "power_off"}, status=201)["actions"]
    assert len(actions) == 2
    cloud.clock.advance(5)
    assert {droplet["status"] for droplet in api("GET", "/v2/droplets")["droplets"]} == {"off"}


def test_what_belongs_to_a_droplet(api: Api) -> None:
    droplet = api.droplet(tags=["x"])
    rule = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"]}}
    api("POST", "/v2/firewalls", {"name": "fw", "tags": ["x"], "inbound_rules": [rule]}, status=202)
    path = f"/v2/droplets/{droplet['id']}"
    assert [fw["name"] for fw in api("GET", f"{path}/firewalls")["firewalls"]] == ["fw"]
    for what in ("snapshots", "backups", "kernels"):
        assert api("GET", f"{path}/{what}")[what] == []
    assert api("GET", f"{path}/neighbors")["droplets"] == []


def test_key_by_fingerprint(api: Api) -> None:
    key = api("POST", "/v2/account/keys", {"name": "k", "public_key": PUBLIC_KEY}, status=201)["ssh_key"]
    api.droplet("a", ssh_keys=[key["fingerprint"]])
    api.droplet("b", ssh_keys=[key["id"]])


def test_addresses_are_not_used_again_at_once(api: Api, cloud: RunningCloud) -> None:
    first = api.droplet()
    api("DELETE", f"/v2/droplets/{first['id']}", status=204)
    cloud.clock.advance(8)
    addresses = [network["ip_address"] for network in api.droplet()["networks"]["v4"]]
    assert addresses == ["10.104.0.3", "10.77.0.17"]


def test_droplet_limit() -> None:
    with running_cloud(droplet_limit=1) as cloud:
        api = Api(cloud)
        api.droplet()
        body = {"name": "b", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
        assert "droplet limit" in api.refused("POST", "/v2/droplets", body, status=422)


# -- many ------------------------------------------------------------------------------------------------------------


def test_seeded_droplets_are_like_others(api: Api, cloud: RunningCloud) -> None:
    ids = cloud.seed_droplets(1500, tags=["web"])
    page = api("GET", "/v2/droplets?tag_name=web&per_page=200&page=8")
    assert (page["meta"]["total"], len(page["droplets"])) == (1500, 100)
    last = page["droplets"][-1]
    assert (last["id"], last["name"], last["status"], last["locked"]) == (ids[-1], "seed-1500", "active", False)
    addresses = {droplet["public_ip"] for droplet in cloud.state["droplets"].values()}
    assert len(addresses) == 1500
    assert cloud.seed_droplets(1) != ids[:1]
    api("DELETE", f"/v2/droplets/{ids[0]}", status=204)
