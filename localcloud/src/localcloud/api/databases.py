# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Database clusters: PostgreSQL and Valkey. What is in a PostgreSQL cluster: database_objects.py."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import re
import string
import uuid
from typing import Any
from urllib.parse import quote

from localcloud import catalog, settings
from localcloud.api import vpcs
from localcloud.api.projects import find_project
from localcloud.api.tags import ensure_tags
from localcloud.clock import iso
from localcloud.cloud import Cloud, random_text, transition
from localcloud.errors import not_found, precondition_failed, unprocessable
from localcloud.routing import Answer, Call, route
from localcloud.sync import DATABASE_ZONE

MAX_RULES = 100
MAX_CNAMES = 16
_DAY = 86400  # seconds
_NAME = re.compile(r"[a-z][a-z0-9-]{1,61}[a-z0-9]")
_HOST = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)+")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_RULE = {"type": str, "value": str, "description": str, "uuid": str, "cluster_uuid": str, "created_at": str}
_AUTOSCALE = {"storage": {"enabled": bool, "threshold_percent": int, "increment_gib": int}}
_CREATE = {
    "name": str,
    "engine": str,
    "version": str,
    "num_nodes": int,
    "size": str,
    "region": str,
    "private_network_uuid": str,
    "tags": [str],
    "project_id": str,
    "rules": [_RULE],
    "storage_size_mib": int,
    "autoscale": _AUTOSCALE,
    "do_settings": {"service_cnames": [str]},
}


def queue(cluster: dict[str, Any]) -> str:
    return f"cluster:{cluster['id']}"


def find_cluster(call: Call) -> dict[str, Any]:
    cluster: dict[str, Any] | None = call.cloud.state["databases"].get(call.params["cluster"])
    if cluster is None:
        raise not_found("cluster not found")
    return cluster


def online_cluster(call: Call) -> dict[str, Any]:
    cluster = find_cluster(call)
    if cluster["status"] != "online":
        raise precondition_failed(f"cluster is not online: its status is {cluster['status']}")
    return cluster


def pg_cluster(call: Call) -> dict[str, Any]:
    """For what Valkey has not: databases, users, connection pools, backups, replicas."""
    cluster = find_cluster(call)
    if cluster["engine"] != "pg":
        raise unprocessable(f"not supported for {cluster['engine']} clusters")
    return cluster


# -- what is shown ---------------------------------------------------------------------------------------------------


def render_cluster(call: Call, cluster: dict[str, Any]) -> dict[str, Any]:
    engine = catalog.ENGINES[cluster["engine"]]
    version = engine.version(cluster["version"])
    shown: dict[str, Any] = {
        "id": cluster["id"],
        "name": cluster["name"],
        "engine": cluster["engine"],
        "version": cluster["version"],
        "semantic_version": version.semantic_version if version else cluster["version"],
        "num_nodes": cluster["num_nodes"],
        "size": cluster["size"],
        "region": cluster["region"],
        "status": cluster["status"],
        "created_at": cluster["created_at"],
        "private_network_uuid": cluster["private_network_uuid"],
        "tags": cluster["tags"],
        "db_names": cluster["db_names"],
        "users": [render_user(call, user) for user in cluster["users"]],
        **connections(call, cluster, engine.port, cluster["users"][0], _first_database(cluster)),
        "maintenance_window": {**cluster["maintenance_window"], "pending": False, "description": []},
        "project_id": call.cloud.state["project_resources"][f"do:dbaas:{cluster['id']}"]["project_id"],
        "metrics_endpoints": [{"host": cluster["host"], "port": 9273}],
        "rules": cluster["rules"],
    }
    if cluster["storage_size_mib"]:
        shown["storage_size_mib"] = cluster["storage_size_mib"]
    if version and version.end_of_life:
        shown["version_end_of_life"] = version.end_of_life
    if version and version.end_of_availability:
        shown["version_end_of_availability"] = version.end_of_availability
    if cluster["do_settings"]:
        shown["do_settings"] = cluster["do_settings"]
    return shown


