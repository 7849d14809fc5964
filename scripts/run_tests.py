# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the project's checks in stages, each with its time, and sum up at the end.

    python scripts/run_tests.py lint | quick | full | molecule

A stage that fails does not keep the next ones from running, unless they need what it made; the exit status is 1 then.
What needs no machines runs beside what mostly waits for machines; what measures time runs alone.
localcloud is stopped at the end of `full` and `molecule`, whatever happened.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from stages import ROOT, StageFailed, end_all, lane, main, run, say, stage, tool

PLUGINS = "collections/ansible_collections/flowdose/infra/plugins"


def commands(*lines: list[str], timeout: float) -> Callable[[], None]:
    """A check that runs commands one after the other and fails with the names of all that failed."""

    def check() -> None:
        failed = []
        for line in lines:
            try:
                run(line, timeout=timeout)
            except StageFailed as error:
                failed.append(str(error))
        if failed:
            raise StageFailed("\n".join(failed))

    return check


def tracked(pattern: str) -> list[str]:
    """The repository's files that match a git pattern, committed or about to be."""
    answer = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.split()


def lint() -> None:
    """Every static check. shellcheck is skipped where it is not installed: `make test` installs it."""
    scripts = [*tracked("*.sh"), ".ci/run"]
    commands(
        [tool("ruff"), "check", "."],
        [tool("ruff"), "format", "--check", "."],
        [tool("yamllint"), "-s", "."],
        [tool("mypy"), PLUGINS, "localcloud/src", "scripts", "tests"],
        [tool("ansible-lint"), "--offline", "--nocolor"],
        *([["shellcheck", *scripts]] if _shellcheck() else []),
        timeout=600,
    )()


def _shellcheck() -> bool:
    try:
        subprocess.run(["shellcheck", "--version"], capture_output=True, check=True)
    except FileNotFoundError:
        say("shellcheck is not installed: shell scripts are not checked.")
        return False
    return True


def pytest(*arguments: str, timeout: float = 1800) -> Callable[[], None]:
    """A check that runs pytest; its error tells each failed test with the end of its traceback."""

    def check() -> None:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            try:
                command = [tool("python"), "-m", "pytest", "-q", "--durations=10", f"--junitxml={report}", *arguments]
                run(command, timeout=timeout)
            except StageFailed as error:
                raise StageFailed("\n".join([str(error), *failures(report)])) from None

    return check


def failures(report: Path, lines: int = 25) -> list[str]:
    """The failed tests of a pytest report, each with the last lines of what it said."""
    if not report.exists():  # pytest itself was stopped, or did not start
        return []
    # The report is pytest's, of a moment ago.
    cases = ElementTree.parse(report).getroot().iter("testcase")  # noqa: S314
    return [
        "\n".join([f"{case.get('classname')}::{case.get('name')}", *(problem.text or "").splitlines()[-lines:]])
        for case in cases
        for problem in (*case.findall("failure"), *case.findall("error"))
    ]


def localcloud(command: str) -> Callable[[], None]:
    return commands([tool("localcloud"), command], timeout=1200)


@dataclass
class Check:
    """One stage of a run. `needs` names the stages without which it makes no sense."""

    name: str
    waits_for: str
    do: Callable[[], None]
    needs: list[str] = field(default_factory=list)


LINT = Check("lint", "ruff, yamllint, mypy, ansible-lint, shellcheck", lint)
# What is tested by running ansible-playbook, which takes seconds each time.
PLAYBOOKS = ("tests/canary", "tests/messages", "tests/module_examples")  # what waits longest begins first
# What `make test-quick` leaves to `make test`, so that it stays under two minutes: the longest of the API-only tests.
UNIT = "collections/ansible_collections/flowdose/infra/tests/unit"
SLOW = (
    "tests/drift",
    "tests/faults",
    "tests/migrations/test_migrations.py",
    "localcloud/tests/test_cli.py",
    f"{UNIT}/inventory",
    f"{UNIT}/module_utils/test_stack.py",
    f"{UNIT}/module_utils/test_teardown.py",
    f"{UNIT}/modules/test_medusa_admin_user.py",
)

