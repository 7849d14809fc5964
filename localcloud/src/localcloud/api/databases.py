# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Database clusters: PostgreSQL and Valkey."""

from __future__ import annotations

import base64
import ipaddress
import re
import string
import uuid
from typing import Any
from urllib.parse import quote

from localcloud import catalog
from localcloud.api import vpcs
from localcloud.api.projects import find_project
from localcloud.api.tags import ensure_tags
from localcloud.clock import iso
from localcloud.cloud import Cloud, random_text, transition
from localcloud.errors import forbidden, not_found, precondition_failed, unprocessable
from localcloud.routing import Answer, Call, accept, route
from localcloud.sync import DATABASE_ZONE

MAX_RULES = 100
_NAME = re.compile(r"[a-z][a-z0-9-]{1,61}[a-z0-9]")
_OBJECT_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,62}")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_RULE = {"type": str, "value": str, "description": str, "uuid": str, "cluster_uuid": str, "created_at": str}
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
}


def queue(cluster: dict[str, Any]) -> str:
    return f"cluster:{cluster['id']}"


def _cluster(call: Call) -> dict[str, Any]:
    cluster: dict[str, Any] | None = call.cloud.state["databases"].get(call.params["cluster"])
    if cluster is None:
        raise not_found("cluster not found")
    return cluster


def _online_cluster(call: Call) -> dict[str, Any]:
    cluster = _cluster(call)
    if cluster["status"] != "online":
        raise precondition_failed(f"cluster is not online: its status is {cluster['status']}")
    return cluster


def _pg_cluster(call: Call) -> dict[str, Any]:
    cluster = _cluster(call)
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
        "users": [_render_user(call, user) for user in cluster["users"]],
        "connection": _connection(call, cluster, cluster["host"]),
        "private_connection": _connection(call, cluster, f"private-{cluster['host']}"),
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
    if cluster["num_nodes"] > 1 and cluster["engine"] == "pg":
        shown["standby_connection"] = _connection(call, cluster, f"replica-{cluster['host']}")
        shown["standby_private_connection"] = _connection(call, cluster, f"private-replica-{cluster['host']}")
    return shown


def _connection(call: Call, cluster: dict[str, Any], host: str) -> dict[str, Any]:
    engine = catalog.ENGINES[cluster["engine"]]
    password = "" if call.read_only else cluster["users"][0]["password"]
    account = f"{engine.admin_user}:{quote(password, safe='')}@{host}:{engine.port}"
    # The name of the database is not known before there is one.
    is_pg = cluster["engine"] == "pg"
    database = "defaultdb" if is_pg and cluster["status"] != "creating" else ""
    return {
        "uri": f"postgresql://{account}/defaultdb?sslmode=require" if is_pg else f"rediss://{account}",
        "database": database,
        "host": host,
        "port": engine.port,
        "user": engine.admin_user,
        "password": password,
        "ssl": True,
    }


def _render_user(call: Call, user: dict[str, Any]) -> dict[str, Any]:
    return {**user, "password": ""} if call.read_only else dict(user)


def _new_password() -> str:
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
        "region": body["region"],
        "status": "creating",
        "created_at": cloud.timestamp(),
        "private_network_uuid": vpc["id"],
        "tags": tags,
        "rules": rules,
        "users": [{"name": engine.admin_user, "role": "primary", "password": _new_password()}],
        "db_names": ["defaultdb"] if engine.slug == "pg" else None,
        "maintenance_window": {"day": "monday", "hour": "02:00:00"},
        "storage_size_mib": storage or (catalog.database_storage(body["size"]) if engine.slug == "pg" else 0),
        "config": dict(catalog.DEFAULT_SETTINGS[engine.slug]),
        "host": f"{body['name']}-do-user-1-0.{DATABASE_ZONE}",
        "public_ip": public_ip,
        "private_ip": private_ip,
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
    return 200, {"database": render_cluster(call, _cluster(call))}


@route("DELETE", "/v2/databases/{cluster}")
def delete_cluster(call: Call) -> Answer:
    """Gone at once; its place in the VPC is kept for a while."""
    cluster, cloud = _cluster(call), call.cloud
    del cloud.state["databases"][cluster["id"]]
    urn = f"do:dbaas:{cluster['id']}"
    cloud.leave_project(urn)
    seconds = cloud.config.latencies.cluster_leaves_vpc
    vpc_id, name = cluster["private_network_uuid"], cluster["name"]
    vpcs.leave(cloud, urn, vpc_id, name, cluster["created_at"], seconds, queue(cluster))
    return 204, None


