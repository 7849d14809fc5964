# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both droplets reboot, and the shop is back by itself."""

from __future__ import annotations

from e2e.shop import Droplet, Shop, playbook, wait_for

THREE_MINUTES = 180


def started(droplet: Droplet) -> str:
    """When the droplet's init started, or nothing while it does not answer."""
    outcome = droplet.run("stat --format %Y /proc/1")
    return outcome.output.strip() if outcome.status == 0 else ""


def test_the_shop_survives_a_reboot_of_both_droplets(shop: Shop) -> None:
    droplets = [shop.droplet("backend"), shop.droplet("storefront")]
    before = [started(droplet) for droplet in droplets]
    assert all(before)
    for droplet in droplets:
        shop.cloud.ask("POST", f"/v2/droplets/{droplet.facts['id']}/actions", {"type": "reboot"})
    wait_for(
        "both reboots",
        lambda: all(started(droplet) not in ("", then) for droplet, then in zip(droplets, before, strict=True)),
        seconds=THREE_MINUTES,
    )
    wait_for("the shop", shop.serves, seconds=THREE_MINUTES)
    playbook("verify").must()
