# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning staging and applying what was approved, as a person does it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from localcloud.testing import RunningCloud
from messages.conftest import Controller
from stages import tool

Run = Callable[..., str]


@pytest.fixture
def run(controller: Controller, data: dict[str, Any], tmp_path: Path) -> Run:
    """Run a playbook with the data of staging, some of it changed; returns its output."""

    def play(name: str, *arguments: str, fails: bool = False, **changed: Any) -> str:
        file = tmp_path / "data.json"
        file.write_text(json.dumps(data | changed))
        command = [f"playbooks/{name}.yml", "-i", "inventories/staging", "-e", f"@{file}", *arguments]
        if fails:
            return controller.refused(*command)
        status, output = controller.run(tool("ansible-playbook"), *command)
        assert status == 0, output
        return output

    return play


def table(output: str) -> str:
    (found,) = re.findall(r"Plan for staging: .*? Hash of this plan: \w+", output)
    return str(found)


def test_check_mode_shows_the_same_plan(run: Run, controller: Controller, cloud: RunningCloud, tmp_path: Path) -> None:
    """With a token that can only read, and by another user's controller."""
    controller.variables["DIGITALOCEAN_TOKEN"] = cloud.read_only_token
    planned = table(run("plan"))
    assert "Plan for staging: 11 to create" in planned
    hash = planned.rpartition(" ")[2]
    assert "changed=0" in run("plan", flowdose_expect_plan=hash), "it still is the plan with that hash"
    assert table(run("provision", "--check", "--diff", flowdose_files=str(tmp_path / "other"))) == planned
    files = [{file.name for file in (tmp_path / name / "plan").iterdir()} for name in ("controller", "other")]
    assert files == [{"plan.json", "plan.md", "topology.mmd", "topology.svg"}] * 2


def test_a_plan_that_is_another_by_now(run: Run, cloud: RunningCloud, tmp_path: Path) -> None:
    run("plan")
    hash = json.loads((tmp_path / "controller/plan/plan.json").read_text())["hash"]
    requests.post(
        f"{cloud.endpoint}/v2/domains",
        json={"name": "flowdose.xyz"},
        headers={"Authorization": f"Bearer {cloud.token}"},
        verify=str(cloud.ca_file),
        timeout=10,
    ).raise_for_status()
    written = len(cloud.requests)
    message = run("provision", fails=True, flowdose_expect_plan=hash, flowdose_backend_size="s-4vcpu-8gb")
    assert f"the plan is not the one that was approved ({hash})" in message
    assert "- domain flowdose.xyz: exists by now" in message
    assert "- droplet backend-staging: size is declared as s-4vcpu-8gb, was s-2vcpu-4gb" in message
    assert "storefront-staging: size" not in message, "only what differs"
    assert "Plan for staging:" not in message
    assert [entry for entry in cloud.requests[written:] if entry["method"] != "GET"] == []
    cloud.reset()


def test_an_unknown_key(run: Run) -> None:
    droplet = {"name": "backend-staging", "region": "fra1", "siize": "s-2vcpu-4gb", "size": "s-2vcpu-4gb"}
    message = run("plan", fails=True, flowdose_droplets=[droplet])
    assert "droplets[0] (backend-staging): unsupported key siize, did you mean size?" in message
    assert "nothing was changed" in message
