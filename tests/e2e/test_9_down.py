# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of the cloud leaves the machine as it was."""

from __future__ import annotations

from e2e.shop import Host, Shop, run
from stages import tool


def test_down_leaves_nothing_behind(shop: Shop, untouched: Host) -> None:
    running = Host.now()
    assert running.containers > untouched.containers, "or the comparison below proves nothing"
    assert running.names != untouched.names
    assert running.processes > untouched.processes
    run([tool("localcloud"), "down"]).must()
    after = Host.now()
    assert after.containers == untouched.containers
    assert after.networks == untouched.networks
    assert after.tables == untouched.tables
    assert after.names == untouched.names
    assert after.processes == untouched.processes


def test_down_a_second_time_is_no_error() -> None:
    run([tool("localcloud"), "down"]).must()
