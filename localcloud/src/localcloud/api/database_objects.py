# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a PostgreSQL cluster: databases, users, connection pools. Valkey has none of them."""

from __future__ import annotations

import re
from typing import Any

from localcloud import catalog
from localcloud.api.databases import connections, new_password, online_cluster, pg_cluster, render_user
from localcloud.errors import forbidden, not_found, unprocessable
from localcloud.routing import Answer, Call, route
from localcloud.settings import POOL_MODES

POOL_PORT = 25061
RESERVED_CONNECTIONS = 3  # for the platform's own use
_OBJECT_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,62}")


def _object_name(call: Call, what: str) -> str:
    call.require("name")
    name: str = call.body["name"]
    if not _OBJECT_NAME.fullmatch(name):
        raise unprocessable(f"invalid {what} name: letters, numbers, dashes and underscores, 63 at most")
    return name


def _refuse_used(cluster: dict[str, Any], key: str, name: str) -> None:
    if users := [pool["name"] for pool in cluster["pools"].values() if pool.get(key) == name]:
        raise unprocessable(f"{name} is in use by connection pool {', '.join(users)}")


# -- databases -------------------------------------------------------------------------------------------------------


@route("GET", "/v2/databases/{cluster}/dbs")
def list_databases(call: Call) -> Answer:
    return 200, {"dbs": [{"name": name} for name in pg_cluster(call)["db_names"]]}


@route("POST", "/v2/databases/{cluster}/dbs", body={"name": str})
def create_database(call: Call) -> Answer:
    cluster = pg_cluster(call)
    online_cluster(call)
    name = _object_name(call, "database")
    if name in cluster["db_names"]:
        raise unprocessable("database name is not available")
    cluster["db_names"].append(name)
    return 201, {"db": {"name": name}}


@route("GET", "/v2/databases/{cluster}/dbs/{name}")
def get_database(call: Call) -> Answer:
    if call.params["name"] not in pg_cluster(call)["db_names"]:
        raise not_found("database not found")
    return 200, {"db": {"name": call.params["name"]}}


@route("DELETE", "/v2/databases/{cluster}/dbs/{name}")
def delete_database(call: Call) -> Answer:
    cluster, name = pg_cluster(call), call.params["name"]
    if name not in cluster["db_names"]:
        raise not_found("database not found")
    if name == "defaultdb":
        raise forbidden("the default database cannot be deleted")
    online_cluster(call)
    _refuse_used(cluster, "db", name)
    cluster["db_names"].remove(name)
    return 204, None


# -- users -----------------------------------------------------------------------------------------------------------

_SETTINGS = {"pg_allow_replication": bool, "acl": [dict], "opensearch_acl": [dict], "mongo_user_settings": dict}
_MYSQL = {"auth_plugin": str}


def _user(call: Call, cluster: dict[str, Any]) -> dict[str, Any]:
    for user in cluster["users"]:
        if user["name"] == call.params["user"]:
            return user
    raise not_found("user not found")


def _check_settings(call: Call) -> None:
    """A PostgreSQL user can be let replicate, and nothing else."""
    foreign = [key for key in call.body.get("settings", {}) if key != "pg_allow_replication"]
    foreign += [key for key in ("mysql_settings", "readonly") if key in call.body]
    if foreign:
        raise unprocessable(f"{', '.join(foreign)}: not supported for pg clusters")


@route("GET", "/v2/databases/{cluster}/users")
def list_users(call: Call) -> Answer:
    return 200, {"users": [render_user(call, user) for user in pg_cluster(call)["users"]]}


@route(
    "POST",
    "/v2/databases/{cluster}/users",
    body={"name": str, "settings": _SETTINGS, "mysql_settings": _MYSQL, "readonly": bool},
    exclusive="cluster",
)
def create_user(call: Call) -> Answer:
    cluster = pg_cluster(call)
    online_cluster(call)
    name = _object_name(call, "user")
    if any(user["name"] == name for user in cluster["users"]):
        raise unprocessable("user name is not available")
    _check_settings(call)
    user = {"name": name, "role": "normal", "password": new_password()}
    if "settings" in call.body:
        user["settings"] = call.body["settings"]
    cluster["users"].append(user)
    return 201, {"user": user}


@route("GET", "/v2/databases/{cluster}/users/{user}")
def get_user(call: Call) -> Answer:
    return 200, {"user": render_user(call, _user(call, pg_cluster(call)))}


@route("PUT", "/v2/databases/{cluster}/users/{user}", body={"settings": _SETTINGS})
def update_user(call: Call) -> Answer:
    user = _user(call, pg_cluster(call))
    online_cluster(call)
    if "settings" not in call.body:
        raise unprocessable("settings is required")
    _check_settings(call)
    user["settings"] = call.body["settings"]
    return 201, {"user": render_user(call, user)}  # not 200


