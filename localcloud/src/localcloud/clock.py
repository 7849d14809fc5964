# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud time: the clock that statuses and latencies follow. All times are seconds, absolute ones since the epoch."""

from __future__ import annotations

import datetime
import time

# Where a virtual clock begins, so that a test's timestamps are the same on every day.
VIRTUAL_START = datetime.datetime(2026, 9, 1, tzinfo=datetime.UTC).timestamp()


class Clock:
    """Runs `speed` times as fast as real time, starting at `start` (default: the real time)."""

    def __init__(self, speed: float = 1.0, start: float | None = None) -> None:
        self.speed = speed
        self._start = time.time() if start is None else start
        self._began = time.monotonic()

    def now(self) -> float:
        return self._start + (time.monotonic() - self._began) * self.speed

    def real_seconds(self, cloud_seconds: float) -> float:
        """How long `cloud_seconds` take on a wristwatch."""
        return cloud_seconds / self.speed

    def limits_now(self) -> float:
        """The time that rate limits are measured in.

        Real seconds: a cloud at sixty times the speed must neither forgive nor punish a client sixty times as much.
        """
        return time.time()


class VirtualClock(Clock):
    """Stands still until told to `advance`; rate limits are measured in its seconds too."""

    def __init__(self, start: float = VIRTUAL_START) -> None:
        super().__init__(start=start)
        self._now = start

    def now(self) -> float:
        return self._now

    def limits_now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let `seconds` of cloud time pass; what falls due happens before the next request is answered."""
        if seconds < 0:
            raise ValueError(f"time runs forward only, not by {seconds} seconds")
        self._now += seconds


def iso(at: float) -> str:
    """Format like DigitalOcean does: `2026-09-01T00:00:00Z`."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
