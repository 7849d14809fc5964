# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
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
        ({"tags": ["new"], "autoscale": {"storage": {"enabled": True}}}, "threshold_percent is required"),
        ({"tags": ["new"], "do_settings": {"service_cnames": ["db"]}}, "not a host name"),
    ],
)
def test_bad_creation(api: Api, change: dict[str, Any], message: str) -> None:
    api.cluster()
    body = {"name": "db-2", "engine": "pg", "region": "fra1", "size": "db-s-1vcpu-1gb", "num_nodes": 1, **change}
    assert message in api.refused("POST", "/v2/databases", body, status=422)
    assert len(api("GET", "/v2/databases")["databases"]) == 1
    assert api("GET", "/v2/tags")["tags"] == []


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
    for method, what, body in (
        ("GET", "dbs", None),
        ("POST", "dbs", {"name": "a"}),
        ("GET", "users", None),
        ("POST", "users", {"name": "a"}),
        ("GET", "pools", None),
        ("GET", "backups", None),
        ("GET", "replicas", None),
    ):
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"work_mem": 0}, "work_mem must be a whole number from 1 to 1024"),
        ({"work_mem": 1.5}, "work_mem must be a whole number"),
        ({"jit": "on"}, "jit must be a boolean"),
        ({"track_io_timing": True}, "track_io_timing must be one of off, on"),
        ({"autovacuum_vacuum_scale_factor": 1.1}, "from 0 to 1"),
        ({"timezone": 1}, "timezone must match"),
        ({"timezone": "UTC'\nfsync = off"}, "timezone must match"),
        ({"pg_partman_bgw.role": "a b"}, "pg_partman_bgw.role must match"),
        ({"pgbouncer": {"server_lifetime": 1}}, "pgbouncer.server_lifetime must be"),
        ({"pgbouncer": {"ignore_startup_parameters": [1]}}, "must be an array of strings"),
        ({"pgbouncer": {"pool": 1}}, "pgbouncer.pool unknown"),
        ({"pgbouncer": 7}, "pgbouncer must be an object"),
    ],
)
def test_bad_config_changes_nothing(api: Api, change: dict[str, Any], message: str) -> None:
    path = f"/v2/databases/{api.cluster()['id']}/config"
    before = api("GET", path)
    assert message in api.refused("PATCH", path, {"config": {"deadlock_timeout": 5000, **change}}, status=422)
    assert api("GET", path) == before


def test_config_of_valkey(api: Api) -> None:
    path = f"/v2/databases/{api.cluster(engine='valkey')['id']}/config"
    api("PATCH", path, {"config": {"valkey_notify_keyspace_events": "KEA", "valkey_persistence": "off"}})
    assert api("GET", path)["config"]["valkey_notify_keyspace_events"] == "KEA"
    api.refused("PATCH", path, {"config": {"valkey_maxmemory_policy": "allkeys-lru"}}, status=422)
    api.refused("PATCH", path, {"config": {"work_mem": 8}}, status=422)


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
    less = {"size": "db-s-1vcpu-2gb", "num_nodes": 2, "storage_size_mib": 10240}
    assert "storage" in api.refused("PUT", f"{path}/resize", less, status=422)
    api("PUT", f"{path}/resize", {"size": "db-s-1vcpu-2gb", "num_nodes": 1}, status=202)
    cloud.clock.advance(120)
    assert "standby_connection" not in api("GET", path)["database"]


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
    assert [event["event_type"] for event in api("GET", f"{path}/events")["events"]] == [
        "cluster_create",
        "cluster_maintenance_perform",
    ]


def test_migrate(api: Api, cloud: RunningCloud) -> None:
    path = f"/v2/databases/{api.cluster()['id']}"
    api.refused("PUT", f"{path}/migrate", {"region": "fra1"}, status=422)
    api.refused("PUT", f"{path}/migrate", {"region": "xyz1"}, status=422)
    api("PUT", f"{path}/migrate", {"region": "ams3"}, status=202)
    assert api("GET", path)["database"]["status"] == "migrating"
    cloud.clock.advance(120)
    assert api("GET", path)["database"]["region"] == "ams3"


