# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.deploy_log import append, last_entries
from ansible_collections.flowdose.infra.tests.unit.task import COLLECTIONS, run_task

EVENT = {"event": "deploy", "app": "backend", "release": "b", "previous": "a", "outcome": "ok", "who": "anna@laptop"}
WRITER = """
import sys
from pathlib import Path
from ansible_collections.flowdose.infra.plugins.module_utils.deploy_log import append

for number in range(200):
    append(Path(sys.argv[1]), {"writer": sys.argv[2], "number": number, "filler": "x" * 3000})
"""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "flowdose/deploys.jsonl"
    yield path
    if path.exists():  # or nobody could remove the folder
        subprocess.run(["chattr", "-a", str(path)], check=False, capture_output=True)


def run(log: Path, folder: Path, *flags: str, **options: Any) -> tuple[dict[str, Any], str]:
    return run_task("deploy_log", {**EVENT, "path": str(log), **options}, folder, *flags)


def test_an_event_is_a_line(log: Path, tmp_path: Path) -> None:
    result, _output = run(log, tmp_path, detail={"commit": "3f2a9c01d7be", "said": 'two\nlines, "quoted"'})
    assert result["changed"]
    (line,) = log.read_text().splitlines()
    entry = json.loads(line)
    assert entry == result["entry"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry.pop("time"))
    assert entry == {**EVENT, "detail": {"commit": "3f2a9c01d7be", "said": 'two\nlines, "quoted"'}}
    assert (log.stat().st_mode & 0o777, log.parent.stat().st_mode & 0o777) == (0o640, 0o750)


def test_where_the_host_can_nobody_changes_what_was_logged(log: Path, tmp_path: Path) -> None:
    result, _output = run(log, tmp_path)
    if result["append_only"]:
        with pytest.raises(PermissionError):
            log.write_text("")
        with pytest.raises(PermissionError):
            log.unlink()
    run(log, tmp_path, release="c")
    assert [entry["release"] for entry in last_entries(log, 9)] == ["b", "c"]


def test_check_mode_shows_the_line_and_writes_none(log: Path, tmp_path: Path) -> None:
    result, output = run(log, tmp_path, "--check", "--diff")
    assert result["changed"]
    assert not log.parent.exists()
    assert '"who": "anna@laptop"' in output


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("untouched")
    (tmp_path / "log").symlink_to("elsewhere")
    result, _output = run(tmp_path / "log", tmp_path)
    assert f"could not log deploy of backend in {tmp_path}/log" in result["msg"]
    assert (tmp_path / "elsewhere").read_text() == "untouched"


@pytest.mark.parametrize("torn", [b'{"time": "2026-11', b"\0" * 512, b"\xc3"])
def test_half_a_line_harms_no_other(torn: bytes, tmp_path: Path) -> None:
    log = tmp_path / "log"
    append(log, {"number": 1})
    with log.open("ab") as file:
        file.write(torn)
    assert last_entries(log, 5) == [{"number": 1}]
    append(log, {"number": 2})
    append(log, {"number": 3})
    assert last_entries(log, 5) == [{"number": 1}, {"number": 2}, {"number": 3}]
    assert last_entries(log, 2) == [{"number": 2}, {"number": 3}]


def test_lines_of_writers_at_the_same_time_are_whole(tmp_path: Path) -> None:
    log = tmp_path / "log"
    environment = os.environ | {"PYTHONPATH": str(COLLECTIONS)}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(log), str(number)], env=environment) for number in range(4)
    ]
    assert [writer.wait() for writer in writers] == [0] * 4
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(entries) == 800
    for writer in "0123":
        assert [entry["number"] for entry in entries if entry["writer"] == writer] == list(range(200))


def test_no_log_yet(tmp_path: Path) -> None:
    assert last_entries(tmp_path / "none", 20) == []