def _first_database(cluster: dict[str, Any]) -> str:
    """Its name is not known before there is one."""
    return "defaultdb" if cluster["engine"] == "pg" and cluster["status"] != "creating" else ""


def connection(
    call: Call, host: str, port: int, engine: str, user: dict[str, Any] | None, database: str
) -> dict[str, Any]:
    """How to reach a server or a connection pool; without `user`, everybody comes as who they are."""
    name = user["name"] if user else ""
    password = user["password"] if user and not call.read_only else ""
    account = f"{name}:{quote(password, safe='')}@" if user else ""
    path = f"/{database}?sslmode=require" if engine == "pg" else ""
    return {
        "uri": f"{'postgresql' if engine == 'pg' else 'rediss'}://{account}{host}:{port}{path}",
        "database": database,
        "host": host,
        "port": port,
        "user": name,
        "password": password,
        "ssl": True,
    }


def connections(
    call: Call, cluster: dict[str, Any], port: int, user: dict[str, Any] | None, database: str
) -> dict[str, Any]:
    """The ways to reach a cluster, or one of its connection pools: from anywhere, from the VPC, and the standby."""
    hosts = {"connection": cluster["host"], "private_connection": f"private-{cluster['host']}"}
    if cluster["num_nodes"] > 1 and cluster["engine"] == "pg":
        hosts["standby_connection"] = f"replica-{cluster['host']}"
        hosts["standby_private_connection"] = f"private-replica-{cluster['host']}"
    return {key: connection(call, host, port, cluster["engine"], user, database) for key, host in hosts.items()}


def render_user(call: Call, user: dict[str, Any]) -> dict[str, Any]:
    return {**user, "password": ""} if call.read_only else dict(user)


def new_password() -> str:
    return "AVNS_" + random_text(19, string.ascii_letters + string.digits + "_-")


# -- clusters --------------------------------------------------------------------------------------------------------


@route("GET", "/v2/databases/options")
def get_options(call: Call) -> Answer:
    options, availability = {}, {}
    for engine in catalog.ENGINES.values():
        options[engine.slug] = {
            "regions": sorted(catalog.DATABASE_REGIONS),
            "versions": [version.version for version in engine.versions],
            "layouts": [{"num_nodes": nodes, "sizes": list(sizes)} for nodes, sizes in engine.sizes.items()],
            "default_version": engine.default_version,
        }
        availability[engine.slug] = [
            {
                "version": version.version,
                "end_of_life": version.end_of_life,
                "end_of_availability": version.end_of_availability,
                "default": version.version == engine.default_version,
            }
            for version in engine.versions
        ]
    return 200, {"options": options, "version_availability": availability}


@route("GET", "/v2/databases")
def list_clusters(call: Call) -> Answer:
    clusters = list(call.cloud.state["databases"].values())
    if "tag_name" in call.query:
        clusters = [cluster for cluster in clusters if call.query["tag_name"] in cluster["tags"]]
    return 200, {"databases": [render_cluster(call, cluster) for cluster in clusters]}


