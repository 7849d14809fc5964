# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts behind the Makefile: what they say, and when they change nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import bootstrap
import demo
import pytest
import run_tests
import stages

from localcloud import hosts

PACKAGES = {"podman": "runs the droplets", "nftables": "filters"}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that bootstrap would have run."""
    commands: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "run", lambda command, **_: commands.append(list(command)))
    return commands


def pretend(monkeypatch: pytest.MonkeyPatch, *, root: bool, apt: bool, missing: list[str]) -> None:
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name, path=None: f"/usr/bin/{name}" if apt else None)
    monkeypatch.setattr(bootstrap, "missing_packages", lambda wanted: missing)


def test_missing_podman_without_root_names_the_command(monkeypatch: pytest.MonkeyPatch, ran: list[list[str]]) -> None:
    pretend(monkeypatch, root=False, apt=True, missing=["podman"])
    with pytest.raises(stages.StageFailed) as error:
        bootstrap.install_packages(PACKAGES)
    assert "needs root" in str(error.value)
    assert "sudo apt-get install --no-install-recommends podman" in str(error.value)
    assert "runs the droplets" in str(error.value)
    assert ran == []


def test_missing_podman_without_apt_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, ran: list[list[str]]
) -> None:
    pretend(monkeypatch, root=True, apt=False, missing=[])
    with pytest.raises(stages.StageFailed, match=r"(?s)no apt to install them with.*podman.*runs the droplets"):
        bootstrap.install_packages(PACKAGES)
    assert ran == []


def test_packages_are_announced_before_they_are_installed(
    monkeypatch: pytest.MonkeyPatch, ran: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, root=True, apt=True, missing=["nftables"])
    bootstrap.install_packages(PACKAGES)
    assert "apt installs 1 packages on this machine:\n  nftables           filters" in capsys.readouterr().out
    assert [command[:2] for command in ran] == [["apt-get", "update"], ["apt-get", "install"]]
    assert ran[1][-1] == "nftables"


def test_nothing_missing_runs_nothing(monkeypatch: pytest.MonkeyPatch, ran: list[list[str]]) -> None:
    pretend(monkeypatch, root=False, apt=True, missing=[])
    bootstrap.install_packages(PACKAGES)
    assert ran == []


def test_all_that_localcloud_asks_for_is_installed() -> None:
    asked = {*hosts.REQUIRED_COMMANDS.values(), *hosts.REQUIRED_FILES.values()}
    assert asked <= set(bootstrap.CLOUD_PACKAGES)


def test_an_old_python_is_refused(monkeypatch: pytest.MonkeyPatch, ran: list[list[str]]) -> None:
    monkeypatch.setattr(bootstrap, "OLDEST_PYTHON", (4, 0))
    with pytest.raises(stages.StageFailed, match=r"Python 4\.0 or newer is needed"):
        bootstrap.bootstrap(cloud=True, dev=True)
    assert ran == []


def test_the_environment_is_reused_until_a_requirement_changes(
    monkeypatch: pytest.MonkeyPatch, ran: list[list[str]], tmp_path: Path
) -> None:
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "installed.json")
    bootstrap.install_python("dev")
    assert len(ran) == 1, "one pip install"
    bootstrap.install_python("dev")
    bootstrap.install_python("run")
    assert len(ran) == 1, "the second time, and for less, there is nothing to do"
    real = bootstrap.fingerprint
    monkeypatch.setattr(bootstrap, "fingerprint", lambda files: real(files) + "changed")
    bootstrap.install_python("run")
    assert len(ran) == 2
    assert set(json.loads((tmp_path / "installed.json").read_text())) == {"python", "run"}


def test_a_source_folder_is_named_absolutely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path)
    flag, value = demo.source_arguments("shop", "v1")
    assert flag == "-e"
    assert json.loads(value) == {"flowdose_source": str(tmp_path / "shop"), "flowdose_ref": "v1"}
    assert json.loads(demo.source_arguments("https://git.example.com/shop.git", "")[1]) == {
        "flowdose_source": "https://git.example.com/shop.git"
    }
    assert demo.source_arguments("", "") == []


def test_a_stage_says_what_it_waits_for_and_how_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(stages.StageFailed), stages.stage("images", "podman builds"):
        raise stages.StageFailed("no space")
    assert capsys.readouterr().out.splitlines()[1:] == ["==> images: podman builds", "==> images: FAILED after 0 s"]


def test_a_command_that_hangs_is_stopped_with_all_it_started(tmp_path: Path) -> None:
    child = tmp_path / "child"
    started = time.monotonic()
    with pytest.raises(stages.StageFailed, match=r"did not end within 1 s"):
        stages.run(["sh", "-c", f"sleep 60 & echo $! > {child}; wait"], cwd=tmp_path, timeout=1)
    assert time.monotonic() - started < 15
    pid = child.read_text().strip()
    deadline = time.monotonic() + 5
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(pid: str) -> bool:
    """Whether a process is there and not a zombie that nobody waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_quiet_command_shows_its_output_when_it_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    stages.run(["echo", "fine"], cwd=tmp_path, quiet=True)
    assert capsys.readouterr().out == ""
    with pytest.raises(stages.StageFailed, match="ended with 3"):
        stages.run(["sh", "-c", "echo why; exit 3"], cwd=tmp_path, quiet=True)
    assert capsys.readouterr().out == "why\n"


