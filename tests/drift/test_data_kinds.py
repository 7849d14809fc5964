# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift of tags, database clusters and what is in them, buckets, Spaces keys, alert policies and uptime checks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import Client, CloudError
from ansible_collections.flowdose.infra.plugins.module_utils.resource import (
    IRREVERSIBLE,
    NONE,
    RESTART,
    Facts,
    Resource,
)
from ansible_collections.flowdose.infra.plugins.module_utils.resources.alert_policy import AlertPolicy
from ansible_collections.flowdose.infra.plugins.module_utils.resources.connection_pool import ConnectionPool
from ansible_collections.flowdose.infra.plugins.module_utils.resources.database import Database
from ansible_collections.flowdose.infra.plugins.module_utils.resources.database_cluster import DatabaseCluster
from ansible_collections.flowdose.infra.plugins.module_utils.resources.database_user import DatabaseUser
from ansible_collections.flowdose.infra.plugins.module_utils.resources.droplet import Droplet
from ansible_collections.flowdose.infra.plugins.module_utils.resources.spaces_bucket import SpacesBucket
from ansible_collections.flowdose.infra.plugins.module_utils.resources.spaces_key import SpacesKey
from ansible_collections.flowdose.infra.plugins.module_utils.resources.tag import Tag
from ansible_collections.flowdose.infra.plugins.module_utils.resources.uptime_check import UptimeCheck
from ansible_collections.flowdose.infra.plugins.module_utils.resources.vpc import Vpc
from drift.cases import Behind, Case, check_complete, check_drift, check_fixed, drifts, fixed
from faults.s3 import S3

KINDS: tuple[type[Resource], ...] = (
    *(Tag, DatabaseCluster, Database, DatabaseUser, ConnectionPool),
    *(SpacesBucket, SpacesKey, AlertPolicy, UptimeCheck),
)
EMAIL = "ops@localcloud.test"  # localcloud's team has this one
SPACES = S3()


