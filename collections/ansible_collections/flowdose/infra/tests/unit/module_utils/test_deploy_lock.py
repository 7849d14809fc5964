# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.flowdose.infra.plugins.module_utils.deploy_lock import free, look, take
from ansible_collections.flowdose.infra.tests.unit.task import COLLECTIONS

# Each tries for the same locks, one after the other; all wait for the same moment, that a file is there.
RACER = """
import sys, time
from pathlib import Path
from ansible_collections.flowdose.infra.plugins.module_utils.deploy_lock import take

folder, name, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
while not (folder / "go").exists():
    pass
for number in range(rounds):
    print(take(folder / str(number) / "lock", {"id": name})["id"])
"""
# Each takes and frees one lock again and again; what it does meanwhile can be done by one only.
WORKER = """
import os, sys
from pathlib import Path
from ansible_collections.flowdose.infra.plugins.module_utils.deploy_lock import free, take

folder, name, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
done = 0
while done < rounds:
    if take(folder / "lock", {"id": name})["id"] == name:
        os.close(os.open(folder / "busy", os.O_CREAT | os.O_EXCL))
        os.unlink(folder / "busy")
        assert free(folder / "lock", name)
        done += 1
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(COLLECTIONS)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_of_two_exactly_one_wins(tmp_path: Path) -> None:
    racers = [start(RACER, tmp_path, name, 300) for name in ("anna", "ben")]
    (tmp_path / "go").touch()
    anna, ben = (racer.communicate()[0].split() for racer in racers)
    assert len(anna) == 300
    # both were told the same winner
    assert anna == ben
    assert all(os.listdir(tmp_path / str(number)) == ["lock"] for number in range(300))


def test_never_two_at_a_time(tmp_path: Path) -> None:
    workers = [start(WORKER, tmp_path, name, 200) for name in ("anna", "ben", "carl")]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert look(tmp_path / "lock") is None


def test_only_its_id_frees_a_lock(tmp_path: Path) -> None:
    lock = tmp_path / "flowdose/lock"
    assert look(lock) is None
    assert take(lock, {"id": "a1", "who": "anna"})["who"] == "anna"
    for wrong in ("b2", "../lock/a1", "", "."):
        assert not free(lock, wrong)
    assert look(lock) == {"id": "a1", "who": "anna"}
    assert take(lock, {"id": "b2", "who": "ben"})["who"] == "anna"
    assert free(lock, "a1")
    assert take(lock, {"id": "b2", "who": "ben"})["who"] == "ben"


def test_a_damaged_lock_holds(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    take(lock, {"id": "a1"})
    (lock / "a1").write_text("")
    assert take(lock, {"id": "b2"}) == {"id": "a1"}
    assert free(lock, "a1")
