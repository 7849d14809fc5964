# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""release_info on folders as role release leaves them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.modules import release_info
from ansible_collections.flowdose.infra.tests.unit.task import run_task


def release(home: Path, name: str, age: int) -> dict[str, Any]:
    manifest = home / "releases" / name / ".release.json"
    manifest.parent.mkdir(parents=True)
    content = {"id": name, "build": name.rpartition("-")[0]}
    manifest.write_text(json.dumps(content))
    os.utime(manifest, (10_000 - age, 10_000 - age))
    return content


def test_what_a_deployed_application_has(tmp_path: Path) -> None:
    home = tmp_path / "shop"
    old, new = release(home, "a-1-x", 20), release(home, "b-1-x", 10)
    (home / "releases/c-1-x/.medusa").mkdir(parents=True)  # was interrupted
    (home / "current").symlink_to("releases/b-1-x")
    (home / "previous.json").write_text('{"release": "a-1-x"}')
    (home / "taken-back-c-1.json").write_text('{"who": "me"}')
    result, _output = run_task("release_info", {"home": str(home)}, tmp_path)
    assert (result["changed"], result["releases"], result["current"]) == (False, [new, old], "b-1-x")
    assert (result["last"], result["taken_back"]) == ({"release": "a-1-x"}, {"c-1": {"who": "me"}})


def test_an_application_that_was_never_deployed(tmp_path: Path) -> None:
    assert release_info.releases(tmp_path) == []
    assert (release_info.current(tmp_path), release_info.last_switch(tmp_path), release_info.taken_back(tmp_path)) == (
        "",
        {},
        {},
    )


@pytest.mark.parametrize("content", ["", "[]", '{"release"'])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "previous.json").write_text(content)
    with pytest.raises(ValueError, match=rf"{tmp_path}/previous\.json (is no JSON file|has no JSON object)"):
        release_info.last_switch(tmp_path)
