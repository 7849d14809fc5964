# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pm2_app with real processes and ports, under a stand-in for pm2. With pm2 itself: molecule's scenario `release`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.modules import pm2_app

# Its state is a file; it starts, lists and ends processes as pm2 does, and knows no more.
PM2 = """
import json, os, signal, subprocess, sys, time
from pathlib import Path

home = Path(os.environ["PM2_HOME"])
kept = home / "processes.json"
entries = json.loads(kept.read_text()) if kept.exists() else []
command, *arguments = sys.argv[1:]

def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

def spawn(line, log):
    with open(log, "a") as file:
        return subprocess.Popen(line, stdout=file, stderr=file, start_new_session=True).pid

if command == "start":
    if arguments[-1] == "--":
        sys.exit("File ecosystem.config.js not found")
    handed = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    script, options = arguments[0], arguments[1:]
    log = options[options.index("--output") + 1]
    line = [sys.executable, str(Path(script).resolve()), *handed]
    name = options[options.index("--name") + 1]
    number = int((home / "next").read_text()) if (home / "next").exists() else 0
    (home / "next").write_text(str(number + 1))
    settings = {**os.environ, "pm_cwd": os.getcwd()}
    entry = {"pm_id": number, "pid": spawn(line, log), "name": name, "pm2_env": settings, "line": line, "log": log}
    entries.append(entry)
elif command == "delete":
    (entry,) = [entry for entry in entries if str(entry["pm_id"]) == arguments[0]]
    if alive(entry["pid"]):
        os.kill(entry["pid"], signal.SIGINT)
    while alive(entry["pid"]):
        time.sleep(0.02)
    entries.remove(entry)
elif command == "save":
    (home / "dump.pm2").write_text(json.dumps([entry["pm2_env"]["PORT"] for entry in entries]))
elif command == "jlist":
    for entry in entries:
        if "crashing" in entry["line"] and not alive(entry["pid"]):  # pm2 would do it with all
            entry["pid"] = spawn(entry["line"], entry["log"])
            entry["pm2_env"]["restart_time"] = entry["pm2_env"].get("restart_time", 0) + 1
        entry["pm2_env"]["status"] = "online" if alive(entry["pid"]) else "errored"
    print(">>>> In-memory PM2 is out-of-date")
    print(json.dumps(entries))
kept.write_text(json.dumps(entries))
"""
SERVER = """
import os, signal, socket, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored by what a shell runs in the background
print("starts", flush=True)
if "broken" in sys.argv or "crashing" in sys.argv:
    sys.exit("cannot find module")
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    time.sleep(1)
"""


