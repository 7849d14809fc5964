# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For every call of a fresh run, for each fault: a run that is struck, a clean run, and then nothing is left to do."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import CloudError
from faults.account import ATTEMPTS, FAULTS, Account, Call, Killed
from faults.matrix import PAGE, applies, calls, documented, is_read, observed, render, survived

# What is survived by sending a read again is so for all reads of one run.
TOGETHER = [name for name, fault in FAULTS.items() if survived(fault) and fault.reset != "before"]
READ_CALLS = [call for call in calls() if is_read(call)]
CASES = [
    (call, name)
    for call in calls()
    for name, fault in FAULTS.items()
    if applies(call, fault) and not (is_read(call) and name in TOGETHER)
]


@pytest.mark.faults
@pytest.mark.parametrize(("call", "fault"), CASES, ids=[f"{call}-{fault}" for call, fault in CASES])
def test_one_fault(account: Account, world: dict[str, list[str]], call: Call, fault: str) -> None:
    recovers(account, world, [call], fault)


@pytest.mark.faults
@pytest.mark.parametrize("fault", TOGETHER)
def test_every_read(account: Account, world: dict[str, list[str]], fault: str) -> None:
    recovers(account, world, READ_CALLS, fault)


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        ("POST /v2/droplets", "504-effect"),
        ("POST /v2/databases", "reset-after"),
        ("POST /v2/projects/*/resources", "500-effect"),
        ("POST /v2/vpcs", "killed-after"),
        ("POST /v2/firewalls", "429"),
        ("PUT S3/bucket?policy", "outage"),
        ("GET /v2/droplets", "502-html"),
    ],
)
def test_a_sample_of_the_matrix(account: Account, world: dict[str, list[str]], request_: str, fault: str) -> None:
    recovers(account, world, [Call(request_, 1)], fault)


def recovers(account: Account, world: dict[str, list[str]], struck: Iterable[Call], name: str) -> None:
    fault = FAULTS[name]
    missed = set(struck)
    for _attempt in range(ATTEMPTS):
        account.reset()
        with account.fault(missed, fault):
            try:
                account.run()
            except Killed:
                assert fault.killed
            except CloudError:
                assert not survived(fault), "one fault is no reason to give up"
        missed = account.missed
        account.run()
        assert account.world() == world, "exactly what is declared, once, and nothing else"
        assert {entry.action for entry in account.plan().entries} == {"none"}
        if not missed:
            return
    pytest.fail(f"no run made {', '.join(map(str, missed))}: is the table up to date?")


def test_the_table_is_what_is_covered(account: Account) -> None:
    """Else run the command that stands above it."""
    made = observed(account)
    assert {request: made[request] for request in made.keys() - documented().keys()} == {}, "calls without a row"
    gone = documented().keys() - made.keys()
    assert {request for request in gone if not request.startswith("GET")} == set(), "rows without a call"
    assert render(documented()) in PAGE.read_text()
