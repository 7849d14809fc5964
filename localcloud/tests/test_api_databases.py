# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from localcloud.testing import RunningCloud
from plain_api import Api


@pytest.mark.parametrize(
    ("engine", "seconds", "port", "user"), [("pg", 300, 25060, "doadmin"), ("valkey", 240, 25061, "default")]
)
def test_creation(api: Api, cloud: RunningCloud, engine: str, seconds: int, port: int, user: str) -> None:
    cluster = api.cluster(engine=engine, ready=False)
    path = f"/v2/databases/{cluster['id']}"
    cloud.clock.advance(seconds - 0.1)
    assert api("GET", path)["database"]["status"] == "creating"
    cloud.clock.advance(0.1)
    cluster = api("GET", path)["database"]
    assert cluster["status"] == "online"
    connection, private = cluster["connection"], cluster["private_connection"]
    assert (connection["host"], connection["port"]) == ("db-1-do-user-1-0.db.localcloud.test", port)
    assert private["host"] == "private-db-1-do-user-1-0.db.localcloud.test"
    assert (connection["user"], connection["ssl"]) == (user, True)
    assert connection["password"] in connection["uri"]
    assert cluster["users"] == [{"name": user, "role": "primary", "password": connection["password"]}]


def test_versions(api: Api) -> None:
    assert api.cluster("one", "pg")["version"] == "17"
    assert api.cluster("two", "valkey")["version"] == "8"
    cluster = api.cluster("three", "pg", version="15")
    assert cluster["semantic_version"].startswith("15.")
    body = {"name": "four", "engine": "pg", "region": "fra1", "size": "db-s-1vcpu-1gb", "num_nodes": 1}
    for version in ("13", "14", "18", "15.4"):  # too old since 2025 and 2026, too new, not a major version
        assert "invalid version" in api.refused("POST", "/v2/databases", {**body, "version": version}, status=422)


def test_options_tell_what_creation_takes(api: Api) -> None:
    options = api("GET", "/v2/databases/options")
    pg = options["options"]["pg"]
    assert (pg["default_version"], "fra1" in pg["regions"]) == ("17", True)
    layouts = {layout["num_nodes"]: layout["sizes"] for layout in pg["layouts"]}
    assert "db-s-1vcpu-1gb" in layouts[1]
    assert "db-s-1vcpu-1gb" not in layouts[2]
    assert [version["version"] for version in options["version_availability"]["pg"] if version["default"]] == ["17"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "db_2"}, "invalid cluster name"),
        ({"name": "db-1"}, "not available"),
        ({"engine": "redis"}, "invalid engine"),
        ({"engine": "postgres"}, "invalid engine"),
        ({"size": "db-s-9vcpu"}, "invalid size"),
        ({"size": "s-1vcpu-1gb"}, "invalid size"),
        ({"num_nodes": 2}, "invalid size"),  # the smallest size has one node only
        ({"num_nodes": 4}, "invalid number of nodes"),
        ({"region": "xyz1"}, "invalid region"),
        ({"size": ""}, "size is required"),
        ({"rules": [{"type": "ip_addr", "value": "::1"}]}, "not an IPv4 address"),
        ({"rules": [{"type": "droplet", "value": "7"}]}, "does not exist"),
        ({"rules": [{"type": "tag", "value": "x"}]}, "does not exist"),
        ({"rules": [{"type": "host", "value": "x"}]}, "none of ip_addr"),
    ],
)
def test_bad_creation(api: Api, change: dict[str, Any], message: str) -> None:
    api.cluster()
    body = {"name": "db-2", "engine": "pg", "region": "fra1", "size": "db-s-1vcpu-1gb", "num_nodes": 1, **change}
    assert message in api.refused("POST", "/v2/databases", body, status=422)
    assert len(api("GET", "/v2/databases")["databases"]) == 1


def test_authority_is_the_accounts(api: Api) -> None:
    certificates = []
    for name in ("one", "two"):
        cluster = api.cluster(name)
        encoded = api("GET", f"/v2/databases/{cluster['id']}/ca")["ca"]["certificate"]
        certificates.append(x509.load_pem_x509_certificate(base64.b64decode(encoded)))
    assert certificates[0] == certificates[1]
    assert certificates[0].extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_databases_and_users(api: Api) -> None:
    path = f"/v2/databases/{api.cluster()['id']}"
    assert api("POST", f"{path}/dbs", {"name": "shop"}, status=201) == {"db": {"name": "shop"}}
    user = api("POST", f"{path}/users", {"name": "shop"}, status=201)["user"]
    assert (user["role"], user["password"][:5]) == ("normal", "AVNS_")
    api.refused("POST", f"{path}/dbs", {"name": "shop"}, status=422)
    api.refused("POST", f"{path}/users", {"name": "shop"}, status=422)
    api.refused("POST", f"{path}/users", {"name": "a b"}, status=422)
    assert [db["name"] for db in api("GET", f"{path}/dbs")["dbs"]] == ["defaultdb", "shop"]
    assert [item["name"] for item in api("GET", f"{path}/users")["users"]] == ["doadmin", "shop"]
    changed = api("POST", f"{path}/users/shop/reset_auth", {})["user"]["password"]
    assert changed != user["password"]
    assert api("GET", f"{path}/users/shop")["user"]["password"] == changed
    api("DELETE", f"{path}/users/shop", status=204)
    api("DELETE", f"{path}/dbs/shop", status=204)
    api.refused("GET", f"{path}/users/shop", status=404)
    api.refused("GET", f"{path}/dbs/shop", status=404)
    api.refused("DELETE", f"{path}/dbs/defaultdb", status=403)
    api.refused("DELETE", f"{path}/users/doadmin", status=403)


