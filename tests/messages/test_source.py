# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deployment says to a source that is not there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from messages.conftest import Controller
from stages import environment

Pack = Callable[..., str]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with an application in backend/, on branch main."""
    folder = tmp_path / "shop"
    (folder / "backend").mkdir(parents=True)
    (folder / "backend/package.json").write_text('{"name": "backend", "packageManager": "yarn@1.22.22"}')
    (folder / "backend/yarn.lock").write_text("# yarn lockfile v1\n")
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *command], cwd=folder, check=True, env=environment())
    return folder


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """Pack a source that is refused; returns what was said."""

    def refused(**options: Any) -> str:
        task = {"flowdose.infra.source_archive": {"dest": str(tmp_path / "cache"), **options}}
        file = tmp_path / "pack.yml"
        file.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
        return Controller().refused(str(file))

    return refused


def test_a_ref_that_does_not_exist(pack: Pack, repository: Path) -> None:
    message = pack(source=f"file://{repository}", ref="v9.9.9", subfolder="backend")
    assert "v9.9.9" in message
    assert f"file://{repository}" in message


def test_a_repository_that_does_not_exist(pack: Pack, tmp_path: Path) -> None:
    message = pack(source=f"file://{tmp_path}/nowhere", ref="main")
    assert f"{tmp_path}/nowhere" in message


def test_a_subfolder_that_does_not_exist(pack: Pack, repository: Path) -> None:
    message = pack(source=f"file://{repository}", ref="main", subfolder="server")
    assert "server" in message
