# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Account, catalogue, SSH keys, tags, projects, Spaces keys."""

from __future__ import annotations

import pytest
from localcloud.testing import RunningCloud
from plain_api import PUBLIC_KEY, Api


def test_catalogue(api: Api) -> None:
    assert api("GET", "/v2/account")["account"]["status"] == "active"
    regions = {region["slug"]: region for region in api("GET", "/v2/regions?per_page=200")["regions"]}
    assert {"ams3", "fra1", "nyc3", "sfo3"} <= set(regions)
    assert regions["sfo1"]["available"] is False
    sizes = {size["slug"]: size for size in api("GET", "/v2/sizes?per_page=200")["sizes"]}
    assert (sizes["s-2vcpu-4gb"]["memory"], sizes["s-2vcpu-4gb"]["price_monthly"]) == (4096, 24.0)
    assert set(regions["fra1"]["sizes"]) == {slug for slug, size in sizes.items() if "fra1" in size["regions"]}
    images = {image["slug"]: image for image in api("GET", "/v2/images?type=distribution")["images"]}
    assert {"debian-13-x64", "debian-12-x64", "ubuntu-24-04-x64"} <= set(images)
    assert api("GET", f"/v2/images/{images['debian-13-x64']['id']}")["image"] == images["debian-13-x64"]
    assert api("GET", "/v2/images?private=true")["images"] == []


# -- SSH keys --------------------------------------------------------------------------------------------------------


def test_ssh_key_life(api: Api) -> None:
    key = api("POST", "/v2/account/keys", {"name": "ops", "public_key": PUBLIC_KEY}, status=201)["ssh_key"]
    assert key["fingerprint"] == "5e:cd:1c:8b:86:59:06:9b:83:5d:55:8e:cf:a5:58:6f"
    for identifier in (key["id"], key["fingerprint"]):
        assert api("GET", f"/v2/account/keys/{identifier}")["ssh_key"] == key
    assert api("PUT", f"/v2/account/keys/{key['id']}", {"name": "new"})["ssh_key"]["name"] == "new"
    api("DELETE", f"/v2/account/keys/{key['fingerprint']}", status=204)
    api.refused("GET", f"/v2/account/keys/{key['id']}", status=404)


def test_ssh_key_is_unique_by_fingerprint(api: Api) -> None:
    api("POST", "/v2/account/keys", {"name": "ops", "public_key": PUBLIC_KEY}, status=201)
    again = {"name": "other", "public_key": PUBLIC_KEY.replace("ops@", "other@")}
    assert "already in use" in api.refused("POST", "/v2/account/keys", again, status=422)


@pytest.mark.parametrize("key", ["", "ssh-ed25519", "ssh-ed25519 AAAA ops", "ssh-rsa " + PUBLIC_KEY.split()[1]])
def test_ssh_key_that_is_none(api: Api, key: str) -> None:
    api.refused("POST", "/v2/account/keys", {"name": "ops", "public_key": key}, status=422)


# -- tags ------------------------------------------------------------------------------------------------------------


def test_tag_keeps_its_first_capitals(api: Api) -> None:
    assert api("POST", "/v2/tags", {"name": "Web"}, status=201)["tag"]["name"] == "Web"
    assert api("POST", "/v2/tags", {"name": "web"}, status=201)["tag"]["name"] == "Web"
    assert api.droplet(tags=["WEB"])["tags"] == ["Web"]
    assert len(api("GET", "/v2/tags")["tags"]) == 1
    api.refused("GET", "/v2/tags/web", status=404)


def test_tag_resources(api: Api, cloud: RunningCloud) -> None:
    droplet, cluster = api.droplet(), api.cluster()
    volume = api("POST", "/v2/volumes", {"name": "v", "region": "fra1", "size_gigabytes": 1}, status=201)["volume"]
    api("POST", "/v2/tags", {"name": "x"}, status=201)
    resources = [
        {"resource_id": str(droplet["id"]), "resource_type": "droplet"},
        {"resource_id": cluster["id"], "resource_type": "database"},
        {"resource_id": volume["id"], "resource_type": "volume"},
    ]
    api("POST", "/v2/tags/x/resources", {"resources": resources}, status=204)
    tag = api("GET", "/v2/tags/x")["tag"]
    counts = {kind: held["count"] for kind, held in tag["resources"].items() if isinstance(held, dict)}
    assert counts == {"droplets": 1, "databases": 1, "volumes": 1, "images": 0, "volume_snapshots": 0}
    assert tag["resources"]["count"] == 3
    assert tag["resources"]["droplets"]["last_tagged_uri"] == f"{cloud.endpoint}/v2/droplets/{droplet['id']}"
    assert [item["id"] for item in api("GET", "/v2/databases?tag_name=x")["databases"]] == [cluster["id"]]
    api("DELETE", "/v2/tags/x/resources", {"resources": resources[:1]}, status=204)
    assert api("GET", "/v2/droplets?tag_name=x")["droplets"] == []
    api("DELETE", "/v2/tags/x", status=204)
    assert api("GET", f"/v2/databases/{cluster['id']}")["database"]["tags"] == []


