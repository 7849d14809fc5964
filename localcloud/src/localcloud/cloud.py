# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud itself: its state, its clock, what will happen, and the machines behind it."""

from __future__ import annotations

import asyncio
import copy
import ipaddress
import logging
import secrets
import ssl
import string
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcloud.clock import Clock, iso
from localcloud.errors import unprocessable
from localcloud.machines import Machines
from localcloud.store import Store
from localcloud.sync import Queues, Sync
from localcloud.tls import Authority, write_private

logger = logging.getLogger(__name__)

PUBLIC_NETWORK = ipaddress.IPv4Network("10.77.0.0/16")
PUBLIC_GATEWAY = "10.77.0.1"
FIRST_PUBLIC_OFFSET = 16  # below: gateway, DNS, ACME, Spaces
FIRST_PRIVATE_OFFSET = 2
SPACES_ENDPOINT = "https://fra1.spaces.localcloud.test"
SPACES_REGION = "fra1"
DNS_ADDRESS = "10.77.0.3"


@dataclass(frozen=True)
class Latencies:
    """How long things take, in seconds of cloud time."""

    droplet_create: float = 40
    droplet_action: float = 5
    droplet_resize: float = 60
    droplet_delete: float = 8
    droplet_leaves_vpc: float = 10
    pg_create: float = 300
    valkey_create: float = 240
    cluster_change: float = 120
    cluster_leaves_vpc: float = 60
    firewall: float = 3
    load_balancer_create: float = 120
    load_balancer_change: float = 8
    load_balancer_leaves_vpc: float = 10
    certificate: float = 60
    reserved_ip_action: float = 5
    volume_action: float = 5


@dataclass(frozen=True)
class Config:
    latencies: Latencies = field(default_factory=Latencies)
    droplet_limit: int = 1000
    reserved_ip_limit: int = 100
    first_droplet_id: int = 520_000_000
    has_machines: bool = False  # only what there is a machine image for can be created


Transition = Callable[..., None]
TRANSITIONS: dict[str, Transition] = {}


def transition(function: Transition) -> Transition:
    """Register `function(cloud, at, *args)`, named in timers, which are data and so survive a restart."""
    TRANSITIONS[function.__name__] = function
    return function


