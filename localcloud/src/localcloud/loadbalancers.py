# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers: HAProxy with a public address and a leg in the VPC.

Every change is a new configuration and a reload: the new worker takes over the listening sockets, and what is known of
the droplets' health; the old one ends after the requests it has in hand. A droplet that is new gets no request before
its first checks are good.
"""

from __future__ import annotations

import csv
import hashlib
import os
import socket
import time
from pathlib import Path

from localcloud.hosts import Podman
from localcloud.machines import ForwardingRule, LoadBalancerSpec, MachineError
from localcloud.network import DNS_ADDRESS, attach, vpc_network
from localcloud.tls import write_private

_START_TIMEOUT = 30.0  # seconds
_STRONG_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
# A line of HAProxy's state file, version 1, as `show servers state` tells it: number and name of the backend, number,
# name and address of the server, what is known of its health, its port, and more.
_WORDS, _ADDRESS, _PORT, _TLS, _CHECK_PORT = 25, 4, 18, 20, 21
# What it says of one that has not proved itself yet. The check's status is that of the start (1), not unknown (0): at
# its first result HAProxy 3.0 crashes on that.
_DOWN = "0 0 1 1 0 1 0 0 6 0 0 0 - 0 - 0 {check_port} - - 0"

_CONTAINER = "localcloud-load-balancer-"


def container(balancer_id: str) -> str:
    return f"{_CONTAINER}{balancer_id}"


def balancer_id(container_name: str) -> str | None:
    return container_name.removeprefix(_CONTAINER) if container_name.startswith(_CONTAINER) else None


class LoadBalancer:
    """One load balancer; its configuration, certificates and control socket lie in `folder`."""

    def __init__(self, podman: Podman, spec: LoadBalancerSpec, folder: Path) -> None:
        self._podman = podman
        self._spec = spec
        self.id = spec.id
        self._conf = folder / "conf"
        self._run = folder / "run"
        self._digest = hashlib.sha256(repr(spec).encode()).hexdigest()
        self.container = container(spec.id)

    # -- life --

    def arguments(self, image: str) -> list[str]:
        spec = self._spec
        networks = [attach(spec.private_ip, vpc_network(spec.vpc_id), "eth1")]
        if spec.public_ip:
            networks.insert(0, attach(spec.public_ip))
        return [
            *(f"--name={self.container}", f"--dns={DNS_ADDRESS}", *networks),
            *(f"--volume={self._conf}:/balancer/conf:ro", f"--volume={self._run}:/balancer/run"),
            *(image, "haproxy", "-W", "-db", "-S", "/balancer/run/master.sock", "-f", "/balancer/conf/haproxy.cfg"),
        ]

    def prepare(self) -> bool:
        """Write the configuration; True when it is not the one that runs."""
        self._conf.mkdir(parents=True, exist_ok=True)
        self._run.mkdir(exist_ok=True)
        (self._run / "servers").write_text(server_states(self._spec, ""))
        files = {f"{rule.entry_port}.pem": rule.certificate for rule in self._spec.rules if rule.certificate}
        files["haproxy.cfg"] = configuration(self._spec)
        before = {path.name: path.read_text() for path in self._conf.iterdir()}
        for name, content in files.items():
            if before.get(name) != content:
                write_private(self._conf / name, content)
        for name in before.keys() - files.keys():
            (self._conf / name).unlink()
        applied = self._run / "applied"
        return not applied.exists() or applied.read_text() != self._digest

    def wait(self) -> None:
        """Return when the worker answers."""
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            try:
                self._ask("@1 show info")
                (self._run / "applied").write_text(self._digest)
                return
            except OSError as error:
                if time.monotonic() > deadline or not self._podman.container_pid(self.container):
                    words = self._podman.last_words(self.container)
                    raise MachineError(f"load balancer {self._spec.name} did not start: {error}\n{words}") from None
                time.sleep(0.1)

    def reload(self) -> None:
        """Bring the running one to the configuration; no connection is refused or cut off meanwhile."""
        try:
            known = self._ask("@1 show servers state")
            (self._run / "servers").write_text(server_states(self._spec, known))
            answer = self._ask("reload")
        except OSError as error:
            raise MachineError(f"load balancer {self._spec.name} does not answer: {error}") from None
        if "Success=1" not in answer:
            raise MachineError(f"load balancer {self._spec.name} refused its configuration: {answer}")
        (self._run / "applied").write_text(self._digest)

    def measure(self) -> dict[str, float]:
        """How it is, in percent, by the names of alert policies; empty when it does not answer."""
        try:
            servers = list(csv.DictReader(self._ask("@1 show stat").removeprefix("# ").splitlines()))
            info = dict(line.split(": ", 1) for line in self._ask("@1 show info").splitlines() if ": " in line)
        except OSError:
            return {}
        if "CurrConns" not in info or "Maxconn" not in info:  # in the moment of a reload no worker answers
            return {}
        down = {row["svname"] for row in servers if (row.get("status") or "").startswith("DOWN")}
        found = {"connection_utilization_percent": 100 * int(info["CurrConns"]) / int(info["Maxconn"])}
        if targets := {name for name, _ in self._spec.targets}:
            found["droplet_health"] = 100 * len(targets - down) / len(targets)
        return found

    def _ask(self, command: str) -> str:
        """The master's answer; OSError when nobody answers."""
        # A socket's path may have 107 characters at most, which the way to a state directory easily takes.
        folder = os.open(self._run, os.O_PATH)
        try:
            with socket.socket(socket.AF_UNIX) as master:
                master.settimeout(10)
                master.connect(f"/proc/self/fd/{folder}/master.sock")
                master.sendall(f"{command}\n".encode())
                master.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: master.recv(65536), b"")).decode()
        finally:
            os.close(folder)