def test_autoscale(api: Api) -> None:
    path = f"/v2/databases/{api.cluster()['id']}/autoscale"
    assert api("GET", path) == {"autoscale": {"storage": {"enabled": False}}}
    storage = {"enabled": True, "threshold_percent": 80, "increment_gib": 10}
    api("PUT", path, {"storage": storage}, status=204)
    assert api("GET", path) == {"autoscale": {"storage": storage}}
    for change in ({"threshold_percent": 10}, {"increment_gib": 501}, {"threshold_percent": None}):
        api.refused("PUT", path, {"storage": {**storage, **change}}, status=422)
    valkey = f"/v2/databases/{api.cluster('two', 'valkey')['id']}/autoscale"
    assert "not supported" in api.refused("PUT", valkey, {"storage": storage}, status=422)
    assert "enabled is required" in api.refused("PUT", valkey, {"storage": {}}, status=422)


def test_custom_names(api: Api) -> None:
    path = f"/v2/databases/{api.cluster()['id']}/do_settings"
    assert api("GET", path) == {"do_settings": {"service_cnames": []}}
    api("PUT", path, {"do_settings": {"service_cnames": ["db.shop.example"]}}, status=204)
    assert api("GET", path)["do_settings"]["service_cnames"] == ["db.shop.example"]
    api.refused("PUT", path, {"do_settings": {"service_cnames": ["db"]}}, status=422)


def test_backups_are_told_of_and_replicas_not_made(api: Api, cloud: RunningCloud) -> None:
    path = f"/v2/databases/{api.cluster()['id']}"
    assert api("GET", f"{path}/backups") == {"backups": []}
    cloud.clock.advance(9 * 86400)
    days = [backup["created_at"][:10] for backup in api("GET", f"{path}/backups")["backups"]]
    assert (len(days), days[0], days[-1]) == (7, "2026-09-04", "2026-09-10")
    assert api("GET", f"{path}/replicas") == {"replicas": []}
    api.refused("POST", f"{path}/replicas", {"name": "r", "size": "db-s-1vcpu-1gb"}, status=422)


def test_tags_by_the_tag_api(api: Api) -> None:
    api("POST", "/v2/tags", {"name": "shop"}, status=201)
    cluster = api.cluster()
    resources = {"resources": [{"resource_id": cluster["id"], "resource_type": "database"}]}
    api("POST", "/v2/tags/shop/resources", resources, status=204)
    assert [found["id"] for found in api("GET", "/v2/databases?tag_name=shop")["databases"]] == [cluster["id"]]
    api("DELETE", "/v2/tags/shop/resources", resources, status=204)
    assert api("GET", "/v2/databases?tag_name=shop")["databases"] == []


# -- users and connection pools --------------------------------------------------------------------------------------


def test_users_settings(api: Api) -> None:
    path = f"/v2/databases/{api.cluster()['id']}/users"
    body = {"name": "copy", "settings": {"pg_allow_replication": True}}
    assert api("POST", path, body, status=201)["user"]["settings"] == {"pg_allow_replication": True}
    off = {"settings": {"pg_allow_replication": False}}
    assert api("PUT", f"{path}/copy", off, status=201)["user"]["settings"] == off["settings"]
    kafka = {"settings": {"acl": [{"topic": "t", "permission": "consume"}]}}
    assert "not supported for pg" in api.refused("PUT", f"{path}/copy", kafka, status=422)
    mysql = {"name": "m", "mysql_settings": {"auth_plugin": "mysql_native_password"}}
    assert "not supported for pg" in api.refused("POST", path, mysql, status=422)


