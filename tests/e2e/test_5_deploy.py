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
    assert report["failures"] == []
    assert report["rate"] > RATE / 2, "or this is no load"
    assert shop.serves()
