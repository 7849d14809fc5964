# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The development environment as a test sees it: its playbooks, its droplets over SSH, its cloud over the API."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import requests
from canary.canary import Run
from stages import ROOT, environment, tool

STATE = ROOT / ".localcloud"
CONTROLLER_FILES = ROOT / ".flowdose/development"
INVENTORY = "inventories/development"
Found = TypeVar("Found")

# What shells, dotenv, dotenv-expand, YAML and Jinja would each like to change.
TORTURE_PASSWORD = """p@ss$word#1 "q" 'x' %41 ${HOME} {{ 7 * 7 }} é\\n!"""
TORTURE_RESEND_KEY = """re_$HOME#${PATH} "q" 'x' \\t {{ lookup('env', 'HOME') }} =%ü"""


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its output (stdout and stderr as they came) and its wall time in seconds."""

    command: str
    status: int
    output: str
    seconds: float

    def recap(self) -> dict[str, dict[str, int]]:
        """Ansible's closing table: host -> {"ok": n, "changed": n, "unreachable": n, "failed": n, ...}."""
        hosts = re.findall(r"^(\S+)\s+: (ok=.*)$", self.output, re.M)
        return {host: {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in hosts}

    def must(self, status: int = 0) -> Outcome:
        """This outcome, when it ended with that status; the whole output otherwise."""
        assert self.status == status, f"`{self.command}` ended with {self.status}:\n{self.output}"
        return self


def run(command: Sequence[str], *, timeout: float = 1800, env: Mapping[str, str] | None = None) -> Outcome:
    """Run a command in the repository's root, without stdin. `timeout` in seconds, `env` beside the caller's."""
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment({"ANSIBLE_NOCOLOR": "1", **(env or {})}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Outcome(shlex.join(command), done.returncode, done.stdout, time.monotonic() - started)


def playbook(name: str, *arguments: str) -> Outcome:
    """Run `playbooks/<name>.yml` on the development environment."""
    return run([tool("ansible-playbook"), f"playbooks/{name}.yml", "-i", INVENTORY, *arguments])


def wait_for(what: str, ask: Callable[[], Found | None], *, seconds: float) -> Found:
    """Ask every second until the answer is truthy; fail naming what was waited for."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(1)
    return answer


@dataclass
class Cloud:
    """localcloud's API, asked directly."""

    credentials: dict[str, Any] = field(
        default_factory=lambda: json.loads((STATE / "credentials.json").read_text()), repr=False
    )
    endpoint: str = "https://127.0.0.1:8443"

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = requests.request(
            method,
            self.endpoint + path,
            json=body,
            headers={"Authorization": f"Bearer {self.credentials['token']}"},
            verify=str(STATE / "ca.pem"),
            timeout=60,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def droplets(self) -> list[dict[str, Any]]:
        return list(self.get("/v2/droplets?per_page=200")["droplets"])

    def databases(self) -> list[dict[str, Any]]:
        return list(self.get("/v2/databases")["databases"] or [])

    def log(self) -> list[dict[str, Any]]:
        """Every request since the cloud started, oldest first."""
        return list(json.loads(run([tool("localcloud"), "requests", "--json"]).must().output))


@dataclass
class Droplet:
    """One droplet, reached as the playbooks reach it: with their key, and the host key learned at first contact."""

    facts: dict[str, Any]

    def address(self, kind: str) -> str:
        """`kind`: public or private."""
        return next(str(net["ip_address"]) for net in self.facts["networks"]["v4"] if net["type"] == kind)

    def run(self, command: str, *, timeout: float = 60) -> Outcome:
        """Run a shell command as root."""
        files = {
            "IdentityFile": CONTROLLER_FILES / "id_ed25519",
            "UserKnownHostsFile": CONTROLLER_FILES / "known_hosts",
        }
        options = {**files, "HostKeyAlias": f"droplet-{self.facts['id']}", "StrictHostKeyChecking": "yes"}
        options |= {"IdentitiesOnly": "yes", "BatchMode": "yes", "ConnectTimeout": "5"}
        flags = [item for key, value in options.items() for item in ("-o", f"{key}={value}")]
        return run(["ssh", "-F", "none", *flags, f"root@{self.address('public')}", command], timeout=timeout)

    def reaches(self, host: str, port: int) -> bool:
        """Whether a TCP connection from this droplet opens within five seconds."""
        return self.run(f"timeout 5 bash -c 'exec 3<>/dev/tcp/{host}/{port}'").status == 0


@dataclass
class Shop:
    """The running shop. `first_run` is how `make demo` brought it up, at -vvv."""

    first_run: Run = field(repr=False)
    arguments: list[str]
    cloud: Cloud

    @cached_property
    def addresses(self) -> dict[str, str]:
        lines = run(["make", "--silent", "urls"]).must().output.splitlines()
        return dict(line.split("=", 1) for line in lines)

    def droplet(self, role: str) -> Droplet:
        return Droplet(next(item for item in self.cloud.droplets() if role in item["tags"]))

    def fetch(self, url: str, **options: Any) -> requests.Response:
        """GET as a visitor's program would, trusting the demo's CA."""
        return requests.get(url, verify=self.addresses["ca"], timeout=30, **options)

    def serves(self) -> bool:
        """Whether the storefront's page comes, with the backend's data: both apps, the databases, names and TLS."""
        try:
            page = self.fetch(self.addresses["store"])
            return page.status_code == 200 and 'href="/products/' in page.text
        except requests.RequestException:
            return False


@dataclass(frozen=True)
class Host:
    """What localcloud could leave behind on this machine."""

    containers: set[str]
    networks: set[str]
    tables: set[str]
    names: str
    processes: set[str]

    @staticmethod
    def now() -> Host:
        def lines(*command: str) -> set[str]:
            return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines())

        commands = lines("ps", "-eo", "args")
        return Host(
            containers=lines("podman", "ps", "--all", "--format", "{{.Names}}"),
            networks=lines("podman", "network", "ls", "--format", "{{.Name}}"),
            tables=lines("nft", "list", "tables"),
            names=Path("/etc/hosts").read_text(),
            # The server, and podman's monitors of its containers.
            processes={
                line for line in commands if "localcloud" in line and "pytest" not in line and "make" not in line
            },
        )
