# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment of 25 resources: fresh it takes as long as its longest chain, and with nothing to do, no time.

The times of the fresh one are the cloud's, in which creating takes as long as at DigitalOcean.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from stages import ROOT, environment, say, tool

RESOURCES = 25
SPEED = 7  # times real time; the client polls no more often than it would at DigitalOcean
LONGEST = (
    300  # seconds in the cloud until PostgreSQL is ready; its VPC before and its database after it take next to none
)
TOGETHER = LONGEST + 240 + 4 * 40 + 120  # had Valkey, the droplets and the load balancer waited for each other
RATIO = 1.05
BEYOND_START = 2.0  # seconds of a run with nothing to do
REPEATS = 3  # of what is measured in fractions of a second; the shortest is the one that nothing came in between


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables of somebody who uses an API-only localcloud of this test's own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    state = tmp_path_factory.mktemp("bench") / "cloud"
    command = [tool("localcloud"), "up", "--api-only", "--state", str(state), "--port", port, "--speed", str(SPEED)]
    subprocess.run(command, check=True, timeout=60)
    try:
        yield environment(
            {
                "LOCALCLOUD_STATE": str(state),
                "DIGITALOCEAN_TOKEN": json.loads((state / "credentials.json").read_text())["token"],
                "DIGITALOCEAN_API_URL": f"https://127.0.0.1:{port}",
                "DIGITALOCEAN_CA_FILE": str(state / "ca.pem"),
            }
        )
    finally:
        subprocess.run([tool("localcloud"), "down", "--state", str(state)], check=True, timeout=60)


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("controller")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
    variables = {"public_key": (folder / "key.pub").read_text().strip(), "files": str(folder)}
    return [tool("ansible-playbook"), "tests/bench/environment.yml", "-e", json.dumps(variables)]


def test_a_fresh_environment_takes_as_long_as_its_longest_chain(shell: dict[str, str], command: list[str]) -> None:
    output, _ = play(command, shell)
    assert f"Plan for bench: {RESOURCES} to create" in output
    asked = requests(shell)
    times = [datetime.fromisoformat(entry["cloud_time"]) for entry in asked]
    taken = (max(times) - min(times)).total_seconds()
    say(
        f"\n  fresh, {RESOURCES} resources: {taken:.0f} s of the cloud's time, {taken / LONGEST:.3f} of the longest"
        f" chain ({LONGEST} s), {taken / TOGETHER:.2f} of one after the other; {len(asked)} requests"
    )
    assert taken >= LONGEST, "or the latencies were not there, and this proves nothing"
    assert taken <= RATIO * LONGEST


def test_nothing_to_do_takes_no_time(shell: dict[str, str], command: list[str]) -> None:
    """After the one above: everything is as declared."""
    starting = min(play([tool("ansible-playbook"), "tests/bench/start.yml"], shell)[1] for _ in range(REPEATS))
    taken = []
    for _ in range(REPEATS):
        before = len(requests(shell))
        output, seconds = play(command, shell)
        assert re.search(r"ok=1 +changed=0", output)
        asked = requests(shell)[before:]
        taken.append(seconds)
    lists = Counter(entry["path"].partition("?")[0] for entry in asked)
    say(
        f"\n  nothing to do, {RESOURCES} resources: {min(taken):.2f} s, {min(taken) - starting:.2f} s beyond"
        f" Ansible's own {starting:.2f} s; {len(asked)} requests"
    )
    assert {entry["method"] for entry in asked} == {"GET"}
    assert {path: count for path, count in lists.items() if count > 1} == {}, "nothing is asked twice"
    assert min(taken) - starting <= BEYOND_START


def play(command: list[str], shell: dict[str, str]) -> tuple[str, float]:
    """What it printed, and the seconds it took."""
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=shell, capture_output=True, text=True, timeout=240, check=False)
    seconds = time.monotonic() - start
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, seconds


def requests(shell: dict[str, str]) -> list[dict[str, Any]]:
    listed = [tool("localcloud"), "requests", "--json"]
    log = subprocess.run(listed, env=shell, cwd=ROOT, check=True, capture_output=True, text=True)
    entries: list[dict[str, Any]] = json.loads(log.stdout)
    return entries


def test_the_bench_says_how_many_resources_it_has() -> None:
    text = (Path(__file__).parent / "environment.yml").read_text()
    assert f"{RESOURCES} resources" in text