@pytest.fixture(autouse=True)
def account_with_spaces(account: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets are beside the API, and files of the controller in a folder of the test's own."""
    SPACES.buckets.clear()
    monkeypatch.chdir(tmp_path)
    plain = account.cloud
    monkeypatch.setattr(account, "cloud", lambda **options: plain(spaces=lambda: SPACES.spaces, **options))


# -- clusters

PG = {"name": "pg-one", "engine": "pg", "version": "15", "size": "db-s-1vcpu-2gb", "region": "fra1"}
VALKEY = {"name": "cache", "engine": "valkey", "version": "8", "size": "db-s-1vcpu-1gb", "region": "fra1"}
NETWORK = (Vpc, {"name": "net", "region": "fra1", "ip_range": "10.20.0.0/20"})
OTHER_NETWORK = (Vpc, {"name": "other", "region": "fra1", "ip_range": "10.30.0.0/20"})
SOURCES = [{"type": "tag", "value": "backend"}, {"type": "ip_addr", "value": "203.0.113.7"}]


def on_cluster(operation: str, body: dict[str, Any]) -> Behind:
    return lambda client, facts: client.call("drift", f"databases.{operation}", facts["id"], body=body)


def without(operation: str, name: str) -> Behind:
    return lambda client, facts: client.call("drift", f"databases.{operation}", facts["id"], name)


def untag(client: Client, facts: Facts) -> None:
    body = {"resources": [{"resource_id": facts["id"], "resource_type": "database"}]}
    client.call("drift", "tags.unassign_resources", "one", body=body)


CLUSTERS = [
    Case(
        DatabaseCluster,
        {
            **PG,
            "num_nodes": 1,
            "storage_size_mib": 30720,
            "vpc": "net",
            "databases": ["shop", "other"],
            "users": ["medusa"],
            "trusted_sources": SOURCES,
            "maintenance_window": {"day": "sunday", "hour": "3:00"},
            "config": {"work_mem": 8, "pgbouncer": {"min_pool_size": 2}},
            "tags": ["one", "two"],
        },
        {
            # From these there is no way back, so that they never drift to where they can be mended.
            "version": {"version": "16"},
            "size": {"size": "db-amd-1vcpu-2gb"},
            "storage_size_mib": {"storage_size_mib": 40960},
            "num_nodes": on_cluster("update_cluster_size", {"size": PG["size"], "num_nodes": 2}),
            "databases": without("delete", "shop"),
            "users": without("delete_user", "medusa"),
            "trusted_sources": on_cluster(
                "update_firewall_rules", {"rules": [{"type": "ip_addr", "value": "1.2.3.4"}]}
            ),
            "maintenance_window": on_cluster("update_maintenance_window", {"day": "monday", "hour": "14:00"}),
            "config": on_cluster("patch_config", {"config": {"work_mem": 16, "jit": False}}),
            "tags": untag,
        },
        {
            "engine": {
                **dict.fromkeys(("databases", "users", "storage_size_mib", "config")),
                **{"engine": "valkey", "version": "8"},
            },
            "region": {"region": "ams3"},
            "vpc": {"vpc": "other"},
        },
        needs=(NETWORK, OTHER_NETWORK),
    ),
    Case(
        DatabaseCluster,
        {**PG, "trusted_sources": SOURCES, "config": {"pgbouncer": {"min_pool_size": 2}}},
        {
            "trusted_sources": on_cluster("update_firewall_rules", {"rules": []}),
            "config": on_cluster("patch_config", {"config": {"pgbouncer": {"min_pool_size": 4}}}),
        },
    ),
    Case(
        DatabaseCluster,
        {**VALKEY, "eviction_policy": "noeviction", "config": {"valkey_timeout": 60}},
        {
            "eviction_policy": on_cluster("update_eviction_policy", {"eviction_policy": "allkeys_lru"}),
            "config": on_cluster("patch_config", {"config": {"valkey_timeout": 300}}),
        },
    ),
]

# -- what is in them

CLUSTER = (DatabaseCluster, {**PG, "databases": ["shop"], "users": ["medusa"]})
POOL = {"cluster": "pg-one", "name": "shop-pool", "mode": "transaction", "size": 5, "db": "shop", "user": "medusa"}


def in_cluster(operation: str, body: dict[str, Any]) -> Behind:
    def behind(client: Client, facts: Facts) -> None:
        (cluster,) = client.call("drift", "databases.list_clusters")["databases"]
        client.call("drift", f"databases.{operation}", cluster["id"], facts["name"], body=body)

    return behind


def put_pool(**changes: Any) -> Behind:
    settings = {key: POOL[key] for key in ("mode", "size", "db", "user")}
    return in_cluster("update_connection_pool", {**settings, **changes})


PARTS = [
    Case(
        DatabaseUser,
        {"cluster": "pg-one", "name": "replicator", "allow_replication": True},
        {"allow_replication": in_cluster("update_user", {"settings": {"pg_allow_replication": False}})},
        needs=(CLUSTER,),
    ),
    Case(
        ConnectionPool,
        POOL,
        {
            "mode": put_pool(mode="session"),
            "size": put_pool(size=6),
            "db": put_pool(db="defaultdb"),
            "user": put_pool(user="doadmin"),
        },
        needs=(CLUSTER,),
    ),
]

# -- buckets and keys

BUCKET = {"name": "drift-bucket", "region": "fra1"}
ALLOW = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::drift-bucket/*"]}
POLICY = {"Version": "2012-10-17", "Statement": [ALLOW]}
CORS = {"allowed_origins": ["https://shop.test"], "allowed_methods": ["GET", "PUT"], "max_age": 60}
LIFECYCLE = [
    {"prefix": "tmp/", "expiration_days": 7},
    {"noncurrent_expiration_days": 30, "abort_multipart_days": 3},
]
OTHER_RULE = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}


def s3(operation: str, **arguments: Any) -> Behind:
    return lambda client, facts: SPACES.spaces.call("drift", "fra1", operation, Bucket=facts["name"], **arguments)


BUCKETS = [
    Case(
        SpacesBucket,
        {**BUCKET, "acl": "private", "policy": POLICY, "cors": [CORS], "versioning": True, "lifecycle": LIFECYCLE},
        {
            "acl": s3("put_bucket_acl", ACL="public-read"),
            "policy": s3("delete_bucket_policy"),
            "cors": s3("delete_bucket_cors"),
            "versioning": s3("put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"}),
            "lifecycle": s3("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": [OTHER_RULE]}),
        },
    ),
    Case(SpacesBucket, {**BUCKET, "lifecycle": LIFECYCLE}, {"lifecycle": s3("delete_bucket_lifecycle")}),
    Case(
        SpacesBucket,
        {**BUCKET, "policy": {}, "cors": [], "lifecycle": []},
        {
            "policy": s3("put_bucket_policy", Policy=json.dumps(POLICY)),
            "cors": s3(
                "put_bucket_cors",
                CORSConfiguration={"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]},
            ),
            "lifecycle": s3("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": [OTHER_RULE]}),
        },
    ),
]
LIMITED = [{"bucket": "drift-bucket", "permission": "readwrite"}]


def read_only(client: Client, facts: Facts) -> None:
    body = {"name": facts["name"], "grants": [{"bucket": "drift-bucket", "permission": "read"}]}
    client.call("drift", "spaces_key.update", facts["id"], body=body)


def lose_the_secret(client: Client, facts: Facts) -> None:
    """As a run leaves it that was killed before the answer came."""
    Path("key.json").write_text(json.dumps({"name": "shop", "access_key": None, "secret_key": None}))


KEYS = [
    Case(
        SpacesKey,
        {"name": "shop", "grants": LIMITED, "secret_file": "key.json"},
        {"grants": read_only, "secret_file": lose_the_secret},
        needs=((SpacesBucket, BUCKET),),
        anew=("secret_file",),
    ),
]

# -- alerts

ALERT = {
    "name": "CPU of the backend",
    "type": "v1/insights/droplet/cpu",
    "compare": "GreaterThan",
    "value": 80,
    "window": "10m",
    "tags": ["backend"],
    "entities": ["web"],
    "alerts": {"email": [EMAIL], "slack": [{"channel": "#ops", "url": "https://hooks.test/one"}]},
    "enabled": True,
}
DROPLET = (Droplet, {"name": "web", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"})


def put_policy(**changes: Any) -> Behind:
    """With all nine keys, as the API wants it."""

    def behind(client: Client, facts: Facts) -> None:
        found = client.call("drift", "monitoring.get_alert_policy", facts["id"])["policy"]
        body = {key: value for key, value in found.items() if key != "uuid"} | changes
        client.call("drift", "monitoring.update_alert_policy", facts["id"], body=body)

    return behind


def put_check(**changes: Any) -> Behind:
    return lambda client, facts: client.call("drift", "uptime.update_check", facts["id"], body=changes)


DOWN = {"name": "down", "type": "down_global", "period": "3m", "notifications": {"email": [EMAIL]}}
SLOW = {"name": "slow", "type": "latency", "threshold": 800, "notifications": {"email": [EMAIL]}}
CHECK = {
    "name": "shop",
    "type": "https",
    "target": "https://shop.test/",
    "regions": ["eu_west", "us_east"],
    "enabled": True,
    "alerts": [SLOW, DOWN],
}


def another_alert(**changes: Any) -> Behind:
    body = {**DOWN, "notifications": {"email": [EMAIL], "slack": []}, **changes}
    return lambda client, facts: client.call("drift", "uptime.create_alert", facts["id"], body=body)


def fewer_alerts(client: Client, facts: Facts) -> None:
    """One gone, one changed."""
    for alert in client.call("drift", "uptime.list_alerts", facts["id"])["alerts"]:
        if alert["name"] == "down":
            client.call("drift", "uptime.delete_alert", facts["id"], alert["id"])
        else:
            body = {**alert, "threshold": 900}
            client.call("drift", "uptime.update_alert", facts["id"], body.pop("id"), body=body)


ALERTS = [
    Case(
        AlertPolicy,
        ALERT,
        {
            "type": put_policy(type="v1/insights/droplet/memory_utilization_percent"),
            "compare": put_policy(compare="LessThan"),
            "value": put_policy(value=81.5),
            "window": put_policy(window="1h"),
            "entities": put_policy(entities=[]),
            "tags": put_policy(tags=[]),
            "alerts": put_policy(
                alerts={"email": [EMAIL], "slack": [{"channel": "#ops", "url": "https://hooks.test/two"}]}
            ),
            "enabled": put_policy(enabled=False),
        },
        needs=(DROPLET,),
    ),
    Case(
        UptimeCheck,
        CHECK,
        {
            "target": put_check(target="https://other.test/"),
            "regions": put_check(regions=["us_east", "se_asia"]),
            "enabled": put_check(enabled=False),
            "alerts": fewer_alerts,
        },
    ),
    Case(UptimeCheck, CHECK, {"alerts": another_alert(name="mine")}),
    Case(UptimeCheck, CHECK, {"alerts": another_alert()}),  # a second one of the same name
    Case(
        UptimeCheck,
        {**CHECK, "alerts": []},
        {"type": put_check(type="http", target="http://shop.test/")},
        together=frozenset({"type", "target"}),
    ),
]

CASES = [Case(Tag, {"name": "backend"}), *CLUSTERS, *PARTS, *BUCKETS, *KEYS, *ALERTS]


def test_the_tables_are_complete() -> None:
    check_complete(CASES, KINDS)


@pytest.mark.parametrize(("case", "key"), drifts(CASES))
def test_what_drifted_is_named_and_mended(account: Any, case: Case, key: str) -> None:
    check_drift(account, case, key)


@pytest.mark.parametrize(("case", "key"), fixed(CASES))
def test_what_cannot_be_changed_is_refused(account: Any, case: Case, key: str) -> None:
    check_fixed(account, case, key)


@pytest.mark.parametrize(
    ("kind", "declared", "then", "message"),
    [
        (DatabaseCluster, PG, {"version": "14"}, "no way back to 14.*pg_dump"),
        (DatabaseCluster, PG, {"size": "db-s-1vcpu-1gb"}, "never made smaller.*move the data"),
        (
            DatabaseCluster,
            {**PG, "storage_size_mib": 40960},
            {"storage_size_mib": 30720},
            "40960 and cannot become 30720.*Declare what it has",
        ),
        (
            SpacesKey,
            {"name": "shop", "grants": LIMITED, "secret_file": "key.json"},
            {"grants": [{"permission": "fullaccess"}]},
            "between full access and access to some.*another name",
        ),
    ],
)
def test_what_can_be_changed_in_one_direction_only(
    account: Any, kind: type[Resource], declared: dict[str, Any], then: dict[str, Any], message: str
) -> None:
    account.converge(kind, **declared)
    before = len(account.server.requests)
    with pytest.raises(CloudError, match=f"(?s){message}"):
        account.plan(kind, **declared | then)
    assert account.written(before) == []


@pytest.mark.parametrize(
    ("kind", "declared", "then", "impact"),
    [
        (DatabaseCluster, PG, {"version": "16"}, IRREVERSIBLE),
        (DatabaseCluster, PG, {"size": "db-s-2vcpu-4gb"}, RESTART),
        (DatabaseCluster, PG, {"num_nodes": 2}, NONE),
        (DatabaseCluster, PG, {"config": {"work_mem": 8}}, NONE),
        (DatabaseCluster, PG, {"config": {"work_mem": 8, "max_connections": 60}}, RESTART),
        (DatabaseCluster, PG, {"tags": ["a"]}, NONE),
    ],
)
def test_the_plan_says_what_a_change_does(
    account: Any, kind: type[Resource], declared: dict[str, Any], then: dict[str, Any], impact: str
) -> None:
    account.converge(kind, **declared)
    assert account.plan(kind, **declared | then).impact == impact
