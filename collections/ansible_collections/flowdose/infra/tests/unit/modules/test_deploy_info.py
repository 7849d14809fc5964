# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pwd
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flowdose.infra.plugins.module_utils.deploy_lock import take
from ansible_collections.flowdose.infra.plugins.module_utils.deploy_log import append
from ansible_collections.flowdose.infra.plugins.modules import deploy_info

PM2 = "import os, sys; print('>>>> In-memory PM2 is out-of-date'); print(open(sys.argv[0] + '.json').read())"


class Droplet:
    """A host below a folder, which is also the home of the user whose pm2 it is."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        self.home = folder / "srv/backend"
        (self.home / "releases").mkdir(parents=True)
        (folder / "srv/serving").mkdir()
        (folder / "pm2/bin").mkdir(parents=True)
        (folder / "pm2/bin/pm2").write_text(PM2)
        (folder / ".pm2").mkdir()
        me = pwd.getpwuid(os.getuid())
        user = pwd.struct_passwd([*me[:5], str(folder), *me[6:]])
        monkeypatch.setattr(deploy_info.pwd, "getpwnam", lambda _name: user)

    def release(self, identity: str, **said: Any) -> Path:
        folder = self.home / "releases" / identity
        folder.mkdir()
        if said:
            (folder / ".release.json").write_text(json.dumps({"id": identity, **said}))
        return folder

    def runs(self, *processes: tuple[str, int, Path]) -> None:
        (self.folder / ".pm2/pm2.pid").write_text(str(os.getpid()))
        listed = [
            {
                "name": name,
                "pid": 1,
                "pm2_env": {
                    "PORT": str(port),
                    "status": "online",
                    "restart_time": 3,
                    "pm_uptime": 1795401600000,
                    "pm_cwd": str(folder / ".medusa/server"),
                },
            }
            for name, port, folder in processes
        ]
        (self.folder / "pm2/bin/pm2.json").write_text(json.dumps(listed))

    def look(self) -> dict[str, Any]:
        options = {
            "root": str(self.folder / "srv"),
            "lock": str(self.folder / "lock"),
            "log": str(self.folder / "log"),
            "node": sys.executable,
            "pm2": str(self.folder / "pm2"),
            "entries": 2,
        }
        with patch_module_args(options), pytest.raises(SystemExit):
            deploy_info.main()
        answer: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        assert answer["changed"] is False
        return answer


@pytest.fixture
def droplet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Droplet:
    return Droplet(tmp_path, monkeypatch, capsys)


def test_what_serves_and_what_there_is(droplet: Droplet) -> None:
    droplet.release("src1-b1-c1", made_at="2026-11-23T01:00:00Z", made_by="anna@laptop", commit="3f2a")
    serves = droplet.release("src2-b2-c1", made_at="2026-11-23T02:00:00Z")
    droplet.release("src2-b2-c2", made_at="2026-11-23T03:00:00Z")
    droplet.release("src3-b3-c1")
    (droplet.home / "current").symlink_to("releases/src2-b2-c1")
    (droplet.home / "taken-back-src2-b2-c2.json").write_text('{"who": "ben@desk", "for": "src2-b2-c1"}')
    (droplet.home / "taken-back-src1-b1.json").write_text('{"who": "anna@laptop"}')
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    (droplet.folder / f"srv/serving/medusa-backend-{closed}").touch()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        droplet.runs(("medusa-backend", closed, serves), ("medusa-worker", listener.getsockname()[1], serves))
        result = droplet.look()
    (app,) = result["apps"]
    assert (app["app"], app["current"]) == ("backend", "src2-b2-c1")
    assert app["since"].startswith("20")
    told = [(entry["id"], entry["complete"], entry["taken_back"].get("who")) for entry in app["releases"]]
    assert told == [
        ("src2-b2-c2", True, "ben@desk"),
        ("src2-b2-c1", True, None),
        ("src1-b1-c1", True, "anna@laptop"),
        ("src3-b3-c1", False, None),
    ]
    backend, worker = app["processes"]
    assert (backend["release"], backend["port"], backend["serves"], backend["listens"]) == (
        serves.name,
        closed,
        True,
        False,
    )
    assert (backend["state"], backend["restarts"], backend["since"]) == ("online", 3, "2026-11-23T02:40:00Z")
    assert (worker["serves"], worker["listens"]) == (True, True)
    assert (result["lock"], result["log"], result["problems"]) == (None, [], [])


def test_without_a_mark_the_first_port_serves(droplet: Droplet) -> None:
    release = droplet.release("src1-b1-c1", made_at="2026-11-23T01:00:00Z")
    droplet.runs(("medusa-backend", 9001, release), ("medusa-backend", 9000, release))
    processes = droplet.look()["apps"][0]["processes"]
    assert {entry["port"]: entry["serves"] for entry in processes} == {9000: True, 9001: False}


def test_the_lock_and_the_end_of_the_log(droplet: Droplet) -> None:
    take(droplet.folder / "lock", {"id": "a1", "who": "anna@laptop"})
    for number in range(3):
        append(droplet.folder / "log", {"number": number})
    with (droplet.folder / "log").open("a") as file:
        file.write('{"half')
    result = droplet.look()
    assert result["lock"] == {"id": "a1", "who": "anna@laptop"}
    assert result["log"] == [{"number": 1}, {"number": 2}]


def test_what_is_broken_is_said_and_the_rest_is_read(droplet: Droplet) -> None:
    torn = droplet.release("src1-b1-c1", made_at="")
    (torn / ".release.json").write_text('{"id": "src1')
    (droplet.folder / "log").mkdir()
    result = droplet.look()
    assert [entry["id"] for entry in result["apps"][0]["releases"]] == ["src1-b1-c1"]
    assert "no daemon runs (systemctl status pm2-flowdose says why)" in result["problems"][0]
    assert ".release.json is no JSON file" in result["problems"][1]
    assert "Is a directory" in result["problems"][2]
    droplet.runs()
    (droplet.folder / "pm2/bin/pm2").write_text("import sys; sys.exit('cannot connect')")
    assert "jlist ended with 1: cannot connect" in droplet.look()["problems"][0]


def test_a_host_on_which_nothing_was_ever_deployed(tmp_path: Path, droplet: Droplet) -> None:
    (droplet.home / "releases").rmdir()
    result = droplet.look()
    assert (result["apps"], result["lock"], result["log"]) == ([], None, [])
