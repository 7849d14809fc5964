# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two rate limits of a token, and the narrower one of the SSH key list."""

from __future__ import annotations

import math
from collections import deque

from localcloud.errors import too_many_requests

PER_HOUR = 5000
PER_MINUTE = 250
KEY_LIST_PER_MINUTE = 10


class RateLimits:
    """Sliding windows of one token. `now` is given by the caller, in seconds since the epoch."""

    def __init__(self) -> None:
        self._hour: deque[float] = deque()
        self._minute: deque[float] = deque()
        self._key_lists: deque[float] = deque()

    def admit(self, now: float, *, key_list: bool) -> None:
        """Count one request, or refuse it with a 429."""
        self._expire(now)
        if len(self._hour) >= PER_HOUR:
            raise too_many_requests({})  # the hourly refusal carries no retry-after
        if len(self._minute) >= PER_MINUTE:
            raise self._wait_for(self._minute, now)
        if key_list and len(self._key_lists) >= KEY_LIST_PER_MINUTE:
            raise self._wait_for(self._key_lists, now)
        self._hour.append(now)
        self._minute.append(now)
        if key_list:
            self._key_lists.append(now)

    def headers(self, now: float) -> dict[str, str]:
        self._expire(now)
        return {
            "ratelimit-limit": str(PER_HOUR),
            "ratelimit-remaining": str(PER_HOUR - len(self._hour)),
            "ratelimit-reset": str(math.ceil((self._hour[0] if self._hour else now) + 3600)),
        }

    def _wait_for(self, window: deque[float], now: float) -> Exception:
        seconds = max(1, math.ceil(window[0] + 60 - now))
        return too_many_requests({"retry-after": str(seconds), "ratelimit-remaining": "0"})

    def _expire(self, now: float) -> None:
        for window, seconds in ((self._hour, 3600), (self._minute, 60), (self._key_lists, 60)):
            while window and window[0] <= now - seconds:
                window.popleft()
