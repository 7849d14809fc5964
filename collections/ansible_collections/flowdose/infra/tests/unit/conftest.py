# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DigitalOcean-shaped cloud in the test's own process, on a clock that only waiting moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import Client
from ansible_collections.flowdose.infra.plugins.module_utils.resource import Cloud, PlanEntry, Resource
from ansible_collections.flowdose.infra.plugins.module_utils.stack import validated

testing = pytest.importorskip("localcloud.testing", reason="the package localcloud is not installed")


class Account:
    """An account at a running cloud, as one run of a module or a stack after another sees it."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.speed = 0.0  # cloud seconds in a real one; 0: the clock stands still unless somebody waits

    def client(self, **options: Any) -> Client:
        options = {"token": self.server.token, "api_url": self.server.endpoint, **self._clock(), **options}
        return Client(options.pop("token"), ca_file=str(self.server.ca_file), **options)

    def cloud(self, **options: Any) -> Cloud:
        """Fresh: remembers nothing of what earlier ones have seen."""
        return Cloud(self.client, options.pop("spaces", no_spaces), **self._clock(), **options)

    def plan(self, kind: type[Resource], **params: Any) -> PlanEntry:
        return self.resource(kind, **params).plan()

    def resource(self, kind: type[Resource], **params: Any) -> Resource:
        return kind(self.cloud(), validated(kind, params))

    def converge(self, kind: type[Resource], **params: Any) -> Resource:
        """Plan and apply; afterwards there must be nothing left to do."""
        resource = self.resource(kind, **params)
        resource.plan()
        resource.apply()
        again = self.plan(kind, **params)
        assert again.action == "none", f"not idempotent: {again}"
        return resource

    def written(self, since: int = 0) -> list[str]:
        """The calls that were not reads, as METHOD PATH."""
        return [
            f"{entry['method']} {entry['path']}" for entry in self.server.requests[since:] if entry["method"] != "GET"
        ]

    def asked(self, since: int = 0) -> list[str]:
        return [f"{entry['method']} {entry['path']}" for entry in self.server.requests[since:]]

    def _clock(self) -> dict[str, Any]:
        if self.speed:
            return {"sleep": lambda seconds: time.sleep(seconds / self.speed), "monotonic": self.server.clock.now}
        return {"sleep": self.server.clock.advance, "monotonic": self.server.clock.now}


def no_spaces() -> Any:
    raise AssertionError("Spaces is not part of this test")


@pytest.fixture(scope="session")
def server() -> Iterator[Any]:
    with testing.running_cloud(latencies=testing.QUICK, droplet_limit=200) as running:
        yield running


@pytest.fixture
def account(server: Any) -> Iterator[Account]:
    server.reset()
    server.clock.advance(3600)  # nobody's rate limit is another test's
    yield Account(server)
    server.clear_faults()


@pytest.fixture
def scaled(account: Account) -> Iterator[Account]:
    """The account on a clock that runs by itself, faster than ours: for what uses threads."""
    with ticking(account):
        yield account


@pytest.fixture
def unhurried() -> Iterator[Account]:
    """As `scaled`, in a cloud that takes as long as DigitalOcean does."""
    with testing.running_cloud() as running, ticking(Account(running)) as account:
        yield account


@contextmanager
def ticking(account: Account) -> Iterator[Account]:
    stop = threading.Event()

    def tick() -> None:
        last = time.monotonic()
        while not stop.wait(0.01):
            now = time.monotonic()
            account.server.clock.advance((now - last) * account.speed)
            last = now

    account.speed = 200.0
    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield account
    finally:
        stop.set()
        ticker.join()