class Cloud:
    """Owned by the event loop; handlers read and change `state` and say what happens later."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        authority: Authority,
        database_authority: Authority,
        config: Config | None = None,
        machines: Machines | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.config = config or Config()
        self.authority = authority  # signs what a public authority signs in the real world
        self.database_authority = database_authority
        self.machines = machines
        self.wake = asyncio.Event()  # a timer was set or a machine became idle
        self.queues = Queues(on_idle=self.wake.set)
        self.sync: Sync | None = None
        if machines is not None:
            ca = database_authority
            self.sync = Sync(machines, self.queues, ca.certificate_pem, ca.key_pem)
        self._time: float | None = None
        if not self.state["projects"]:
            self._open_account()
        # The first one, unless somebody deleted it.
        self._own_key = copy.deepcopy(next(iter(self.state["spaces_keys"].values()), None))

    @property
    def state(self) -> dict[str, Any]:
        return self.store.state

    def now(self) -> float:
        """Cloud time; within a transition, the moment it fell due."""
        return self.clock.now() if self._time is None else self._time

    def timestamp(self) -> str:
        return iso(self.now())

    # -- time --

    def later(self, seconds: float, transition: Transition, *args: Any, queues: Iterable[str] = ()) -> None:
        """After `seconds` of cloud time, and not before the machine `queues` are idle, call `transition`."""
        timer = {"at": self.now() + seconds, "name": transition.__name__, "args": list(args), "queues": list(queues)}
        self.state["timers"].append(timer)
        self.state["timers"].sort(key=lambda timer: timer["at"])
        self.wake.set()

    def settle(self) -> bool:
        """Let everything happen that is due; True when something did."""
        happened = False
        while (timer := self._next_due()) is not None:
            self.state["timers"].remove(timer)
            self._time = timer["at"]
            try:
                TRANSITIONS[timer["name"]](self, *timer["args"])
            except Exception:  # a defect in one must show, and not stop time for the others
                logger.exception("%s%s failed", timer["name"], timer["args"])
            finally:
                self._time = None
            happened = True
        return happened

    def _next_due(self) -> dict[str, Any] | None:
        now = self.clock.now()
        for timer in self.state["timers"]:
            if timer["at"] > now:
                return None
            if not any(self.queues.busy(queue) for queue in timer["queues"]):
                return timer
        return None

    def seconds_to_next(self) -> float | None:
        """Real seconds until the next timer falls due; None when there is none to wait for."""
        idle = [t for t in self.state["timers"] if not any(self.queues.busy(queue) for queue in t["queues"])]
        return max(0.0, self.clock.real_seconds(idle[0]["at"] - self.clock.now())) if idle else None

    # -- changes --

    def changed(self) -> None:
        """The state changed: bring the machines after it, and save it."""
        if self.sync is not None:
            self.sync.update(self.state)
        self.state["time"] = self.clock.now()
        self.store.save()

    def resume(self) -> None:
        """Bring the machines to where the state says, after a start."""
        if self.sync is not None:
            self.sync.resume(self.state)

    def reset(self) -> None:
        """Forget every resource. The account's own Spaces key stays, because credentials.json names it, and no id is
        given again, because clients may remember it."""
        ids = self.state["next_id"]
        self.store.clear()
        self.queues.failures.clear()
        self.state["next_id"] = ids
        self._open_account(self._own_key)
        if self.machines is not None:
            self.queues.run("spaces", self.machines.empty_spaces)
        self.changed()

    def _open_account(self, spaces_key: dict[str, Any] | None = None) -> None:
        project_id = str(uuid.uuid4())
        self.state["projects"][project_id] = {
            "id": project_id,
            "owner_uuid": "00000000-0000-4000-8000-000000000001",
            "owner_id": 1,
            "name": "first-project",
            "description": "Update your project information under Settings",
            "purpose": "Just trying out DigitalOcean",
            "environment": "Development",
            "is_default": True,
            "created_at": self.timestamp(),
            "updated_at": self.timestamp(),
        }
        key = spaces_key or {
            "name": "localcloud",
            "access_key": "DO" + random_text(18, string.ascii_uppercase + string.digits),
            "secret_key": random_text(43, string.ascii_letters + string.digits),
            "grants": [{"bucket": "", "permission": "fullaccess"}],
            "created_at": self.timestamp(),
        }
        self.state["spaces_keys"][key["access_key"]] = key

    # -- addresses --

    def public_addresses(self, count: int) -> list[str]:
        return self._free_addresses("public", PUBLIC_NETWORK, FIRST_PUBLIC_OFFSET, "public_ip", count)

    def private_addresses(self, vpc: dict[str, Any], count: int) -> list[str]:
        network = ipaddress.IPv4Network(vpc["ip_range"])
        return self._free_addresses(vpc["id"], network, FIRST_PRIVATE_OFFSET, "private_ip", count)

    def _free_addresses(
        self, name: str, network: ipaddress.IPv4Network, first: int, key: str, wanted: int
    ) -> list[str]:
        """The next free addresses after the last one given: a freed address rests as long as possible."""
        collections = ("droplets", "databases", "load_balancers", "reserved_ips")
        taken = {holder.get(key) for collection in collections for holder in self.state[collection].values()}
        count = network.num_addresses - 1 - first  # the last one is the broadcast address
        start = int(self.state["next_address"].get(name, 0))
        found: list[str] = []
        for step in range(count):
            offset = (start + step) % count
            address = str(network[first + offset])
            if address not in taken:
                found.append(address)
            if len(found) == wanted:
                self.state["next_address"][name] = offset + 1
                return found
        raise unprocessable(f"The network {network} has no free address left")

    # -- projects --

    def join_project(self, urn: str, project_id: str | None = None) -> None:
        default = next(project["id"] for project in self.state["projects"].values() if project["is_default"])
        entry = {"project_id": project_id or default, "assigned_at": self.timestamp()}
        self.state["project_resources"][urn] = entry

    def leave_project(self, urn: str) -> None:
        self.state["project_resources"].pop(urn, None)


def random_text(length: int, alphabet: str) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def server_certificate(authority: Authority, names: list[str], addresses: list[str], directory: Path) -> ssl.SSLContext:
    """A TLS context with a new certificate, kept in `directory` because OpenSSL reads files only."""
    chain, key = authority.issue(names, addresses)
    write_private(directory / "server.pem", chain)
    write_private(directory / "server-key.pem", key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem", directory / "server-key.pem")
    return context


def database_authority(directory: Path) -> Authority:
    return Authority.load_or_create(directory, "database-ca", "localcloud databases")


def cloud_authority(directory: Path) -> Authority:
    return Authority.load_or_create(directory, "ca", "localcloud")
