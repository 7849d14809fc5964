# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks run as a person runs them, on an API-only cloud; and nothing may have changed when they refuse."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from localcloud.testing import RunningCloud, running_cloud
from stages import ROOT, environment, tool

MASTER_KEY = "0123456789abcdef" * 4
ACCOUNT = ("DIGITALOCEAN_", "SPACES_", "LOCALCLOUD_", "ANSIBLE_VAULT")


@dataclass
class Controller:
    """A person's shell at the repository's root. `variables` is what that person exported."""

    variables: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str, cwd: Path = ROOT) -> tuple[int, str]:
        """Exit status, and output as one line of single spaces: terminals wrap messages."""
        clean = {name: value for name, value in environment().items() if not name.startswith(ACCOUNT)}
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**clean, "ANSIBLE_NOCOLOR": "1", "COLUMNS": "500", **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, re.sub(r"\s+", " ", done.stdout)

    def refused(self, *command: str) -> str:
        """The output of an `ansible-playbook` that must fail."""
        status, output = self.run(tool("ansible-playbook"), *command)
        assert status != 0, output
        assert "Traceback" not in output
        return output


@pytest.fixture
def cloud() -> Iterator[RunningCloud]:
    """An empty cloud, which must be as empty after the test."""
    with running_cloud() as running:
        yield running
        assert [f"{entry['method']} {entry['path']}" for entry in running.requests if entry["method"] != "GET"] == []


@pytest.fixture
def controller(cloud: RunningCloud) -> Controller:
    """Somebody who exported what that cloud needs."""
    return Controller(
        {
            "DIGITALOCEAN_TOKEN": cloud.token,
            "DIGITALOCEAN_API_URL": cloud.endpoint,
            "DIGITALOCEAN_CA_FILE": str(cloud.ca_file),
        }
    )


@pytest.fixture
def data(cloud: RunningCloud, tmp_path: Path) -> dict[str, Any]:
    """What an operator of staging has in the vault and on the controller."""
    key = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    return {
        "flowdose_api_url": cloud.endpoint,
        "flowdose_ca_file": str(cloud.ca_file),
        "flowdose_files": str(tmp_path / "controller"),
        "flowdose_ssh_private_key_file": str(key),
        "vault_flowdose_master_key": MASTER_KEY,
        "vault_flowdose_admin_password": "correct horse battery",
        "vault_flowdose_spaces_access_key": "key",
        "vault_flowdose_spaces_secret_key": "secret",
        # The API-only cloud has no object storage.
        "flowdose_spaces_buckets": [],
        "flowdose_projects": [],
    }
