# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on order, seen from the wire."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests
from localcloud.testing import RunningCloud
from plain_api import Api

TAG = {"name": "a"}


def tags(api: Api) -> list[str]:
    return [tag["name"] for tag in api("GET", "/v2/tags")["tags"]]


@pytest.mark.parametrize(("effect", "left"), [(False, []), (True, ["a"])])
def test_status_with_and_without_effect(api: Api, cloud: RunningCloud, effect: bool, left: list[str]) -> None:
    cloud.fault("POST /v2/tags", status=500, effect=effect)
    error = api("POST", "/v2/tags", TAG, status=500)
    assert error["id"] == "server_error"
    assert cloud.requests[-1]["fault"] is not None
    assert tags(api) == left
    api("POST", "/v2/tags", {"name": "b"}, status=201)  # it was ordered once


@pytest.mark.parametrize("status", [502, 504])
def test_gateway_errors_are_html(api: Api, cloud: RunningCloud, status: int) -> None:
    cloud.fault("GET /v2/account", status=status)
    response = api.send("GET", "/v2/account")
    assert (response.status_code, response.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert "<html>" in response.text
    cloud.fault("GET /v2/account", status=status, html=False)
    assert api.send("GET", "/v2/account").json()["id"] == "server_error"


def test_both_kinds_of_429(api: Api, cloud: RunningCloud) -> None:
    cloud.fault("GET /v2/account", status=429, retry_after=7)
    cloud.fault("GET /v2/account", status=429)
    burst, hourly = api.send("GET", "/v2/account"), api.send("GET", "/v2/account")
    assert burst.json() == hourly.json() == {"id": "too_many_requests", "message": "API Rate limit exceeded."}
    assert burst.headers["retry-after"] == "7"
    assert "retry-after" not in hourly.headers


@pytest.mark.parametrize(("when", "left"), [("before", []), ("after", ["a"])])
def test_reset_connection(api: Api, cloud: RunningCloud, when: str, left: list[str]) -> None:
    cloud.fault("POST /v2/tags", reset=when)
    with pytest.raises(requests.ConnectionError):
        api.send("POST", "/v2/tags", TAG)
    assert tags(api) == left


def test_hidden_after_creation(api: Api, cloud: RunningCloud) -> None:
    cloud.fault("POST /v2/droplets", hide=2)
    droplet = api.droplet(ready=False)
    path = f"/v2/droplets/{droplet['id']}"
    assert [api.send("GET", path).status_code for _ in range(3)] == [404, 404, 200]
    assert len(api("GET", "/v2/droplets")["droplets"]) == 1


def test_left_out_of_lists(api: Api, cloud: RunningCloud) -> None:
    api("POST", "/v2/tags", {"name": "old"}, status=201)
    cloud.fault("POST /v2/tags", stale=2)
    api("POST", "/v2/tags", TAG, status=201)
    assert api("GET", "/v2/tags/a")["tag"]["name"] == "a"
    listed = api("GET", "/v2/tags")
    assert ([tag["name"] for tag in listed["tags"]], listed["meta"]["total"]) == (["old"], 1)
    assert [tags(api), tags(api)] == [["old"], ["old", "a"]]


def test_hidden_and_left_out_together(api: Api, cloud: RunningCloud) -> None:
    path = f"/v2/databases/{api.cluster()['id']}/users"
    cloud.fault("POST /v2/databases/*/users", hide=1, stale=1)
    api("POST", path, {"name": "shop"}, status=201)
    assert [api.send("GET", f"{path}/shop").status_code for _ in range(2)] == [404, 200]
    assert [len(api("GET", path)["users"]) for _ in range(2)] == [1, 2]


def test_the_kth_call_of_a_run(api: Api, cloud: RunningCloud) -> None:
    cloud.fault("* *", nth=3, status=500)
    answers = [api.send("GET", path).status_code for path in ("/v2/tags", "/v2/account", "/v2/vpcs", "/v2/sizes")]
    assert answers == [200, 200, 500, 200]


def test_nth_and_count(api: Api, cloud: RunningCloud) -> None:
    cloud.fault("* /v2/ta*", status=503, nth=2, count=2)
    assert [api.send("GET", "/v2/tags").status_code for _ in range(5)] == [200, 503, 503, 200, 200]


def test_delay(api: Api, cloud: RunningCloud) -> None:
    cloud.fault("GET /v2/account", delay=0.3)
    started = time.monotonic()
    api("GET", "/v2/account")
    assert time.monotonic() - started >= 0.3


def test_a_slow_answer_holds_up_nobody_else(api: Api, cloud: RunningCloud) -> None:
    cloud.fault("GET /v2/account", delay=2)
    with pytest.raises(requests.ReadTimeout):
        requests.get(
            f"{cloud.endpoint}/v2/account",
            headers=dict(api.session.headers),  # type: ignore[arg-type]
            verify=str(cloud.ca_file),
            timeout=0.2,
        )
    started = time.monotonic()
    api("GET", "/v2/tags")
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    "order",
    [
        {"call": "/v2/tags", "status": 500},
        {"call": "GET /v2/tags"},
        {"call": "GET /v2/tags", "status": 200},
        {"call": "GET /v2/tags", "status": 500, "reset": "before"},
        {"call": "GET /v2/tags", "reset": "sometimes"},
        {"call": "GET /v2/tags", "status": 500, "nth": 0},
        {"call": "POST /v2/tags", "status": 500, "stale": 1},
        {"call": "GET /v2/tags", "statuss": 500},
    ],
)
def test_orders_that_make_no_sense(api: Api, cloud: RunningCloud, order: dict[str, Any]) -> None:
    assert api.send("POST", "/_localcloud/faults", order).status_code == 400
    call = order.pop("call")
    with pytest.raises((ValueError, TypeError)):
        cloud.fault(call, **order)


def test_orders_by_http_are_listed_and_forgotten(api: Api) -> None:
    api("POST", "/_localcloud/faults", {"call": "GET /v2/tags", "status": 500, "count": 5}, status=201)
    api("GET", "/v2/tags", status=500)
    (order,) = api("GET", "/_localcloud/faults")["faults"]
    assert (order["count"], order["hits"]) == (5, 1)
    api("DELETE", "/_localcloud/faults", status=204)
    api("GET", "/v2/tags")
