# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts ring: what was seen and measured is fed, or looked at for real, and the clock is virtual."""

from __future__ import annotations

import json
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from localcloud.api.uptime import Sight
from localcloud.testing import RunningCloud
from localcloud.tls import Authority, write_private
from plain_api import Api
from test_api_monitoring import ALERT, POLICY, check, policy

CHECKS = "/v2/uptime/checks"


class Target:
    """A web server: answers `status`, and keeps what is posted to it."""

    def __init__(self) -> None:
        self.status = 200
        self.posted: list[dict[str, Any]] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def serving(target: Target, tls: ssl.SSLContext | None = None) -> Iterator[Target]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(target.status)
            self.end_headers()

        def do_POST(self) -> None:
            target.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.do_GET()

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", target.port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    target.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield target
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def target() -> Iterator[Target]:
    with serving(Target()) as running:
        yield running


def told(cloud: RunningCloud) -> list[tuple[str, str]]:
    return [(note["kind"], note["outcome"]) for note in cloud.notifications]


# -- alert policies --------------------------------------------------------------------------------------------------


def measure(cloud: RunningCloud, droplet: dict[str, Any], cpu: float, minutes: int) -> None:
    for _ in range(minutes):
        cloud.measure({f"droplets:{droplet['id']}": {"cpu": cpu}})
        cloud.clock.advance(60)


def test_a_policy_rings_when_its_window_is_full_and_says_when_it_is_over(
    api: Api, cloud: RunningCloud, target: Target
) -> None:
    droplet = api.droplet(monitoring=True)
    slack = [{"channel": "#ops", "url": target.url}]
    policy(api, alerts={"email": ["ops@localcloud.test"], "slack": slack})
    measure(cloud, droplet, 95, 4)
    measure(cloud, droplet, 20, 1)  # a break: the window begins anew
    measure(cloud, droplet, 95, 5)
    assert cloud.notifications == []
    measure(cloud, droplet, 95, 10)
    assert told(cloud) == [("email", "triggered"), ("slack", "triggered")]  # once, however long it lasts
    email, note = cloud.notifications
    assert (email["to"], email["subject"]) == ("ops@localcloud.test", "[triggered] CPU is high")
    assert email["text"] == "web-1: cpu is 95.0, the policy tells when it is above 80 for 5m"
    assert (note["delivery"], target.posted[0]["channel"]) == ("delivered", "#ops")
    assert [alert["subject"] for alert in cloud.status()["ringing"]] == ["CPU is high"]
    measure(cloud, droplet, 80, 1)
    assert told(cloud)[2:] == [("email", "resolved"), ("slack", "resolved")]
    assert cloud.status()["ringing"] == []
    assert [post["text"] for post in target.posted] == ["[triggered] CPU is high", "[resolved] CPU is high"]


@pytest.mark.parametrize(
    ("features", "change"),
    [
        ({"monitoring": False}, {}),  # no agent, no metrics
        ({"monitoring": True}, {"enabled": False}),
        ({"monitoring": True}, {"tags": ["other"]}),
        ({"monitoring": True}, {"compare": "LessThan"}),
        ({"monitoring": True}, {"type": "v1/insights/droplet/load_5"}),
    ],
)
def test_what_rings_no_bell(api: Api, cloud: RunningCloud, features: dict[str, Any], change: dict[str, Any]) -> None:
    api("POST", "/v2/tags", {"name": "other"}, status=201)
    droplet = api.droplet(**features)
    policy(api, **change)
    measure(cloud, droplet, 95, 10)
    assert cloud.notifications == []


def test_tagged_and_named_droplets_are_covered_each_on_its_own(api: Api, cloud: RunningCloud) -> None:
    droplets = [api.droplet(name, monitoring=True, tags=tags) for name, tags in (("a", ["web"]), ("b", []), ("c", []))]
    policy(api, tags=["web"], entities=[str(droplets[1]["id"])])
    for _ in range(6):
        cloud.measure({f"droplets:{droplet['id']}": {"cpu": 95} for droplet in droplets})
        cloud.clock.advance(60)
    texts = [note["text"] for note in cloud.notifications if note["kind"] == "email"]
    assert [text.partition(":")[0] for text in texts] == ["a", "b"]


def test_a_changed_policy_begins_anew(api: Api, cloud: RunningCloud) -> None:
    droplet = api.droplet(monitoring=True)
    made = policy(api)
    measure(cloud, droplet, 95, 6)
    api("PUT", f"/v2/monitoring/alerts/{made['uuid']}", {**POLICY, "value": 90})
    count = len(cloud.notifications)
    measure(cloud, droplet, 95, 5)
    assert len(cloud.notifications) == count
    measure(cloud, droplet, 95, 1)
    assert len(cloud.notifications) == 2 * count


