# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of PostgreSQL clusters. Where a name is all there is to say, `databases` of the cluster says it too."""

from __future__ import annotations

from typing import Any, ClassVar

from ..client import CloudError
from ..resource import Change, Facts
from .cluster_part import ClusterPart
from .database_cluster import check_object_name

DEFAULT = "defaultdb"


class Database(ClusterPart):
    kind = "database"
    plural = "databases"
    label = "database"
    options: ClassVar = {
        "cluster": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
    }
    stateful = True
    noun = "db"
    list_key = "dbs"
    calls: ClassVar = {
        "list": "databases.list",
        "get": "databases.get",
        "create": "databases.add",
        "delete": "databases.delete",
    }

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        check_object_name("database", desired["name"])
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        return {"id": raw.get("name"), "name": raw.get("name"), "cluster": raw.get("cluster")}

    def preflight(self, changes: dict[str, Change]) -> None:
        super().preflight(changes)
        if self.state == "absent" and self.desired["name"] == DEFAULT:
            raise CloudError(f"{DEFAULT} is the database that every cluster has, and cannot be deleted")
