# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cloud in the test's own process: the API with a virtual clock and no container.

from localcloud.testing import running_cloud

with running_cloud() as cloud:
    client = pydo.Client(cloud.token, endpoint=cloud.endpoint, connection_verify=str(cloud.ca_file))
    ...
    cloud.clock.advance(40)  # a droplet is made
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from localcloud import catalog
from localcloud.api import monitoring, uptime
from localcloud.api.droplets import add_droplet
from localcloud.api.tags import ensure_tags
from localcloud.api.uptime import Sight
from localcloud.api.vpcs import add_vpc
from localcloud.clock import VirtualClock
from localcloud.cloud import Cloud, Config, Latencies, cloud_authority, database_authority, server_certificate
from localcloud.machines import Machines
from localcloud.server import Server
from localcloud.store import RequestLog, Store

TOKEN = "dop_v1_" + "0" * 64
READ_ONLY_TOKEN = "dop_v1_" + "1" * 64

# For tests that are not about how long things take: those who wait look a few times, not a hundred.
QUICK = Latencies(**{latency.name: 2.0 for latency in dataclasses.fields(Latencies)})

T = TypeVar("T")

_SEED_VPC = "seed"
_SEED_RANGE = "172.20.0.0/16"


class RunningCloud:
    """What a test holds of a cloud that runs in another thread.

    `endpoint`, `ca_file`, `token`, `read_only_token`: what a client needs. `clock.advance(seconds)` lets time pass.
    """

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop, clock: VirtualClock, ca_file: Path) -> None:
        self._server = server
        self._loop = loop
        self.clock = clock
        self.ca_file = ca_file
        self.token = TOKEN
        self.read_only_token = READ_ONLY_TOKEN
        self.endpoint = f"https://127.0.0.1:{server.port}"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What was asked and answered so far, as in the request log."""
        return self._in_loop(lambda: list(self._server.log.entries))

    @property
    def state(self) -> dict[str, Any]:
        """The cloud's state, to look at. To change it, call the API: that is what drift is."""
        return self._server.cloud.state

    def seed_droplets(self, count: int, *, tags: Sequence[str] = (), name: str = "seed") -> list[int]:
        """Put `count` active droplets `<name>-1`, ... there at once, past the account's limit; their ids.

        They are in fra1, in a VPC of their own that has room for 65,000.
        """
        return self._in_loop(lambda: _seed_droplets(self._server.cloud, count, list(tags), name))

    def fault(self, call: str, **options: Any) -> None:
        """Order a fault, see `localcloud.faults.Fault`: `cloud.fault("POST /v2/droplets", status=504, effect=True)`."""
        self._in_loop(lambda: self._server.faults.add(call, **options))

    def clear_faults(self) -> None:
        self._in_loop(self._server.faults.clear)

    def reset(self) -> None:
        """Forget all resources, faults and requests."""
        self._in_loop(self._server.reset)

    def status(self) -> dict[str, Any]:
        return self._in_loop(self._server.status)

    def see(self, check_id: str, **sights: Sight) -> None:
        """What regions see of the target of an uptime check now: `cloud.see(id, eu_west=Sight(up=False))`."""
        self._in_loop(lambda: uptime.observe(self._server.cloud, check_id, sights))
        self._deliver()

    def measure(self, measured: dict[str, dict[str, float]]) -> None:
        """What machines use now, as `Machines.measure` tells it: `{"droplets:7": {"cpu": 93.5}}`."""
        self._in_loop(lambda: monitoring.observe(self._server.cloud, measured))
        self._deliver()

    def watch(self) -> None:
        """Have the targets of the uptime checks really looked at, once."""
        asyncio.run_coroutine_threadsafe(self._server.watch.go_round(), self._loop).result(60)

    def _deliver(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.watch.deliver(), self._loop).result(60)

    @property
    def notifications(self) -> list[dict[str, Any]]:
        """What alerts have told so far: {time, kind: email|slack, to, outcome, subject, text, delivery}."""
        return self._in_loop(lambda: copy.deepcopy(self._server.cloud.state["notifications"]))

    def drain(self) -> None:
        """Wait until the machines have done all that they were asked."""
        asyncio.run_coroutine_threadsafe(self._server.cloud.queues.drain(), self._loop).result(60)

    def _in_loop(self, function: Callable[[], T]) -> T:
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return future.result(60)


def _seed_droplets(cloud: Cloud, count: int, tags: list[str], name: str) -> list[int]:
    vpcs = cloud.state["vpcs"].values()
    vpc = next((vpc for vpc in vpcs if vpc["name"] == _SEED_VPC), None)
    vpc = vpc or add_vpc(cloud, _SEED_VPC, "fra1", "", _SEED_RANGE)
    size = catalog.SIZES["s-1vcpu-1gb"]
    names = ensure_tags(cloud, tags)
    addresses = zip(cloud.public_addresses(count), cloud.private_addresses(vpc, count), strict=True)
    droplets = [
        add_droplet(
            cloud,
            name=f"{name}-{number}",
            status="active",
            locked=False,
            region="fra1",
            size=size.slug,
            disk=size.disk,
            image=catalog.BOOTABLE_IMAGE,
            features=["droplet_agent", "private_networking"],
            backup_policy={},
            tags=list(names),
            vpc_uuid=vpc["id"],
            public_ip=public_ip,
            private_ip=private_ip,
            authorized_keys=[],
            user_data="",
        )
        for number, (public_ip, private_ip) in enumerate(addresses, 1)
    ]
    return [droplet["id"] for droplet in droplets]


@contextmanager
def running_cloud(
    *,
    auto_advance: float = 0.0,
    latencies: Latencies | None = None,
    droplet_limit: int = Config.droplet_limit,
    machines: Machines | None = None,
    has_machines: bool = False,
) -> Iterator[RunningCloud]:
    """Serve a cloud on a free port of 127.0.0.1 until the block ends.

    Time stands still: only `clock.advance()` moves it, and `auto_advance`, the cloud seconds that each request lets
    pass (for a client that polls with short sleeps of its own). Rate limits count in the same time: more than 250
    requests without a minute passing get a 429. `machines` stands in for the containers that there are none of; with
    `has_machines`, only what there is a machine image for can be created.
    """
    clock = VirtualClock()
    with tempfile.TemporaryDirectory(prefix="localcloud-") as name:
        directory = Path(name)
        authority = cloud_authority(directory)
        context = server_certificate(authority, ["localhost"], ["127.0.0.1"], directory)
        loop = asyncio.new_event_loop()
        started: Future[Server] = Future()
        stop = asyncio.Event()

        async def serve() -> None:
            try:
                config = Config(latencies or Latencies(), droplet_limit, has_machines=has_machines)
                cloud = Cloud(Store(), clock, authority, database_authority(directory), config, machines)
                server = Server(cloud, RequestLog(), TOKEN, READ_ONLY_TOKEN, auto_advance)
                await server.start("127.0.0.1", 0, context)
            except BaseException as error:
                started.set_exception(error)
                return
            started.set_result(server)
            await stop.wait()
            await server.stop()

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="localcloud", daemon=True)
        thread.start()
        try:
            yield RunningCloud(started.result(60), loop, clock, directory / "ca.pem")
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(60)
            loop.close()
