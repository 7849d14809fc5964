# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who deploys is known to others, whatever becomes of that run; the state of the shop is told when it is down, too."""

from __future__ import annotations

import re
import subprocess

from e2e.shop import INVENTORY, ROOT, Droplet, Shop, playbook, tool, wait_for
from stages import environment

LOCK = "/var/lib/flowdose/deploy.lock"
FOREIGN = (
    '{"who": "ben@desk", "since": "2026-01-01T01:00:00Z", "purpose": "deploys backend 91b4", "host": "desk",'
    ' "machine": {}, "processes": [{"pid": 4711, "started": "1"}]}'
)


def held(backend: Droplet) -> list[str]:
    return backend.run(f"ls {LOCK} 2>/dev/null").output.split()


def test_a_deploy_is_refused_while_another_has_the_lock(shop: Shop) -> None:
    backend = shop.droplet("backend")
    backend.run(f"mkdir {LOCK} && echo '{FOREIGN}' > {LOCK}/f0e1").must()
    refused = playbook("deploy", *shop.arguments)
    said = " ".join(refused.output.split())
    assert refused.status != 0
    assert "ben@desk deploys backend 91b4, since 2026-01-01T01:00:00Z" in said
    assert all(counts["changed"] == 0 for counts in refused.recap().values())
    assert "lock ben@desk deploys backend 91b4" in " ".join(playbook("status", *shop.arguments).must().output.split())
    broken = playbook("deploy", *shop.arguments, "-e", "flowdose_break_lock=f0e1").must()
    assert all(counts["changed"] == 0 for counts in broken.recap().values())
    assert held(backend) == []


def test_a_killed_deploy_frees_its_lock(shop: Shop) -> None:
    backend = shop.droplet("backend")
    command = [tool("ansible-playbook"), "playbooks/deploy.yml", "-i", INVENTORY, *shop.arguments]
    null = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=null, stderr=null) as run:
        wait_for("the lock", lambda: held(backend), seconds=60)
        run.kill()
    wait_for("the end of the lock", lambda: not held(backend), seconds=30)


def test_a_seed_that_failed_is_run_again_until_it_ends_well(shop: Shop) -> None:
    """Though the shop has a region by then."""
    backend, unfinished = shop.droplet("backend"), "/srv/flowdose/backend/seed-unfinished"
    backend.run(f"touch {unfinished}").must()
    playbook("deploy", *shop.arguments, "-e", "flowdose_backend_seed_command=false").must(2)
    backend.run(f"test -e {unfinished}").must()
    playbook("deploy", *shop.arguments, "-e", "flowdose_backend_seed_command='touch /tmp/seeded'").must()
    backend.run(f"test -e /tmp/seeded -a ! -e {unfinished}").must()
    again = playbook("deploy", *shop.arguments, "-e", "flowdose_backend_seed_command=false").must()
    assert all(counts["changed"] == 0 for counts in again.recap().values())


def test_the_status_of_a_shop_that_is_down(shop: Shop) -> None:
    backend = shop.droplet("backend")
    backend.run("systemctl stop pm2-flowdose").must()
    try:
        output = playbook("status", *shop.arguments).must().output
    finally:
        backend.run("systemctl start pm2-flowdose").must()
    assert "pm2: no daemon runs" in output
    assert re.search(r"FAILED health, \S+: HTTP 502", output)
    assert re.search(r"certificate +\S+: \d+ hours left", output)
    assert re.search(r"serves +nextjs-storefront on port 800[01] +online", output)
    assert re.search(r"current +[0-9a-f]+-", output)
    assert re.search(r"Z +ok +deploy +storefront ", output)
    wait_for("the shop", shop.serves, seconds=120)
