# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pytest plugin that makes every test with a cloud a test of the contract too.

Whatever a test is about, each request that was made of a cloud in this process, and each answer, is held against
DigitalOcean's specification when the test ends. The operations that were seen are summed up over all workers:
`--contract-complete` (given when all API-only tests run) fails the run when the collection uses one that no test made
succeed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from contract.openapi import check_exchange, contract, specification_file
from contract.operations import used_operations
from localcloud.store import RequestLog

OWN_JUDGE = "localcloud/tests/"  # asks what no sound client would; its conftest.py holds the answers to the contract
NO_JUDGE = "tests/bench/"  # measures
EXEMPT = "bad_requests(reason): this test makes requests that DigitalOcean's specification forbids"

_FORMS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "<time>"),
    (re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"), "<ipv4>"),
)


class Recorder:
    """What was asked of the clouds since the last `problems()`, and the operations seen in all."""

    def __init__(self) -> None:
        self.exchanges: list[dict[str, Any]] = []
        self.operations: set[str] = set()  # "POST /v2/droplets": succeeded at least once
        self._sound: set[str] = set()  # fingerprints of exchanges that conform

    def problems(self) -> list[str]:
        exchanges, self.exchanges = self.exchanges, []
        return list(dict.fromkeys(problem for entry in exchanges for problem in self._check(entry)))

    def _check(self, entry: dict[str, Any]) -> list[str]:
        path = contract().template(entry["path"])
        told = (entry["status"], entry["fault"] is None, entry["warnings"], entry["query"])
        fingerprint = json.dumps([entry["method"], path, *told, form(entry["body"]), form(entry["response"])])
        if fingerprint in self._sound:
            return []
        problems = check_exchange(entry)
        # localcloud, as the real API, ignores keys that it does not know; here that is an error of the caller.
        problems += [f"{entry['method']} {entry['path']}: {text}" for text in entry["warnings"] if "hidden" not in text]
        if not problems:
            self._sound.add(fingerprint)
            if 200 <= entry["status"] < 300:
                self.operations.add(f"{entry['method']} {path}")
        return problems


def form(value: Any) -> Any:
    """What two values have in common that the specification cannot tell apart: ids, times, the length of lists."""
    if isinstance(value, Mapping):
        return {key: form(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return sorted({json.dumps(form(item)) for item in value})
    if isinstance(value, str):
        return next((name for pattern, name in _FORMS if pattern.fullmatch(value)), value)
    return "<id>" if isinstance(value, int) and value > 100_000 else value


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--contract-complete",
        action="store_true",
        help="fail when the collection uses an operation of the API that no test made succeed",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", EXEMPT)
    if specification_file() is None:
        return  # said by the tests that need it, which are skipped
    recorder = Recorder()
    config.stash[RECORDER] = recorder
    append = RequestLog.append

    def record(log: RequestLog, entry: dict[str, Any]) -> None:
        append(log, entry)
        recorder.exchanges.append(entry)

    RequestLog.append = record  # type: ignore[assignment, method-assign]
    config.add_cleanup(lambda: setattr(RequestLog, "append", append))


RECORDER = pytest.StashKey[Recorder]()


@pytest.fixture(autouse=True)
def every_exchange_conforms(request: pytest.FixtureRequest) -> Iterator[None]:
    """Holds at the end of each test what was asked and answered in it, and in fixtures that were made for it."""
    yield
    recorder = request.config.stash.get(RECORDER, None)
    if recorder is None:
        return
    if request.node.nodeid.startswith((OWN_JUDGE, NO_JUDGE)) or request.node.get_closest_marker("bad_requests"):
        recorder.exchanges.clear()
        return
    problems = recorder.problems()
    assert not problems, "requests or answers that DigitalOcean's specification forbids:\n" + "\n".join(problems)


# -- over all workers


def pytest_sessionfinish(session: pytest.Session) -> None:
    recorder = session.config.stash.get(RECORDER, None)
    output = getattr(session.config, "workeroutput", None)
    if recorder is None:
        return
    if output is not None:  # a worker of xdist: tell the one that sums up
        output["contract_operations"] = sorted(recorder.operations)
    elif session.config.getoption("--contract-complete") and unseen(recorder):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    recorder = node.config.stash.get(RECORDER, None)
    if recorder is not None:
        recorder.operations |= set(getattr(node, "workeroutput", {}).get("contract_operations", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    recorder = config.stash.get(RECORDER, None)
    if recorder is None or not config.getoption("--contract-complete"):
        return
    missing = unseen(recorder)
    terminalreporter.section("contract with DigitalOcean")
    terminalreporter.line(
        f"The collection uses {len(used_operations())} operations of the API; "
        f"{len(used_operations()) - len(missing)} were seen to succeed and to conform."
    )
    for name, place in missing.items():
        terminalreporter.line(f"no test made it succeed: {name} ({place})", red=True)


def unseen(recorder: Recorder) -> dict[str, str]:
    """The operations the collection uses that were not seen: name in pydo -> METHOD path, and the files."""
    return {
        name: f"{use.request}, used by {', '.join(sorted(use.files))}"
        for name, use in used_operations().items()
        if use.request not in recorder.operations
    }