@route("PUT", "/v2/databases/{cluster}/resize", body={"size": str, "num_nodes": int, "storage_size_mib": int})
def resize(call: Call) -> Answer:
    cluster = _online_cluster(call)
    call.require("size", "num_nodes")
    engine, body = catalog.ENGINES[cluster["engine"]], call.body
    _check_layout(engine, body["size"], body["num_nodes"])
    if catalog.database_memory(body["size"]) < catalog.database_memory(cluster["size"]):
        raise unprocessable("invalid size: a cluster cannot be made smaller")
    change = {"size": body["size"], "num_nodes": body["num_nodes"]}
    if engine.slug == "pg":
        included = max(cluster["storage_size_mib"], catalog.database_storage(body["size"]))
        storage = body.get("storage_size_mib", included)
        if storage < cluster["storage_size_mib"]:
            raise unprocessable("invalid storage_size_mib: storage cannot be made smaller")
        change["storage_size_mib"] = max(storage, included)
    cluster["status"] = "resizing"
    _note(call.cloud, cluster, "cluster_update")
    call.cloud.later(call.cloud.config.latencies.cluster_change, cluster_changed, cluster["id"], change)
    return 202, None


@route("PUT", "/v2/databases/{cluster}/migrate", body={"region": str})
def migrate(call: Call) -> Answer:
    cluster = _online_cluster(call)
    if call.body.get("region") not in catalog.DATABASE_REGIONS:
        raise unprocessable("invalid region")
    if call.cloud.config.has_machines:
        raise unprocessable("localcloud moves no cluster between regions")
    cluster["status"] = "migrating"
    change = {"region": call.body["region"]}
    call.cloud.later(call.cloud.config.latencies.cluster_change, cluster_changed, cluster["id"], change)
    return 202, None


@route("PUT", "/v2/databases/{cluster}/upgrade", body={"version": str})
def upgrade(call: Call) -> Answer:
    cluster = _online_cluster(call)
    call.require("version")
    engine = catalog.ENGINES[cluster["engine"]]
    version = engine.version(call.body["version"])
    if version is None or int(version.version) <= int(cluster["version"]):
        raise unprocessable("invalid version: only a newer major version can be upgraded to")
    _version(call.cloud, engine, version.version)
    cluster["status"] = "migrating"
    change = {"version": version.version}
    call.cloud.later(call.cloud.config.latencies.cluster_change, cluster_changed, cluster["id"], change)
    return 204, None


@route("PUT", "/v2/databases/{cluster}/maintenance", body={"day": str, "hour": str})
def set_maintenance(call: Call) -> Answer:
    cluster = _cluster(call)
    call.require("day", "hour")
    day, hour = call.body["day"].lower(), call.body["hour"]
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", hour)
    if day not in _DAYS or match is None:
        raise unprocessable("invalid maintenance window: a day of the week and an hour such as 14:00")
    cluster["maintenance_window"] = {"day": day, "hour": f"{match[1]}:{match[2]}:{match[3] or '00'}"}
    return 204, None


@route("PUT", "/v2/databases/{cluster}/install_update")
def install_update(call: Call) -> Answer:
    _online_cluster(call)
    return 204, None


@route("GET", "/v2/databases/{cluster}/ca")
def get_ca(call: Call) -> Answer:
    _cluster(call)
    pem = call.cloud.database_authority.certificate_pem
    return 200, {"ca": {"certificate": base64.b64encode(pem.encode()).decode()}}


@route("GET", "/v2/databases/{cluster}/events")
def list_events(call: Call) -> Answer:
    return 200, {"events": _cluster(call)["events"]}


@route("GET", "/v2/databases/{cluster}/backups")
def list_backups(call: Call) -> Answer:
    _pg_cluster(call)
    return 200, {"backups": []}


# -- settings --------------------------------------------------------------------------------------------------------


def _valkey_cluster(call: Call) -> dict[str, Any]:
    cluster = _online_cluster(call)
    if cluster["engine"] != "valkey":
        raise unprocessable(f"not supported for {cluster['engine']} clusters")
    return cluster


@route("GET", "/v2/databases/{cluster}/eviction_policy")
def get_eviction_policy(call: Call) -> Answer:
    return 200, {"eviction_policy": _valkey_cluster(call)["config"]["valkey_maxmemory_policy"]}


@route("PUT", "/v2/databases/{cluster}/eviction_policy", body={"eviction_policy": str})
def set_eviction_policy(call: Call) -> Answer:
    cluster = _valkey_cluster(call)
    _check_eviction_policy(call.body.get("eviction_policy", ""))
    cluster["config"]["valkey_maxmemory_policy"] = call.body["eviction_policy"]
    return 204, None


def _check_eviction_policy(policy: str) -> None:
    if policy not in catalog.EVICTION_POLICIES:
        raise unprocessable(f"invalid eviction policy: {', '.join(catalog.EVICTION_POLICIES)}")


@route("GET", "/v2/databases/{cluster}/config")
def get_config(call: Call) -> Answer:
    return 200, {"config": _online_cluster(call)["config"]}


