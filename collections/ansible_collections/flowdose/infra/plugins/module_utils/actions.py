# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions: what the API goes on doing after it has answered. Droplets, volumes and reserved IPs are changed by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .client import CloudError
from .resource import Cloud, Facts, Resource

T = TypeVar("T")
ACTION_TIMEOUT = 1200.0  # seconds; a resize moves the droplet
BUSY_TIME = 300.0  # seconds for a droplet, or a load balancer, to finish what it is doing
MISSES = 30  # reads that may find nothing: what was just made is not visible everywhere at once


def carry_out(
    resource: Resource,
    attempted: str,
    *,
    send: Callable[[], dict[str, Any]],
    read: Callable[[], Facts | None],
    reached: Callable[[Facts], bool],
    follow: Callable[[int], dict[str, Any] | None],
    doing: str,
    timeout: float = ACTION_TIMEOUT,
) -> Facts:
    """Start an action; wait until it has ended and what it acts on has become what it was meant to.

    `send` starts it and returns it, `follow` returns it by its id as it is now (None when the API has forgotten it),
    `read` returns what it acts on. Raises when it ends in an error.
    """
    cloud = resource.cloud
    misses = 0

    def look() -> dict[str, Any] | None:
        facts = read()
        return {"id": None} if facts and (facts.get("locked") or reached(facts)) else None

    def already() -> dict[str, Any] | None:
        facts = read()
        return {"id": None} if facts and reached(facts) else None

    action = cloud.settle(lambda: when_free(cloud, resource.title, send, already), look)

    def observe() -> Facts | None:
        nonlocal misses
        facts = read()
        misses = 0 if facts else misses + 1
        if misses > MISSES:
            raise CloudError("it does not exist any more", attempted=attempted)
        return facts

    def done(facts: Facts | None) -> bool:
        if facts is None:
            return False
        if reached(facts) and resource.ready(facts):
            return True
        if action["id"] and not facts.get("locked"):
            ended = follow(action["id"])
            if ended and ended["status"] == "errored":
                raise CloudError(
                    "the action ended with status errored",
                    attempted=attempted,
                    hint=f"See the history of {resource.title} in the control panel, then run again.",
                )
        return False

    facts = cloud.wait(resource.title, observe, done, lambda facts: doing, timeout)
    if facts is None:
        raise RuntimeError(f"{attempted}: done without a result")
    return facts


def when_free(cloud: Cloud, title: str, send: Callable[[], T], already: Callable[[], T | None] = lambda: None) -> T:
    """Send what the API refuses while another action goes on; again until that has ended.

    `already` is asked before it is sent again: what went on may have been the same, of a run that was interrupted.
    """
    start = cloud.monotonic()
    while True:
        try:
            return send()
        except CloudError as error:
            elapsed = cloud.monotonic() - start
            if not error.busy or elapsed > BUSY_TIME:
                raise
        cloud.progress(title, "waiting for another action to end", elapsed)
        cloud.sleep(2.0)
        done = already()
        if done is not None:
            return done
