# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alert policies: a metric of droplets, load balancers or database clusters beyond a value for a while."""

from __future__ import annotations

import uuid
from typing import Any

from localcloud import alerting
from localcloud.api.tags import require_tags
from localcloud.cloud import Cloud
from localcloud.errors import not_found, unprocessable
from localcloud.routing import Answer, Call, route

_DROPLET = "v1/insights/droplet/"
_BALANCER = "v1/insights/lbaas/"
_CLUSTER = "v1/dbaas/alerts/"
_AUTOSCALE = "v1/droplet/autoscale_alerts/"
# prefix of the type -> (its metrics, the collection of the state whose ids are its entities)
TYPES: dict[str, tuple[tuple[str, ...], str]] = {
    _DROPLET: (
        (
            *("load_1", "load_5", "load_15", "memory_utilization_percent", "disk_utilization_percent", "cpu"),
            *("disk_read", "disk_write", "public_outbound_bandwidth", "public_inbound_bandwidth"),
            *("private_outbound_bandwidth", "private_inbound_bandwidth"),
        ),
        "droplets",
    ),
    _BALANCER: (
        (
            *("avg_cpu_utilization_percent", "connection_utilization_percent", "droplet_health"),
            "tls_connections_per_second_utilization_percent",
            *("increase_in_http_error_rate_percentage_5xx", "increase_in_http_error_rate_percentage_4xx"),
            *("increase_in_http_error_rate_count_5xx", "increase_in_http_error_rate_count_4xx"),
            *("high_http_request_response_time", "high_http_request_response_time_50p"),
            *("high_http_request_response_time_95p", "high_http_request_response_time_99p"),
        ),
        "load_balancers",
    ),
    _CLUSTER: (("load_15_alerts", "memory_utilization_alerts", "disk_utilization_alerts", "cpu_alerts"), "databases"),
    _AUTOSCALE: (
        (
            *("current_instances", "target_instances", "current_cpu_utilization", "target_cpu_utilization"),
            *("current_memory_utilization", "target_memory_utilization", "scale_up", "scale_down"),
        ),
        "autoscale_pools",
    ),
}
_WINDOWS = ("5m", "10m", "30m", "1h")
_COMPARE = {"GreaterThan": "above", "LessThan": "below"}
_BODY = {
    "type": str,
    "description": str,
    "compare": str,
    "value": (int, float),
    "window": str,
    "entities": [str],
    "tags": [str],
    "alerts": alerting.NOTIFICATIONS,
    "enabled": bool,
}


def _policy(call: Call) -> dict[str, Any]:
    policy: dict[str, Any] | None = call.cloud.state["alert_policies"].get(call.params["alert"])
    if policy is None:
        raise not_found("alert policy not found")
    return policy


def _split(kind: str) -> tuple[str, str, str]:
    """Prefix, metric and collection of a type."""
    for prefix, (metrics, collection) in TYPES.items():
        if kind.startswith(prefix) and kind.removeprefix(prefix) in metrics:
            return prefix, kind.removeprefix(prefix), collection
    raise unprocessable(f"invalid type: {kind}")


def _accepted(call: Call) -> dict[str, Any]:
    """The nine keys of a policy; all of them are required, in a change too."""
    body = call.body
    call.require(*(key for key in _BODY if key not in ("entities", "tags", "alerts", "enabled")))
    for key in ("entities", "tags", "alerts", "enabled"):
        if key not in body:
            raise unprocessable(f"{key} is required")
    _, metric, collection = _split(body["type"])
    if body["compare"] not in _COMPARE:
        raise unprocessable(f"invalid compare: {', '.join(_COMPARE)}")
    if body["window"] not in _WINDOWS:
        raise unprocessable(f"invalid window: {', '.join(_WINDOWS)}")
    if body["value"] < 0 or (_is_percentage(metric) and body["value"] > 100):
        raise unprocessable(f"invalid value for {metric}: {body['value']:g}")
    if (found := alerting.problem(body["alerts"])) is not None:
        place, text = found
        raise unprocessable(f"alerts.{place}: {text}")
    known = call.cloud.state.get(collection, {})
    if missing := [entity for entity in body["entities"] if entity not in known]:
        raise unprocessable(f"invalid entities: {', '.join(missing)} cannot be found")
    return {**body, "tags": require_tags(call.cloud, body["tags"])}


