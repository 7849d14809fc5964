# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module around `medusa exec`; a stand-in for Node.js tells how it was called and makes the user."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flowdose.infra.tests.unit.module_utils.fake_shop import FakeShop, running_shop
from ansible_collections.flowdose.infra.tests.unit.task import run_task

PASSWORD = "tor$ture \"'` {{ 1 }}"
NODE = """#!{python}
import json, os, pathlib, ssl, sys, urllib.request
user = json.loads(sys.stdin.read())
script = pathlib.Path(sys.argv[3]).read_text()
call = {{"argv": sys.argv[1:], "cwd": os.getcwd(), "script": script, "env": os.environ["NODE_ENV"], "user": user}}
pathlib.Path({record!r}).write_text(json.dumps(call))
request = urllib.request.Request({url!r} + "/fake/users", json.dumps(user).encode())
urllib.request.urlopen(request, context=ssl._create_unverified_context()).read()
"""


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeShop]:
    with running_shop(tmp_path) as shop:
        yield shop


@pytest.fixture
def options(fake: FakeShop, tmp_path: Path) -> dict[str, Any]:
    release = tmp_path / "release"
    (release / ".medusa/server").mkdir(parents=True)
    (release / "node_modules/@medusajs/cli").mkdir(parents=True)
    (release / "node_modules/@medusajs/cli/cli.js").write_text("")
    (tmp_path / "current").symlink_to(release)
    node = tmp_path / "node"
    node.write_text(NODE.format(python=sys.executable, record=str(tmp_path / "call.json"), url=fake.url))
    node.chmod(0o755)
    return {
        "url": fake.url,
        "ca_file": fake.ca_file,
        "email": "owner@example.com",
        "password": PASSWORD,
        "directory": str(tmp_path / "current/.medusa/server"),
        "node": str(node),
    }


def test_made_once(options: dict[str, Any], tmp_path: Path) -> None:
    would, _output = run_task("medusa_admin_user", options, tmp_path, "--check")
    assert would["changed"]
    assert not (tmp_path / "call.json").exists()

    made, output = run_task("medusa_admin_user", options, tmp_path, "-vvv")
    assert made["changed"], made
    assert "tor$ture" not in output
    call = json.loads((tmp_path / "call.json").read_text())
    assert call["user"] == {"email": "owner@example.com", "password": PASSWORD}
    assert PASSWORD not in " ".join(call["argv"])
    assert call["argv"][:2] == [str(tmp_path / "release/node_modules/@medusajs/cli/cli.js"), "exec"]
    assert call["cwd"] == str(tmp_path / "release/.medusa/server")
    assert call["env"] == "production"
    assert "exports.default" in call["script"]

    again, _output = run_task("medusa_admin_user", options, tmp_path)
    assert not again["changed"]


def test_another_password_is_set(fake: FakeShop, options: dict[str, Any], tmp_path: Path) -> None:
    fake.users["owner@example.com"] = "before"
    assert run_task("medusa_admin_user", options, tmp_path)[0]["changed"]
    assert fake.users["owner@example.com"] == PASSWORD


@pytest.mark.parametrize(
    ("change", "node", "messages"),
    [
        (
            {},
            "echo 'database is away'; exit 3",
            ["could not create the user owner@example.com", "ended with status 3", "database is away"],
        ),
        ({}, "true", ["but cannot log in at"]),
        ({"directory": "/usr/lib"}, "true", ["/usr/lib is no folder of a Medusa backend"]),
        ({"url": "https://127.0.0.1:1"}, "true", ["the backend does not answer: https://127.0.0.1:1/"]),
    ],
)
def test_failures_are_told(
    options: dict[str, Any], tmp_path: Path, change: dict[str, str], node: str, messages: list[str]
) -> None:
    (tmp_path / "node").write_text(f"#!/bin/sh\ncat >/dev/null\n{node}\n")
    result, _output = run_task("medusa_admin_user", options | change, tmp_path)
    assert result["failed"]
    for message in messages:
        assert message in result["msg"]
