# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alert policies: who is told when a metric of droplets, load balancers or database clusters passes a value."""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar

from ..client import CloudError
from ..resource import NONE, Change, Cloud, Facts, Resource
from .database_cluster import DatabaseCluster
from .droplet import Droplet, normalise_tags
from .load_balancer import LoadBalancer

# Part of the type -> the kind of its entities, and its metrics
METRICS: dict[str, tuple[type[Resource], tuple[str, ...]]] = {
    "v1/insights/droplet/": (
        Droplet,
        (
            *("load_1", "load_5", "load_15", "memory_utilization_percent", "disk_utilization_percent", "cpu"),
            *("disk_read", "disk_write", "public_outbound_bandwidth", "public_inbound_bandwidth"),
            *("private_outbound_bandwidth", "private_inbound_bandwidth"),
        ),
    ),
    "v1/insights/lbaas/": (
        LoadBalancer,
        (
            *("avg_cpu_utilization_percent", "connection_utilization_percent", "droplet_health"),
            "tls_connections_per_second_utilization_percent",
            *("increase_in_http_error_rate_percentage_5xx", "increase_in_http_error_rate_percentage_4xx"),
            *("increase_in_http_error_rate_count_5xx", "increase_in_http_error_rate_count_4xx"),
            *("high_http_request_response_time", "high_http_request_response_time_50p"),
            *("high_http_request_response_time_95p", "high_http_request_response_time_99p"),
        ),
    ),
    "v1/dbaas/alerts/": (
        DatabaseCluster,
        ("load_15_alerts", "memory_utilization_alerts", "disk_utilization_alerts", "cpu_alerts"),
    ),
}
TYPES = {prefix + metric: kind for prefix, (kind, metrics) in METRICS.items() for metric in metrics}
PERCENTAGES = re.compile(r"percent|cpu|utilization|health")
# Where an alert goes, here and of uptime checks. Whoever has the address of a Slack hook can write to the channel.
RECEIVERS: dict[str, dict[str, Any]] = {
    "email": {"type": "list", "elements": "str", "default": []},
    "slack": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "channel": {"type": "str", "required": True},
            "url": {"type": "str", "required": True, "no_log": True},
        },
    },
}


class AlertPolicy(Resource):
    kind = "alert_policy"
    plural = "alert_policies"
    label = "alert policy"
    options: ClassVar = {
        "name": {"type": "str", "required": True},
        "type": {"type": "str", "choices": list(TYPES)},
        "compare": {"type": "str", "choices": ["GreaterThan", "LessThan"]},
        "value": {"type": "float"},
        "window": {"type": "str", "choices": ["5m", "10m", "30m", "1h"]},
        "entities": {"type": "list", "elements": "str"},
        "tags": {"type": "list", "elements": "str"},
        "alerts": {"type": "dict", "options": RECEIVERS},
        "enabled": {"type": "bool"},
    }
    updates: ClassVar = dict.fromkeys(
        ("type", "compare", "value", "window", "entities", "tags", "alerts", "enabled"), NONE
    )
    required_for_create = ("type", "value", "alerts")
    references: ClassVar = {"entities": Resource}  # type: ignore[type-abstract]  # of the kind that goes with `type`

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        if not desired["name"].strip():
            raise CloudError("the name of an alert policy must not be empty: nothing else tells policies apart")
        if desired.get("entities") and "type" not in desired:
            raise CloudError("entities needs `type`, which says what they are the names of")
        if "value" in desired:
            highest = 100.0 if PERCENTAGES.search(desired.get("type", "")) else math.inf
            if not 0 <= desired["value"] <= highest:
                raise CloudError(
                    f"value {desired['value']:g} can never be passed: it must lie between 0 and {highest:g}"
                )
        if "entities" in desired:
            desired["entities"] = sorted(set(desired["entities"]))
        if "tags" in desired:
            desired["tags"] = normalise_tags(desired["tags"])
        if "alerts" in desired:
            desired["alerts"] = normalise_receivers(desired["alerts"], "alerts")
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        return {
            "id": raw.get("uuid"),
            "name": raw.get("description"),  # the API knows no names
            **{key: raw.get(key) for key in ("type", "compare", "value", "window")},
            "entity_ids": sorted(raw.get("entities") or []),
            "tags": sorted(raw.get("tags") or []),
            "alerts": receivers(raw.get("alerts")),
            "enabled": bool(raw.get("enabled")),
        }

    def same(self, key: str, wanted: Any, found: Any) -> bool:
        if key == "value":  # kept with 32 bits
            return found is not None and math.isclose(wanted, found, rel_tol=1e-6)
        return super().same(key, wanted, found)

    def dependencies(self) -> list[tuple[type[Resource], str]]:
        return [(TYPES[self.desired["type"]], name) for name in self.desired.get("entities", [])]

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        return cloud.client.list_all("list the alert policies", "monitoring.list_alert_policy", "policies")

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self.client.find(f"read {self.title}", "monitoring.get_alert_policy", facts["id"])
        return found and found["policy"]

    def details(self, facts: Facts) -> Facts:
        if "entities" not in self.desired:
            return {}
        kind = TYPES[self.desired["type"]]
        names = {}
        if facts["entity_ids"] and TYPES.get(facts["type"]) is kind:  # else they are not to be found among ours
            names = {str(item["id"]): item["name"] for item in self.cloud.all(kind)}
        return {"entities": sorted(names.get(id, id) for id in facts["entity_ids"])}

    def create(self) -> dict[str, Any]:
        return self.client.call(f"create {self.title}", "monitoring.create_alert_policy", body=self._body())["policy"]

    def update(self, changes: dict[str, Change]) -> None:
        self.client.call(
            f"update {self.title}", "monitoring.update_alert_policy", self.existing["id"], body=self._body()
        )

    def delete(self, facts: Facts) -> None:
        self.client.call(f"delete {self.title}", "monitoring.delete_alert_policy", facts["id"])

    def _body(self) -> dict[str, Any]:
        """All nine keys: the API takes no fewer, neither for a new one nor for a change."""
        usual = {"compare": "GreaterThan", "window": "5m", "tags": [], "enabled": True}
        merged = {**usual, **(self.current or {}), **self.desired}
        if "entities" in self.desired:
            kind = TYPES[merged["type"]]
            entities = [str(self.cloud.require(kind, name)["id"]) for name in self.desired["entities"]]
        else:
            entities = merged.get("entity_ids", [])
        self.cloud.ensure_tags(merged["tags"])
        return {
            "description": self.name,
            "entities": entities,
            **{key: merged[key] for key in ("type", "compare", "value", "window", "tags", "alerts", "enabled")},
        }


def receivers(raw: dict[str, Any] | None) -> dict[str, Any]:
    """As the API has it, in one order."""
    raw = raw or {}
    return {
        "email": sorted(raw.get("email") or []),
        "slack": sorted(
            ({"channel": hook["channel"], "url": hook["url"]} for hook in raw.get("slack") or []),
            key=lambda hook: (hook["channel"], hook["url"]),
        ),
    }


def normalise_receivers(given: dict[str, Any], place: str) -> dict[str, Any]:
    if not given.get("email") and not given.get("slack"):
        raise CloudError(f"{place} names nobody: at least one address in `email` or one channel in `slack` is needed")
    for address in given.get("email") or []:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
            raise CloudError(f"{place}: {address!r} is not an e-mail address")
    for hook in given.get("slack") or []:
        if not re.fullmatch(r"https://[^\s/]+/\S+", hook["url"]):
            raise CloudError(
                f"{place}: the url of Slack channel {hook['channel']} is not that of a web hook (https://...)"
            )
    return receivers(given)
