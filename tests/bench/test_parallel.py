# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fresh environment takes as long as its longest chain, not as long as all of it."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from stages import ROOT, environment, tool

SPEED = 10  # times real time; the client polls no more often than it would at DigitalOcean
POSTGRESQL = 300  # seconds in the cloud until it is ready; Valkey takes 240 and each droplet 40 beside it


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables of somebody who uses an API-only localcloud of this test's own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    state = tmp_path / "cloud"
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


def test_a_fresh_environment_takes_as_long_as_its_longest_chain(shell: dict[str, str], tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    variables = json.dumps({"public_key": key.with_suffix(".pub").read_text().strip()})
    command = [tool("ansible-playbook"), "tests/bench/environment.yml", "-e", variables]
    subprocess.run(command, cwd=ROOT, env=shell, check=True, timeout=180)

    listed = [tool("localcloud"), "requests", "--json"]
    log = subprocess.run(listed, env=shell, cwd=ROOT, check=True, capture_output=True, text=True)
    times = [datetime.fromisoformat(entry["cloud_time"]) for entry in json.loads(log.stdout)]
    taken = (max(times) - min(times)).total_seconds()
    # Its VPC before it, its database and trusted sources after it take next to nothing.
    assert taken <= 1.1 * POSTGRESQL
    assert taken >= POSTGRESQL, "or the latencies were not there, and this proves nothing"

    again = subprocess.run(command, cwd=ROOT, env=shell, check=True, capture_output=True, text=True, timeout=60)
    assert "changed=0" in again.stdout