def test_what_is_gone_rings_no_more(api: Api, cloud: RunningCloud) -> None:
    gone, stays = (api.droplet(name, monitoring=True) for name in ("gone", "stays"))
    policy(api)
    for _ in range(6):
        cloud.measure({f"droplets:{droplet['id']}": {"cpu": 95} for droplet in (gone, stays)})
        cloud.clock.advance(60)
    assert len(cloud.status()["ringing"]) == 2
    api("DELETE", f"/v2/droplets/{gone['id']}", status=204)
    cloud.clock.advance(60)
    api("GET", "/v2/droplets")
    cloud.measure({})  # of the other one nothing is known now: that ends no alert
    (ringing,) = cloud.status()["ringing"]
    assert ringing["text"].startswith("stays: ")


def test_policies_of_clusters(api: Api, cloud: RunningCloud) -> None:
    cluster = api.cluster()
    policy(api, type="v1/dbaas/alerts/disk_utilization_alerts", entities=[cluster["id"]], window="10m")
    for _ in range(11):
        cloud.measure({f"databases:{cluster['id']}": {"disk_utilization_alerts": 91.0}})
        cloud.clock.advance(60)
    assert told(cloud) == [("email", "triggered"), ("slack", "triggered")]


def test_slack_that_cannot_be_reached_is_tried_three_times(api: Api, cloud: RunningCloud, target: Target) -> None:
    target.status = 503
    droplet = api.droplet(monitoring=True)
    policy(api, alerts={"email": [], "slack": [{"channel": "#ops", "url": target.url}]})
    measure(cloud, droplet, 95, 12)
    assert cloud.notifications[0]["delivery"] == "failed: it answers 503"
    assert len(target.posted) == 3


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/secret", "http://host:port/secret"])
def test_why_slack_was_not_reached_tells_no_secret(api: Api, cloud: RunningCloud, url: str) -> None:
    droplet = api.droplet(monitoring=True)
    policy(api, alerts={"email": [], "slack": [{"channel": "#ops", "url": url}]})
    measure(cloud, droplet, 95, 12)
    delivery = cloud.notifications[0]["delivery"]
    assert delivery.startswith("failed: ")
    assert "secret" not in delivery


def test_a_webhook_that_leads_elsewhere_is_not_followed(api: Api, cloud: RunningCloud, target: Target) -> None:
    target.status = 307
    droplet = api.droplet(monitoring=True)
    policy(api, alerts={"email": [], "slack": [{"channel": "#ops", "url": target.url}]})
    measure(cloud, droplet, 95, 12)
    assert cloud.notifications[0]["delivery"] == "failed: it answers 307"


# -- uptime checks ---------------------------------------------------------------------------------------------------

DOWN, UP = Sight(False, reason="connection refused"), Sight(True, latency=80, certificate_days=60)


def test_down_somewhere_and_down_everywhere(api: Api, cloud: RunningCloud) -> None:
    path = f"{CHECKS}/{(made := check(api))['id']}"
    for kind in ("down", "down_global"):
        api("POST", f"{path}/alerts", {**ALERT, "name": kind, "type": kind}, status=201)

    def see(eu: Sight, us: Sight, minutes: int) -> list[str]:
        before = len(cloud.notifications)
        for _ in range(minutes):
            cloud.see(made["id"], eu_west=eu, us_east=us)
            cloud.clock.advance(60)
        return [note["subject"] for note in cloud.notifications[before:]]

    assert see(UP, UP, 3) == see(DOWN, UP, 2) == []
    assert see(DOWN, UP, 3) == ["[triggered] shop: down"]
    assert see(DOWN, DOWN, 2) == []
    assert see(DOWN, DOWN, 3) == ["[triggered] shop: down_global"]
    assert see(DOWN, UP, 1) == ["[resolved] shop: down_global"]
    state = api("GET", f"{path}/state")["state"]
    assert [state["regions"][region]["status"] for region in ("eu_west", "us_east")] == ["DOWN", "UP"]
    assert (state["previous_outage"]["region"], state["previous_outage"]["duration_seconds"]) == ("us_east", 300)
    assert see(UP, UP, 1) == ["[resolved] shop: down"]
    assert api("GET", f"{path}/state")["state"]["previous_outage"]["region"] == "eu_west"


def test_uptime_of_thirty_days(api: Api, cloud: RunningCloud) -> None:
    id = check(api, regions=["eu_west"])["id"]
    cloud.see(id, eu_west=UP)
    cloud.clock.advance(9 * 3600)
    cloud.see(id, eu_west=DOWN)
    cloud.clock.advance(3600)
    region = api("GET", f"{CHECKS}/{id}/state")["state"]["regions"]["eu_west"]
    assert (region["status"], region["thirty_day_uptime_percentage"]) == ("DOWN", 90.0)


