# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More droplets of each kind, by a count: a release goes from host to host, one of them dies, and nobody notices."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from e2e.shop import Droplet, Shop, playbook, wait_for
from e2e.test_6_broken_releases import deploy_until
from e2e.visitors import RATE, visitors
from stages import say

SCALED: dict[str, Any] = {
    "flowdose_backend_count": 2,
    "flowdose_storefront_count": 2,
    "flowdose_worker_count": 1,
    "flowdose_resend_api_key": "",  # without it, the example says in its log what it was left to do
}
# What no build reads.
NEXT = {
    **SCALED,
    "flowdose_backend_env_extra": {"RESEND_FROM": "Scaled <scaled@flowdose.test>"},
    "flowdose_storefront_env_extra": {"REVALIDATE_SECRET": "scaled"},
}


@contextmanager
def jobs(shop: Shop) -> Iterator[list[int]]:
    """While the block runs, each second something that a worker is left to do; yields the statuses of the answers."""
    answers: list[int] = []
    over = threading.Event()

    def send() -> None:
        while not over.wait(1):
            answer = requests.post(
                f"{shop.addresses['api']}/auth/user/emailpass/reset-password",
                json={"identifier": "admin@flowdose.test"},
                verify=shop.addresses["ca"],
                timeout=60,
            )
            answers.append(answer.status_code)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield answers
    finally:
        over.set()
        sender.join()


def done(shop: Shop, name: str) -> int:
    """How many of these jobs a droplet has done."""
    log = "cat /home/flowdose/.pm2/logs/medusa-*.log | grep -c 'password reset was asked' || true"
    return int(droplet(shop, name).run(log).must().output)


def droplet(shop: Shop, name: str) -> Droplet:
    return Droplet(next(item for item in shop.cloud.droplets() if item["name"] == name))


def test_a_host_dies_while_a_release_goes_from_one_to_the_next(shop: Shop, tmp_path: Path) -> None:
    scaled = playbook("site", *shop.arguments, "-e", json.dumps(SCALED)).must()
    say(f"  site.yml took {scaled.seconds:.0f} s to go from two droplets to five")
    before = done(shop, "worker-development")

    def die(_process: object) -> None:
        victim = droplet(shop, "backend-development-2").facts
        shop.cloud.ask("POST", f"/v2/droplets/{victim['id']}/actions", {"type": "power_off"})

    with jobs(shop) as answers, visitors(shop, tmp_path) as report:
        said = deploy_until(shop, "PLAY [Deploy the workers]", NEXT, die)
    assert report["failures"] == []
    assert report["rate"] > RATE / 2, "or this is no load"
    assert set(answers) == {201}
    assert "failed=0" in said.rpartition("PLAY RECAP")[2]
    wait_for(
        "the worker to do what it was left",
        lambda: done(shop, "worker-development") - before == len(answers),
        seconds=60,
    )
    assert done(shop, "backend-development") == 0 or before, "the work of workers"
