# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed PostgreSQL and Valkey, with their databases, users and trusted sources."""

from __future__ import annotations

import base64
import ipaddress
from typing import Any, ClassVar

from ..catalog import check_database
from ..client import Client, CloudError
from ..resource import NONE, RESTART, Change, Cloud, Facts, Resource, suggest
from .droplet import Droplet, normalise_tags
from .vpc import Vpc

# DigitalOcean's Redis ended in 2025; Valkey took its place under the same protocol.
ENGINES = {"pg": "pg", "postgres": "pg", "postgresql": "pg", "valkey": "valkey", "redis": "valkey"}
EVICTION_POLICIES = ["noeviction", "allkeys_lru", "allkeys_random", "volatile_lru", "volatile_random", "volatile_ttl"]
REPLACE = (
    "A database cluster is never replaced, because its data would be lost. Declare one with another name, move the "
    "data (pg_dump and pg_restore, or a fork), and delete the old one (state: absent)."
)
UPGRADE = (
    "A version is not changed by changing the data, because there is no way back: take a backup, upgrade the cluster "
    "in the control panel, then put the new version here."
)


class DatabaseCluster(Resource):
    kind = "database_cluster"
    plural = "database_clusters"
    label = "database cluster"
    options: ClassVar = {
        "name": {"type": "str", "required": True},
        "engine": {"type": "str", "choices": list(ENGINES)},
        "version": {"type": "str"},
        "size": {"type": "str"},
        "region": {"type": "str"},
        "num_nodes": {"type": "int"},
        "vpc": {"type": "str"},
        "databases": {"type": "list", "elements": "str"},
        "users": {"type": "list", "elements": "str"},
        "trusted_sources": {
            "type": "list",
            "elements": "dict",
            "options": {
                "type": {"type": "str", "required": True, "choices": ["tag", "ip_addr", "droplet"]},
                "value": {"type": "str", "required": True},
            },
        },
        "eviction_policy": {"type": "str", "choices": EVICTION_POLICIES},
        "tags": {"type": "list", "elements": "str"},
    }
    updates: ClassVar = {
        "size": RESTART,
        "num_nodes": RESTART,
        "databases": NONE,
        "users": NONE,
        "trusted_sources": NONE,
        "eviction_policy": NONE,
        "tags": NONE,
    }
    immutable: ClassVar = {"engine": REPLACE, "version": UPGRADE, "region": REPLACE, "vpc": REPLACE}
    later = frozenset({"databases", "users", "eviction_policy"})
    required_for_create = ("engine", "size", "region")
    references: ClassVar = {"vpc": Vpc, "trusted_sources": Droplet}
    taggable = "database"
    stateful = True

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        if "_" in desired["name"]:
            raise CloudError("the name of a database cluster must not contain an underscore")
        if "engine" in desired:
            desired["engine"] = ENGINES[desired["engine"]]
        if desired.get("engine") == "valkey" and (desired.get("databases") or desired.get("users")):
            raise CloudError("databases and users cannot be made in a valkey cluster")
        if desired.get("engine") == "pg" and "eviction_policy" in desired:
            raise CloudError("eviction_policy goes with engine valkey")
        if "trusted_sources" in desired:
            desired["trusted_sources"] = normalise_sources(desired["trusted_sources"])
        if "tags" in desired:
            desired["tags"] = normalise_tags(desired["tags"])
        for key in ("databases", "users"):
            if key in desired:
                desired[key] = sorted(set(desired[key]))
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        """No password in it: `database_cluster_info` reads them when they are needed."""
        public, private = raw.get("connection") or {}, raw.get("private_connection") or {}
        return {
            **{key: raw.get(key) for key in ("id", "name", "status", "region", "size", "num_nodes")},
            "engine": ENGINES.get(raw.get("engine") or "", raw.get("engine")),
            "version": raw.get("version"),
            "semantic_version": raw.get("semantic_version"),
            "vpc_uuid": raw.get("private_network_uuid"),
            "host": public.get("host"),
            "private_host": private.get("host"),
            "port": public.get("port"),
            "databases": sorted(raw.get("db_names") or []),
            "users": sorted(user["name"] for user in raw.get("users") or []),
            "tags": sorted(raw.get("tags") or []),
        }

    @classmethod
    def ready(cls, facts: Facts) -> bool:
        return bool(facts["status"] == "online")

    def same(self, key: str, wanted: Any, found: Any) -> bool:
        if key == "version":
            return same_version(wanted, found)
        if key in ("databases", "users"):  # only ever added: they may hold data, or be somebody else's
            return set(wanted) <= set(found)
        if key == "tags":
            return {tag.lower() for tag in wanted} == {tag.lower() for tag in found}
        return super().same(key, wanted, found)

    def dependencies(self) -> list[tuple[type[Resource], str]]:
        sources = self.desired.get("trusted_sources", [])
        found: list[tuple[type[Resource], str]] = [(Vpc, self.desired["vpc"])] if "vpc" in self.desired else []
        return found + [(Droplet, source["value"]) for source in sources if source["type"] == "droplet"]

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        # Not paginated by the API.
        return cloud.client.call("list the database clusters", "databases.list_clusters").get("databases") or []

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self.client.find(f"read {self.title}", "databases.get_cluster", facts["id"])
        return found and found["database"]

    def details(self, facts: Facts) -> Facts:
        found: Facts = {}
        if "vpc" in self.desired:
            found["vpc"] = self.cloud.name_of(Vpc, facts["vpc_uuid"])
        if "trusted_sources" in self.desired:
            found["trusted_sources"] = normalise_sources(
                [
                    {"type": rule["type"], "value": self.cloud.name_of(Droplet, int(rule["value"]))}
                    if rule["type"] == "droplet"
                    else {"type": rule["type"], "value": rule["value"]}
                    for rule in self._rules(facts)
                ]
            )
        # Until the cluster is online there is no policy to read.
        if "eviction_policy" in self.desired and self.ready(facts):
            found["eviction_policy"] = self.client.call(
                f"read the eviction policy of {self.title}", "databases.get_eviction_policy", facts["id"]
            )["eviction_policy"]
        return found

    def _rules(self, facts: Facts) -> list[dict[str, Any]]:
        attempted = f"read the trusted sources of {self.title}"
        return self.client.call(attempted, "databases.list_firewall_rules", facts["id"]).get("rules") or []

    def preflight(self, changes: dict[str, Change]) -> None:
        if changes.keys() & {"size", "num_nodes"}:
            merged = {"num_nodes": 1, **(self.current or {}), **self.desired}
            version = self.desired.get("version") if self.current is None else None
            # Offered are major versions.
            major = version and version.partition(".")[0]
            check_database(
                self.cloud, merged["engine"], major, merged["size"], merged["region"], merged["num_nodes"] or 1
            )

    def create(self) -> dict[str, Any]:
        keys = ("name", "engine", "size", "region", "tags")
        body = {key: self.desired[key] for key in keys if key in self.desired}
        body["num_nodes"] = self.desired.get("num_nodes", 1)
        if "version" in self.desired:
            body["version"] = self.desired["version"].partition(".")[0]
        if "vpc" in self.desired:
            body["private_network_uuid"] = self.cloud.require(Vpc, self.desired["vpc"])["id"]
        if "trusted_sources" in self.desired:
            # From the start, so that it is at no time open to everybody.
            body["rules"] = self._wanted_rules()
        return self.client.call(f"create {self.title}", "databases.create_cluster", body=body)["database"]

    def update(self, changes: dict[str, Change]) -> None:
        id = self.existing["id"]
        if "trusted_sources" in changes:
            self.client.call(
                f"set the trusted sources of {self.title}",
                "databases.update_firewall_rules",
                id,
                body={"rules": self._wanted_rules()},
            )
        if "eviction_policy" in changes:
            self.client.call(
                f"set the eviction policy of {self.title}",
                "databases.update_eviction_policy",
                id,
                body={"eviction_policy": self.desired["eviction_policy"]},
            )
        # One after the other: creating users of one cluster in parallel fails.
        for key, noun, create, get in (
            ("databases", "database", "databases.add", "databases.get"),
            ("users", "user", "databases.add_user", "databases.get_user"),
        ):
            if key in changes:
                for name in changes[key].after:
                    if name not in self.existing[key]:
                        self._add(f"create {noun} {name} in {self.title}", create, get, name)
        if changes.keys() & {"size", "num_nodes"}:
            # Both are wanted, whichever changes.
            body = {key: self.desired.get(key) or self.existing[key] for key in ("size", "num_nodes")}
            self.client.call(f"resize {self.title}", "databases.update_cluster_size", id, body=body)

    def delete(self, facts: Facts) -> None:
        self.client.call(f"delete {self.title}", "databases.destroy_cluster", facts["id"])

    def _add(self, attempted: str, create: str, get: str, name: str) -> None:
        id = self.existing["id"]
        self.cloud.settle(
            lambda: self.client.call(attempted, create, id, body={"name": name}),
            lambda: self.client.find(attempted, get, id, name),
        )

    def _wanted_rules(self) -> list[dict[str, str]]:
        rules = [dict(source) for source in self.desired["trusted_sources"]]
        self.cloud.ensure_tags(rule["value"] for rule in rules if rule["type"] == "tag")
        for rule in rules:
            if rule["type"] == "droplet":
                rule["value"] = str(self.cloud.require(Droplet, rule["value"])["id"])
        return rules