API_ONLY = Check(
    "tests",
    "unit and API-only tests, with every request and answer held to the specification",
    pytest(
        *("-n", "auto", "-m", "not machines and not faults"),
        *(f"--ignore={folder}" for folder in (*PLAYBOOKS, "tests/bench")),
        "--contract-complete",
    ),
)
QUICK = Check(
    "quick tests",
    "unit and API-only tests, but for those that take long",
    pytest(
        *("-n", "auto", "-m", "not machines and not faults"),
        *(f"--ignore={place}" for place in (*PLAYBOOKS, "tests/bench", *SLOW)),
    ),
)
FAULTS = Check(
    "faults",
    "every call of a fresh run, struck by every fault: docs/crash-recovery.md",
    pytest("-n", "auto", "--dist", "worksteal", "-m", "faults", "tests/faults"),
)
PLAYED = Check(
    "playbooks",
    "bad input and what a person is told, every module's examples, no secret in anything written",
    pytest("-n", "auto", "-m", "not machines", *PLAYBOOKS),
)
BENCH = Check("bench", "what must be fast, with nothing beside it", pytest("-s", "-m", "not machines", "tests/bench"))
SANITY = Check(
    "sanity",
    "ansible-test sanity on the collection, with each supported ansible-core",
    commands([tool("python"), "scripts/sanity.py"], timeout=3600),
)
DOCS = Check(
    "docs",
    "the collection's documentation, and its artefact as Galaxy would take it",
    commands([tool("python"), "scripts/docs.py"], timeout=1800),
)
FRESH = Check("clean start", "no localcloud of an earlier run is left", localcloud("down"))
MACHINES = Check(
    "machines",
    "localcloud's own tests with containers",
    pytest("-m", "machines", "localcloud/tests"),
    needs=["clean start"],
)
SITE = Check(
    "end to end",
    "a shop from nothing, looked at from outside, changed and rebooted",
    pytest("-v", "-v", "-m", "machines", "tests", timeout=3600),  # each test in a line of its own: they take minutes
    needs=["clean start"],
)
MOLECULE = Check(
    "molecule",
    "every role's scenario on droplets",
    commands(
        [tool("localcloud"), "up", "--speed", "20"],
        # It remembers droplets of an earlier cloud, and would make none in this one.
        [tool("molecule"), "reset"],
        [tool("molecule"), "test", "--all"],
        [tool("localcloud"), "down"],
        timeout=2400,
    ),
    needs=["clean start"],
)

# A run is phases, one after the other; each is lanes, side by side; each of those is checks, in order.
Lanes = dict[str, list[Check]]
RUNS: dict[str, list[Lanes]] = {
    "lint": [{"": [LINT]}],
    "quick": [{"": [LINT, QUICK]}],
    "full": [
        {"api-only": [LINT, SANITY, DOCS, API_ONLY, FAULTS, PLAYED], "machines": [FRESH, MACHINES, MOLECULE]},
        {"": [BENCH, SITE]},
    ],
    "molecule": [{"": [MOLECULE]}],
}


@dataclass
class Result:
    name: str
    outcome: str  # passed | FAILED | not run: ...
    seconds: float = 0
    error: str = ""


def perform(checks: list[Check], results: list[Result]) -> None:
    """Run the checks in order, and append to the results, which may have those of other lanes."""
    for check in checks:
        broken = [result.name for result in results if result.name in check.needs and result.outcome != "passed"]
        if broken:
            results.append(Result(check.name, f"not run: {', '.join(broken)} failed"))
            continue
        started = time.monotonic()
        result = Result(check.name, "passed")
        try:
            with stage(check.name, check.waits_for):
                check.do()
        except StageFailed as error:
            say(f"ERROR: {error}")
            result.outcome, result.error = "FAILED", str(error)
        result.seconds = time.monotonic() - started
        results.append(result)


def side_by_side(lanes: Lanes, results: list[Result]) -> None:
    """Run the lanes at the same time. When this is interrupted, so are they."""

    def drive(name: str, checks: list[Check]) -> None:
        lane.set(name)
        perform(checks, results)

    with ThreadPoolExecutor(len(lanes)) as pool:
        try:
            for driven in [pool.submit(drive, name, checks) for name, checks in lanes.items()]:
                driven.result()
        except BaseException:
            end_all()
            raise


def checks_of(phases: list[Lanes]) -> list[Check]:
    return [check for lanes in phases for checks in lanes.values() for check in checks]


def body() -> None:
    which = sys.argv[1] if len(sys.argv) == 2 else ""
    if which not in RUNS:
        say(__doc__ or "")
        sys.exit(2)
    began = time.monotonic()
    results: list[Result] = []
    try:
        for lanes in RUNS[which]:
            side_by_side(lanes, results)
    finally:
        if MOLECULE in checks_of(RUNS[which]):
            end = Check("end", "localcloud is stopped and leaves nothing behind", localcloud("down"))
            perform([end], results)
    say("\n" + "\n".join(f"  {result.name:14} {result.outcome:9} {result.seconds:5.0f} s" for result in results))
    failed = [result for result in results if result.outcome != "passed"]
    if failed:
        # Once more at the end, which is where a person, or a log's tail, looks.
        told = [f"\n{result.name}: {result.error or result.outcome}" for result in failed]
        raise StageFailed(f"not passed: {', '.join(result.name for result in failed)}\n" + "\n".join(told))
    say(f"\nAll passed, in {(time.monotonic() - began) / 60:.1f} minutes.")


if __name__ == "__main__":
    main(body)
