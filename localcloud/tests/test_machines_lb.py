# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load balancer before two droplets, and a reserved IP that moves between them.

The tests share one cloud and stand in an order. Health checks and traffic count real seconds, statuses those of the
cloud, which runs at sixty times the speed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from live_cloud import LiveCloud, eventually
from localcloud.daemon import ServerLock

pytestmark = pytest.mark.machines

# Answers who it is and what it was asked, by HTTP/1.1 with connections kept, on port 8000 and with TLS on 8443; on 8001
# it sends back the first line that it gets.
WEB = """#!/bin/sh
cat > /usr/local/bin/web.py <<'PYTHON'
import http.server, json, socket, socketserver, ssl, threading
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({"name": socket.gethostname(), "headers": headers}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
http.server.ThreadingHTTPServer.allow_reuse_address = socketserver.ThreadingTCPServer.allow_reuse_address = True
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/etc/web.pem")
secure = http.server.ThreadingHTTPServer(("", 8443), Handler)
secure.socket = context.wrap_socket(secure.socket, server_side=True)
for server in (secure, socketserver.ThreadingTCPServer(("", 8001), Echo)):
    threading.Thread(target=server.serve_forever, daemon=True).start()
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
PYTHON
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=the droplet's own" \
    -addext subjectAltName=DNS:www.lb.test -out /etc/cert.pem -keyout /etc/key.pem
cat /etc/cert.pem /etc/key.pem > /etc/web.pem
cat > /etc/systemd/system/web.service <<'UNIT'
[Service]
ExecStart=/usr/bin/python3 /usr/local/bin/web.py
UNIT
systemctl daemon-reload
systemctl start web
"""
HTTP = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8000}
HEALTH = {
    "protocol": "http",
    "port": 8000,
    "path": "/",
    "check_interval_seconds": 3,
    "response_timeout_seconds": 3,
    "unhealthy_threshold": 2,
    "healthy_threshold": 2,
}


