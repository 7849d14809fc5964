# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed PostgreSQL and Valkey, with their databases, users and trusted sources."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable
from typing import Any, ClassVar

from ..catalog import check_database
from ..client import Client, CloudError
from ..resource import IRREVERSIBLE, NONE, RESTART, Change, Cloud, Facts, Resource, suggest
from .droplet import Droplet, normalise_tags
from .vpc import Vpc

# DigitalOcean's Redis ended in 2025; Valkey took its place under the same protocol.
ENGINES = {"pg": "pg", "postgres": "pg", "postgresql": "pg", "valkey": "valkey", "redis": "valkey"}
EVICTION_POLICIES = ["noeviction", "allkeys_lru", "allkeys_random", "volatile_lru", "volatile_random", "volatile_ttl"]
REPLACE = (
    "A database cluster is never replaced, because its data would be lost. Declare one with another name, move the "
    "data (pg_dump and pg_restore, or a fork), and delete the old one (state: absent). Or put into the data what this "
    "one has, and it stays."
)
MOVE = (
    "A cluster that moves to another region leaves its VPC, and all that is beside it there: that is not done by a "
    "difference. Move it by hand (doctl databases migrate), then put the new region and VPC here; or declare one with "
    "another name and move the data."
)
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
# Settings that PostgreSQL and Valkey read when they start: changing one of them restarts the servers.
RESTARTING = frozenset(
    (
        *("autovacuum_freeze_max_age", "autovacuum_max_workers", "max_connections", "max_files_per_process"),
        *("max_locks_per_transaction", "max_logical_replication_workers", "max_pred_locks_per_transaction"),
        *("max_prepared_transactions", "max_replication_slots", "max_wal_senders", "max_worker_processes"),
        *("shared_buffers_percentage", "timescaledb", "track_activity_query_size", "track_commit_timestamp"),
        *("valkey_io_threads", "valkey_number_of_databases", "valkey_ssl"),
    )
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
        "storage_size_mib": {"type": "int"},
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
        "maintenance_window": {
            "type": "dict",
            "options": {
                "day": {"type": "str", "required": True, "choices": DAYS},
                "hour": {"type": "str", "required": True},
            },
        },
        "config": {"type": "dict"},
        "tags": {"type": "list", "elements": "str"},
    }
    updates: ClassVar = {
        "version": IRREVERSIBLE,
        "size": RESTART,
        "num_nodes": NONE,
        "storage_size_mib": NONE,
        "databases": NONE,
        "users": NONE,
        "trusted_sources": NONE,
        "eviction_policy": NONE,
        "maintenance_window": NONE,
        "config": RESTART,
        "tags": NONE,
    }
    immutable: ClassVar = {"engine": REPLACE, "region": MOVE, "vpc": REPLACE}
    later = frozenset({"databases", "users", "eviction_policy", "maintenance_window", "config"})
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
            check_engine(desired["engine"], desired)
        if "version" in desired and not re.fullmatch(r"[0-9]+(\.[0-9]+)*", desired["version"]):
            raise CloudError(f"version {desired['version']!r} is not a number such as 15")
        if "maintenance_window" in desired:
            desired["maintenance_window"] = normalise_window(desired["maintenance_window"])
        for noun, key in (("database", "databases"), ("user", "users")):
            for name in desired.get(key, []):
                check_object_name(noun, name)
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
            "storage_size_mib": raw.get("storage_size_mib"),
            "vpc_uuid": raw.get("private_network_uuid"),
            "host": public.get("host"),
            "private_host": private.get("host"),
            "port": public.get("port"),
            "databases": sorted(raw.get("db_names") or []),
            "users": sorted(user["name"] for user in raw.get("users") or []),
            "maintenance_window": normalise_window(raw.get("maintenance_window") or {}),
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
        return super().same(key, wanted, found)

    def impact(self, change: Change) -> str:
        if change.key == "config":
            return RESTART if RESTARTING & _changed(change).keys() else NONE
        return super().impact(change)

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
        if "config" in self.desired and self.ready(facts):
            answer = self.client.call(f"read the settings of {self.title}", "databases.get_config", facts["id"])
            # Only what is declared is compared; all the rest is the provider's.
            found["config"] = _same_keys(self.desired["config"], answer["config"])
        return found

    def _rules(self, facts: Facts) -> list[dict[str, Any]]:
        attempted = f"read the trusted sources of {self.title}"
        return self.client.call(attempted, "databases.list_firewall_rules", facts["id"]).get("rules") or []

    def preflight(self, changes: dict[str, Change]) -> None:
        if self.state == "absent":
            return
        merged = {"num_nodes": 1, **(self.current or {}), **self.desired}
        check_engine(merged["engine"], self.desired)
        if self.current is not None:
            self._refuse_shrinking(changes)
        elif not re.fullmatch(r"[a-z][a-z0-9-]{1,61}[a-z0-9]", self.name):
            raise CloudError(
                f"{self.name!r} is no name for a new cluster: 3 to 63 lower-case letters, digits and hyphens, "
                "a letter first"
            )
        if changes.keys() & {"size", "num_nodes", "version"}:
            # Offered are major versions.
            major = changes["version"].after.partition(".")[0] if "version" in changes else None
            check_database(
                self.cloud, merged["engine"], major, merged["size"], merged["region"], merged["num_nodes"] or 1
            )

    def _refuse_shrinking(self, changes: dict[str, Change]) -> None:
        version = changes.get("version")
        if version and version_number(version.after) < version_number(version.before):
            raise self.fail(
                f"version is {version.before}, and there is no way back to {version.after}",
                hint="Declare the version that it has; or a cluster with another name and the old version, and move "
                "the data with pg_dump and pg_restore.",
            )
        size = changes.get("size")
        if size and 0 < memory_of(size.after) < memory_of(size.before):
            raise self.fail(
                f"size is {size.before} and cannot become {size.after}: nodes are never made smaller",
                hint="Declare the size that it has; or a cluster with another name and that size, and move the data.",
            )
        storage = changes.get("storage_size_mib")
        if storage and (storage.before or 0) > storage.after:
            raise self.fail(
                f"storage_size_mib is {storage.before} and cannot become {storage.after}",
                hint="Declare what it has: it may have grown together with the size, or by itself.",
            )

    def create(self) -> dict[str, Any]:
        keys = ("name", "engine", "size", "region", "tags", "storage_size_mib")
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
        if "maintenance_window" in changes:
            window = changes["maintenance_window"].after
            self.client.call(
                f"set the maintenance window of {self.title}",
                "databases.update_maintenance_window",
                id,
                body={"day": window["day"], "hour": window["hour"][:5]},
            )
        if "config" in changes:
            body = {"config": _changed(changes["config"])}
            self.client.call(f"change the settings of {self.title}", "databases.patch_config", id, body=body)
        for key, noun, create, get in (
            ("databases", "database", "databases.add", "databases.get"),
            ("users", "user", "databases.add_user", "databases.get_user"),
        ):
            if key in changes:
                for name in changes[key].after:
                    if name not in self.existing[key]:
                        self._add(f"create {noun} {name} in {self.title}", create, get, name)
        # Last, and one after the other: while they go on, nothing else can be changed.
        resized: dict[str, Any] = {
            key: changes[key].after for key in ("size", "num_nodes", "storage_size_mib") if key in changes
        }
        if resized:
            # Size and nodes are both wanted, whichever changes; storage only when it does, and it grows with the size.
            body = {"size": self.existing["size"], "num_nodes": self.existing["num_nodes"], **resized}
            self._change_slowly(
                f"resize {self.title}",
                "databases.update_cluster_size",
                body,
                lambda facts: all(
                    (facts[key] or 0) >= value if key == "storage_size_mib" else facts[key] == value
                    for key, value in resized.items()
                ),
            )
        if "version" in changes:
            version = changes["version"].after.partition(".")[0]
            self._change_slowly(
                f"upgrade {self.title} to version {version}",
                "databases.update_major_version",
                {"version": version},
                lambda facts: same_version(version, facts["version"]),
            )

    def _change_slowly(
        self, attempted: str, operation: str, body: dict[str, Any], reached: Callable[[Facts], bool]
    ) -> None:
        """Begin it, and wait until it has become so and can be used: it is 'online' for a moment before, too."""
        cluster = self.existing

        def look() -> Facts:
            raw = self.read(cluster)
            if raw is None:
                raise self.fail("it was deleted meanwhile")
            return self.flatten(raw)

        try:
            self.client.call(attempted, operation, cluster["id"], body=body)
        except CloudError as error:
            # Sent again after an answer that got lost, it is refused because it goes on, or is done.
            if error.status not in (409, 412, 422):
                raise
            facts = look()
            if self.ready(facts) and not reached(facts):
                raise
        self.current = self.cloud.wait(
            self.title, look, lambda seen: self.ready(seen) and reached(seen), lambda seen: str(seen["status"])
        )

    def delete(self, facts: Facts) -> None:
        self.client.call(f"delete {self.title}", "databases.destroy_cluster", facts["id"])

    def _add(self, attempted: str, create: str, get: str, name: str) -> None:
        id = self.existing["id"]
        # One after the other: creating users of one cluster in parallel fails.
        with self.cloud.lock(("parts of a cluster", id)):
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