class Shop:
    """A user's pm2 and an application of two releases."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.marks = folder / "serving"
        (folder / "pm2/bin").mkdir(parents=True)
        (folder / "pm2/bin/pm2").write_text(PM2)
        self.home.mkdir()
        self.marks.mkdir()
        (self.home / "pm2.pid").write_text(str(os.getpid()))
        for release in ("one", "two"):
            (folder / release).mkdir()
            (folder / release / "server.py").write_text(SERVER)
        self.folder = folder
        self.ports = free_ports()
        self.check_mode = False

    def ask(self, state: str, release: str = "one", **changes: Any) -> dict[str, Any]:
        params = {
            "name": "shop",
            "state": state,
            "directory": str(self.folder / release),
            "script": "server.py",
            "args": [],
            "env": {},
            "ports": self.ports,
            "marks": str(self.marks),
            "pid": None,
            "timeout": 10,
            "drain": 5,
            "node": sys.executable,
            "pm2": str(self.folder / "pm2"),
            "pm2_home": str(self.home),
            **changes,
        }
        module = SimpleNamespace(params=params, run_command=run_command)
        pm2 = pm2_app.Pm2(module)  # type: ignore[arg-type]
        application = pm2_app.Application(pm2, params, {"NODE_OPTIONS": "--inherited"})
        return getattr(pm2_app, state)(application, self.check_mode)  # type: ignore[no-any-return]

    def deploy(self, release: str) -> dict[str, Any]:
        self.ask("candidate", release)
        return self.ask("serving", release)

    @property
    def running(self) -> dict[int, str]:
        """port -> release, of what pm2 keeps"""
        entries = json.loads((self.home / "processes.json").read_text())
        return {int(entry["pm2_env"]["PORT"]): Path(entry["pm2_env"]["pm_cwd"]).name for entry in entries}

    @property
    def saved(self) -> list[int]:
        return [int(port) for port in json.loads((self.home / "dump.pm2").read_text())]

    @property
    def serving_port(self) -> int:
        return self.ports[1] if (self.marks / f"shop-{self.ports[1]}").exists() else self.ports[0]

    def end(self) -> None:
        path = self.home / "processes.json"
        for entry in json.loads(path.read_text()) if path.exists() else []:
            try:
                os.killpg(entry["pid"], signal.SIGKILL)
            except ProcessLookupError:
                continue


def run_command(command: list[str], cwd: str) -> tuple[int, str, str]:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def free_ports() -> list[int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return [one.getsockname()[1], two.getsockname()[1]]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.end()


def test_the_first_release_takes_the_first_port_and_is_left_alone_afterwards(shop: Shop) -> None:
    started = shop.ask("candidate")
    assert (started["changed"], started["port"], started["serves"]) == (True, shop.ports[0], True)
    assert pm2_app.owns(started["pid"], shop.ports[0])
    assert shop.ask("serving")["changed"]  # saved, for the next boot
    assert shop.saved == [shop.ports[0]]
    assert not shop.ask("candidate")["changed"]
    assert not shop.ask("serving")["changed"]


def test_the_next_one_starts_beside_it_and_then_takes_its_place(shop: Shop) -> None:
    shop.deploy("one")
    candidate = shop.ask("candidate", "two")
    assert (candidate["port"], candidate["serves"]) == (shop.ports[1], False)
    assert candidate["reason"] == f"started, because {shop.folder}/one runs"
    assert (shop.serving_port, shop.running) == (shop.ports[0], {shop.ports[0]: "one", shop.ports[1]: "two"})
    assert shop.saved == [shop.ports[0]]

    switched = shop.ask("serving", "two")
    assert switched["reason"] == f"switched from port {shop.ports[0]} to {shop.ports[1]}; ended {shop.folder}/one"
    assert (shop.serving_port, shop.running, shop.saved) == (shop.ports[1], {shop.ports[1]: "two"}, [shop.ports[1]])
    assert not shop.ask("candidate", "two")["changed"]

    shop.deploy("one")
    assert (shop.serving_port, shop.running) == (shop.ports[0], {shop.ports[0]: "one"})


def test_changed_settings_are_a_new_process_too(shop: Shop) -> None:
    first = shop.deploy("one")
    second = shop.ask("candidate", env={"LEVEL": "debug"})
    assert second["reason"] == "started, because the one that runs was started with other settings"
    assert second["pid"] != first["pid"]
    assert second["port"] == shop.ports[1]


def test_one_that_does_not_start_is_ended_and_tells_why(shop: Shop) -> None:
    shop.deploy("one")
    with pytest.raises(
        pm2_app.Pm2Error, match=r"did not open port \d+ within 1 s in .*/two.*(?s:.*)cannot find module"
    ):
        shop.ask("candidate", "two", args=["broken"], timeout=1)
    assert (shop.serving_port, shop.running) == (shop.ports[0], {shop.ports[0]: "one"})


def test_one_that_ends_again_and_again_is_not_waited_for(shop: Shop) -> None:
    shop.deploy("one")
    with pytest.raises(pm2_app.Pm2Error, match=r"ended 2 times before it opened port \d+ (?s:.*)cannot find module"):
        shop.ask("candidate", "two", args=["crashing"], timeout=60)
    assert shop.running == {shop.ports[0]: "one"}


def test_one_that_was_refused_is_withdrawn(shop: Shop) -> None:
    shop.deploy("one")
    shop.ask("candidate", "two")
    withdrawn = shop.ask("withdrawn", "two")
    assert (withdrawn["reason"], withdrawn["log"]) == (f"ended {shop.folder}/two", "starts")
    assert shop.running == {shop.ports[0]: "one"}
    assert not shop.ask("withdrawn", "two")["changed"]


def test_a_first_one_that_was_refused_is_not_left_serving(shop: Shop) -> None:
    shop.ask("candidate")
    assert shop.ask("withdrawn")["reason"] == f"ended {shop.folder}/one"
    assert shop.running == {}
    assert shop.saved == []


def test_a_run_that_was_interrupted_is_gone_on_with(shop: Shop) -> None:
    shop.deploy("one")
    candidate = shop.ask("candidate", "two")
    assert shop.ask("candidate", "two") == {**candidate, "changed": False, "reason": ""}
    shop.ask("candidate", "one")  # or another release is wanted by now: what waits there makes room
    assert shop.ask("serving", "one")["reason"] == f"ended {shop.folder}/two"


def test_what_should_serve_and_does_not_is_replaced_where_it_was(shop: Shop) -> None:
    first = shop.deploy("one")
    os.kill(first["pid"], signal.SIGKILL)
    while pm2_app.owns(first["pid"], first["port"]):
        time.sleep(0.01)
    again = shop.ask("candidate")
    assert again["reason"] == "started, because the one that should serve is errored without its port"
    assert (again["port"], again["serves"]) == (shop.ports[0], True)


def test_a_port_of_somebody_else_is_left_to_him(shop: Shop) -> None:
    shop.deploy("one")
    with (
        socket.create_server(("127.0.0.1", shop.ports[1])),
        pytest.raises(pm2_app.Pm2Error, match=rf"port {shop.ports[1]} is taken by a process of user \w+ that is none"),
    ):
        shop.ask("candidate", "two")
    assert shop.running == {shop.ports[0]: "one"}


def test_an_answer_is_not_believed_to_be_the_processes_own(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        assert pm2_app.owns(os.getpid(), port)
        started = shop.ask("candidate")
        assert not pm2_app.owns(started["pid"], port)


def test_a_process_that_opens_and_closes_files_is_seen_to_own_its_port_all_the_time() -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            for file in [os.open("/dev/null", os.O_RDONLY) for _number in range(50)]:
                os.close(file)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=busy, daemon=True)
        thread.start()
        seen = {pm2_app.owns(os.getpid(), server.getsockname()[1]) for _number in range(200)}
        stop.set()
        thread.join()
    assert seen == {True}


def test_check_mode_says_what_would_be_done(shop: Shop) -> None:
    shop.deploy("one")
    shop.check_mode = True
    assert shop.ask("candidate", "two")["changed"]
    assert not shop.ask("serving", "two")["changed"]  # there is none yet that could
    assert shop.running == {shop.ports[0]: "one"}


def test_a_candidate_must_be_there_to_serve(shop: Shop) -> None:
    shop.deploy("one")
    with pytest.raises(pm2_app.Pm2Error, match="start a candidate first"):
        shop.ask("serving", "two")


def test_what_serves_is_what_was_proved(shop: Shop) -> None:
    shop.deploy("one")
    candidate = shop.ask("candidate", "two")
    with pytest.raises(pm2_app.Pm2Error, match="ended, and was started again"):
        shop.ask("serving", "two", pid=candidate["pid"] + 1)
    assert shop.serving_port == shop.ports[0]
    assert shop.ask("serving", "two", pid=candidate["pid"])["serves"]


def test_processes_get_what_the_daemons_service_tells_node(shop: Shop) -> None:
    shop.deploy("one")
    (entry,) = json.loads((shop.home / "processes.json").read_text())
    assert entry["pm2_env"]["NODE_OPTIONS"] == "--inherited"
    assert all(name.startswith("NODE_") for name in pm2_app.variables_of(os.getpid()))


def test_an_argument_may_be_the_port(shop: Shop) -> None:
    started = shop.ask("candidate", args=["--port", "PORT"])
    command = Path(f"/proc/{started['pid']}/cmdline").read_text().split("\0")
    assert command[-3:-1] == ["--port", str(shop.ports[0])]


def test_without_a_daemon_nothing_is_started(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    (shop.home / "pm2.pid").unlink()
    module = SimpleNamespace(params={"pm2_home": str(shop.home), "node": "node", "pm2": "pm2"})
    with pytest.raises(pm2_app.Pm2Error, match="no pm2 daemon runs"):
        pm2_app.Pm2(module).daemon()  # type: ignore[arg-type]


def test_a_script_is_looked_for_as_node_looks_for_packages(tmp_path: Path) -> None:
    """Package managers differ in whether a workspace has its packages in its own folder."""
    folder = tmp_path / "apps/backend/.medusa/server"
    folder.mkdir(parents=True)
    script = "node_modules/cli/cli.js"
    assert pm2_app.nearest(str(folder), script) == script
    for above, path in ((tmp_path, f"../../../../{script}"), (folder.parents[1], f"../../{script}")):
        (above / script).parent.mkdir(parents=True)
        (above / script).touch()
        assert pm2_app.nearest(str(folder), script) == path
