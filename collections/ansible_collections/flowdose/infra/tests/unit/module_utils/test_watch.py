# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said while it is waited."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.resource import Change, PlanEntry
from ansible_collections.flowdose.infra.plugins.module_utils.watch import Watch, duration, typical


class Clock:
    """In a cloud's place."""

    progress: Any = None

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def planned(kind: str, name: str, action: str = "create", **desired: Any) -> Any:
    changes = [Change(key, None, value) for key, value in desired.items()]
    entry = PlanEntry(kind, name, action, changes=changes)
    title = f"{kind.replace('_', ' ')} {name}"

    class Planned(SimpleNamespace):
        __hash__ = object.__hash__  # type: ignore[assignment]

    return Planned(kind=kind, title=title, desired=desired, entry=entry)


def test_a_report() -> None:
    clock, lines = Clock(), []
    watch = Watch(clock, lines.append)  # type: ignore[arg-type]
    postgres, backend = planned("database_cluster", "postgres", engine="pg"), planned("droplet", "backend")
    domain = planned("domain", "example.test")
    for resource in (postgres, backend, domain):
        watch.started(resource)
    watch.report()
    assert lines == [], "nobody has waited yet"
    clock.progress(postgres.title, "creating", 1.0)
    clock.now += 75
    watch.ended(domain, failed=False)
    watch.report()
    assert lines == [
        "created: domain example.test (75 s)",
        "1 min 15 s gone by, waiting for:\n"
        "  database cluster postgres  creating, 1 min 15 s, typically 5 min\n"
        "  droplet backend            working, 1 min 15 s, typically 40 s",
    ]
    watch.ended(backend, failed=True)
    assert lines[-1] == "failed: droplet backend (after 75 s)"


def test_six_minutes_are_not_a_flood() -> None:
    clock, lines = Clock(), []
    watch = Watch(clock, lines.append)  # type: ignore[arg-type]
    for number in range(60):
        watch.started(planned("droplet", f"web-{number}"))
    for _turn in range(360):
        clock.now += 1
        watch.report()
    assert 15 <= len(lines) <= 25
    assert lines[0].splitlines()[-1] == "  and 52 more"
    assert len(lines[0].splitlines()) == 10


@pytest.mark.parametrize(
    ("resource", "seconds"),
    [
        (planned("droplet", "a"), 40),
        (planned("droplet", "a", "update", size="s-1vcpu-1gb"), 120),
        (planned("droplet", "a", "update", tags=[]), None),
        (planned("database_cluster", "a", engine="valkey"), 240),
        (planned("load_balancer", "a"), 120),
        (planned("domain", "a"), None),
    ],
)
def test_what_is_typical(resource: Any, seconds: float | None) -> None:
    assert typical(resource) == seconds


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59.6, "1 min"), (45, "45 s"), (240, "4 min"), (260.2, "4 min 20 s")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
