# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alert policies and uptime checks: the API."""

from __future__ import annotations

from typing import Any

import pytest
from localcloud.testing import RunningCloud
from plain_api import Api

POLICIES = "/v2/monitoring/alerts"
CHECKS = "/v2/uptime/checks"
SLACK = {"channel": "#ops", "url": "https://hooks.example/T1/secret"}
POLICY: dict[str, Any] = {
    "type": "v1/insights/droplet/cpu",
    "description": "CPU is high",
    "compare": "GreaterThan",
    "value": 80,
    "window": "5m",
    "entities": [],
    "tags": [],
    "alerts": {"email": ["ops@localcloud.test"], "slack": [SLACK]},
    "enabled": True,
}
CHECK: dict[str, Any] = {
    "name": "shop",
    "type": "https",
    "target": "https://shop.example/",
    "regions": ["eu_west", "us_east"],
    "enabled": True,
}
ALERT: dict[str, Any] = {
    "name": "shop is down",
    "type": "down_global",
    "period": "2m",
    "notifications": {"email": ["ops@localcloud.test"], "slack": []},
}


def policy(api: Api, **change: Any) -> dict[str, Any]:
    created: dict[str, Any] = api("POST", POLICIES, {**POLICY, **change})["policy"]
    return created


def check(api: Api, **change: Any) -> dict[str, Any]:
    created: dict[str, Any] = api("POST", CHECKS, {**CHECK, **change}, status=201)["check"]
    return created


# -- alert policies --------------------------------------------------------------------------------------------------


def test_policy_life(api: Api) -> None:
    droplet = api.droplet(tags=["web"])
    made = policy(api, entities=[str(droplet["id"])], tags=["WEB"])
    assert made == {"uuid": made["uuid"], **POLICY, "entities": [str(droplet["id"])], "tags": ["web"]}
    path = f"{POLICIES}/{made['uuid']}"
    assert api("GET", path)["policy"] == made
    changed = {**POLICY, "value": 90.5, "enabled": False}
    assert api("PUT", path, changed)["policy"] == {"uuid": made["uuid"], **changed}
    policy(api)  # descriptions are not unique
    assert [item["value"] for item in api("GET", POLICIES)["policies"]] == [90.5, 80]
    assert api("GET", f"{POLICIES}?per_page=1&page=2")["meta"] == {"total": 2}
    api("DELETE", path, status=204)
    api.refused("GET", path, status=404)


@pytest.mark.parametrize("missing", POLICY)
def test_policy_needs_all_nine_keys(api: Api, missing: str) -> None:
    path = f"{POLICIES}/{policy(api)['uuid']}"
    body = {key: value for key, value in POLICY.items() if key != missing}
    for method, where in (("POST", POLICIES), ("PUT", path)):
        assert f"{missing} is required" in api.refused(method, where, body, status=422)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "v1/insights/droplet/heat"}, "invalid type"),
        ({"type": "cpu"}, "invalid type"),
        ({"compare": "Equals"}, "invalid compare"),
        ({"window": "2m"}, "invalid window"),
        ({"value": 101}, "invalid value"),
        ({"value": -1}, "invalid value"),
        ({"value": "80"}, "value must be"),
        ({"entities": ["1"]}, "cannot be found"),
        ({"entities": [1]}, "entities[0] must be string"),
        ({"tags": ["nowhere"]}, "does not exist"),
        ({"alerts": {"email": []}}, "slack: is required"),
        ({"alerts": {"email": [], "slack": []}}, "at least one"),
        ({"alerts": {"email": ["eve@example.org"], "slack": []}}, "invalid email 'eve@example.org'"),
        ({"alerts": {"email": [], "slack": [{"channel": "#a", "url": "hooks"}]}}, "slack[0].url"),
        ({"alerts": {"email": [], "slack": [{"channel": "", "url": SLACK["url"]}]}}, "slack[0].channel"),
    ],
)
def test_bad_policy(api: Api, change: dict[str, Any], message: str) -> None:
    assert message in api.refused("POST", POLICIES, {**POLICY, **change}, status=422)
    assert api("GET", POLICIES)["policies"] == []


def test_policies_of_clusters_and_their_entities(api: Api) -> None:
    cluster = api.cluster()
    made = policy(api, type="v1/dbaas/alerts/disk_utilization_alerts", entities=[cluster["id"]])
    assert made["entities"] == [cluster["id"]]
    droplet = api.droplet()
    wrong = {**POLICY, "type": "v1/dbaas/alerts/cpu_alerts", "entities": [str(droplet["id"])]}
    api.refused("POST", POLICIES, wrong, status=422)


# -- uptime checks ---------------------------------------------------------------------------------------------------


