# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What serves is replaced and taken back while visitors come: none of them notices."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from e2e.shop import Outcome, Shop, playbook
from e2e.visitors import RATE, processes, visitors
from stages import say

TWENTY_SECONDS = 20
# Without the admin, so that the build is short.
NEXT: dict[str, Any] = {
    "flowdose_backend_env_extra": {"DISABLE_MEDUSA_ADMIN": "true"},
    "flowdose_storefront_env_extra": {"RELEASE": "2"},
}
# What no build reads.
RECONFIGURED = {
    **NEXT,
    "flowdose_backend_env_extra": {**NEXT["flowdose_backend_env_extra"], "RESEND_FROM": "Shop <shop@flowdose.test>"},
}


def deploy(shop: Shop, changed: dict[str, Any]) -> Outcome:
    outcome = playbook("deploy", *shop.arguments, "-e", json.dumps(changed)).must()
    say(f"  deploy.yml took {outcome.seconds:.0f} s")
    return outcome


def test_releases_come_and_go_without_a_lost_request(shop: Shop, tmp_path: Path) -> None:
    before = processes(shop)
    with visitors(shop, tmp_path) as report:
        deploy(shop, NEXT)
        new = processes(shop)
        assert set(new).isdisjoint(before), "both were replaced"

        back = playbook("rollback").must()
        say(f"  rollback.yml took {back.seconds:.0f} s")
        assert set(processes(shop)).isdisjoint(new), "both went back"
        again = playbook("deploy", *shop.arguments, "-e", json.dumps(NEXT))
        assert "was taken back at" in again.must(2).output

        outcome = deploy(shop, {**RECONFIGURED, "flowdose_allow_taken_back": True})
        assert re.search(r"TASK \[.*build \| Build, .*\n+skipping: \[backend", outcome.output), "nothing was built"
        assert_rotation(shop)
    assert report["failures"] == []
    assert report["rate"] > RATE / 2, "or this is no load"
    assert shop.serves()


def assert_rotation(shop: Shop) -> None:
    """The database's user and the bucket's key become others, and nothing of the old ones is left, nor needs them."""
    before = credentials(shop)
    versions = {"jwt": 1, "cookie": 2, "revalidate": 1, "server_actions": 1, "database": 2, "spaces": 2}
    # as if it stood in group_vars from now on
    shop.arguments += ["-e", json.dumps({"flowdose_secret_versions": versions})]
    changed = json.dumps(RECONFIGURED)
    shown = playbook("rotate", "--check", *shop.arguments, "-e", changed).must()
    assert "DATABASE_URL: nobody notices" in " ".join(shown.output.split())
    assert credentials(shop) == before
    outcome = playbook("rotate", *shop.arguments, "-e", changed).must()
    say(f"  rotate.yml took {outcome.seconds:.0f} s")
    said = " ".join(outcome.output.split())
    assert "DATABASE_URL: nobody notices" in said
    assert "COOKIE_SECRET: all administrators have to log in again" in said
    after = credentials(shop)
    assert after["users"] == {"doadmin", "flowdose_2"} != before["users"]
    assert "flowdose-development-2" in after["keys"]
    assert "flowdose-development-1" in before["keys"] - after["keys"]
    # the release of before could be gone back to
    assert after["logins"] == {"flowdose_2"} != before["logins"]

    again = playbook("rotate", *shop.arguments, "-e", changed).must()
    assert {host: counts["changed"] for host, counts in again.recap().items()} == {host: 0 for host in again.recap()}, (
        again.output
    )


def credentials(shop: Shop) -> dict[str, set[str]]:
    """Names of users and keys at the API, and the users in the environments of the backend's releases."""
    cluster = next(item for item in shop.cloud.databases() if item["engine"] == "pg")
    users = shop.cloud.get(f"/v2/databases/{cluster['id']}/users")["users"]
    keys = shop.cloud.get("/v2/spaces/keys?per_page=200")["keys"]
    found = (
        shop.droplet("backend").run("grep -ho 'postgres[a-z]*://[^:]*' /srv/flowdose/backend/releases/*/.env").must()
    )
    return {
        "users": {user["name"] for user in users},
        "keys": {key["name"] for key in keys},
        "logins": {line.rpartition("/")[2] for line in found.output.split()},
    }