@route("PATCH", "/v2/databases/{cluster}/config", body={"config": dict})
def patch_config(call: Call) -> Answer:
    cluster = _online_cluster(call)
    call.require("config")
    settings = catalog.ENGINE_SETTINGS[cluster["engine"]]
    if unknown := sorted(set(call.body["config"]) - set(settings)):
        raise unprocessable(f"invalid config: {', '.join(unknown)} unknown")
    values = accept(settings, call.body["config"], "config", call.warnings)
    if "valkey_maxmemory_policy" in values:
        _check_eviction_policy(values["valkey_maxmemory_policy"])
    cluster["config"].update(values)
    return 200, None


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
    return 200, {"rules": _cluster(call)["rules"]}


@route("PUT", "/v2/databases/{cluster}/firewall", body={"rules": [_RULE]})
def replace_firewall(call: Call) -> Answer:
    cluster = _online_cluster(call)
    call.require("rules")
    cluster["rules"] = _rules(call, cluster["id"], call.body["rules"])
    return 204, None


# -- databases and users ---------------------------------------------------------------------------------------------


@route("GET", "/v2/databases/{cluster}/dbs")
def list_databases(call: Call) -> Answer:
    return 200, {"dbs": [{"name": name} for name in _pg_cluster(call)["db_names"]]}


@route("POST", "/v2/databases/{cluster}/dbs", body={"name": str})
def create_database(call: Call) -> Answer:
    cluster = _pg_cluster(call)
    _online_cluster(call)
    name = _object_name(call, "database")
    if name in cluster["db_names"]:
        raise unprocessable("database name is not available")
    cluster["db_names"].append(name)
    return 201, {"db": {"name": name}}


def _object_name(call: Call, what: str) -> str:
    call.require("name")
    name: str = call.body["name"]
    if not _OBJECT_NAME.fullmatch(name):
        raise unprocessable(f"invalid {what} name: letters, numbers, dashes and underscores, 63 at most")
    return name


@route("GET", "/v2/databases/{cluster}/dbs/{name}")
def get_database(call: Call) -> Answer:
    if call.params["name"] not in _pg_cluster(call)["db_names"]:
        raise not_found("database not found")
    return 200, {"db": {"name": call.params["name"]}}


@route("DELETE", "/v2/databases/{cluster}/dbs/{name}")
def delete_database(call: Call) -> Answer:
    cluster, name = _pg_cluster(call), call.params["name"]
    if name not in cluster["db_names"]:
        raise not_found("database not found")
    if name == "defaultdb":
        raise forbidden("the default database cannot be deleted")
    cluster["db_names"].remove(name)
    return 204, None


def _user(call: Call, cluster: dict[str, Any]) -> dict[str, Any]:
    for user in cluster["users"]:
        if user["name"] == call.params["user"]:
            return user
    raise not_found("user not found")


@route("GET", "/v2/databases/{cluster}/users")
def list_users(call: Call) -> Answer:
    return 200, {"users": [_render_user(call, user) for user in _pg_cluster(call)["users"]]}


_USER_SETTINGS = {"pg_allow_replication": bool, "acl": [dict], "opensearch_acl": [dict], "mongo_user_settings": dict}


@route(
    "POST",
    "/v2/databases/{cluster}/users",
    body={"name": str, "settings": _USER_SETTINGS, "mysql_settings": dict, "readonly": bool},
)
def create_user(call: Call) -> Answer:
    cluster = _pg_cluster(call)
    _online_cluster(call)
    name = _object_name(call, "user")
    if any(user["name"] == name for user in cluster["users"]):
        raise unprocessable("user name is not available")
    user = {"name": name, "role": "normal", "password": _new_password()}
    if "settings" in call.body:
        user["settings"] = call.body["settings"]
    cluster["users"].append(user)
    return 201, {"user": user}


@route("GET", "/v2/databases/{cluster}/users/{user}")
def get_user(call: Call) -> Answer:
    return 200, {"user": _render_user(call, _user(call, _pg_cluster(call)))}


@route("PUT", "/v2/databases/{cluster}/users/{user}", body={"settings": _USER_SETTINGS})
def update_user(call: Call) -> Answer:
    user = _user(call, _pg_cluster(call))
    call.require("settings")
    user["settings"] = call.body["settings"]
    return 201, {"user": _render_user(call, user)}


@route("DELETE", "/v2/databases/{cluster}/users/{user}")
def delete_user(call: Call) -> Answer:
    cluster = _pg_cluster(call)
    user = _user(call, cluster)
    if user["role"] == "primary":
        raise forbidden("the primary user cannot be deleted")
    cluster["users"].remove(user)
    return 204, None


@route("POST", "/v2/databases/{cluster}/users/{user}/reset_auth", body={"mysql_settings": dict})
def reset_auth(call: Call) -> Answer:
    user = _user(call, _online_cluster(call))
    user["password"] = _new_password()
    return 200, {"user": user}