def test_check_life(api: Api) -> None:
    made = check(api)
    assert made == {"id": made["id"], **CHECK}
    path = f"{CHECKS}/{made['id']}"
    assert api("PUT", path, {"target": "https://other.example"})["check"] == {**made, "target": "https://other.example"}
    assert api("GET", path)["check"]["target"] == "https://other.example"
    check(api)  # names are not unique
    assert api("GET", f"{CHECKS}?per_page=1")["meta"] == {"total": 2}
    api("DELETE", path, status=204)
    api.refused("GET", path, status=404)
    api.refused("GET", f"{path}/state", status=404)
    api.refused("GET", f"{path}/alerts", status=404)


@pytest.mark.parametrize("missing", CHECK)
def test_check_needs_all_keys(api: Api, missing: str) -> None:
    body = {key: value for key, value in CHECK.items() if key != missing}
    assert f"'{missing}'" in api.refused("POST", CHECKS, body, status=400)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "tcp"}, "'type'"),
        ({"target": "shop.example"}, "no https URL"),
        ({"target": "http://shop.example"}, "no https URL"),
        ({"type": "ping"}, "neither a host name"),
        ({"regions": []}, "at least one region"),
        ({"regions": ["fra1"]}, "regions[0]"),
        ({"regions": ["eu_west", "eu_west"]}, "twice"),
        ({"name": ""}, "'name'"),
    ],
)
def test_bad_check(api: Api, change: dict[str, Any], message: str) -> None:
    path = f"{CHECKS}/{check(api)['id']}"
    assert message in api.refused("POST", CHECKS, {**CHECK, **change}, status=400)
    assert message in api.refused("PUT", path, change, status=400)
    assert api("GET", path)["check"] == {"id": path.rpartition("/")[2], **CHECK}


def test_ping_takes_hosts(api: Api) -> None:
    assert check(api, type="ping", target="192.0.2.1")["target"] == "192.0.2.1"


def test_state_of_a_new_check(api: Api) -> None:
    state = api("GET", f"{CHECKS}/{check(api)['id']}/state")["state"]
    assert {region: seen["status"] for region, seen in state["regions"].items()} == {
        "eu_west": "CHECKING",
        "us_east": "CHECKING",
    }
    assert "previous_outage" not in state


def test_alert_life(api: Api) -> None:
    path = f"{CHECKS}/{check(api)['id']}/alerts"
    made = api("POST", path, ALERT, status=201)["alert"]
    assert made == {"id": made["id"], **ALERT}
    slow = {**ALERT, "type": "latency", "threshold": 300, "comparison": "greater_than", "period": "5m"}
    assert api("PUT", f"{path}/{made['id']}", slow)["alert"] == {"id": made["id"], **slow}
    assert api("PUT", f"{path}/{made['id']}", ALERT)["alert"] == made  # what is left out is gone
    assert api("GET", path)["alerts"] == [api("GET", f"{path}/{made['id']}")["alert"]] == [made]
    api("DELETE", f"{path}/{made['id']}", status=204)
    api.refused("GET", f"{path}/{made['id']}", status=404)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "up"}, "'type'"),
        ({"type": "latency"}, "'threshold'"),
        ({"type": "ssl_expiry", "threshold": 14}, "'comparison'"),
        ({"type": "latency", "threshold": 0, "comparison": "less_than"}, "'threshold'"),
        ({"period": "4m"}, "'period'"),
        ({"name": ""}, "'name'"),
        ({"notifications": {"email": ["bob@example.org"], "slack": []}}, "notifications.email[0]': invalid email"),
        ({"notifications": {"email": [], "slack": []}}, "at least one"),
    ],
)
def test_bad_alert(api: Api, change: dict[str, Any], message: str) -> None:
    path = f"{CHECKS}/{check(api)['id']}/alerts"
    assert message in api.refused("POST", path, {**ALERT, **change}, status=400)
    assert api("GET", path)["alerts"] == []


def test_certificates_are_of_https(api: Api) -> None:
    path = f"{CHECKS}/{check(api, type='http', target='http://shop.example')['id']}/alerts"
    expiry = {**ALERT, "type": "ssl_expiry", "threshold": 14, "comparison": "less_than"}
    assert "https" in api.refused("POST", path, expiry, status=400)


def test_read_only_token_rings_no_bells(api: Api, read_only: Api, cloud: RunningCloud) -> None:
    id = check(api)["id"]
    assert read_only("GET", f"{CHECKS}/{id}")["check"]["name"] == "shop"
    read_only.refused("PUT", f"{CHECKS}/{id}", {"enabled": False}, status=403)
    read_only.refused("POST", POLICIES, POLICY, status=403)