@route("POST", "/v2/databases", body=_CREATE)
def create_cluster(call: Call) -> Answer:
    call.require("name", "engine", "num_nodes", "size", "region")
    cloud, body = call.cloud, call.body
    if not _NAME.fullmatch(body["name"]):
        raise unprocessable("invalid cluster name: 3 to 63 lower-case letters, numbers and dashes, a letter first")
    if any(cluster["name"] == body["name"] for cluster in cloud.state["databases"].values()):
        raise unprocessable("cluster name is not available")
    engine = _engine(body["engine"])
    version = _version(cloud, engine, body.get("version") or engine.default_version)
    if body["region"] not in catalog.DATABASE_REGIONS:
        raise unprocessable("invalid region")
    _check_layout(engine, body["size"], body["num_nodes"])
    storage = body.get("storage_size_mib", 0)
    if storage and (engine.slug != "pg" or storage < catalog.database_storage(body["size"])):
        raise unprocessable("invalid storage_size_mib for this size")
    if body.get("project_id"):
        if body["project_id"] not in cloud.state["projects"]:
            raise not_found("project not found")
        find_project(cloud, body["project_id"])
    autoscale = _autoscale(engine.slug, body.get("autoscale", {}))
    do_settings = _do_settings(body.get("do_settings", {}))
    id = str(uuid.uuid4())
    tags = ensure_tags(cloud, body.get("tags", []))  # before the rules, which may name them
    rules = _rules(call, id, body.get("rules", []))
    vpc = vpcs.vpc_for_member(cloud, body.get("private_network_uuid"), body["region"])
    (private_ip,) = cloud.private_addresses(vpc, 1)
    (public_ip,) = cloud.public_addresses(1)
    cluster = {
        "id": id,
        "name": body["name"],
        "engine": engine.slug,
        "version": version,
        "num_nodes": body["num_nodes"],
        "size": body["size"],
        "next_size": None,  # while it is resized
        "region": body["region"],
        "status": "creating",
        "created_at": cloud.timestamp(),
        "private_network_uuid": vpc["id"],
        "tags": tags,
        "rules": rules,
        "users": [{"name": engine.admin_user, "role": "primary", "password": new_password()}],
        "db_names": ["defaultdb"] if engine.slug == "pg" else None,
        "maintenance_window": {"day": "monday", "hour": "02:00:00"},
        "storage_size_mib": storage or (catalog.database_storage(body["size"]) if engine.slug == "pg" else 0),
        "config": dict(settings.DEFAULT_SETTINGS[engine.slug]),
        "host": f"{body['name']}-do-user-1-0.{DATABASE_ZONE}",
        "public_ip": public_ip,
        "private_ip": private_ip,
        "pools": {},
        "autoscale": autoscale,
        "do_settings": do_settings,
        "events": [],
    }
    cloud.state["databases"][id] = cluster
    cloud.join_project(f"do:dbaas:{id}", body.get("project_id"))
    latency = cloud.config.latencies.pg_create if engine.slug == "pg" else cloud.config.latencies.valkey_create
    _note(cloud, cluster, "cluster_create")
    cloud.later(latency, cluster_created, id, queues=[queue(cluster)])
    return 201, {"database": render_cluster(call, cluster)}


def _engine(slug: str) -> catalog.Engine:
    if slug in catalog.OTHER_ENGINES:
        raise unprocessable(f"localcloud has no engine {slug}: pg and valkey only")
    if slug not in catalog.ENGINES:
        raise unprocessable("invalid engine")  # redis too: it was discontinued
    return catalog.ENGINES[slug]


def _version(cloud: Cloud, engine: catalog.Engine, number: str) -> str:
    version = engine.version(number)
    if version is None or (version.end_of_availability and version.end_of_availability <= iso(cloud.now())):
        raise unprocessable(f"invalid version: {engine.slug} {number} is not available for new clusters")
    if cloud.config.has_machines and number != engine.run_version:
        raise unprocessable(f"localcloud runs {engine.slug} {engine.run_version} only, not {number}")
    return number


def _check_layout(engine: catalog.Engine, size: str, nodes: int) -> None:
    if nodes not in engine.sizes:
        raise unprocessable("invalid number of nodes")
    if size not in engine.sizes[nodes]:
        raise unprocessable(f"invalid size: {size} is not offered for {engine.slug} with {nodes} node(s)")


@transition
def cluster_created(cloud: Cloud, cluster_id: str) -> None:
    cluster = cloud.state["databases"].get(cluster_id)
    # A cluster whose server did not start stays as it is: `localcloud status` tells why.
    if cluster is not None and queue(cluster) not in cloud.queues.failures:
        cluster["status"] = "online"


@transition
def cluster_changed(cloud: Cloud, cluster_id: str, change: dict[str, Any]) -> None:
    cluster = cloud.state["databases"].get(cluster_id)
    if cluster is not None:
        cluster.update(change, status="online")


