# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of an environment of which there is nothing yet, or nothing that answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from messages.conftest import Controller
from stages import tool


def status(controller: Controller, data: dict[str, Any], folder: Path, *arguments: str) -> str:
    file = folder / "data.json"
    file.write_text(json.dumps(data))
    command = ["playbooks/status.yml", "-i", "inventories/staging", *arguments, "-e", f"@{file}"]
    code, output = controller.run(tool("ansible-playbook"), *command)
    assert code == 0, output
    return output


def test_before_the_first_run(controller: Controller, data: dict[str, Any], tmp_path: Path) -> None:
    output = status(controller, data, tmp_path)
    assert "lock none: there is no droplet" in output
    assert "health not known" in output


def test_droplets_that_do_not_answer(controller: Controller, data: dict[str, Any], tmp_path: Path) -> None:
    inventory = tmp_path / "droplets.yml"
    hosts = {"backend-1": {"ansible_host": "127.0.0.1", "ansible_port": 1, "do_id": 1, "do_public_ipv4": "127.0.0.1"}}
    inventory.write_text(json.dumps({"backend": {"hosts": hosts}}))
    data["flowdose_hosts"] = {name: f"{name}.flowdose.invalid" for name in ("store", "admin", "api")}
    output = status(controller, data, tmp_path, "-i", str(inventory))
    assert "lock not known" in output
    assert "FAILED health, https://api.flowdose.invalid/health: " in output
    assert "migrations not known" in output
    assert "backend-1: not reached. " in output
