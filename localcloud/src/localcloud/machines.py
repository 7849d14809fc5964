# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API asks of the machines behind it.

The API (resources, statuses, clock, faults) knows nothing of containers: it speaks to one `Machines`. `NoMachines` is
the API-only mode; `podman.PodmanMachines` is the real one. The API decides (ids, addresses, names, who may talk to
whom) and hands over complete desired states; the machines carry them out. Nothing flows back but "done", an error, and
power events.

Every method blocks until done and is called from a worker thread, never twice at once for one id. Every method is
idempotent: asking for what already is succeeds. Failure is `MachineError`, its text says what was attempted and what
came back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class MachineError(Exception):
    """A machine could not be made, changed or removed."""


@dataclass(frozen=True)
class DropletSpec:
    """One droplet. Addresses are dotted IPv4, memory in MiB, disk in GiB."""

    id: int
    name: str
    image: str  # slug, such as debian-13-x64
    vcpus: int
    memory_mib: int
    disk_gib: int
    public_ip: str
    private_ip: str
    vpc_id: str
    authorized_keys: tuple[str, ...]  # public keys of root
    user_data: str = ""


@dataclass(frozen=True)
class VpcSpec:
    """One VPC network; `ip_range` in CIDR form. Created before its first member, deleted after its last one."""

    id: str
    ip_range: str


@dataclass(frozen=True)
class FilterRule:
    """Traffic that a packet filter lets through. `peers` are CIDRs; an empty tuple means nobody."""

    protocol: str  # tcp | udp | icmp
    ports: str  # "22", "8000-9000", "all"; ignored for icmp
    peers: tuple[str, ...]


@dataclass(frozen=True)
class PoolSpec:
    """A connection pool of a PostgreSQL cluster; without `user`, everybody comes as who they are."""

    name: str
    mode: str  # session | transaction | statement
    size: int
    database: str
    user: str = ""


@dataclass(frozen=True)
class ClusterSpec:
    """One database cluster. Host names are what clients use; both must be in the server's certificate."""

    id: str
    name: str
    engine: str  # pg | valkey
    version: str  # major, such as 15
    public_ip: str
    private_ip: str
    vpc_id: str
    host: str
    private_host: str
    port: int
    memory_mib: int
    admin_user: str  # doadmin (pg) | default (valkey)
    admin_password: str
    ca_cert_pem: str
    ca_key_pem: str
    settings: dict[str, str] = field(default_factory=dict)  # eviction_policy and the like, engine's own names
    pools: tuple[PoolSpec, ...] = ()


@dataclass(frozen=True)
class ForwardingRule:
    """What a load balancer takes and where it takes it to."""

    entry_protocol: str  # http | https | http2 | tcp
    entry_port: int
    target_protocol: str
    target_port: int
    passthrough: bool = False  # TLS ends at the droplet
    certificate: str = ""  # PEM of the chain and its key; TLS ends here


@dataclass(frozen=True)
class HealthCheck:
    """Times in seconds; `path` has no meaning for tcp."""

    protocol: str  # http | https | tcp
    port: int
    path: str
    interval: int
    timeout: int
    healthy: int  # so many good answers bring a droplet back
    unhealthy: int  # so many bad ones take it out


@dataclass(frozen=True)
class LoadBalancerSpec:
    """One load balancer. `public_ip` is empty for one inside its VPC only; `targets` are (name, private address)."""

    id: str
    name: str
    public_ip: str
    private_ip: str
    vpc_id: str
    rules: tuple[ForwardingRule, ...]
    targets: tuple[tuple[str, str], ...]
    health: HealthCheck
    idle_timeout: int  # seconds
    redirect_to_https: bool = False  # what comes to port 80 by http
    proxy_protocol: bool = False
    backend_keepalive: bool = False
    cookie_name: str = ""  # of sticky sessions; empty for none
    cookie_ttl: int = 0  # seconds
    allow: tuple[str, ...] = ()  # CIDRs; empty for everybody
    deny: tuple[str, ...] = ()
    strong_tls: bool = False


@dataclass(frozen=True)
class DnsRecord:
    """One record; `name` and host names in `data` are absolute with a trailing dot."""

    name: str
    type: str
    ttl: int
    data: str  # presentation format, such as `10 mail.example.` for MX


