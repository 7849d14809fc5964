# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which operations of the API the collection uses, and that they can be judged. That each was made is `recorder`'s."""

from __future__ import annotations

from typing import Any

import pytest
from contract.openapi import needs_specification
from contract.operations import used_operations
from contract.recorder import Recorder, form

pytestmark = needs_specification

CREATED = {
    "method": "POST",
    "path": "/v2/tags",
    "query": {},
    "body": {"name": "web"},
    "status": 201,
    "response": {"tag": {"name": "web", "resources": {"count": 0}}},
    "fault": None,
    "warnings": [],
}


def test_every_operation_that_is_used_is_in_the_specification() -> None:
    used = used_operations()
    assert {"droplets.create", "databases.update_firewall_rules", "tags.unassign_resources"} <= used.keys()
    assert {name: use.files for name, use in used.items() if not use.request} == {}
    assert used["droplet_actions.post"].request == "POST /v2/droplets/{droplet_id}/actions"


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({}, None),
        ({"body": {"name": "web", "nmae": "x"}}, "unknown key nmae"),
        ({"response": {"tag": {"name": "web", "kind": 1}}}, "answer"),
        ({"fault": "500", "status": 500, "response": "<html>"}, None),  # what a fault answers is not localcloud's word
        ({"warnings": ["body: nmae is not known"]}, "nmae is not known"),
        ({"path": "/v2/taggs"}, "is not in the specification"),
    ],
)
def test_what_the_recorder_refuses(wrong: dict[str, Any], problem: str | None) -> None:
    recorder = Recorder()
    recorder.exchanges.append({**CREATED, **wrong})
    problems = recorder.problems()
    assert recorder.problems() == [], "each exchange is judged once"
    if problem:
        assert problem in "\n".join(problems)
    else:
        assert problems == []
    assert recorder.operations == ({"POST /v2/tags"} if not wrong else set())


def test_exchanges_that_differ_in_what_matters_are_both_judged() -> None:
    assert form({"id": 520_000_001, "at": "2026-01-01T00:00:00Z"}) == form(
        {"id": 700_000, "at": "2025-02-02T01:01:01Z"}
    )
    assert form({"type": "A"}) != form({"type": "B"})
    assert form([{"a": 1}, {"a": 1}]) == form([{"a": 1}])
    assert form([{"a": 1}, {"b": 1}]) != form([{"a": 1}])
