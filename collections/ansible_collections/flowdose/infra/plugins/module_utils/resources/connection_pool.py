# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection pools (PgBouncer) of PostgreSQL clusters."""

from __future__ import annotations

from typing import Any, ClassVar

from ..client import CloudError
from ..resource import NONE, RESTART, Change, Facts, Resource
from .cluster_part import ClusterPart
from .database import Database
from .database_cluster import DatabaseCluster
from .database_user import DatabaseUser


class ConnectionPool(ClusterPart):
    kind = "connection_pool"
    plural = "connection_pools"
    label = "connection pool"
    options: ClassVar = {
        "cluster": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
        "mode": {"type": "str", "choices": ["session", "transaction", "statement"]},
        "size": {"type": "int"},
        "db": {"type": "str"},
        "user": {"type": "str"},
    }
    # With anything but its size, a pool drops the connections it has.
    updates: ClassVar = {"mode": RESTART, "size": NONE, "db": RESTART, "user": RESTART}
    required_for_create = ("mode", "size", "db")
    # The database and the user may also be the cluster's own, of which no item here speaks: they only give an order.
    references: ClassVar = {"cluster": DatabaseCluster, "db": Database, "user": DatabaseUser}
    noun = "pool"
    list_key = "pools"
    calls: ClassVar = {
        "list": "databases.list_connection_pools",
        "get": "databases.get_connection_pool",
        "create": "databases.add_connection_pool",
        "delete": "databases.delete_connection_pool",
    }

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        if not 3 <= len(desired["name"]) <= 60:
            raise CloudError("the name of a connection pool has 3 to 60 characters")
        if desired.get("size", 1) < 1:
            raise CloudError("size must be at least 1")
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        """No password in it."""
        public, private = raw.get("connection") or {}, raw.get("private_connection") or {}
        return {
            "id": raw.get("name"),
            **{key: raw.get(key) for key in ("name", "cluster", "mode", "size", "db")},
            "user": raw.get("user") or None,
            "host": public.get("host"),
            "private_host": private.get("host"),
            "port": public.get("port"),
        }

    def dependencies(self) -> list[tuple[type[Resource], str]]:
        cluster = self.desired["cluster"]
        inside = [(kind, self.desired.get(key)) for key, kind in (("db", Database), ("user", DatabaseUser))]
        return [(DatabaseCluster, cluster), *((kind, f"{cluster}/{name}") for kind, name in inside if name)]

    def update(self, changes: dict[str, Change]) -> None:
        self.client.call(
            f"update {self.title}",
            "databases.update_connection_pool",
            self.cluster["id"],
            self.desired["name"],
            body=self._settings(),
        )

    def _body(self) -> dict[str, Any]:
        return {"name": self.desired["name"], **self._settings()}

    def _settings(self) -> dict[str, Any]:
        """All of them: a PUT resets what it does not name."""
        merged = {**(self.current or {}), **self.desired}
        return {key: merged[key] for key in ("mode", "size", "db", "user") if merged.get(key) is not None}
