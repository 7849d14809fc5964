# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pm2_app makes of pm2's claims. The module as a whole is tested by molecule's scenario `release`."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.modules import pm2_app


def parameters(**changes: Any) -> dict[str, Any]:
    return {
        "name": "shop",
        "directory": "/srv/shop/current",
        "script": "server.js",
        "args": ["start"],
        "env": {"NODE_ENV": "production", "COUNT": 2},
        "instances": 1,
        "timeout": 60,
        **changes,
    }


def process(wanted: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """This test as a process of pm2."""
    return {"pid": os.getpid(), "status": "online", "mark": wanted["env"][pm2_app.MARK], **changes}


def test_settings_wait_for_the_port_longer_than_pm2_would() -> None:
    entry = pm2_app.settings(parameters())
    assert entry["exec_mode"] == "cluster"
    assert entry["listen_timeout"] == 60_000
    assert entry["env"]["COUNT"] == "2"


@pytest.mark.parametrize(
    "change", [{"args": ["serve"]}, {"env": {}}, {"script": "other.js"}, {"instances": 2}, {"directory": "/srv"}]
)
def test_the_mark_changes_with_every_setting(change: dict[str, Any]) -> None:
    first, second = pm2_app.settings(parameters()), pm2_app.settings(parameters(**change))
    assert first["env"][pm2_app.MARK] != second["env"][pm2_app.MARK]
    assert first["env"][pm2_app.MARK] == pm2_app.settings(parameters())["env"][pm2_app.MARK]


def test_a_process_that_runs_as_asked_for_is_left_alone() -> None:
    wanted = pm2_app.settings(parameters())
    assert pm2_app.difference([process(wanted)], wanted, os.getcwd())[0] == "none"


@pytest.mark.parametrize(
    ("changes", "action", "reason"),
    [
        ({"mark": "0"}, "start", "other settings"),
        ({"status": "errored"}, "start", "errored"),
        ({"pid": 0}, "start", "online"),
    ],
)
def test_a_process_of_another_kind_is_started_anew(changes: dict[str, Any], action: str, reason: str) -> None:
    wanted = pm2_app.settings(parameters())
    found = pm2_app.difference([process(wanted, **changes)], wanted, os.getcwd())
    assert found[0] == action
    assert reason in found[1]


def test_missing_and_surplus_processes() -> None:
    wanted = pm2_app.settings(parameters())
    assert pm2_app.difference([], wanted, os.getcwd()) == ("start", "not running")
    assert pm2_app.difference([process(wanted)] * 2, wanted, os.getcwd())[0] == "start"


def test_a_process_in_the_release_before_is_reloaded() -> None:
    wanted = pm2_app.settings(parameters())
    assert pm2_app.difference([process(wanted)], wanted, "/srv/shop/releases/2") == ("reload", f"runs in {os.getcwd()}")


def test_a_port_is_believed_when_it_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert pm2_app.listens(port)
    assert not pm2_app.listens(port)


def test_the_ecosystem_file_is_whole_or_old(tmp_path: Path) -> None:
    path = tmp_path / "ecosystem.config.json"
    pm2_app.write_ecosystem(path, pm2_app.settings(parameters()))
    assert [app["name"] for app in json.loads(path.read_text())["apps"]] == ["shop"]
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