def test_users_of_one_cluster_clash_when_made_at_the_same_time(api: Api) -> None:
    paths = [f"/v2/databases/{api.cluster(name)['id']}/users" for name in ("one", "two")]
    barrier = threading.Barrier(3)

    def create(path: str, name: str) -> int:
        mine = Api(api.cloud)
        mine("GET", "/v2/account")  # connected
        barrier.wait()
        return mine.send("POST", path, {"name": name}).status_code

    with ThreadPoolExecutor(3) as pool:
        same = [pool.submit(create, paths[0], name) for name in ("a", "b")]
        other = pool.submit(create, paths[1], "a")
    assert sorted(call.result() for call in same) == [201, 500]
    assert other.result() == 201
    assert len(api("GET", paths[0])["users"]) == 2
    for name in ("c", "d"):  # one after the other is fine
        api("POST", paths[0], {"name": name}, status=201)


def test_connection_pools(api: Api, read_only: Api) -> None:
    cluster = api.cluster()
    path = f"/v2/databases/{cluster['id']}"
    user = api("POST", f"{path}/users", {"name": "shop"}, status=201)["user"]
    api("POST", f"{path}/dbs", {"name": "shop"}, status=201)
    body = {"name": "web", "mode": "transaction", "size": 10, "db": "shop", "user": "shop"}
    pool = api("POST", f"{path}/pools", body, status=201)["pool"]
    assert {key: pool[key] for key in body} == body
    connection = pool["private_connection"]
    assert (connection["port"], connection["database"], connection["user"]) == (25061, "web", "shop")
    assert connection["uri"] == (
        f"postgresql://shop:{user['password']}@private-{cluster['connection']['host']}:25061/web?sslmode=require"
    )
    assert read_only("GET", f"{path}/pools/web")["pool"]["connection"]["password"] == ""
    assert "not available" in api.refused("POST", f"{path}/pools", body, status=422)
    assert "in use" in api.refused("DELETE", f"{path}/users/shop", status=422)
    assert "in use" in api.refused("DELETE", f"{path}/dbs/shop", status=422)
    api("PUT", f"{path}/pools/web", {"mode": "session", "size": 5, "db": "shop"}, status=204)
    changed = api("GET", f"{path}/pools")["pools"][0]
    assert ("user" in changed, changed["connection"]["user"], changed["size"]) == (False, "", 5)
    api("DELETE", f"{path}/pools/web", status=204)
    api.refused("GET", f"{path}/pools/web", status=404)
    api("DELETE", f"{path}/dbs/shop", status=204)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "ab"}, 422),
        ({"name": "a" * 61}, 422),
        ({"mode": "query"}, 422),
        ({"size": 0}, 422),
        ({"size": 23}, 422),  # 25 connections in 1 GiB, less 3
        ({"db": "nowhere"}, 404),
        ({"user": "nobody"}, 404),
    ],
)
def test_bad_pool(api: Api, change: dict[str, Any], status: int) -> None:
    path = f"/v2/databases/{api.cluster()['id']}/pools"
    body = {"name": "web", "mode": "transaction", "size": 10, "db": "defaultdb", "user": "doadmin", **change}
    api.refused("POST", path, body, status=status)
    assert api("GET", path) == {"pools": []}


def test_pools_share_the_connections(api: Api) -> None:
    path = f"/v2/databases/{api.cluster()['id']}/pools"
    body = {"mode": "transaction", "db": "defaultdb", "user": "doadmin"}
    api("POST", path, {**body, "name": "one", "size": 20}, status=201)
    assert "20 are taken" in api.refused("POST", path, {**body, "name": "two", "size": 3}, status=422)
    api("PUT", f"{path}/one", {**body, "size": 22}, status=204)


def test_deletion(api: Api) -> None:
    path = f"/v2/databases/{api.cluster()['id']}"
    api("DELETE", path, status=204)
    assert api.refused("GET", path, status=404) == "cluster not found"
    api.cluster()  # the name is free again