@pytest.mark.parametrize(
    ("alert", "good", "bad", "words"),
    [
        (
            {"type": "latency", "threshold": 300, "comparison": "greater_than"},
            UP,
            Sight(True, latency=900),
            "answers in 900 ms, the threshold is 300 ms",
        ),
        (
            {"type": "ssl_expiry", "threshold": 14, "comparison": "less_than"},
            UP,
            Sight(True, certificate_days=13.2),
            "its certificate expires in 13 days, the threshold is 14",
        ),
    ],
)
def test_latency_and_certificates(
    api: Api, cloud: RunningCloud, alert: dict[str, Any], good: Sight, bad: Sight, words: str
) -> None:
    id = check(api)["id"]
    api("POST", f"{CHECKS}/{id}/alerts", {**ALERT, **alert}, status=201)
    for sight in (good, bad, bad, DOWN, bad):  # a target that is down says nothing of either
        cloud.see(id, eu_west=sight)
        cloud.clock.advance(60)
    assert [note["text"] for note in cloud.notifications] == [f"https://shop.example/: {words}"]
    cloud.see(id, eu_west=good)
    assert told(cloud)[1:] == [("email", "resolved")]


def test_a_check_that_is_off_or_has_a_new_target_forgets(api: Api, cloud: RunningCloud) -> None:
    id = check(api, regions=["eu_west"])["id"]
    api("POST", f"{CHECKS}/{id}/alerts", ALERT, status=201)
    for change in ({"enabled": False}, {"enabled": True}, {"target": "https://new.example"}):
        cloud.see(id, eu_west=DOWN)
        cloud.clock.advance(60)
        api("PUT", f"{CHECKS}/{id}", change)
        assert api("GET", f"{CHECKS}/{id}/state")["state"]["regions"]["eu_west"]["status"] == "CHECKING"
    cloud.see(id, eu_west=DOWN)
    assert cloud.notifications == []


# -- looking for real ------------------------------------------------------------------------------------------------


def status(api: Api, id: str) -> str:
    return str(api("GET", f"{CHECKS}/{id}/state")["state"]["regions"]["eu_west"]["status"])


def test_http_targets_are_really_looked_at(api: Api, cloud: RunningCloud, target: Target) -> None:
    id = check(api, type="http", target=target.url)["id"]
    cloud.watch()
    assert status(api, id) == "UP"
    target.status = 500
    cloud.watch()
    assert status(api, id) == "DOWN"
    target.status = 204
    cloud.watch()
    assert status(api, id) == "UP"


def test_https_wants_a_certificate_of_the_clouds_authority(api: Api, cloud: RunningCloud, tmp_path: Path) -> None:
    def context(authority: Authority) -> ssl.SSLContext:
        chain, key = authority.issue(["localhost"])
        write_private(tmp_path / "chain.pem", chain)
        write_private(tmp_path / "key.pem", key)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
        return tls

    clouds = Authority(cloud.ca_file.read_text(), (cloud.ca_file.parent / "ca-key.pem").read_text())
    for authority, seen in ((clouds, "UP"), (Authority.create("nobody's"), "DOWN")):
        with serving(Target(), context(authority)) as target:
            id = check(api, target=f"https://localhost:{target.port}/")["id"]
            expiry = {**ALERT, "type": "ssl_expiry", "threshold": 36500, "comparison": "less_than"}
            api("POST", f"{CHECKS}/{id}/alerts", expiry, status=201)
            for _ in range(4):
                cloud.watch()
                cloud.clock.advance(60)
            assert status(api, id) == seen
    assert [("expires in" in note["text"]) for note in cloud.notifications] == [True]


@pytest.mark.skipif(os.geteuid() != 0, reason="the kernel lets root send pings, others only where it was told to")
def test_hosts_are_really_pinged(api: Api, cloud: RunningCloud) -> None:
    there = check(api, type="ping", target="127.0.0.1")["id"]
    nowhere = check(api, type="ping", target="no-such-host.invalid")["id"]
    cloud.watch()
    assert [status(api, id) for id in (there, nowhere)] == ["UP", "DOWN"]


def test_a_check_that_became_http_has_no_certificate(api: Api, cloud: RunningCloud, target: Target) -> None:
    id = check(api)["id"]
    expiry = {**ALERT, "type": "ssl_expiry", "threshold": 14, "comparison": "less_than"}
    api("POST", f"{CHECKS}/{id}/alerts", expiry, status=201)
    api("PUT", f"{CHECKS}/{id}", {"type": "http", "target": target.url})
    cloud.watch()
    assert status(api, id) == "UP"


def test_a_target_that_is_not_there_is_down(api: Api, cloud: RunningCloud) -> None:
    with serving(Target()) as target:
        pass
    id = check(api, type="http", target=target.url)["id"]
    api("POST", f"{CHECKS}/{id}/alerts", ALERT, status=201)
    for _ in range(3):
        cloud.watch()
        cloud.clock.advance(60)
    assert status(api, id) == "DOWN"
    assert "down everywhere (" in cloud.notifications[0]["text"]