class Machines(Protocol):
    # -- the cloud as a whole --
    def start(self, report: Callable[[str], None]) -> None:
        """Bring up images, networks, DNS, ACME, Spaces. Safe after a crash.

        `report` is told each stage as it begins, one line for the person who waits ("building the droplet image").
        The API then asks again for everything that should be (VPCs, droplets, clusters, filters, names, keys).
        """

    def stop(self) -> None:
        """Remove everything this cloud put on the host: containers, networks, filters, /etc/hosts entries."""

    def on_power_event(self, callback: Callable[[int, str], None]) -> None:
        """`callback(droplet_id, "off"|"active")` when a droplet powered itself off or came back from its own reboot."""

    # -- networks and droplets --
    def create_vpc(self, spec: VpcSpec) -> None: ...

    def delete_vpc(self, vpc_id: str) -> None: ...

    def create_droplet(self, spec: DropletSpec) -> None:
        """Create and boot; returns when systemd runs, whether or not sshd answers yet."""

    def delete_droplet(self, droplet_id: int) -> None: ...

    def power_droplet(self, droplet_id: int, action: str) -> None:
        """`action`: power_on, power_off (hard), shutdown (asks the system), reboot, power_cycle."""

    def resize_droplet(self, droplet_id: int, vcpus: int, memory_mib: int) -> None: ...

    def filter_droplet(
        self, droplet_id: int, inbound: list[FilterRule] | None, outbound: list[FilterRule] | None
    ) -> None:
        """Replace the cloud firewall of one droplet; None (no firewall attached) lets everything through."""

    # -- load balancers and reserved addresses --
    def set_load_balancer(self, spec: LoadBalancerSpec) -> None:
        """Create it, or bring the running one to `spec` without losing a connection."""

    def delete_load_balancer(self, balancer_id: str) -> None: ...

    def set_reserved_ips(self, addresses: dict[str, str]) -> None:
        """Reserved address -> public address of the droplet that has it; replaces the whole set."""

    # -- database clusters --
    def create_cluster(self, spec: ClusterSpec) -> None:
        """Create and start; returns when the server accepts TLS connections."""

    def delete_cluster(self, cluster_id: str) -> None: ...

    def filter_cluster(self, cluster_id: str, trusted: list[str] | None) -> None:
        """Replace the trusted sources (CIDRs); None (no rule given) lets everybody through."""

    def set_cluster_user(self, cluster_id: str, name: str, password: str) -> None: ...

    def delete_cluster_user(self, cluster_id: str, name: str) -> None: ...

    def create_database(self, cluster_id: str, name: str) -> None: ...

    def delete_database(self, cluster_id: str, name: str) -> None: ...

    def configure_cluster(self, spec: ClusterSpec) -> None:
        """Bring a running cluster to the memory, settings and pools of `spec`; restarts it where it must."""

    def measure(self) -> dict[str, dict[str, float]]:
        """What the running machines use, named as in alert policies.

        "droplets:7", "databases:UUID" or "load_balancers:UUID" -> metric -> value.
        """

    # -- names and objects --
    def set_dns(self, zones: dict[str, list[DnsRecord]]) -> None:
        """Replace everything the authoritative DNS serves, and the host's own view of it (/etc/hosts)."""

    def set_spaces_keys(self, keys: dict[str, tuple[str, dict[str, str]]]) -> None:
        """access_key -> (secret_key, {bucket or "": read|readwrite|fullaccess}); replaces the whole set."""

    def empty_spaces(self) -> None:
        """Remove every bucket with all that is in it."""

    def buckets_with_policy(self) -> frozenset[str]:
        """Buckets that no limited key may be made for. Does not block: called from the event loop."""


class NoMachines:
    """API-only mode: everything succeeds at once and nothing exists."""

    def start(self, report: Callable[[str], None]) -> None: ...

    def stop(self) -> None: ...

    def on_power_event(self, callback: Callable[[int, str], None]) -> None: ...

    def create_vpc(self, spec: VpcSpec) -> None: ...

    def delete_vpc(self, vpc_id: str) -> None: ...

    def create_droplet(self, spec: DropletSpec) -> None: ...

    def delete_droplet(self, droplet_id: int) -> None: ...

    def power_droplet(self, droplet_id: int, action: str) -> None: ...

    def resize_droplet(self, droplet_id: int, vcpus: int, memory_mib: int) -> None: ...

    def filter_droplet(
        self, droplet_id: int, inbound: list[FilterRule] | None, outbound: list[FilterRule] | None
    ) -> None: ...

    def set_load_balancer(self, spec: LoadBalancerSpec) -> None: ...

    def delete_load_balancer(self, balancer_id: str) -> None: ...

    def set_reserved_ips(self, addresses: dict[str, str]) -> None: ...

    def create_cluster(self, spec: ClusterSpec) -> None: ...

    def delete_cluster(self, cluster_id: str) -> None: ...

    def filter_cluster(self, cluster_id: str, trusted: list[str] | None) -> None: ...

    def set_cluster_user(self, cluster_id: str, name: str, password: str) -> None: ...

    def delete_cluster_user(self, cluster_id: str, name: str) -> None: ...

    def create_database(self, cluster_id: str, name: str) -> None: ...

    def delete_database(self, cluster_id: str, name: str) -> None: ...

    def configure_cluster(self, spec: ClusterSpec) -> None: ...

    def measure(self) -> dict[str, dict[str, float]]:
        return {}

    def set_dns(self, zones: dict[str, list[DnsRecord]]) -> None: ...

    def set_spaces_keys(self, keys: dict[str, tuple[str, dict[str, str]]]) -> None: ...

    def empty_spaces(self) -> None: ...

    def buckets_with_policy(self) -> frozenset[str]:
        return frozenset()