def _is_percentage(metric: str) -> bool:
    words = ("cpu", "memory", "utilization", "percentage", "health")
    return any(word in metric for word in words)


@route("GET", "/v2/monitoring/alerts")
def list_policies(call: Call) -> Answer:
    return call.page("policies", call.cloud.state["alert_policies"].values())


@route("POST", "/v2/monitoring/alerts", body=_BODY)
def create_policy(call: Call) -> Answer:
    policy = {"uuid": str(uuid.uuid4()), **_accepted(call)}
    call.cloud.state["alert_policies"][policy["uuid"]] = policy
    return 200, {"policy": policy}  # not 201


@route("GET", "/v2/monitoring/alerts/{alert}")
def get_policy(call: Call) -> Answer:
    return 200, {"policy": _policy(call)}


@route("PUT", "/v2/monitoring/alerts/{alert}", body=_BODY)
def replace_policy(call: Call) -> Answer:
    policy = _policy(call)
    policy.update(_accepted(call))
    alerting.forget(call.cloud, f"policy:{policy['uuid']}:")
    return 200, {"policy": policy}


@route("DELETE", "/v2/monitoring/alerts/{alert}")
def delete_policy(call: Call) -> Answer:
    id = _policy(call)["uuid"]
    del call.cloud.state["alert_policies"][id]
    alerting.forget(call.cloud, f"policy:{id}:")
    return 204, None


# -- evaluation ------------------------------------------------------------------------------------------------------


def _covered(cloud: Cloud, policy: dict[str, Any], collection: str) -> list[dict[str, Any]]:
    """What a policy looks after: named ones and tagged ones, or all there are when it names none."""
    items = list(cloud.state.get(collection, {}).values())
    if not policy["entities"] and not policy["tags"]:
        return items
    tags = set(policy["tags"])
    return [item for item in items if str(item["id"]) in policy["entities"] or tags & set(item.get("tags", []))]


def observe(cloud: Cloud, measured: dict[str, dict[str, float]]) -> None:
    """Hold what was measured now against the policies: {"droplets:7": {"cpu": 93.5, ...}, "databases:UUID": ...}.

    Metrics are named as in the policies' types. A droplet is measured by the agent that `monitoring` installs: without
    it, or while it is off, nothing is known of it, and what is not known rings no bell.
    """
    for policy in cloud.state["alert_policies"].values():
        if not policy["enabled"]:
            alerting.forget(cloud, f"policy:{policy['uuid']}:")
            continue
        _, metric, collection = _split(policy["type"])
        covered = _covered(cloud, policy, collection)
        alerting.forget(cloud, f"policy:{policy['uuid']}:", besides={_key(policy, item) for item in covered})
        for item in covered:
            value = measured.get(f"{collection}:{item['id']}", {}).get(metric)
            if value is not None and (collection != "droplets" or "monitoring" in item["features"]):
                _judge(cloud, policy, item, metric, value)


def _key(policy: dict[str, Any], item: dict[str, Any]) -> str:
    return f"policy:{policy['uuid']}:{item['id']}"


def _judge(cloud: Cloud, policy: dict[str, Any], item: dict[str, Any], metric: str, value: float) -> None:
    above = policy["compare"] == "GreaterThan"
    holds = value > policy["value"] if above else value < policy["value"]
    text = (
        f"{item['name']}: {metric} is {value:.1f}, the policy tells when it is {_COMPARE[policy['compare']]} "
        f"{policy['value']:g} for {policy['window']}"
    )
    alerting.judge(
        cloud, _key(policy, item), holds, policy["window"], policy["alerts"], policy["description"] or metric, text
    )
