# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Eventual consistency: what was made is not seen everywhere at once, and what goes holds on to others for a while."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import CloudError
from faults.account import FAULTS, Account, Call, Killed
from faults.environment import ENVIRONMENT
from faults.matrix import documented

# What comes to be by a POST, other than actions on something that is there.
MAKING = [call for call in documented() if call.startswith("POST") and not call.endswith(("/actions", "/resources"))]
# Of these the API has no two of one name. (Of the others the next run would make another one while lists lag behind.)
UNIQUE = [
    f"POST /v2/{kind}"
    for kind in ("account/keys", "vpcs", "volumes", "databases", "firewalls", "domains", "certificates", "projects")
]


def finishes(account: Account, world: dict[str, list[str]]) -> None:
    account.run()
    account.server.clear_faults()
    assert account.world() == world
    assert {entry.action for entry in account.plan().entries} == {"none"}


@pytest.mark.faults
@pytest.mark.parametrize("call", MAKING)
def test_not_found_just_after_it_was_made(account: Account, world: dict[str, list[str]], call: str) -> None:
    account.server.fault(call, hide=4, stale=4, count=100)
    finishes(account, world)


def test_everything_lags_behind(account: Account, world: dict[str, list[str]]) -> None:
    account.server.fault("POST *", hide=3, stale=3, count=1000)
    finishes(account, world)


@pytest.mark.faults
@pytest.mark.parametrize("call", MAKING)
def test_no_answer_and_not_in_the_lists_either(account: Account, world: dict[str, list[str]], call: str) -> None:
    """The worst of both: looking whether it was made finds nothing at first."""
    account.server.fault(call, status=504, effect=True, hide=3, stale=3)
    finishes(account, world)


@pytest.mark.faults
def test_all_answers_are_lost(account: Account, world: dict[str, list[str]]) -> None:
    for call in MAKING:
        account.server.fault(call, reset="after", stale=2, count=2)
    finishes(account, world)


@pytest.mark.faults
@pytest.mark.parametrize("call", UNIQUE)
def test_what_a_killed_run_made_is_not_in_the_lists_yet(
    account: Account, world: dict[str, list[str]], call: str
) -> None:
    """The next run asks for it again, is refused as a duplicate, and looks again instead of giving up."""
    account.server.fault(call, stale=2)
    with account.fault(Call(call, 1), FAULTS["killed-after"]), pytest.raises(Killed):
        account.run()
    account.server.fault(call, status=500, nth=10**6)
    finishes(account, world)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("call", "status", "message"),
    [
        ("POST /v2/volumes/*/actions", 422, "Droplet already has a pending event."),
        ("POST /v2/reserved_ips", 422, "The Droplet already has a pending event."),
    ],
)
def test_what_is_locked_is_waited_for(
    account: Account, world: dict[str, list[str]], call: str, status: int, message: str
) -> None:
    account.server.fault(call, status=status, message=message, count=5)
    finishes(account, world)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("call", "status", "message"),
    [
        ("DELETE /v2/vpcs/*", 409, "Can not delete VPC with members"),
        ("DELETE /v2/projects/*", 412, "cannot delete a project with resources"),
        ("DELETE /v2/certificates/*", 403, "Make sure the certificate is not in use before deleting it"),
        ("DELETE /v2/droplets/*", 422, "Droplet already has a pending event."),
        ("DELETE /v2/volumes/*", 409, "the volume is attached"),
    ],
)
def test_what_is_still_in_use_goes_in_the_end(account: Account, call: str, status: int, message: str) -> None:
    build(account)
    account.server.fault(call, status=status, message=message, count=8)
    made = account.run(**absent())
    assert {entry.action for entry in made.entries if entry.kind != "project"} == {"delete"}
    left = account.world()
    assert left["vpcs"] == ["default"]
    for section in ("droplets", "certificates", "volumes", "databases", "load_balancers", "reserved_ips"):
        assert left[section] == [], section
    assert {entry.action for entry in account.plan(**absent()).entries} == {"none"}


@pytest.mark.faults
def test_what_is_never_let_go_of_is_said(account: Account) -> None:
    build(account)
    account.server.fault("DELETE /v2/vpcs/*", status=409, message="Can not delete VPC with members", count=10**6)
    with pytest.raises(CloudError, match=r"vpcs\[0\] \(net\): Could not delete VPC net: HTTP 409"):
        account.run(**absent())


def build(account: Account) -> None:
    """Beside another VPC, because the first one of a region cannot be deleted."""
    account.client().call("create VPC default", "vpcs.create", body={"name": "default", "region": "fra1"})
    account.run()


def absent() -> dict[str, list[dict[str, Any]]]:
    """The environment to the opposite end; what holds data says that it may go."""
    found = {plural: [{**item, "state": "absent"} for item in items] for plural, items in ENVIRONMENT.items()}
    for plural in ("volumes", "database_clusters", "databases", "spaces_buckets", "domains"):
        found[plural] = [{**item, "protected": False} for item in found[plural]]
    return found
