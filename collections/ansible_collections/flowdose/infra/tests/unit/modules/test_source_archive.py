# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from ansible_collections.flowdose.infra.tests.unit.task import run_task


def test_a_folder_in_check_mode_and_again(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "package.json").write_text('{"engines": {"node": ">=20"}}')
    (app / "package-lock.json").write_text("{}")
    options = {"source": "app", "dest": "cache"}  # relative to the playbook
    result, _output = run_task("source_archive", options, tmp_path, "--check")
    assert not result["changed"]
    assert result == run_task("source_archive", options, tmp_path)[0]
    assert Path(result["archive"]).parent == tmp_path / "cache"
    assert result["package_manager"] == {"name": "npm", "version": None}
    assert (result["kind"], result["commit"], result["node_engines"]) == ("folder", None, ">=20")
    assert len(result["id"]) == 12


def test_credentials_are_never_shown(tmp_path: Path) -> None:
    options = {"source": "https://robot:hidden%40x@127.0.0.1:1/shop.git", "dest": "cache"}
    result, output = run_task("source_archive", options, tmp_path, "-vvv")
    assert "could not read the repository https://127.0.0.1:1/shop.git" in result["msg"]
    assert "hidden" not in output