class Shop:
    """Two droplets with the tag `web`, a load balancer before them, a zone with a certificate."""

    def __init__(self, cloud: LiveCloud) -> None:
        self.cloud = cloud
        public = Path(f"{cloud.key}.pub").read_text()
        key = cloud.api("POST", "/v2/account/keys", {"name": "ops", "public_key": public})["ssh_key"]["id"]
        self.vpc = cloud.api("POST", "/v2/vpcs", {"name": "lb", "region": "fra1", "ip_range": "10.92.0.0/24"})["vpc"]
        body = {"region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64", "vpc_uuid": self.vpc["id"]}
        more = {"names": ["web-1", "web-2"], "tags": ["web"], "ssh_keys": [key], "user_data": WEB}
        created = cloud.api("POST", "/v2/droplets", {**body, **more})["droplets"]
        self.ids = {droplet["name"]: droplet["id"] for droplet in created}
        cloud.api("POST", "/v2/domains", {"name": "lb.test"})
        certificate = {"name": "lb", "type": "lets_encrypt", "dns_names": ["www.lb.test"]}
        self.certificate = cloud.api("POST", "/v2/certificates", certificate)["certificate"]["id"]
        settings = {"name": "lb", "region": "fra1", "vpc_uuid": self.vpc["id"], "tag": "web", "health_check": HEALTH}
        self.settings: dict[str, Any] = {**settings, "forwarding_rules": [HTTP]}
        self.id = cloud.api("POST", "/v2/load_balancers", self.settings)["load_balancer"]["id"]
        self.path = f"/v2/load_balancers/{self.id}"
        self.address: str = eventually(lambda: cloud.api("GET", self.path)["load_balancer"]["ip"])
        record = {"type": "A", "name": "www", "data": self.address, "ttl": 30}
        cloud.api("POST", "/v2/domains/lb.test/records", record)
        self.droplets = {droplet["name"]: droplet["public_ipv4"] for droplet in cloud.status()["droplets"]}

    def change(self, **settings: Any) -> None:
        """Replace the load balancer's settings, and wait until that is done."""
        self.cloud.api("PUT", self.path, {**self.settings, **settings})
        time.sleep(0.5)  # eight seconds of the cloud's

    def get(self, address: str = "", session: requests.Session | None = None, **options: Any) -> dict[str, Any]:
        response = (session or requests).get(f"http://{address or self.address}/", timeout=5, **options)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    def names(self, times: int = 10) -> set[str]:
        """Who answered; nobody counts as "" """
        found = set()
        for _ in range(times):
            try:
                found.add(self.get()["name"])
            except requests.RequestException:
                found.add("")
        return found

    def ssh(self, name: str, command: str) -> str | None:
        return self.cloud.ssh(self.droplets[name], command)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    cloud = LiveCloud(tmp_path_factory.mktemp("lb"))
    cloud.up()
    try:
        built = Shop(cloud)
        eventually(lambda: built.names() == {"web-1", "web-2"})
        yield built
    finally:
        cloud.run("down")
        # Nothing is left: no container, no bridge.
        listed = subprocess.run(["podman", "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True)
        assert "localcloud-" not in listed.stdout


def test_requests_go_round_and_say_where_they_come_from(shop: Shop) -> None:
    assert shop.names(4) == {"web-1", "web-2"}
    headers = shop.get()["headers"]
    assert (headers["x-forwarded-proto"], headers["x-forwarded-port"]) == ("http", "80")
    assert headers["x-forwarded-for"] == "10.77.0.1"
    (shown,) = shop.cloud.status()["load_balancers"]
    assert (shown["name"], shown["ip"], shown["state"], shown["error"]) == ("lb", shop.address, "active", None)


def test_unhealthy_droplet_is_taken_out_and_comes_back(shop: Shop) -> None:
    policy = {"type": "v1/insights/lbaas/droplet_health", "compare": "LessThan", "value": 60, "window": "5m"}
    told = {"description": "droplets are down", "alerts": {"email": ["ops@localcloud.test"], "slack": []}}
    entities = {"entities": [shop.id], "tags": [], "enabled": True}
    shop.cloud.api("POST", "/v2/monitoring/alerts", {**policy, **told, **entities})
    shop.ssh("web-1", "systemctl stop web")
    eventually(lambda: shop.names() == {"web-2"}, 20)
    (alert,) = eventually(lambda: shop.cloud.status()["ringing"], 30)
    assert "droplet_health is 50.0" in alert["text"]
    # A reload remembers who is down.
    shop.change(enable_backend_keepalive=True)
    assert shop.names() == {"web-2"}
    shop.ssh("web-1", "systemctl start web")
    eventually(lambda: shop.names() == {"web-1", "web-2"}, 20)
    shop.ssh("web-2", "systemctl stop web")
    shop.ssh("web-1", "systemctl stop web")
    eventually(lambda: shop.names(2) == {""}, 20)
    assert requests.get(f"http://{shop.address}/", timeout=5).status_code == 503
    for name in shop.droplets:
        shop.ssh(name, "systemctl start web")
    eventually(lambda: shop.names() == {"web-1", "web-2"}, 20)


def test_no_request_fails_while_settings_change(shop: Shop) -> None:
    stop, failures, answers = threading.Event(), [], []

    def visit(kept: bool) -> None:
        session = requests.Session()
        while not stop.is_set():
            try:
                answers.append(shop.get(session=session if kept else None)["name"])
            except requests.RequestException as error:
                failures.append(repr(error))
            time.sleep(0.005)

    visitors = [threading.Thread(target=visit, args=(kept,)) for kept in (True, True, False)]
    for visitor in visitors:
        visitor.start()
    try:
        for seconds in (61, 62, 63, 64):
            shop.change(http_idle_timeout_seconds=seconds)
            time.sleep(1)
    finally:
        stop.set()
        for visitor in visitors:
            visitor.join()
    assert not failures, failures[:3]
    assert len(answers) > 100


def test_sticky_session_stays_with_one_droplet(shop: Shop) -> None:
    shop.change(sticky_sessions={"type": "cookies", "cookie_name": "DO-LB", "cookie_ttl_seconds": 300})
    with requests.Session() as session:
        answers = [shop.get(session=session) for _ in range(8)]
        assert "DO-LB" in session.cookies
    assert len({answer["name"] for answer in answers}) == 1
    assert "cookie" not in answers[-1]["headers"]  # the balancer keeps its cookie to itself
    assert shop.names() == {"web-1", "web-2"}


def test_tls_ends_at_the_balancer_and_http_is_redirected(shop: Shop) -> None:
    tls = {**HTTP, "entry_protocol": "https", "entry_port": 443, "certificate_id": shop.certificate}
    shop.change(forwarding_rules=[HTTP, tls], redirect_http_to_https=True)
    answer = requests.get("http://www.lb.test/", verify=str(shop.cloud.state / "ca.pem"), timeout=5)
    assert (answer.url, answer.history[0].status_code) == ("https://www.lb.test/", 307)
    assert answer.json()["headers"]["x-forwarded-proto"] == "https"
    shop.change()
    with pytest.raises(requests.ConnectionError):
        requests.get("https://www.lb.test/", timeout=5)


def test_tls_goes_through_or_begins_anew(shop: Shop) -> None:
    passed = {"entry_protocol": "https", "entry_port": 444, "target_protocol": "https", "target_port": 8443}
    again = {**passed, "entry_protocol": "http2", "entry_port": 443, "certificate_id": shop.certificate}
    shop.change(forwarding_rules=[{**passed, "tls_passthrough": True}, again])
    own = ssl.get_server_certificate((shop.address, 444), timeout=5)
    assert x509.load_pem_x509_certificate(own.encode()).subject.rfc4514_string() == "CN=the droplet's own"
    curl = ["curl", "--silent", "--max-time", "5", "--cacert", str(shop.cloud.state / "ca.pem"), "--write-out"]
    done = subprocess.run([*curl, "\n%{http_version}", "https://www.lb.test/"], capture_output=True, text=True)
    answer, version = done.stdout.splitlines()
    assert (json.loads(answer)["headers"]["x-forwarded-port"], version) == ("443", "2")
    shop.change()


def test_proxy_protocol_tells_the_droplet_who_came(shop: Shop) -> None:
    tcp = {"entry_protocol": "tcp", "entry_port": 9001, "target_protocol": "tcp", "target_port": 8001}
    health = {**HEALTH, "protocol": "tcp", "port": 8001}
    shop.change(forwarding_rules=[tcp], enable_proxy_protocol=True, health_check=health)
    with socket.create_connection((shop.address, 9001), 5) as connection:
        assert connection.recv(1000).split()[:3] == [b"PROXY", b"TCP4", b"10.77.0.1"]
    shop.change()
    eventually(lambda: shop.names() == {"web-1", "web-2"}, 20)


def test_tcp_goes_through_as_it_is(shop: Shop) -> None:
    tcp = {"entry_protocol": "tcp", "entry_port": 9000, "target_protocol": "tcp", "target_port": 8000}
    shop.change(forwarding_rules=[HTTP, tcp])
    assert "x-forwarded-for" not in shop.get(f"{shop.address}:9000")["headers"]
    shop.change(firewall={"deny": ["ip:10.77.0.1"]})
    assert shop.names(2) == {""}
    shop.change()
    assert "" not in shop.names()


def test_firewall_lets_the_balancer_in_and_nobody_else(shop: Shop) -> None:
    web = {"protocol": "tcp", "ports": "8000", "sources": {"load_balancer_uids": [shop.id]}}
    ssh = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"]}}
    body = {"name": "web", "tags": ["web"], "inbound_rules": [web, ssh]}
    assert shop.get(f"{shop.droplets['web-1']}:8000")["name"] == "web-1"
    firewall = shop.cloud.api("POST", "/v2/firewalls", body)["firewall"]["id"]

    def closed() -> bool:
        try:
            shop.get(f"{shop.droplets['web-1']}:8000")
        except requests.RequestException:
            return True
        return False

    eventually(closed, 20)
    assert shop.names() == {"web-1", "web-2"}
    shop.cloud.api("DELETE", f"/v2/firewalls/{firewall}")
    eventually(lambda: not closed(), 20)


def test_members_follow_the_tag(shop: Shop) -> None:
    resource = {"resources": [{"resource_id": str(shop.ids["web-2"]), "resource_type": "droplet"}]}
    shop.cloud.api("DELETE", "/v2/tags/web/resources", resource)
    eventually(lambda: shop.names() == {"web-1"}, 20)
    # One that does not answer yet gets no request when it comes.
    shop.ssh("web-2", "systemctl stop web")
    shop.cloud.api("POST", "/v2/tags/web/resources", resource)
    time.sleep(1)
    assert shop.names() == {"web-1"}
    shop.ssh("web-2", "systemctl start web")
    eventually(lambda: shop.names() == {"web-1", "web-2"}, 20)


def test_reserved_ip_moves(shop: Shop) -> None:
    ip = shop.cloud.api("POST", "/v2/reserved_ips", {"region": "fra1"})["reserved_ip"]["ip"]
    actions = f"/v2/reserved_ips/{ip}/actions"

    def leads_to(name: str) -> bool:
        try:
            return bool(shop.get(f"{ip}:8000")["name"] == name)
        except requests.RequestException:
            return name == ""

    assert leads_to("")
    for wanted in ("web-1", "web-2"):
        shop.cloud.api("POST", actions, {"type": "assign", "droplet_id": shop.ids[wanted]})
        eventually(partial(leads_to, wanted), 20)
    # Droplets reach it as the world does.
    text = shop.ssh("web-1", f"curl --silent --max-time 5 http://{ip}:8000/")
    assert json.loads(text or "{}").get("name") == "web-2"
    shop.cloud.api("POST", actions, {"type": "unassign"})
    eventually(partial(leads_to, ""), 20)
    eventually(lambda: not shop.cloud.api("GET", f"/v2/reserved_ips/{ip}")["reserved_ip"]["locked"])
    shop.cloud.api("DELETE", f"/v2/reserved_ips/{ip}")


def test_one_that_crashes_is_started_again(shop: Shop) -> None:
    listed = ["podman", "inspect", "--format", "{{.State.Pid}}", f"localcloud-load-balancer-{shop.id}"]
    master = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.strip()
    worker = Path(f"/proc/{master}/task/{master}/children").read_text().split()[-1]
    os.kill(int(worker), signal.SIGKILL)
    eventually(lambda: shop.names(1) == {""}, 10)
    eventually(lambda: shop.names() == {"web-1", "web-2"}, 30)


def test_balancer_outlives_the_server(shop: Shop) -> None:
    before = shop.cloud.status()
    os.kill(before["pid"], signal.SIGKILL)
    assert shop.names() == {"web-1", "web-2"}
    eventually(lambda: not ServerLock(shop.cloud.state).is_held(), 10)
    shop.cloud.up()
    assert shop.cloud.status()["load_balancers"] == before["load_balancers"]
    shop.change(http_idle_timeout_seconds=70)
    assert shop.names() == {"web-1", "web-2"}


def test_deleted_balancer_is_gone(shop: Shop) -> None:
    shop.cloud.api("DELETE", shop.path)
    eventually(lambda: shop.names(1) == {""}, 20)
    assert shop.cloud.status()["load_balancers"] == []