def _note(cloud: Cloud, cluster: dict[str, Any], kind: str) -> None:
    event = {"id": str(uuid.uuid4()), "cluster_name": cluster["name"], "event_type": kind}
    cluster["events"].append({**event, "create_time": cloud.timestamp()})


@route("GET", "/v2/databases/{cluster}")
def get_cluster(call: Call) -> Answer:
    return 200, {"database": render_cluster(call, find_cluster(call))}


@route("DELETE", "/v2/databases/{cluster}")
def delete_cluster(call: Call) -> Answer:
    """Gone at once; its place in the VPC is kept for a while."""
    cluster, cloud = find_cluster(call), call.cloud
    del cloud.state["databases"][cluster["id"]]
    urn = f"do:dbaas:{cluster['id']}"
    cloud.leave_project(urn)
    seconds = cloud.config.latencies.cluster_leaves_vpc
    vpc_id, name = cluster["private_network_uuid"], cluster["name"]
    vpcs.leave(cloud, urn, vpc_id, name, cluster["created_at"], seconds, queue(cluster))
    return 204, None


@route("PUT", "/v2/databases/{cluster}/resize", body={"size": str, "num_nodes": int, "storage_size_mib": int})
def resize(call: Call) -> Answer:
    cluster = online_cluster(call)
    call.require("size", "num_nodes")
    engine, body = catalog.ENGINES[cluster["engine"]], call.body
    _check_layout(engine, body["size"], body["num_nodes"])
    if catalog.database_memory(body["size"]) < catalog.database_memory(cluster["size"]):
        raise unprocessable("invalid size: a cluster cannot be made smaller")
    change = {"size": body["size"], "num_nodes": body["num_nodes"], "next_size": None}
    if engine.slug == "pg":
        included = max(cluster["storage_size_mib"], catalog.database_storage(body["size"]))
        storage = body.get("storage_size_mib", included)
        if storage < cluster["storage_size_mib"]:
            raise unprocessable("invalid storage_size_mib: storage cannot be made smaller")
        change["storage_size_mib"] = max(storage, included)
    cluster["status"] = "resizing"
    cluster["next_size"] = body["size"]  # the machine changes now, and what is shown when it has
    _change_later(call.cloud, cluster, change)
    return 202, None


def _change_later(cloud: Cloud, cluster: dict[str, Any], change: dict[str, Any]) -> None:
    _note(cloud, cluster, "cluster_update")
    seconds = cloud.config.latencies.cluster_change
    cloud.later(seconds, cluster_changed, cluster["id"], change, queues=[queue(cluster)])


@route("PUT", "/v2/databases/{cluster}/migrate", body={"region": str})
def migrate(call: Call) -> Answer:
    cluster = online_cluster(call)
    if call.body.get("region") not in catalog.DATABASE_REGIONS:
        raise unprocessable("invalid region")
    if call.cloud.config.has_machines:
        raise unprocessable("localcloud moves no cluster between regions")
    if call.body["region"] == cluster["region"]:
        raise unprocessable("invalid region: the cluster is there already")
    cluster["status"] = "migrating"
    _change_later(call.cloud, cluster, {"region": call.body["region"]})
    return 202, None


@route("PUT", "/v2/databases/{cluster}/upgrade", body={"version": str})
def upgrade(call: Call) -> Answer:
    cluster = online_cluster(call)
    call.require("version")
    engine = catalog.ENGINES[cluster["engine"]]
    version = engine.version(call.body["version"])
    if version is None or int(version.version) <= int(cluster["version"]):
        raise unprocessable("invalid version: only a newer major version can be upgraded to")
    _version(call.cloud, engine, version.version)
    cluster["status"] = "migrating"
    _change_later(call.cloud, cluster, {"version": version.version})
    return 204, None


