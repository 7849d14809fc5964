# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What drifts, as tables, and what must follow: the plan names it, apply mends it, the next run is clean."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import Client, CloudError
from ansible_collections.flowdose.infra.plugins.module_utils.resource import Facts, Resource
from ansible_collections.flowdose.infra.plugins.module_utils.stack import validated

Behind = Callable[[Client, Facts], Any]  # changes one attribute by plain calls of the API, behind the engine's back


@dataclass(frozen=True)
class Case:
    """One declared resource.

    `drifts`: for each key, how it comes to differ: a call behind our back, or a change of the data where the API can
    change it in one direction only. `fixed`: for each key that cannot be changed, other data that ask for a change.
    """

    kind: type[Resource]
    declared: dict[str, Any]
    drifts: dict[str, Behind | dict[str, Any]] = field(default_factory=dict)
    fixed: dict[str, dict[str, Any]] = field(default_factory=dict)
    needs: tuple[tuple[type[Resource], dict[str, Any]], ...] = ()  # what must be there first
    prepare: Callable[[Client], dict[str, Any]] = lambda client: {}  # more of `declared`, known only when it is there
    anew: tuple[str, ...] = ()  # keys that are mended by making another one
    together: frozenset[str] = frozenset()  # keys of which one never differs without the others


def drifts(cases: Iterable[Case]) -> Any:
    """Parameters for `check_drift`: each key of each case."""
    return [pytest.param(case, key, id=f"{case.kind.kind}.{key}") for case in cases for key in case.drifts]


def fixed(cases: Iterable[Case]) -> Any:
    """Parameters for `check_fixed`."""
    return [pytest.param(case, key, id=f"{case.kind.kind}.{key}") for case in cases for key in case.fixed]


def check_complete(cases: Iterable[Case], kinds: Iterable[type[Resource]]) -> None:
    """Every key of every kind that can be changed, or cannot, is in the tables."""
    cases = list(cases)
    for kind in kinds:
        mine = [case for case in cases if case.kind is kind]
        assert {key for case in mine for key in case.drifts} == set(kind.updates), kind.kind
        assert {key for case in mine for key in case.fixed} == set(kind.immutable), kind.kind


def made(account: Any, case: Case) -> tuple[dict[str, Any], Facts]:
    """The case's resource as declared, and its facts."""
    for kind, params in case.needs:
        account.converge(kind, **params)
    declared = case.declared | case.prepare(account.client())
    facts = account.converge(case.kind, **declared).result()
    assert facts is not None
    return declared, facts


def check_drift(account: Any, case: Case, key: str) -> None:
    declared, facts = made(account, case)
    behind = case.drifts[key]
    if isinstance(behind, dict):
        declared = declared | behind
    else:
        # A load balancer is resized once per hour; and what is begun behind our back comes to its end.
        account.server.clock.advance(4000)
        behind(account.client(), facts)
        account.server.clock.advance(4000)
    cloud = account.cloud()
    if key == "name" and case.kind.kind != "ssh_key":
        # A name is what a resource is known by, unless it was adopted.
        cloud.adopted = {(case.kind.kind, str(facts["id"])): declared["name"]}
    resource = case.kind(cloud, validated(case.kind, declared))

    entry = resource.plan()
    named = {change.key for change in entry.changes}
    assert (entry.action, named) == ("update", case.together if key in case.together else {key})

    resource.apply()
    assert account.plan(case.kind, **declared).action == "none"
    mended = resource.result()
    assert mended is not None
    assert (mended["id"] == facts["id"]) == (key not in case.anew), "changed in place"


def check_fixed(account: Any, case: Case, key: str) -> None:
    declared, _facts = made(account, case)
    before = len(account.server.requests)
    with pytest.raises(CloudError, match=rf"(?s){key} is .*cannot be changed") as caught:
        account.plan(case.kind, **declared | case.fixed[key])
    assert caught.value.hint == case.kind.immutable[key], "it says what to do"
    assert account.written(before) == []
