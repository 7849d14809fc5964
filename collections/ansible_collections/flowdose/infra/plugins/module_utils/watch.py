# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run waits for, said while it waits: lines that a terminal and a log show alike."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .resource import Cloud, Resource

# Seconds that creating mostly takes at DigitalOcean; what is not here is a matter of a few.
TYPICAL = {"droplet": 40, "load_balancer": 120, "certificate": 60, "reserved_ip": 20, "volume": 10}
TYPICAL_ENGINES = {"pg": 300, "valkey": 240}
TYPICAL_RESIZE = {"droplet": 120, "database_cluster": 600}
AT_MOST = 8  # rows in one report
DONE = {"create": "created", "update": "updated", "delete": "deleted", "none": "ready"}


class Watch:
    """Says what is being waited for, and how it ended; `say` is called from the thread that calls `report`."""

    def __init__(self, cloud: Cloud, say: Callable[[str], None]) -> None:
        self._cloud = cloud
        self._say = say
        self._start = self._last = cloud.monotonic()
        self._since: dict[Resource, float] = {}
        self._states: dict[str, str] = {}
        self._lock = threading.Lock()
        cloud.progress = self._progress

    def _progress(self, title: str, state: str, elapsed: float) -> None:
        with self._lock:
            self._states[title] = state

    def started(self, resource: Resource) -> None:
        self._since[resource] = self._cloud.monotonic()

    def ended(self, resource: Resource, failed: bool) -> None:
        seconds = self._cloud.monotonic() - self._since.pop(resource)
        with self._lock:
            waited = self._states.pop(resource.title, None)
        if failed:
            self._say(f"failed: {resource.title} (after {seconds:.0f} s)")
        elif resource.entry.changed or waited:
            self._say(f"{DONE[resource.entry.action]}: {resource.title} ({seconds:.0f} s)")

    def patience(self) -> float:
        """Seconds between two reports: the longer it takes, the less there is to say."""
        waited = self._last - self._start
        return 5.0 if waited < 30 else 15.0 if waited < 180 else 30.0

    def report(self) -> None:
        now = self._cloud.monotonic()
        if not self._since or now - self._last < self.patience():
            return
        self._last = now
        lines = [f"{duration(now - self._start)} gone by, waiting for:"]
        shown = dict(list(self._since.items())[:AT_MOST])
        titles = max(len(resource.title) for resource in shown)
        for resource, since in shown.items():
            with self._lock:
                state = self._states.get(resource.title, "working")
            usual = typical(resource)
            hint = f", typically {duration(usual)}" if usual else ""
            lines.append(f"  {resource.title:{titles}}  {state}, {duration(now - since)}{hint}")
        if len(self._since) > AT_MOST:
            lines.append(f"  and {len(self._since) - AT_MOST} more")
        self._say("\n".join(lines))


def typical(resource: Resource) -> float | None:
    """Seconds; None where there is nothing to wait for."""
    if resource.entry.action == "create":
        engine = str(resource.desired.get("engine", ""))
        return TYPICAL_ENGINES.get(engine) if resource.kind == "database_cluster" else TYPICAL.get(resource.kind)
    resizes = any(change.key in ("size", "num_nodes") for change in resource.entry.changes)
    return TYPICAL_RESIZE.get(resource.kind) if resource.entry.action == "update" and resizes else None


def duration(seconds: float) -> str:
    """For people: 45 s, 4 min, 4 min 20 s."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
