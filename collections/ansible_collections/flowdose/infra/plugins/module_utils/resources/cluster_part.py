# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lives in one PostgreSQL cluster: its databases, users and connection pools have this in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ..client import CloudError
from ..resource import Change, Cloud, Facts, Resource
from .database_cluster import DatabaseCluster


class ClusterPart(Resource):
    """Known by its name within its cluster, which is its scope: `{"cluster": ..., "name": ...}`."""

    identity = ("cluster", "name")
    references: ClassVar = {"cluster": DatabaseCluster}
    findable = False
    noun: ClassVar[str]  # the key of one in the API's answers
    calls: ClassVar[dict[str, str]]  # list, get, create, delete -> operation of pydo
    list_key: ClassVar[str]

    @property
    def name(self) -> str:
        return f"{self.desired['cluster']}/{self.desired['name']}"

    @property
    def reference(self) -> str:
        return self.name  # other clusters have parts of the same name

    @property
    def scope(self) -> str | None:
        return str(self.desired["cluster"])

    @property
    def cluster(self) -> Facts:
        """When it is online: before that, nothing in it can be changed."""
        facts = self.cloud.require(DatabaseCluster, self.desired["cluster"])
        if DatabaseCluster.ready(facts):
            return facts
        title = f"{DatabaseCluster.label} {self.scope}"

        def look() -> Facts:
            answer = self.client.call(f"read {title}", "databases.get_cluster", facts["id"])
            return DatabaseCluster.flatten(answer["database"])

        online = self.cloud.wait(title, look, DatabaseCluster.ready, DatabaseCluster.describe)
        self.cloud.remember(DatabaseCluster, None, online)
        return online

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        cluster = cloud.find(DatabaseCluster, str(scope))
        if cluster is None or cluster["engine"] != "pg" or cluster["status"] in ("creating", "forking"):
            return []  # not there, not possible there, or not known yet: see `create`
        answer = cloud.client.call(f"list the {cls.label}s of {scope}", cls.calls["list"], cluster["id"])
        return [{**raw, "cluster": scope} for raw in answer.get(cls.list_key) or []]

    def read(self, facts: Facts) -> dict[str, Any] | None:
        answer = self.client.find(f"read {self.title}", self.calls["get"], self.cluster["id"], facts["name"])
        return answer and {**answer[self.noun], "cluster": self.scope}

    def preflight(self, changes: dict[str, Change]) -> None:
        cluster = self.cloud.find(DatabaseCluster, str(self.scope))
        if cluster is not None and cluster["engine"] != "pg":
            raise refused_engine(self, cluster["engine"])

    def check_beside(self, others: Sequence[Resource]) -> None:
        for other in others:
            if isinstance(other, DatabaseCluster) and other.name == self.scope:
                engine = other.desired.get("engine", "pg")
                if engine != "pg":
                    raise refused_engine(self, engine)

    def create(self) -> dict[str, Any]:
        # One after the other: in one cluster, parallel ones fail.
        with self.cloud.lock(("parts of a cluster", self.cluster["id"])):
            # The cluster may have come to be after the plan, with this already in it.
            found = self.read({"name": self.desired["name"]})
            if found is None:
                body = self._body()
                answer = self.client.call(f"create {self.title}", self.calls["create"], self.cluster["id"], body=body)
                found = {**answer[self.noun], "cluster": self.scope}
            return found

    def delete(self, facts: Facts) -> None:
        with self.cloud.lock(("parts of a cluster", self.cluster["id"])):
            self.client.call(f"delete {self.title}", self.calls["delete"], self.cluster["id"], facts["name"])

    def _body(self) -> dict[str, Any]:
        """What creating it takes."""
        return {"name": self.desired["name"]}


def refused_engine(part: ClusterPart, engine: str) -> CloudError:
    return CloudError(
        f"cluster {part.scope} runs {engine}, and only PostgreSQL has {part.label}s that can be made",
        hint="Valkey has one user and its numbered databases: nothing needs to be declared.",
    )
