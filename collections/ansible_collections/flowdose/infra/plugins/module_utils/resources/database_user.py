# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of PostgreSQL clusters. Where a name is all there is to say, `users` of the cluster says it too."""

from __future__ import annotations

from typing import Any, ClassVar

from ..client import CloudError
from ..resource import IRREVERSIBLE, NONE, Change, Facts
from .cluster_part import ClusterPart
from .database_cluster import check_object_name


class DatabaseUser(ClusterPart):
    kind = "database_user"
    plural = "database_users"
    label = "database user"
    options: ClassVar = {
        "cluster": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
        "allow_replication": {"type": "bool"},
    }
    updates: ClassVar = {"allow_replication": NONE}
    later = frozenset({"allow_replication"})  # creating takes it, but finds what the cluster brought along
    delete_impact = IRREVERSIBLE  # with its password
    noun = "user"
    list_key = "users"
    calls: ClassVar = {
        "list": "databases.list_users",
        "get": "databases.get_user",
        "create": "databases.add_user",
        "delete": "databases.delete_user",
    }

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        check_object_name("user", desired["name"])
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        """No password in it: `database_cluster_info` reads them when they are needed."""
        return {
            "id": raw.get("name"),
            "name": raw.get("name"),
            "cluster": raw.get("cluster"),
            "role": raw.get("role"),
            "allow_replication": bool((raw.get("settings") or {}).get("pg_allow_replication")),
        }

    def preflight(self, changes: dict[str, Change]) -> None:
        super().preflight(changes)
        if self.state == "absent" and self.existing["role"] == "primary":
            raise CloudError(f"{self.desired['name']} is the administrator of the cluster, and cannot be deleted")

    def update(self, changes: dict[str, Change]) -> None:
        self.client.call(
            f"update {self.title}",
            "databases.update_user",
            self.cluster["id"],
            self.desired["name"],
            body={"settings": self._settings()},
        )

    def _body(self) -> dict[str, Any]:
        settings = {"settings": self._settings()} if "allow_replication" in self.desired else {}
        return {"name": self.desired["name"], **settings}

    def _settings(self) -> dict[str, Any]:
        return {"pg_allow_replication": self.desired["allow_replication"]}
