# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from localcloud.clock import VIRTUAL_START, Clock, VirtualClock, iso


def test_virtual_clock_stands_still_until_advanced() -> None:
    clock = VirtualClock()
    assert clock.now() == clock.now() == VIRTUAL_START
    clock.advance(40)
    assert clock.now() == clock.limits_now() == VIRTUAL_START + 40


def test_time_does_not_run_back() -> None:
    with pytest.raises(ValueError, match="forward only"):
        VirtualClock().advance(-1)


def test_real_clock_runs_at_its_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monotonic = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: monotonic[0])
    clock = Clock(speed=60, start=1000)
    monotonic[0] += 2
    assert clock.now() == 1120
    assert clock.real_seconds(300) == 5


def test_rate_limits_of_a_fast_cloud_count_real_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 5000.0)
    assert Clock(speed=60, start=1000).limits_now() == 5000.0


def test_timestamps_are_digitaloceans() -> None:
    assert iso(VIRTUAL_START) == "2026-09-01T00:00:00Z"