def check_engine(engine: str, desired: Facts) -> None:
    """Refuse what the other engine has."""
    if engine == "valkey" and (desired.get("databases") or desired.get("users")):
        raise CloudError("databases and users cannot be made in a valkey cluster")
    if engine == "valkey" and "storage_size_mib" in desired:
        raise CloudError("storage_size_mib goes with engine pg: valkey keeps its data in memory")
    if engine == "pg" and "eviction_policy" in desired:
        raise CloudError("eviction_policy goes with engine valkey")
    if "valkey_maxmemory_policy" in desired.get("config", {}):
        raise CloudError("config: valkey_maxmemory_policy is what `eviction_policy` says")


def check_object_name(noun: str, name: str) -> None:
    """Of a database or a user. PostgreSQL's own limit is 63 bytes; the API takes fewer characters than PostgreSQL."""
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]{0,62}", name):
        raise CloudError(
            f"{name!r} is no name for a {noun}: letters, digits, underscores and hyphens, 63 at most, "
            "and no digit or hyphen first"
        )


def normalise_window(window: dict[str, Any]) -> dict[str, str]:
    """`{"day": "sunday", "hour": "03:00:00"}` (UTC), {} for none."""
    if not window:
        return {}
    found = re.fullmatch(r"([01]?[0-9]|2[0-3])(?::([0-5][0-9]))?(?::([0-5][0-9]))?", window["hour"])
    if not found:
        raise CloudError(f"maintenance_window: hour {window['hour']!r} is not a time of the day such as 03:00 (UTC)")
    hour, minute, second = found.groups(default="00")
    return {"day": window["day"].lower(), "hour": f"{int(hour):02}:{minute}:{second}"}


def _same_keys(wanted: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Of what was found, what is spoken of in what is wanted; settings of pgbouncer and timescaledb are groups."""
    return {
        key: _same_keys(value, found.get(key) or {}) if isinstance(value, dict) else found.get(key)
        for key, value in wanted.items()
    }


def _changed(config: Change) -> dict[str, Any]:
    """The settings that differ, as they shall be."""
    return {key: value for key, value in config.after.items() if (config.before or {}).get(key) != value}


def version_number(version: str | None) -> int:
    """The major one."""
    return int(str(version or "0").partition(".")[0])


def memory_of(size: str) -> int:
    """GiB, as the slug of a size says (db-s-1vcpu-2gb); 0 when it does not."""
    found = re.search(r"-([0-9]+)gb", size or "")
    return int(found[1]) if found else 0


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