@route("DELETE", "/v2/databases/{cluster}/users/{user}", exclusive="cluster")
def delete_user(call: Call) -> Answer:
    cluster = pg_cluster(call)
    user = _user(call, cluster)
    if user["role"] == "primary":
        raise forbidden("the primary user cannot be deleted")
    online_cluster(call)
    _refuse_used(cluster, "user", user["name"])
    cluster["users"].remove(user)
    return 204, None


@route("POST", "/v2/databases/{cluster}/users/{user}/reset_auth", body={"mysql_settings": _MYSQL})
def reset_auth(call: Call) -> Answer:
    cluster = online_cluster(call)  # of Valkey too: its one user's password can be changed
    user = _user(call, cluster)
    if cluster["engine"] == "pg":
        _check_settings(call)
    user["password"] = new_password()
    return 200, {"user": user}


# -- connection pools ------------------------------------------------------------------------------------------------

_POOL = {"mode": str, "size": int, "db": str, "user": str}


def _pool(call: Call, cluster: dict[str, Any]) -> dict[str, Any]:
    pool: dict[str, Any] | None = cluster["pools"].get(call.params["pool"])
    if pool is None:
        raise not_found("pool not found")
    return pool


def _render_pool(call: Call, cluster: dict[str, Any], pool: dict[str, Any]) -> dict[str, Any]:
    user = next((user for user in cluster["users"] if user["name"] == pool.get("user")), None)
    return {**pool, **connections(call, cluster, POOL_PORT, user, pool["name"])}


def pool_connections(cluster: dict[str, Any]) -> int:
    """How many server connections the pools of a cluster may hold together: 25 a GiB, less what is reserved."""
    return catalog.database_memory(cluster["size"]) // 1024 * 25 - RESERVED_CONNECTIONS


def _accepted_pool(call: Call, cluster: dict[str, Any], name: str) -> dict[str, Any]:
    call.require("mode", "db")
    body = call.body
    if "size" not in body:
        raise unprocessable("size is required")
    if body["mode"] not in POOL_MODES:
        raise unprocessable(f"invalid mode: {', '.join(POOL_MODES)}")
    if body["db"] not in cluster["db_names"]:
        raise not_found("database not found")
    if body.get("user") and not any(user["name"] == body["user"] for user in cluster["users"]):
        raise not_found("user not found")
    taken = sum(pool["size"] for pool in cluster["pools"].values() if pool["name"] != name)
    if not 1 <= body["size"] <= pool_connections(cluster) - taken:
        raise unprocessable(
            f"invalid pool size: the cluster has {pool_connections(cluster)} connections for pools, {taken} are taken"
        )
    pool = {"name": name, "mode": body["mode"], "size": body["size"], "db": body["db"]}
    return {**pool, "user": body["user"]} if body.get("user") else pool


@route("GET", "/v2/databases/{cluster}/pools")
def list_pools(call: Call) -> Answer:
    cluster = pg_cluster(call)
    return 200, {"pools": [_render_pool(call, cluster, pool) for pool in cluster["pools"].values()]}


@route("POST", "/v2/databases/{cluster}/pools", body={"name": str, **_POOL})
def create_pool(call: Call) -> Answer:
    cluster = pg_cluster(call)
    online_cluster(call)
    name = _object_name(call, "pool")
    if not 3 <= len(name) <= 60:
        raise unprocessable("invalid pool name: 3 to 60 characters")
    if name in cluster["pools"]:
        raise unprocessable("pool name is not available")
    pool = cluster["pools"][name] = _accepted_pool(call, cluster, name)
    return 201, {"pool": _render_pool(call, cluster, pool)}


@route("GET", "/v2/databases/{cluster}/pools/{pool}")
def get_pool(call: Call) -> Answer:
    cluster = pg_cluster(call)
    return 200, {"pool": _render_pool(call, cluster, _pool(call, cluster))}


@route("PUT", "/v2/databases/{cluster}/pools/{pool}", body=_POOL)
def replace_pool(call: Call) -> Answer:
    """What is left out is reset: without `user`, everybody comes as who they are."""
    cluster = pg_cluster(call)
    name = _pool(call, cluster)["name"]
    online_cluster(call)
    cluster["pools"][name] = _accepted_pool(call, cluster, name)
    return 204, None


@route("DELETE", "/v2/databases/{cluster}/pools/{pool}")
def delete_pool(call: Call) -> Answer:
    cluster = pg_cluster(call)
    name = _pool(call, cluster)["name"]
    online_cluster(call)
    del cluster["pools"][name]
    return 204, None