def normalise_sources(sources: list[dict[str, str]]) -> list[dict[str, str]]:
    found = set()
    for source in sources:
        value = source["value"]
        if source["type"] == "ip_addr":
            try:
                network = ipaddress.ip_network(value)
            except ValueError as error:
                raise CloudError(f"trusted source {value!r}: {error}") from None
            if network.version != 4:
                raise CloudError(f"trusted source {value}: IPv6 addresses are not possible")
            value = str(network.network_address) if network.num_addresses == 1 else str(network)
        found.add((source["type"], value))
    return [{"type": type, "value": value} for type, value in sorted(found)]


def same_version(wanted: str, found: str | None) -> bool:
    """15 is 15.4, whichever of the two says it more exactly."""
    ours, theirs = str(wanted).split("."), str(found or "").split(".")
    length = min(len(ours), len(theirs))
    return ours[:length] == theirs[:length]


def read_connections(client: Client, name: str | None) -> list[dict[str, Any]]:
    """All that an application needs to connect to the cluster of that name, or to all of them. Contains passwords."""
    clusters = client.call("list the database clusters", "databases.list_clusters").get("databases") or []
    names = [cluster["name"] for cluster in clusters]
    if name is not None and name not in names:
        raise CloudError(f"there is no database cluster named {name}", hint=suggest(name, names))
    return [_connection(client, cluster) for cluster in clusters if name in (None, cluster["name"])]


def _connection(client: Client, raw: dict[str, Any]) -> dict[str, Any]:
    facts = DatabaseCluster.flatten(raw)
    ca = client.call(f"read the CA of database cluster {facts['name']}", "databases.get_ca", facts["id"])["ca"]
    keys = ("host", "port", "user", "password", "database", "uri")
    return {
        **{key: facts[key] for key in ("id", "name", "engine", "version", "status", "region", "databases", "tags")},
        "connection": {key: (raw.get("connection") or {}).get(key) for key in keys},
        "private_connection": {key: (raw.get("private_connection") or {}).get(key) for key in keys},
        "users": [{"name": user["name"], "password": user.get("password")} for user in raw.get("users") or []],
        "ca_certificate": base64.b64decode(ca["certificate"]).decode(),
    }
