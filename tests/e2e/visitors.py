# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Visitors of the shop, while a test does something to it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from e2e.shop import Shop
from stages import environment, say

RATE = 100  # requests a second, of both applications together


@contextmanager
def visitors(shop: Shop, folder: Path, rate: float = RATE) -> Iterator[dict[str, Any]]:
    """Load, by a process of its own, while the block runs; what it reports is in the yielded dictionary afterwards.

    `rate`: requests a second.
    """
    api, store = shop.addresses["api"], shop.addresses["store"].rstrip("/")
    key = {"x-publishable-api-key": publishable_key(shop)}
    region = shop.fetch(f"{api}/store/regions", headers=key).json()["regions"][0]["id"]
    read = {"method": "GET", "headers": key}
    targets = [
        {**read, "url": f"{api}/store/regions", "rate": 0.3 * rate, "keep_alive": True},
        {**read, "url": f"{api}/store/regions", "rate": 0.2 * rate, "keep_alive": False},
        {
            "method": "POST",
            "headers": key,
            "body": {"region_id": region},
            "url": f"{api}/store/carts",
            "rate": 0.05 * rate,
        },
        {**read, "url": f"{store}/health", "rate": 0.3 * rate, "keep_alive": True},
        {**read, "url": f"{store}/health", "rate": 0.2 * rate, "keep_alive": False},
        {**read, "url": f"{store}/", "rate": 0.05 * rate, "keep_alive": True},
    ]
    report = folder / "report.json"
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("load.py")), shop.addresses["ca"], str(report)],
        env=environment(),
        stdin=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = {}
    try:
        assert process.stdin
        process.stdin.write(json.dumps([{"keep_alive": True, **target} for target in targets]))
        process.stdin.close()
        yield found
    finally:
        process.terminate()
        process.wait(120)
    found.update(json.loads(report.read_text()))
    rate = sum(target["requests"] for target in found["targets"]) / found["seconds"]
    say(f"\n  visitors for {found['seconds']:.0f} s: {rate:.0f} requests a second, {len(found['failures'])} failed")
    for target in found["targets"]:
        kind = "kept" if target["keep_alive"] else "new"
        what = f"{target['method']:4} {target['url']} ({kind} connections)"
        say(f"    {target['requests']:6} {what}, slowest {target['slowest']:.1f} s")
    found["rate"] = rate


def publishable_key(shop: Shop) -> str:
    """As it is in the page that every visitor gets."""
    environment_file = "/srv/flowdose/storefront/current/.env"
    found = shop.droplet("storefront").run(f"grep -o 'pk_[0-9a-f]*' {environment_file} | head -1").must()
    return found.output.strip()


def processes(shop: Shop) -> list[str]:
    """The one of the backend and the one of the storefront; there are no others."""
    found = running(shop)
    assert len(found) == 2, found
    return found


def running(shop: Shop) -> list[str]:
    """The processes that pm2 keeps, of the backend first: role and process id."""
    pm2 = "/opt/node/bin/node /opt/pm2/lib/node_modules/pm2/bin/pm2 pid"
    return [
        f"{role} {pid}"
        for role, name in (("backend", "medusa-backend"), ("storefront", "nextjs-storefront"))
        for pid in shop.droplet(role).run(f"su - flowdose -c '{pm2} {name}'").must().output.split()
    ]
