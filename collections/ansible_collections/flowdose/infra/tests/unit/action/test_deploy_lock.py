# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock as runs of ansible-playbook hold it, on this machine in the place of a droplet."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.action import deploy_lock as action
from ansible_collections.flowdose.infra.plugins.module_utils.deploy_lock import look, take
from ansible_collections.flowdose.infra.tests.unit.task import COLLECTIONS

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - flowdose.infra.deploy_lock: &lock
        purpose: deploys backend 3f2a
        who: anna@laptop
        path: "{{ playbook_dir }}/lock"
        break_lock: "{{ flowdose_break_lock | default(omit) }}"
    - ansible.builtin.command: "{{ command }}"
      check_mode: false
    - flowdose.infra.deploy_lock: *lock
"""
STALE = {
    "id": "5ta1e",
    "who": "ben (https://git.example.com/shop/actions/runs/17)",
    "since": "2026-11-23T02:40:00Z",
    "purpose": "deploys backend 91b4",
    "host": "runner-9",
    "machine": {"id": "", "boot": "another", "processes": "pid:[1]"},
    "processes": [{"pid": 4711, "started": "1"}, {"pid": 4712, "started": "2"}],
}


class Controller:
    """Somebody who runs the playbook, in a folder that holds the lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = folder / "lock"
        self.variables = {
            "ANSIBLE_CALLBACKS_ENABLED": "flowdose.infra.deploy_lock",
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "COLUMNS": "1000",
        }
        (folder / "play.yml").write_text(PLAYBOOK)

    def start(self, command: str = "true", *flags: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "ansible", "playbook", "play.yml", "-e", json.dumps({"command": command}), *flags],
            cwd=self.folder,
            env=os.environ | self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )

    def run(self, command: str = "true", *flags: str) -> tuple[int, str]:
        run = self.start(command, *flags)
        output = run.communicate()[0]
        return run.returncode, " ".join(output.split())

    @property
    def held(self) -> dict[str, Any] | None:
        return look(self.lock)


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def ended_process() -> dict[str, Any]:
    with subprocess.Popen(["sleep", "60"]) as process:
        told = action.process(process.pid)
        process.kill()
    return told


@pytest.mark.parametrize("command", ["true", "false"])
def test_the_lock_is_free_when_a_run_has_ended(controller: Controller, command: str) -> None:
    status, output = controller.run(f"sh -c 'cp -r lock seen; {command}'")
    assert (status == 0) == (command == "true"), output
    assert "changed=1" in output or command == "false"  # taking it is no change
    assert look(controller.folder / "seen")["purpose"] == "deploys backend 3f2a"  # type: ignore[index]
    assert not controller.lock.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_lock_is_free_when_a_run_was_ended(controller: Controller, number: signal.Signals) -> None:
    run = controller.start("sh -c 'touch begun; sleep 3; touch ended'")
    assert eventually((controller.folder / "begun").exists)
    assert controller.held is not None
    run.send_signal(number)
    assert run.wait(10) != 0
    if number == signal.SIGKILL:
        # its worker does not know yet, and goes on with the task
        status, output = controller.run("true", "--check")
        assert status == 0
        assert "its last task still runs on this machine" in output
    assert eventually(lambda: controller.held is None)
    if number == signal.SIGKILL:
        assert (controller.folder / "ended").exists()


def test_of_two_runs_one_is_refused(controller: Controller) -> None:
    runs = [controller.start("sleep 4") for _number in range(2)]
    outputs = [run.communicate()[0] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 2], outputs
    refused = next(output for run, output in zip(runs, outputs, strict=True) if run.returncode == 2)
    assert "anna@laptop deploys backend 3f2a, since" in refused
    assert "It runs on this machine (ps -p " in refused
    assert controller.held is None