# -- the configuration -----------------------------------------------------------------------------------------------


def configuration(spec: LoadBalancerSpec) -> str:
    """HAProxy's configuration."""
    ciphers = [f"ssl-default-bind-ciphers {_STRONG_CIPHERS}"] if spec.strong_tls else []
    sections = [
        _section(
            "global",
            "maxconn 4000",
            "nbthread 1",
            "user haproxy",
            "group haproxy",
            "server-state-file /balancer/run/servers",
            # At a reload, idle connections are closed one by one and busy ones told so in their next answer.
            "close-spread-time 3s",
            "hard-stop-after 60s",
            "ssl-default-bind-options ssl-min-ver TLSv1.2",
            *ciphers,
        ),
        _section(
            "defaults",
            "load-server-state-from-file global",
            "timeout connect 5s",
            f"timeout client {spec.idle_timeout}s",
            f"timeout server {spec.idle_timeout}s",
            f"timeout http-keep-alive {spec.idle_timeout}s",
            "retries 2",
            "option redispatch",
            "balance roundrobin",
            f"default-server inter {spec.health.interval}s rise {spec.health.healthy} fall {spec.health.unhealthy}",
            f"timeout check {spec.health.timeout}s",
        ),
    ]
    for rule in spec.rules:
        sections += [_frontend(spec, rule), _backend(spec, rule)]
    return "\n".join(sections)


def server_states(spec: LoadBalancerSpec, known: str) -> str:
    """HAProxy's state file: what `show servers state` told, and of whom it told nothing, that they are down.

    A droplet's health does not depend on the forwarding rule: in a new one it has what it has in the others.
    """
    told = [words for line in known.splitlines() if len(words := line.split()) == _WORDS]
    states = {(words[1], words[3]): words for words in told}
    by_name = {words[3]: words for words in told}
    down = ["", "", "", "", "", *_DOWN.format(check_port=spec.health.port).split()]
    lines = ["1"]
    for rule in spec.rules:
        backend = f"out_{rule.entry_port}"
        for number, (name, address) in enumerate(spec.targets, 1):
            words = list(states.get((backend, name)) or by_name.get(name) or down)
            words[: _ADDRESS + 1] = ["1", backend, str(number), name, address]
            # of this rule, whichever the words are of
            words[_PORT], words[_TLS] = str(rule.target_port), str(int(_speaks_tls(rule)))
            words[_CHECK_PORT] = str(spec.health.port)
            lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


def _section(head: str, *lines: str) -> str:
    return "".join([f"{head}\n", *(f"    {line}\n" for line in lines)])


def _is_http(rule: ForwardingRule) -> bool:
    return rule.entry_protocol != "tcp" and not rule.passthrough


def _frontend(spec: LoadBalancerSpec, rule: ForwardingRule) -> str:
    bind = f"bind :{rule.entry_port}"
    lines = []
    if rule.certificate:
        protocols = "h2,http/1.1" if rule.entry_protocol == "http2" else "http/1.1"
        bind += f" ssl crt /balancer/conf/{rule.entry_port}.pem alpn {protocols}"
    # One range a line: HAProxy takes 64 words in a line, and no more.
    if spec.allow:
        lines += [*(f"acl allowed src {peers}" for peers in spec.allow), "tcp-request connection reject unless allowed"]
    if spec.deny:
        lines += [*(f"acl denied src {peers}" for peers in spec.deny), "tcp-request connection reject if denied"]
    if _is_http(rule):
        lines.append("option forwardfor")
        lines.append(f"http-request set-header X-Forwarded-Proto {'https' if rule.certificate else 'http'}")
        lines.append(f"http-request set-header X-Forwarded-Port {rule.entry_port}")
        if spec.redirect_to_https and (rule.entry_protocol, rule.entry_port) == ("http", 80):
            lines.append("http-request redirect scheme https code 307")
    mode = f"mode {'http' if _is_http(rule) else 'tcp'}"
    return _section(f"frontend in_{rule.entry_port}", mode, bind, *lines, f"default_backend out_{rule.entry_port}")


def _backend(spec: LoadBalancerSpec, rule: ForwardingRule) -> str:
    lines = [f"mode {'http' if _is_http(rule) else 'tcp'}"]
    server = f"check port {spec.health.port}"
    if spec.health.protocol != "tcp":
        lines += [f"option httpchk GET {_quoted(spec.health.path)}", "http-check expect status 200-299"]
        if spec.health.protocol == "https":
            server += " check-ssl verify none"
    if spec.health.protocol != "https":
        server += " no-check-ssl"
    if spec.proxy_protocol:
        server += " send-proxy check-send-proxy"
    if _is_http(rule):
        lines.append("option http-keep-alive" if spec.backend_keepalive else "option http-server-close")
        if _speaks_tls(rule):
            server += f" ssl verify none alpn {'h2' if rule.target_protocol == 'http2' else 'http/1.1'}"
        if spec.cookie_name:
            age = f'maxlife {spec.cookie_ttl}s attr "Max-Age={spec.cookie_ttl}"'
            lines.append(f"cookie {spec.cookie_name} insert indirect nocache {age}")
    for name, address in spec.targets:
        cookie = f" cookie {name}" if spec.cookie_name and _is_http(rule) else ""
        lines.append(f"server {name} {address}:{rule.target_port} {server}{cookie}")
    return _section(f"backend out_{rule.entry_port}", *lines)


def _speaks_tls(rule: ForwardingRule) -> bool:
    """Whether the balancer itself begins TLS with the droplets."""
    return _is_http(rule) and rule.target_protocol in ("https", "http2")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