def test_checks_go_on_after_a_failure_but_not_without_what_they_need() -> None:
    done = []

    def fail() -> None:
        raise stages.StageFailed("broken")

    results: list[run_tests.Result] = []
    run_tests.side_by_side(
        {
            "": [
                run_tests.Check("a", "", fail),
                run_tests.Check("b", "", lambda: done.append("b")),
                run_tests.Check("c", "", lambda: done.append("c"), needs=["a"]),
            ]
        },
        results,
    )
    assert done == ["b"]
    assert [(result.name, result.outcome) for result in results] == [
        ("a", "FAILED"),
        ("b", "passed"),
        ("c", "not run: a failed"),
    ]


def test_lanes_run_at_the_same_time_and_their_lines_are_told_apart(capfd: pytest.CaptureFixture[str]) -> None:
    both = threading.Barrier(2, timeout=10)

    def check() -> None:
        both.wait()
        stages.run(["sh", "-c", "echo one; echo two >&2"])

    results: list[run_tests.Result] = []
    run_tests.side_by_side({name: [run_tests.Check(f"check {name}", "", check)] for name in "ab"}, results)
    assert {result.outcome for result in results} == {"passed"}
    lines = capfd.readouterr().out.splitlines()
    assert all(line.startswith(("a | ", "b | ")) for line in lines)
    assert [line[4:] for line in lines if line.startswith("b")][2:4] == ["one", "two"]


def test_an_interrupt_ends_all_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "_ending", threading.Event())
    began = time.monotonic()
    both = threading.Barrier(2, timeout=10)

    def interrupt() -> None:
        both.wait()
        time.sleep(0.5)  # for the other to be under way
        raise KeyboardInterrupt

    def wait() -> None:
        both.wait()
        stages.run(["sleep", "30"])

    results: list[run_tests.Result] = []
    later = run_tests.Check("later", "", lambda: stages.run(["true"]))
    lanes = {"a": [run_tests.Check("interrupted", "", interrupt)], "b": [run_tests.Check("long", "", wait), later]}
    with pytest.raises(KeyboardInterrupt):
        run_tests.side_by_side(lanes, results)
    assert time.monotonic() - began < 20
    assert [(result.name, result.outcome) for result in results] == [("long", "FAILED"), ("later", "FAILED")]
    stages.run(["true"])  # in the main thread: what cleans up


def test_failed_tests_are_told_with_the_end_of_their_tracebacks(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        "def test_fine(): pass\ndef test_broken():\n    assert 6 * 7 == 54, 'the answer'\n"
    )
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", f"--junitxml={report}", "test_x.py"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    (told,) = run_tests.failures(report)
    assert told.startswith("test_x::test_broken\n")
    assert "the answer" in told
    assert run_tests.failures(tmp_path / "none.xml") == []


def test_bootstrap_without_arguments_explains_itself() -> None:
    answer = subprocess.run(
        [sys.executable, "scripts/bootstrap.py"],
        cwd=stages.ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert answer.returncode == 2
    assert "bootstrap.py cloud" in answer.stdout