def test_a_lock_of_another_controller_is_broken_on_purpose_only(controller: Controller) -> None:
    take(controller.lock, STALE)
    status, output = controller.run()
    assert status != 0
    assert (
        "ben (https://git.example.com/shop/actions/runs/17) deploys backend 91b4, since 2026-11-23T02:40:00Z" in output
    )
    assert "Look on runner-9 whether it still runs (ps -p 4711)" in output
    assert "-e flowdose_break_lock=5ta1e" in output
    status, output = controller.run("true", "-e", "flowdose_break_lock=other")
    assert status != 0
    assert "There is no lock other, and none was broken." in output
    assert controller.held == STALE
    status, output = controller.run("true", "-e", "flowdose_break_lock=5ta1e", "--check")
    assert status == 0
    assert "Look on runner-9" in output
    assert controller.held == STALE
    status, output = controller.run("true", "-e", "flowdose_break_lock=5ta1e")
    assert status == 0, output
    assert controller.held is None


def test_a_lock_that_cannot_be_read_can_be_broken(controller: Controller) -> None:
    take(controller.lock, {"id": "a1"})
    (controller.lock / "a1").write_text("")
    status, output = controller.run()
    assert status != 0
    assert "lock a1, which cannot be read" in output
    status, output = controller.run("true", "-e", "flowdose_break_lock=a1")
    assert status == 0, output


def test_a_run_of_this_machine_that_was_killed_with_all_it_had_is_taken_over(controller: Controller) -> None:
    take(controller.lock, STALE | {"machine": action.machine(), "processes": [ended_process(), ended_process()]})
    status, output = controller.run()
    assert status == 0, output
    assert "Took over the lock of a run that ended without freeing it: ben (" in output
    assert controller.held is None


def test_what_is_known_of_the_one_who_took_it() -> None:
    here = action.machine()
    ended, running = ended_process(), action.process(os.getpid())
    recycled = running | {"started": "1"}
    lock: dict[str, Any] = {"id": "a1", "host": socket.gethostname(), "machine": here}
    assert action.life_of(lock | {"processes": [running, running]}) == "runs"
    assert action.life_of(lock | {"processes": [ended, running]}) == "ends"
    assert action.life_of(lock | {"processes": [ended, recycled]}) == "ended"
    lock["processes"] = [ended, ended]
    # started anew since; without an identity of the machine, that cannot be told
    assert action.life_of(lock | {"machine": here | {"id": "this", "boot": "earlier"}}) == "elsewhere"
    assert action.life_of(lock | {"machine": here | {"boot": "earlier"}}) == ("ended" if here["id"] else "elsewhere")
    assert action.life_of(lock | {"machine": here | {"boot": "earlier"}, "host": "other"}) == "elsewhere"
    # another container of this machine
    assert action.life_of(lock | {"machine": here | {"processes": "pid:[1]"}}) == "elsewhere"


def test_nobody_locks_what_nobody_would_free(controller: Controller) -> None:
    del controller.variables["ANSIBLE_CALLBACKS_ENABLED"]
    status, output = controller.run()
    assert status != 0
    assert "callbacks_enabled = flowdose.infra.deploy_lock" in output
    assert controller.held is None


def test_a_host_that_is_away_is_waited_for(controller: Controller) -> None:
    """With Ansible's ssh, and a stand-in for the program, which needs a file to be there."""
    network, ssh = controller.folder / "network", controller.folder / "ssh"
    network.touch()
    ssh.write_text(f'#!/bin/sh\ntest -e {network} || exit 255\nfor last; do :; done\nexec sh -c "$last"\n')
    ssh.chmod(0o755)
    reached = {"connection": "ssh", "ssh_executable": ssh, "python_interpreter": sys.executable}
    line = " ".join(f"ansible_{name}={value}" for name, value in reached.items())
    (controller.folder / "inventory").write_text(f"localhost {line}\n")
    controller.variables["ANSIBLE_PIPELINING"] = "1"
    status, output = controller.run(f"rm {network}", "-i", "inventory")
    assert status != 0
    assert "The lock is not free yet: its host does not answer." in output
    assert controller.held is not None
    network.touch()
    assert eventually(lambda: controller.held is None)
