# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cloud with machines, as a person starts it, for the tests that need one."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

SPEED = "60"  # a droplet in a second, Valkey in four


class LiveCloud:
    """`localcloud up` for real, with one key, and SSH to its droplets."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "cloud"
        self.key = folder / "key"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)

    def run(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "localcloud.cli", *arguments, "--state", str(self.state)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def up(self) -> str:
        return self.run("up", "--port", self.port, "--speed", SPEED)

    def status(self) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self.run("status", "--json"))
        return shown

    def api(self, method: str, path: str, body: Any = None) -> Any:
        token = json.loads((self.state / "credentials.json").read_text())["token"]
        response = requests.request(
            method,
            f"https://127.0.0.1:{self.port}{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            verify=str(self.state / "ca.pem"),
            timeout=30,
        )
        assert response.ok, response.text
        return response.json() if response.content else None

    def ssh(self, address: str, command: str) -> str | None:
        """Output of a command run by root; None when it failed or nobody answered."""
        options = ("StrictHostKeyChecking=accept-new", f"UserKnownHostsFile={self.key}.hosts", "ConnectTimeout=3")
        words = ["ssh", "-i", str(self.key), *(f"-o{option}" for option in options), f"root@{address}", command]
        result = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        return result.stdout.strip() if result.returncode == 0 else None


def eventually(look: Callable[[], Any], seconds: float = 60) -> Any:
    """What `look` finds once it finds something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing for {seconds} s"
        time.sleep(0.5)
    return found
