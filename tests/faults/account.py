# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account at a cloud in this process, in which runs of a stack are struck by faults.

A call is known by its method, its path with `*` for what differs from run to run, and how often it was made before:
the same call in every run, in whatever order the engine's threads come to it.
"""

from __future__ import annotations

import collections
import copy
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import botocore.endpoint
import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import Client
from ansible_collections.flowdose.infra.plugins.module_utils.resource import Cloud
from ansible_collections.flowdose.infra.plugins.module_utils.stack import Stack
from botocore.exceptions import ConnectionClosedError
from faults import environment, s3
from faults.s3 import S3, Answer
from localcloud.testing import QUICK, RunningCloud, running_cloud

VARIES = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+(\.\d+){3}|(?<=[/:])\d+|(?<=/domains/)[a-z.]+|(?<=/keys/)\w{16,}"
)
BOOKKEEPING = ("actions", "next_id", "next_address")  # of localcloud: no resources
READS = ("GET", "HEAD")
ATTEMPTS = 10  # to make runs come by calls that are made only when threads happen to
SPACES = "S3"  # what a path of Spaces begins with here


class Killed(BaseException):
    """The process is dead: nothing of the engine goes on, and nothing of it reaches the API any more."""


@dataclass(frozen=True)
class Call:
    """`request`: "POST /v2/droplets", "GET /v2/databases/*", "PUT S3/bucket?policy"; `nth` counts from 1."""

    request: str
    nth: int

    def __str__(self) -> str:
        return f"{self.request} #{self.nth}"


@dataclass(frozen=True)
class Fault:
    """One of: an answer (`status`, with or without `effect`), a `reset`, or the end of the process (`killed`)."""

    title: str
    status: int | None = None
    effect: bool = False
    retry_after: int | None = None
    reset: str | None = None
    killed: str | None = None  # before | after the call has its effect
    lasts: bool = False  # hits all later calls of the run, too

    def at_the_api(self) -> dict[str, Any]:
        """The order for localcloud."""
        options = {key: getattr(self, key) for key in ("status", "effect", "retry_after", "reset")}
        return {key: value for key, value in options.items() if value}


FAULTS = {
    "500-effect": Fault("500, with effect", status=500, effect=True),
    "504-effect": Fault("504, with effect", status=504, effect=True),
    "502-html": Fault("HTML 502, no effect", status=502),
    "reset-before": Fault("reset before effect", reset="before"),
    "reset-after": Fault("reset after effect", reset="after"),
    "429-retry-after": Fault("429, retry-after", status=429, retry_after=30),
    "429": Fault("429, no retry-after", status=429),
    "killed-before": Fault("killed before effect", killed="before"),
    "killed-after": Fault("killed after effect", killed="after"),
    "outage": Fault("outage from here on", status=502, lasts=True),
}


class Account:
    """Runs of one stack, one after the other."""

    def __init__(self, server: RunningCloud, secrets: Path) -> None:
        self.server = server
        self.secrets = secrets
        self.s3 = S3()
        self.s3.around = self._around_s3
        self.missed: set[Call] = set()  # calls of those that `fault` names which were not made
        self._fault: Fault | None = None
        self._made: collections.Counter[str] = collections.Counter()
        self._dead = False
        self._down = False
        self._asked_s3: list[str] = []
        self._lock = threading.Lock()

    def reset(self) -> None:
        self.server.reset()
        self.s3.buckets.clear()
        self._asked_s3.clear()
        for file in self.secrets.iterdir():
            file.unlink()
        self.server.clock.advance(3600)

    def client(self, token: str | None = None) -> Client:
        return Client(
            token or self.server.token,
            api_url=self.server.endpoint,
            ca_file=str(self.server.ca_file),
            sleep=self._sleep,
            monotonic=self.server.clock.now,
        )

    def stack(self, token: str | None = None, **changes: Any) -> Stack:
        """As of a process that starts anew, and remembers nothing of what earlier ones have seen."""
        self._dead = False
        self.server.clock.advance(120)  # so that one run's rate limit is not the next one's
        cloud = Cloud(
            lambda: self.client(token), lambda: self.s3.spaces, sleep=self._sleep, monotonic=self.server.clock.now
        )
        data = copy.deepcopy({**environment.ENVIRONMENT, **changes})
        for key in data["spaces_keys"]:
            key["secret_file"] = str(self.secrets / f"{key['name']}.json")
        return Stack(cloud, environment.NAME, data)

    def run(self, **changes: Any) -> Stack:
        made = self.plan(**changes)
        made.apply()
        return made

    def plan(self, **changes: Any) -> Stack:
        made = self.stack(**changes)
        made.check()
        made.plan()
        return made

    def written(self) -> list[str]:
        """The calls since the last reset that were not reads."""
        return [request for request in self.asked() if not request.startswith(READS)]

    def asked(self) -> list[str]:
        """The calls since the last reset, each with `*` for what differs."""
        api = [f"{entry['method']} {VARIES.sub('*', entry['path'])}" for entry in self.server.requests]
        return api + self._asked_s3

    def calls(self) -> list[Call]:
        """The same, told apart by how often they were made."""
        made = collections.Counter(self.asked())
        return [Call(request, nth + 1) for request in sorted(made) for nth in range(made[request])]

    def world(self) -> dict[str, list[str]]:
        """What there is of each kind in the end: the whole account, also what the engine does not ask for."""
        self.server.clock.advance(3600)
        self.server.status()  # lets happen what is due
        found = {"buckets": sorted(self.s3.buckets)}
        for section, items in self.server.state.items():
            if isinstance(items, dict) and section not in BOOKKEEPING:
                found[section] = sorted(identity(key, item) for key, item in items.items())
        return found

    @contextmanager
    def fault(self, call: Call | Iterable[Call], fault: Fault) -> Iterator[None]:
        """Strike that call, or those, of what runs in the block."""
        self._fault, self.missed = fault, {call} if isinstance(call, Call) else set(call)
        self._made.clear()
        try:
            yield
        finally:
            self._fault = None
            self._down = False
            self.server.clear_faults()

    @property
    def struck(self) -> bool:
        """Whether all calls that `fault` names were made."""
        return not self.missed

    def _sleep(self, seconds: float) -> None:
        self._live()
        self.server.clock.advance(seconds)

    def _live(self) -> None:
        if self._dead:
            raise Killed

    def _due(self, request: str) -> Fault | None:
        """The fault for this call, if it is its turn."""
        with self._lock:
            self._made[request] += 1
            call = Call(request, self._made[request])
            if self._fault is None or call not in self.missed:
                return None
            self.missed.remove(call)
            return self._fault

    def _die(self) -> None:
        self._dead = True
        raise Killed

    def around_api(self, method: str, path: str, send: Callable[[], Any]) -> Any:
        """Every request of pydo's comes by here; the API itself is told how to answer it."""
        self._live()
        fault = self._due(f"{method} {VARIES.sub('*', path)}")
        if fault is not None:
            if fault.killed == "before":
                self._die()
            if fault.lasts:
                self._down = True
                self.server.fault("* *", status=fault.status, count=10**6)
            elif not fault.killed:
                self.server.fault(f"{method} {path}", **fault.at_the_api())
        answer = send()
        if fault is not None and fault.killed == "after":
            self._die()
        self._live()  # an answer that comes after the death is nobody's
        return answer

    def _around_s3(self, method: str, path: str, carry_out: Callable[[], Answer]) -> Answer:
        self._live()
        request = f"{method} {SPACES}{path}"
        self._asked_s3.append(request)
        fault = self._due(request)
        if fault is not None and fault.killed == "before":
            self._die()
        if fault is not None and fault.lasts:
            self._down = True
            self.server.fault("* *", status=fault.status, count=10**6)
        if self._down:
            return 502, b""
        if fault is None:
            return carry_out()
        if fault.reset == "before":
            raise ConnectionClosedError(endpoint_url=path)
        if fault.status and not fault.effect:
            return s3.refusal(fault.status, "SlowDown") if fault.status == 429 else (fault.status, b"<html></html>")
        carry_out()
        if fault.killed:
            self._die()
        if fault.reset:
            raise ConnectionClosedError(endpoint_url=path)
        return s3.refusal(int(fault.status or 500), "InternalError")


def identity(key: str, item: Any) -> str:
    """What tells it from others of its kind, and how much it holds; not its id, which every run has another one of."""
    if not isinstance(item, dict):
        return VARIES.sub("*", str(key))
    names = [str(item[part]) for part in ("name", "description") if item.get(part)] or [VARIES.sub("*", str(key))]
    return " ".join(names + [f"{len(value)} {part}" for part, value in item.items() if isinstance(value, list | dict)])


@contextmanager
def serve() -> Iterator[Account]:
    """A cloud, and every request to it through `Account.around_api`."""
    from azure.core.pipeline.transport import RequestsTransport

    with (
        running_cloud(latencies=QUICK, droplet_limit=1000) as server,
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory() as secrets,
    ):
        account = Account(server, Path(secrets))
        send = RequestsTransport.send

        def around(transport: Any, request: Any, **options: Any) -> Any:
            path = urlsplit(request.url).path
            return account.around_api(request.method, path, lambda: send(transport, request, **options))

        patch.setattr(RequestsTransport, "send", around)
        # botocore sleeps between its tries.
        patch.setattr(botocore.endpoint, "time", SimpleNamespace(time=time.time, sleep=server.clock.advance))
        yield account
