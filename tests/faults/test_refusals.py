# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused is said with its place in the data, and before anything was changed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import CloudError
from ansible_collections.flowdose.infra.plugins.module_utils.resource import Resource
from ansible_collections.flowdose.infra.plugins.module_utils.stack import KINDS, StackError
from faults.account import Account
from faults.environment import ENVIRONMENT


def test_the_environment_has_every_kind() -> None:
    """Else the matrix proves less than it says."""
    assert {kind.plural for kind in KINDS} == ENVIRONMENT.keys()
    assert all(ENVIRONMENT.values())


def test_a_token_that_only_reads(account: Account) -> None:
    before = account.world()
    with pytest.raises(StackError) as caught:
        account.run(token=account.server.read_only_token)
    message = str(caught.value)
    assert "vpcs[0] (net): Could not create VPC net: HTTP 403 forbidden" in message
    assert "droplets[0] (backend): not tried, because what it needs failed" in message
    assert message.count("it may be one that only reads") == 1, "said once, not with each"
    assert all(error.status == 403 for error in caught.value.failures.values())
    assert {**account.world(), "buckets": []} == before, "buckets are made with a key of their own"


def test_a_token_that_only_reads_can_plan(account: Account) -> None:
    assert {entry.action for entry in account.plan(token=account.server.read_only_token).entries} == {"create"}


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_two_that_answer_to_one_name(account: Account, monkeypatch: pytest.MonkeyPatch, kind: type[Resource]) -> None:
    """Neither is taken for the one that is meant, also where the API would not let there be two."""
    account.run()
    observe = kind.observe_all
    found: list[dict[str, Any]] = []

    def twice(cloud: Any, scope: str | None) -> list[dict[str, Any]]:
        seen = observe(cloud, scope)
        twins = [{**facts, "id": f"twin-of-{facts['id']}"} for facts in seen]
        found.extend(seen)
        return seen + twins

    monkeypatch.setattr(kind, "observe_all", twice)
    written = len(account.written())
    with pytest.raises(CloudError, match="2 resources that match") as caught:
        account.run()
    assert len(account.written()) == written
    named = re.findall(r"2 resources that match .*: (\S+) and twin-of-(\S+)", str(caught.value))
    assert named
    assert all(first == second for first, second in named), named
    assert {first for first, _second in named} <= {str(facts["id"]) for facts in found}
    assert f"{kind.plural}[0]" in str(caught.value), "the place in the data"
