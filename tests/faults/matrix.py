# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix of calls and faults, and its table in docs/crash-recovery.md.

    PYTHONPATH=collections:localcloud/src:scripts:tests .venv/bin/python -m faults.matrix

writes the table anew, from the calls that fresh runs make. Run it when the engine or a kind makes other calls.
"""

from __future__ import annotations

import re
from pathlib import Path

from faults.account import FAULTS, READS, Account, Call, Fault, serve
from stages import ROOT

PAGE = ROOT / "docs" / "crash-recovery.md"
BEGIN, END = "<!-- matrix: begin -->\n", "<!-- matrix: end -->\n"
SAME_RUN, NEXT_RUN, SAME_AS_BESIDE = "●", "○", "·"
ROUNDS = 5  # fresh runs: what the timing of threads decides (how often something is looked at) is in few of them


def is_read(call: Call) -> bool:
    return call.request.startswith(READS)


def applies(call: Call, fault: Fault) -> bool:
    """A read has no effect, so that before and after it are the same moment."""
    return not is_read(call) or "before" not in (fault.reset, fault.killed)


def survived(fault: Fault) -> bool:
    """Whether the run that was struck goes on to its end."""
    return not fault.killed and not fault.lasts


def observed(account: Account) -> dict[str, int]:
    """How often every fresh run makes each call, at least."""
    found: dict[str, int] | None = None
    for _round in range(ROUNDS):
        account.reset()
        account.run()
        made = {call.request: call.nth for call in account.calls()}
        found = (
            made if found is None else {request: min(found[request], made[request]) for request in found & made.keys()}
        )
    return {request: times for request, times in (found or {}).items() if times}


def documented() -> dict[str, int]:
    """The same as the table has it."""
    table = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    return {match[1]: int(match[2]) for match in re.finditer(r"^\| `([^`]+)` \| (\d+) \|", table, re.M)}


def calls() -> list[Call]:
    return [Call(request, nth + 1) for request, times in documented().items() for nth in range(times)]


def render(made: dict[str, int]) -> str:
    lines = [
        "| call | times | " + " | ".join(fault.title for fault in FAULTS.values()) + " |",
        "|---|---|" + "---|" * len(FAULTS),
    ]
    for request in sorted(
        made, key=lambda request: (request.split(" ")[0] in ("GET", "HEAD"), request.split(" ")[::-1])
    ):
        cells = [
            (SAME_RUN if survived(fault) else NEXT_RUN) if applies(Call(request, 1), fault) else SAME_AS_BESIDE
            for fault in FAULTS.values()
        ]
        lines.append(f"| `{request}` | {made[request]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write(page: Path, made: dict[str, int]) -> None:
    before, _begin, rest = page.read_text().partition(BEGIN)
    page.write_text(before + BEGIN + render(made) + END + rest.partition(END)[2])


if __name__ == "__main__":
    with serve() as account:
        write(PAGE, observed(account))