def test_bad_tags(api: Api) -> None:
    error = api("POST", "/v2/tags", {"name": "a b"}, status=400)
    assert set(error) == {"error", "messages", "root_causes"}
    api("POST", "/v2/tags", {"name": "x"}, status=201)
    missing = {"resources": [{"resource_id": "7", "resource_type": "droplet"}]}
    api.refused("POST", "/v2/tags/x/resources", missing, status=404)
    api.refused("POST", "/v2/tags/y/resources", missing, status=404)
    for kind, status in (("volume_snapshot", 404), ("image", 404), ("firewall", 422)):
        other = {"resources": [{"resource_id": "7", "resource_type": kind}]}
        api.refused("POST", "/v2/tags/x/resources", other, status=status)


# -- projects --------------------------------------------------------------------------------------------------------

PROJECT = {"name": "shop", "purpose": "Web Application", "environment": "Staging", "description": "d"}


def test_new_resources_are_in_the_default_project(api: Api) -> None:
    droplet = api.droplet()
    (resource,) = api("GET", "/v2/projects/default/resources")["resources"]
    assert (resource["urn"], resource["status"]) == (f"do:droplet:{droplet['id']}", "ok")


def test_project_life(api: Api, cloud: RunningCloud) -> None:
    droplet = api.droplet()
    project = api("POST", "/v2/projects", PROJECT, status=201)["project"]
    assert project["is_default"] is False
    path, urn = f"/v2/projects/{project['id']}", f"do:droplet:{droplet['id']}"
    wanted = {"resources": [urn, "do:space:assets", "do:droplet:7"]}
    statuses = [item["status"] for item in api("POST", f"{path}/resources", wanted)["resources"]]
    assert statuses == ["assigned", "assigned", "not_found"]
    assert api("POST", f"{path}/resources", {"resources": [urn]})["resources"][0]["status"] == "already_assigned"
    message = "cannot delete a project with resources. move or remove the resources first"
    assert api.refused("DELETE", path, status=412) == message
    api("POST", "/v2/projects/default/resources", {"resources": [urn, "do:space:assets"]})
    api("DELETE", path, status=204)
    api("DELETE", f"/v2/droplets/{droplet['id']}", status=204)
    cloud.clock.advance(8)
    left = api("GET", "/v2/projects/default/resources")["resources"]
    assert [item["urn"] for item in left] == ["do:space:assets"]


def test_project_values(api: Api) -> None:
    project = api("POST", "/v2/projects", {"name": "a", "purpose": "selling tea"}, status=201)["project"]
    assert project["purpose"] == "Other: selling tea"
    path = f"/v2/projects/{project['id']}"
    assert api("PATCH", path, {"description": "new"})["project"]["description"] == "new"
    assert "is_default required" in api.refused("PUT", path, PROJECT, status=422)
    assert api("PUT", path, {**PROJECT, "is_default": True})["project"]["is_default"] is True
    assert api("GET", "/v2/projects/default")["project"]["name"] == "shop"
    api.refused("DELETE", path, status=412)
    api.refused("POST", "/v2/projects", PROJECT, status=409)
    api.refused("POST", "/v2/projects", {"name": "b", "purpose": "c", "environment": "Test"}, status=422)
    api.refused("POST", "/v2/projects", {"name": "b"}, status=422)


# -- Spaces keys -----------------------------------------------------------------------------------------------------


def test_spaces_key_tells_its_secret_once(api: Api) -> None:
    body = {"name": "assets", "grants": [{"bucket": "b", "permission": "readwrite"}]}
    key = api("POST", "/v2/spaces/keys", body, status=201)["key"]
    assert len(key["secret_key"]) == 43
    path = f"/v2/spaces/keys/{key['access_key']}"
    seen = {name: value for name, value in key.items() if name != "secret_key"}
    assert api("GET", path)["key"] == seen
    assert seen in api("GET", "/v2/spaces/keys")["keys"]
    assert api("PATCH", path, {"name": "new"})["key"]["name"] == "new"
    api("DELETE", path, status=204)
    api.refused("GET", path, status=404)


def test_spaces_key_filters(api: Api) -> None:
    for name, bucket, permission in (("a", "b1", "read"), ("b", "b2", "readwrite"), ("c", "", "fullaccess")):
        grants = [{"bucket": bucket, "permission": permission}]
        api("POST", "/v2/spaces/keys", {"name": name, "grants": grants}, status=201)
    names = lambda query: [key["name"] for key in api("GET", f"/v2/spaces/keys?{query}")["keys"]]  # noqa: E731
    assert names("bucket=b1") == ["a"]
    assert names("permission=fullaccess&sort=name&sort_direction=asc") == ["c", "localcloud"]
    assert names("name=b") == ["b"]


def test_spaces_key_grants(api: Api) -> None:
    mixed = [{"bucket": "", "permission": "fullaccess"}, {"bucket": "b", "permission": "read"}]
    assert "cannot mix" in api.refused("POST", "/v2/spaces/keys", {"name": "a", "grants": mixed}, status=400)
    api.refused("POST", "/v2/spaces/keys", {"name": "a", "grants": mixed[:1] + mixed[:1]} | {"name": ""}, status=400)
    without = {"name": "a", "grants": [{"permission": "fullaccess"}]}
    assert "needs a bucket" in api.refused("POST", "/v2/spaces/keys", without, status=400)
    key = api("POST", "/v2/spaces/keys", {"name": "a", "grants": mixed[1:]}, status=201)["key"]
    path = f"/v2/spaces/keys/{key['access_key']}"
    api.refused("PUT", path, {"name": "a", "grants": mixed[:1]}, status=400)