@route("PUT", "/v2/databases/{cluster}/maintenance", body={"day": str, "hour": str})
def set_maintenance(call: Call) -> Answer:
    cluster = find_cluster(call)
    call.require("day", "hour")
    day, hour = call.body["day"].lower(), call.body["hour"]
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", hour)
    if day not in _DAYS or match is None:
        raise unprocessable("invalid maintenance window: a day of the week and an hour such as 14:00")
    cluster["maintenance_window"] = {"day": day, "hour": f"{match[1]}:{match[2]}:{match[3] or '00'}"}
    return 204, None


@route("PUT", "/v2/databases/{cluster}/install_update")
def install_update(call: Call) -> Answer:
    """There is never anything to install, which the real API takes without a word too."""
    _note(call.cloud, online_cluster(call), "cluster_maintenance_perform")
    return 204, None


@route("GET", "/v2/databases/{cluster}/ca")
def get_ca(call: Call) -> Answer:
    find_cluster(call)
    pem = call.cloud.database_authority.certificate_pem
    return 200, {"ca": {"certificate": base64.b64encode(pem.encode()).decode()}}


@route("GET", "/v2/databases/{cluster}/events")
def list_events(call: Call) -> Answer:
    return 200, {"events": find_cluster(call)["events"]}


@route("GET", "/v2/databases/{cluster}/backups")
def list_backups(call: Call) -> Answer:
    """One a day since the creation, the last seven: told of, not made."""
    cluster = pg_cluster(call)
    created = datetime.datetime.fromisoformat(cluster["created_at"]).timestamp()
    days = int((call.cloud.now() - created) // _DAY)
    backups = [
        {"created_at": iso(created + day * _DAY), "size_gigabytes": 0.03, "incremental": False}
        for day in range(max(1, days - 6), days + 1)
    ]
    return 200, {"backups": backups}


@route("GET", "/v2/databases/{cluster}/replicas")
def list_replicas(call: Call) -> Answer:
    pg_cluster(call)
    return 200, {"replicas": []}


@route("POST", "/v2/databases/{cluster}/replicas")
def create_replica(call: Call) -> Answer:
    pg_cluster(call)
    raise unprocessable("localcloud makes no read-only replicas")


# -- settings --------------------------------------------------------------------------------------------------------


def _valkey_cluster(call: Call) -> dict[str, Any]:
    cluster = online_cluster(call)
    if cluster["engine"] != "valkey":
        raise unprocessable(f"not supported for {cluster['engine']} clusters")
    return cluster


@route("GET", "/v2/databases/{cluster}/eviction_policy")
def get_eviction_policy(call: Call) -> Answer:
    return 200, {"eviction_policy": _valkey_cluster(call)["config"]["valkey_maxmemory_policy"]}


@route("PUT", "/v2/databases/{cluster}/eviction_policy", body={"eviction_policy": str})
def set_eviction_policy(call: Call) -> Answer:
    cluster = _valkey_cluster(call)
    if call.body.get("eviction_policy") not in settings.EVICTION_POLICIES:
        raise unprocessable(f"invalid eviction policy: {', '.join(settings.EVICTION_POLICIES)}")
    cluster["config"]["valkey_maxmemory_policy"] = call.body["eviction_policy"]
    return 204, None


@route("GET", "/v2/databases/{cluster}/config")
def get_config(call: Call) -> Answer:
    return 200, {"config": online_cluster(call)["config"]}


@route("PATCH", "/v2/databases/{cluster}/config", body={"config": dict})
def patch_config(call: Call) -> Answer:
    cluster = online_cluster(call)
    call.require("config")
    if (problem := settings.problem(cluster["engine"], call.body["config"])) is not None:
        raise unprocessable(f"invalid config: {problem}")
    cluster["config"].update(call.body["config"])
    return 200, None


def _autoscale(engine: str, given: dict[str, Any]) -> dict[str, Any]:
    storage: dict[str, Any] = given.get("storage", {"enabled": False})
    if "enabled" not in storage:
        raise unprocessable("autoscale: storage.enabled is required")
    if engine != "pg" and storage["enabled"]:
        raise unprocessable(f"autoscale: not supported for {engine} clusters")
    for key, low, high in (("threshold_percent", 15, 95), ("increment_gib", 10, 500)):
        if storage["enabled"] and key not in storage:
            raise unprocessable(f"autoscale: storage.{key} is required")
        if key in storage and not low <= storage[key] <= high:
            raise unprocessable(f"autoscale: storage.{key} must be from {low} to {high}")
    return {"storage": storage}


@route("GET", "/v2/databases/{cluster}/autoscale")
def get_autoscale(call: Call) -> Answer:
    return 200, {"autoscale": find_cluster(call)["autoscale"]}


@route("PUT", "/v2/databases/{cluster}/autoscale", body=_AUTOSCALE)
def set_autoscale(call: Call) -> Answer:
    cluster = online_cluster(call)
    cluster["autoscale"] = _autoscale(cluster["engine"], call.body)
    return 204, None


def _do_settings(given: dict[str, Any]) -> dict[str, Any]:
    names: list[str] = given.get("service_cnames", [])
    if len(names) > MAX_CNAMES or len(set(names)) < len(names):
        raise unprocessable(f"service_cnames: at most {MAX_CNAMES} different names")
    if wrong := [name for name in names if len(name) > 253 or not _HOST.fullmatch(name)]:
        raise unprocessable(f"service_cnames: '{wrong[0]}' is not a host name")
    return given


@route("GET", "/v2/databases/{cluster}/do_settings")
def get_do_settings(call: Call) -> Answer:
    return 200, {"do_settings": {"service_cnames": [], **find_cluster(call)["do_settings"]}}


@route("PUT", "/v2/databases/{cluster}/do_settings", body={"do_settings": {"service_cnames": [str]}})
def set_do_settings(call: Call) -> Answer:
    cluster = online_cluster(call)
    if "do_settings" not in call.body:
        raise unprocessable("do_settings is required")
    cluster["do_settings"] = _do_settings(call.body["do_settings"])
    return 204, None


# -- trusted sources -------------------------------------------------------------------------------------------------


def _rules(call: Call, cluster_id: str, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(given) > MAX_RULES:
        raise unprocessable(f"at most {MAX_RULES} rules are allowed")
    rules = []
    for rule in given:
        kind, value = rule.get("type", ""), rule.get("value", "")
        _check_source(call.cloud, kind, value)
        if kind == "tag":
            value = call.cloud.state["tags"][value.lower()]
        kept = {
            "uuid": rule.get("uuid") or str(uuid.uuid4()),
            "cluster_uuid": cluster_id,
            "type": kind,
            "value": value,
            "created_at": call.cloud.timestamp(),
        }
        if "description" in rule:
            kept["description"] = rule["description"]
        rules.append(kept)
    return rules


def _check_source(cloud: Cloud, kind: str, value: str) -> None:
    match kind:
        case "ip_addr":
            try:
                ipaddress.IPv4Network(value, strict=False)
            except ValueError:
                raise unprocessable(f"invalid rule: '{value}' is not an IPv4 address or range") from None
        case "droplet":
            if value not in cloud.state["droplets"]:
                raise unprocessable(f"invalid rule: droplet '{value}' does not exist")
        case "tag":
            if value.lower() not in cloud.state["tags"]:
                raise unprocessable(f"invalid rule: tag '{value}' does not exist")
        case "k8s" | "app":
            raise unprocessable(f"invalid rule: there is no {kind} '{value}' in this account")
        case _:
            raise unprocessable(f"invalid rule: type '{kind}' is none of ip_addr, droplet, tag, k8s, app")


@route("GET", "/v2/databases/{cluster}/firewall")
def get_firewall(call: Call) -> Answer:
    return 200, {"rules": find_cluster(call)["rules"]}


@route("PUT", "/v2/databases/{cluster}/firewall", body={"rules": [_RULE]})
def replace_firewall(call: Call) -> Answer:
    cluster = online_cluster(call)
    call.require("rules")
    cluster["rules"] = _rules(call, cluster["id"], call.body["rules"])
    return 204, None