def test_valkey_has_neither_databases_nor_users(api: Api) -> None:
    path = f"/v2/databases/{api.cluster(engine='valkey')['id']}"
    for method, what, body in (("GET", "dbs", None), ("POST", "dbs", {"name": "a"}), ("GET", "users", None)):
        assert "not supported for valkey" in api.refused(method, f"{path}/{what}", body, status=422)


def test_eviction_policy(api: Api) -> None:
    path = f"/v2/databases/{api.cluster(engine='valkey')['id']}"
    assert api("GET", f"{path}/eviction_policy") == {"eviction_policy": "noeviction"}
    api("PUT", f"{path}/eviction_policy", {"eviction_policy": "allkeys_lru"}, status=204)
    assert api("GET", f"{path}/config")["config"]["valkey_maxmemory_policy"] == "allkeys_lru"
    api.refused("PUT", f"{path}/eviction_policy", {"eviction_policy": "allkeys-lru"}, status=422)
    api.refused("GET", f"/v2/databases/{api.cluster('two')['id']}/eviction_policy", status=422)


def test_config(api: Api) -> None:
    path = f"/v2/databases/{api.cluster()['id']}/config"
    assert api("PATCH", path, {"config": {"work_mem": 8}}) is None
    config = api("GET", path)["config"]
    assert (config["work_mem"], config["jit"]) == (8, True)
    assert "wrk_mem unknown" in api.refused("PATCH", path, {"config": {"wrk_mem": 8}}, status=422)
    api.refused("PATCH", path, {"config": {"work_mem": "8"}}, status=422)


def test_trusted_sources_are_replaced_as_a_whole(api: Api) -> None:
    droplet = api.droplet(tags=["web"])
    path = f"/v2/databases/{api.cluster()['id']}/firewall"
    wanted = [
        {"type": "tag", "value": "WEB"},
        {"type": "ip_addr", "value": "192.0.2.1"},
        {"type": "droplet", "value": str(droplet["id"])},
    ]
    api("PUT", path, {"rules": wanted}, status=204)
    rules = api("GET", path)["rules"]
    assert [(rule["type"], rule["value"]) for rule in rules] == [
        ("tag", "web"),
        ("ip_addr", "192.0.2.1"),
        ("droplet", str(droplet["id"])),
    ]
    assert all(rule["uuid"] and rule["cluster_uuid"] for rule in rules)
    api("PUT", path, {"rules": []}, status=204)
    assert api("GET", path)["rules"] == []
    many = [{"type": "ip_addr", "value": f"10.0.0.{number}"} for number in range(101)]
    api.refused("PUT", path, {"rules": many}, status=422)


def test_nothing_is_done_to_a_cluster_that_is_not_online(api: Api) -> None:
    path = f"/v2/databases/{api.cluster(ready=False)['id']}"
    for method, what, body in (
        ("PUT", "firewall", {"rules": []}),
        ("POST", "dbs", {"name": "a"}),
        ("POST", "users", {"name": "a"}),
        ("PUT", "resize", {"size": "db-s-1vcpu-2gb", "num_nodes": 1}),
    ):
        assert "not online" in api.refused(method, f"{path}/{what}", body, status=412)


def test_resize(api: Api, cloud: RunningCloud) -> None:
    path = f"/v2/databases/{api.cluster()['id']}"
    api.refused("PUT", f"{path}/resize", {"size": "db-s-1vcpu-2gb"}, status=422)
    api("PUT", f"{path}/resize", {"size": "db-s-1vcpu-2gb", "num_nodes": 2}, status=202)
    assert api("GET", path)["database"]["status"] == "resizing"
    cloud.clock.advance(120)
    resized = api("GET", path)["database"]
    assert (resized["size"], resized["num_nodes"], resized["status"]) == ("db-s-1vcpu-2gb", 2, "online")
    assert resized["standby_connection"]["host"].startswith("replica-")
    smaller = {"size": "db-s-1vcpu-1gb", "num_nodes": 1}
    assert "smaller" in api.refused("PUT", f"{path}/resize", smaller, status=422)


def test_upgrade_goes_up_only(api: Api, cloud: RunningCloud) -> None:
    path = f"/v2/databases/{api.cluster(version='15')['id']}"
    api.refused("PUT", f"{path}/upgrade", {"version": "15"}, status=422)
    api("PUT", f"{path}/upgrade", {"version": "16"}, status=204)
    cloud.clock.advance(120)
    assert api("GET", path)["database"]["version"] == "16"


def test_maintenance(api: Api) -> None:
    path = f"/v2/databases/{api.cluster()['id']}"
    api("PUT", f"{path}/maintenance", {"day": "Tuesday", "hour": "14:00"}, status=204)
    window = api("GET", path)["database"]["maintenance_window"]
    assert (window["day"], window["hour"]) == ("tuesday", "14:00:00")
    api.refused("PUT", f"{path}/maintenance", {"day": "someday", "hour": "14:00"}, status=422)
    api.refused("PUT", f"{path}/maintenance", {"day": "monday", "hour": "25:00"}, status=422)
    api("PUT", f"{path}/install_update", status=204)
    assert api("GET", f"{path}/events")["events"][0]["event_type"] == "cluster_create"


def test_deletion(api: Api) -> None:
    path = f"/v2/databases/{api.cluster()['id']}"
    api("DELETE", path, status=204)
    assert api.refused("GET", path, status=404) == "cluster not found"
    api.cluster()  # the name is free again
