# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line in API-only mode, with a server of its own in the background."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from localcloud.daemon import ServerLock
from localcloud.store import Store


class Command:
    def __init__(self, state: Path) -> None:
        self.state = state
        self.port = _free_port()

    def __call__(self, *arguments: str, status: int = 0) -> str:
        command = [sys.executable, "-m", "localcloud.cli", *arguments]
        environment = {**os.environ, "LOCALCLOUD_STATE": str(self.state)}
        result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
        assert result.returncode == status, result.stdout + result.stderr
        return result.stdout + result.stderr

    def up(self, *more: str, status: int = 0) -> str:
        return self("up", "--api-only", "--port", str(self.port), *more, status=status)

    def status(self) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self("status", "--json"))
        return shown

    def api(self, method: str, path: str, body: Any = None) -> requests.Response:
        api = self.status()["api"]
        headers = {"Authorization": f"Bearer {api['token']}"}
        return requests.request(
            method, api["endpoint"] + path, json=body, headers=headers, verify=api["ca_file"], timeout=10
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    """The command with a state directory of its own; nothing is left running."""
    given = Command(tmp_path / "state")
    yield given
    given("down")


def test_up_status_down(command: Command) -> None:
    assert "ready" in command.up()
    shown = command.status()
    assert shown["api"]["endpoint"] == f"https://127.0.0.1:{command.port}"
    assert {"endpoint", "region", "access_key", "secret_key"} == set(shown["spaces"])
    assert (shown["dns"], shown["droplets"], shown["clusters"]) == ({"address": "10.77.0.3"}, [], [])
    assert command.api("GET", "/v2/account").status_code == 200
    text = command("status")
    assert str(command.port) in text
    assert shown["api"]["token"] not in text
    assert shown["spaces"]["secret_key"] not in text
    command("down")
    assert not command.state.exists()


def test_secrets_are_the_owners_alone(command: Command) -> None:
    command.up()
    for name in (
        "credentials.json",
        "state.json",
        "requests.jsonl",
        "ca-key.pem",
        "database-ca-key.pem",
        "server-key.pem",
    ):
        assert stat.S_IMODE((command.state / name).stat().st_mode) == 0o600, name
    pid = command.status()["pid"]
    token = json.loads((command.state / "credentials.json").read_text())["token"]
    assert token not in Path(f"/proc/{pid}/cmdline").read_text()


def test_up_again_is_no_new_start(command: Command) -> None:
    command.up()
    pid = command.status()["pid"]
    assert "up already" in command.up()
    assert command.status()["pid"] == pid
    assert "with other options" in command.up("--speed", "9", status=1)


def test_not_running(command: Command) -> None:
    assert "not running" in command("status", status=3)
    assert json.loads(command("status", "--json", status=3))["running"] is False
    assert "not running" in command("down")
    assert "start it with `localcloud up`" in command("reset", status=1)
    assert "was not started there" in command("requests", status=1)


def test_state_survives_a_kill(command: Command) -> None:
    command.up("--speed", "1000")
    body = {"name": "web-1", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
    created = command.api("POST", "/v2/droplets", body).json()["droplet"]
    before = command.status()
    os.kill(before["pid"], signal.SIGKILL)
    _wait_until_dead(command)
    assert "not running" in command("status", status=3)
    text = command.up("--speed", "1000")
    assert f"process {before['pid']}" in text
    assert "taking over" in text
    after = command.status()
    assert after["api"]["token"] == before["api"]["token"]
    assert [droplet["id"] for droplet in after["droplets"]] == [created["id"]]
    # What was under way goes on.
    deadline = time.monotonic() + 10
    while command.api("GET", f"/v2/droplets/{created['id']}").json()["droplet"]["status"] != "active":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _wait_until_dead(command: Command) -> None:
    deadline = time.monotonic() + 10
    while ServerLock(command.state).is_held():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_start_without_the_accounts_own_key(command: Command) -> None:
    command.up()
    named = command.status()["spaces"]
    assert command.api("DELETE", f"/v2/spaces/keys/{named['access_key']}").status_code == 204
    limited = {"name": "assets", "grants": [{"bucket": "b", "permission": "read"}]}
    assert command.api("POST", "/v2/spaces/keys", limited).status_code == 201
    os.kill(command.status()["pid"], signal.SIGKILL)
    _wait_until_dead(command)
    command.up()
    assert command.status()["spaces"] == named  # another key does not take its place


def test_state_file_is_whole_at_every_moment(command: Command) -> None:
    command.up()
    credentials = json.loads((command.state / "credentials.json").read_text())
    pid = command.status()["pid"]
    session = requests.Session()
    session.trust_env = False
    session.verify = str(command.state / "ca.pem")
    session.headers["Authorization"] = f"Bearer {credentials['token']}"
    for number in range(60):
        session.post(f"https://127.0.0.1:{command.port}/v2/tags", json={"name": f"t{number}"}, timeout=10)
        if number == 50:
            os.kill(pid, signal.SIGKILL)
            break
    _wait_until_dead(command)
    tags = Store(command.state / "state.json").state["tags"]
    assert len(tags) == 51  # each was saved before it was answered


def test_port_in_use(command: Command) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", command.port))
        holder.listen()
        text = command.up(status=1)
    assert f"port {command.port} of 127.0.0.1 is in use by process {os.getpid()}" in text
    assert not command.state.exists()


def test_port_in_use_by_another_cloud(command: Command, tmp_path: Path) -> None:
    command.up()
    other = Command(tmp_path / "other")
    other.port = command.port
    text = other.up(status=1)
    assert f"localcloud down --state {command.state}" in text
    assert not other.state.exists()


def test_machines_need_root(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from localcloud import cli

    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert cli.main(["up", "--state", str(command.state), "--port", str(command.port)]) == 1
    error = capsys.readouterr().err
    assert "root" in error
    assert "--api-only" in error
    assert not command.state.exists()


def test_machines_need_podman(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from localcloud import cli

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda name, **options: None)
    monkeypatch.setattr(cli, "_other_server", lambda state, applies: None)
    assert cli.main(["up", "--state", str(command.state), "--port", str(command.port)]) == 1
    assert "podman" in capsys.readouterr().err


def test_failed_start_says_why(command: Command) -> None:
    command.state.mkdir()
    (command.state / "state.json").write_text('{"format": 99}')
    text = command.up(status=1)
    assert "is of another version of localcloud (format 99): `localcloud down` removes it" in text
    assert "localcloud is down" in command("down")
    assert not command.state.exists()
    command.up()


def test_down_when_a_kill_left_the_lock_empty(command: Command) -> None:
    command.state.mkdir()
    for name in ("server.lock", "credentials.json"):
        (command.state / name).write_text("")
    assert "localcloud is down" in command("down")
    assert not command.state.exists()


def test_requests_faults_reset(command: Command) -> None:
    command.up()
    command("fault", "POST /v2/tags", "--status", "504", "--effect", "--nth", "2")
    assert '"effect": true' in command("fault", "--list")
    odd = "\u2028\x85\ud800"  # two ends of a line to some, and half a character
    sent = [{"name": "a", "x": 1}, {"name": "b", "x": odd}]
    assert [command.api("POST", "/v2/tags", body).status_code for body in sent] == [201, 504]
    entries = json.loads(command("requests", "--json"))
    assert [(entry["method"], entry["status"]) for entry in entries] == [("POST", 201), ("POST", 504)]
    assert entries[0]["warnings"] == ["unknown key x ignored"]
    text = command("requests")
    assert "[unknown key x ignored]" in text
    assert "fault" in text
    assert "is not a method and a path" in command("fault", "nonsense", "--status", "500", status=1)
    command("reset")
    assert command("requests") == ""
    assert command("fault", "--list") == ""
    assert command.api("GET", "/v2/tags").json()["tags"] == []


def test_down_removes_nothing_that_is_not_its_own(command: Command) -> None:
    command.state.mkdir()
    (command.state / "thesis.txt").write_text("years of work")
    command.up()
    command("down")
    assert [path.name for path in command.state.iterdir()] == ["thesis.txt"]


def test_the_watch_goes_round_and_rings(command: Command) -> None:
    command.up("--speed", "60")  # a minute is a second, a round every two
    target = f"http://127.0.0.1:{_free_port()}/"
    check = {"name": "shop", "type": "http", "target": target, "regions": ["eu_west"], "enabled": True}
    id = command.api("POST", "/v2/uptime/checks", check).json()["check"]["id"]
    notifications = {"email": ["ops@localcloud.test"], "slack": [{"channel": "#ops", "url": f"{target}secret"}]}
    alert = {"name": "down", "type": "down", "period": "2m", "notifications": notifications}
    assert command.api("POST", f"/v2/uptime/checks/{id}/alerts", alert).status_code == 201
    deadline = time.monotonic() + 40
    while not (ringing := command.status()["ringing"]):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert ringing[0]["subject"] == "shop: down"
    assert "DOWN" in command("status")
    told = command("notifications")
    assert f"{target}: down in eu_west" in told
    assert "secret" not in told
    assert "secret" in command("notifications", "--json")
