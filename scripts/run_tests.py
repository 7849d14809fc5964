# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the project's checks in stages, each with its time, and sum up at the end.

    python scripts/run_tests.py lint | quick | full | molecule

A stage that fails does not keep the next ones from running, unless they need what it made; the exit status is 1 then.
localcloud is stopped at the end of `full` and `molecule`, whatever happened.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from stages import ROOT, StageFailed, main, run, say, stage, tool

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
    return commands([tool("python"), "-m", "pytest", "-q", *arguments], timeout=timeout)


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
QUICK = Check(
    "quick tests",
    "unit and API-only tests",
    pytest("-n", "auto", "-m", "not machines", "--ignore=tests/bench", "--ignore=tests/messages"),
)
MESSAGES = Check(
    "messages",
    "bad input, and what a person is told: a playbook run each",
    pytest("-n", "auto", "-m", "not machines", "tests/messages"),
)
BENCH = Check("bench", "what must be fast, with nothing beside it", pytest("-m", "not machines", "tests/bench"))
SANITY = Check(
    "sanity", "ansible-test sanity on the collection", commands([tool("python"), "scripts/sanity.py"], timeout=1200)
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
    pytest("-m", "machines", "tests"),
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
        timeout=2400,
    ),
    needs=["clean start"],
)

RUNS = {
    "lint": [LINT],
    "quick": [LINT, QUICK],
    "full": [LINT, SANITY, QUICK, MESSAGES, BENCH, FRESH, MACHINES, SITE, MOLECULE],
    "molecule": [MOLECULE],
}


def perform(checks: list[Check]) -> list[tuple[str, str, float]]:
    """Run the checks in order: (name, "passed" | "FAILED" | "not run", seconds) of each."""
    results: list[tuple[str, str, float]] = []
    for check in checks:
        broken = [name for name, outcome, _ in results if name in check.needs and outcome != "passed"]
        if broken:
            results.append((check.name, f"not run: {', '.join(broken)} failed", 0))
            continue
        started = time.monotonic()
        outcome = "passed"
        try:
            with stage(check.name, check.waits_for):
                check.do()
        except StageFailed as error:
            say(f"ERROR: {error}")
            outcome = "FAILED"
        results.append((check.name, outcome, time.monotonic() - started))
    return results


def body() -> None:
    which = sys.argv[1] if len(sys.argv) == 2 else ""
    if which not in RUNS:
        say(__doc__ or "")
        sys.exit(2)
    checks = RUNS[which]
    results = []
    try:
        results = perform(checks)
    finally:
        if MOLECULE in checks:
            results += perform([Check("end", "localcloud is stopped and leaves nothing behind", localcloud("down"))])
    say("\n" + "\n".join(f"  {name:14} {outcome:9} {seconds:5.0f} s" for name, outcome, seconds in results))
    failed = [name for name, outcome, _ in results if outcome != "passed"]
    if failed:
        raise StageFailed(f"not passed: {', '.join(failed)}")
    say(f"\nAll passed, in {sum(seconds for _, _, seconds in results) / 60:.1f} minutes.")


if __name__ == "__main__":
    main(body)
