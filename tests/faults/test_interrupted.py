# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real ends of processes and threads: what is interrupted stops at once, and the next run goes on from there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from faults.account import Account
from faults.environment import DROPLET, ENVIRONMENT
from localcloud.testing import QUICK, RunningCloud, running_cloud
from stages import ROOT, environment, tool

# Without Spaces, whose stand-in is in this process.
WITHOUT_SPACES: dict[str, list[dict[str, Any]]] = {
    **ENVIRONMENT,
    "spaces_buckets": [],
    "spaces_keys": [],
    "projects": [{**ENVIRONMENT["projects"][0], "resources": ["droplet:backend", "database_cluster:postgres"]}],
}
MANY = [{**DROPLET, "name": f"web-{number}"} for number in range(200)]
PROMPTLY = 5.0  # seconds, on a busy machine


def heed_interrupts() -> None:
    """What a shell runs in the background ignores them, and hands that on to all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def process(server: RunningCloud, data: dict[str, Any], speed: float) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "faults.process", server.endpoint, str(server.ca_file), str(speed), json.dumps(data)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "DIGITALOCEAN_TOKEN": server.token},
        preexec_fn=heed_interrupts,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def until(condition: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"{what} never came"
        time.sleep(0.01)


def silent(server: RunningCloud, seconds: float = 1.5) -> bool:
    requests = len(server.requests)
    time.sleep(seconds)
    return len(server.requests) == requests


def asked(server: RunningCloud, call: str) -> int:
    return sum(f"{entry['method']} {entry['path']}" == call for entry in server.requests)


def converges(server: RunningCloud, account: Account, data: dict[str, Any]) -> None:
    account.run(**data)
    assert {entry.action for entry in account.plan(**data).entries} == {"none"}


@pytest.mark.faults
def test_killed_again_and_again(tmp_path: Path) -> None:
    with running_cloud(latencies=QUICK, auto_advance=0.2) as server:
        for requests in (40, 80, 130):
            with process(server, WITHOUT_SPACES, speed=20) as run:
                until(lambda: len(server.requests) >= requests or run.poll() is not None, "the moment to kill it")  # noqa: B023
                run.kill()
        account = Account(server, tmp_path)
        converges(server, account, WITHOUT_SPACES)
        world = account.world()
        account.reset()
        account.run(**WITHOUT_SPACES)
        assert account.world() == world, "as if it had been one run"


@pytest.mark.faults
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_waits_for_two_hundred_droplets_ends_at_once(end: signal.Signals, tmp_path: Path) -> None:
    data: dict[str, list[dict[str, Any]]] = {key: [] for key in ENVIRONMENT}
    data |= {"vpcs": ENVIRONMENT["vpcs"], "ssh_keys": ENVIRONMENT["ssh_keys"], "droplets": MANY}
    with running_cloud(droplet_limit=500) as server:  # in which no time goes by: none of them ever becomes ready
        with process(server, data, speed=1) as run:
            until(lambda: asked(server, "POST /v2/droplets") >= 100, "the droplets")
            run.send_signal(end)
            start = time.monotonic()
            assert run.wait(30) != 0
            assert time.monotonic() - start < PROMPTLY
        made = asked(server, "POST /v2/droplets")
        account = Account(server, tmp_path)
        converges(server, account, data)
        assert len(account.world()["droplets"]) == 200
        assert asked(server, "POST /v2/droplets") == 200 >= made


def test_threads_end_with_the_run_that_was_interrupted(account: Account, world: dict[str, list[str]]) -> None:
    stack = account.plan()

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stack.apply(interrupt)
    titles = {resource.title for resource in stack.resources}
    until(lambda: not titles & {thread.name for thread in threading.enumerate()}, "the end of the threads", PROMPTLY)
    requests = len(account.server.requests)
    assert requests < len(ENVIRONMENT) * 10
    account.run()
    assert account.world() == world
    assert {entry.action for entry in account.plan().entries} == {"none"}


@pytest.mark.faults
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_ansible_is_interrupted(end: signal.Signals, tmp_path: Path) -> None:
    """As by Ctrl-C, and as by a CI system that has had enough of it."""
    task = {"flowdose.infra.stack": {"environment": "faults", **WITHOUT_SPACES}}
    play = {"name": "Make it", "hosts": "localhost", "gather_facts": False, "tasks": [task]}
    (tmp_path / "site.yml").write_text(json.dumps([play]))
    command = [tool("ansible-playbook"), str(tmp_path / "site.yml")]
    with running_cloud(latencies=QUICK, auto_advance=0.2) as server:
        access = {"DIGITALOCEAN_TOKEN": server.token, "DIGITALOCEAN_API_URL": server.endpoint}
        shell = environment(access | {"DIGITALOCEAN_CA_FILE": str(server.ca_file)})
        first = subprocess.Popen(
            command,
            cwd=ROOT,
            env=shell,
            preexec_fn=heed_interrupts,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(lambda: asked(server, "POST /v2/databases") > 0, "the databases")
            os.killpg(first.pid, end)
            start = time.monotonic()
            assert first.wait(60) != 0
            assert time.monotonic() - start < 2 * PROMPTLY
        finally:
            first.kill()
            first.wait()
        until(lambda: silent(server), "the end of what ansible-playbook's workers, sessions of their own, do", PROMPTLY)

        for changed in ("changed=1", "changed=0"):
            again = subprocess.run(command, cwd=ROOT, env=shell, check=True, capture_output=True, text=True)
            assert changed in again.stdout
        assert (len(server.state["droplets"]), len(server.state["databases"])) == (2, 2)
