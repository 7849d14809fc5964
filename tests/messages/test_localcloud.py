# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `localcloud up` says when this machine is not fit for it, before it makes anything."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from messages.conftest import Controller
from stages import tool

# A process namespace of its own: a localcloud that runs for somebody else is not seen, and not the subject here.
ALONE = ["unshare", "--user", "--pid", "--fork", "--mount-proc"]


@pytest.fixture
def port() -> int:
    """One that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_port_in_use_by_something_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        status, message = Controller().run(
            tool("localcloud"), "up", "--api-only", "--state", str(tmp_path / "cloud"), "--port", taken
        )
    assert status == 1
    assert f"port {taken} of 127.0.0.1 is in use by process {os.getpid()}" in message
    assert "--port" in message
    assert not (tmp_path / "cloud/credentials.json").exists()


def test_without_root(tmp_path: Path, port: int) -> None:
    status, message = Controller().run(
        *ALONE, tool("localcloud"), "up", "--state", str(tmp_path / "cloud"), "--port", str(port)
    )
    assert status == 1
    assert "run this as root" in message
    assert "--api-only" in message
    assert not (tmp_path / "cloud/credentials.json").exists()


def test_podman_missing(tmp_path: Path, port: int) -> None:
    """root, on a machine without any of the programs; `make demo` installs them, see tests/repo/test_scripts.py."""
    status, message = Controller().run(
        *ALONE,
        "--map-root-user",
        *("env", "PATH=/nonexistent", tool("localcloud")),
        *("up", "--state", str(tmp_path / "cloud"), "--port", str(port)),
    )
    assert status == 1
    assert "packages are missing on this host; install them with: apt-get install" in message
    assert "podman" in message
    assert not (tmp_path / "cloud/credentials.json").exists()
