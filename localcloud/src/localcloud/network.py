# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks and the packet filter.

One bridge is the public internet of the cloud, one more per VPC. Cloud firewalls and trusted sources are nftables rules
on the host, where no droplet can reach them: a droplet is root in its own network namespace and may flush what is
there. Traffic between two containers on one bridge passes the host's filter because br_netfilter is on for our bridges.
"""

from __future__ import annotations

import ipaddress
import json
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from localcloud import hosts
from localcloud.hosts import Podman
from localcloud.machines import FilterRule, MachineError, VpcSpec

PUBLIC_RANGE = "10.77.0.0/16"
GATEWAY = "10.77.0.1"  # the host itself; Spaces answers here
DNS_ADDRESS = "10.77.0.3"
ACME_ADDRESS = "10.77.0.4"
OBJECT_STORE_ADDRESS = "10.77.0.5"  # what stands behind Spaces; for the host only
PUBLIC_NETWORK = "localcloud-public"
TABLE = "inet localcloud"
_LEAVING_TIMEOUT = 60.0  # seconds


def vpc_network(vpc_id: str) -> str:
    return f"localcloud-vpc-{vpc_id}"


def mac(address: str) -> str:
    """A locally administered MAC that follows from the IPv4 address, so that it outlives every restart."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed)


def attach(address: str, network: str = PUBLIC_NETWORK, interface: str = "eth0") -> str:
    """podman's `--network` argument; without MAC and interface name both would change from start to start."""
    return f"--network={network}:ip={address},mac={mac(address)},interface_name={interface}"


class Networks:
    """The cloud's bridges."""

    def __init__(self, podman: Podman) -> None:
        self._podman = podman
        self._bridges: dict[str, tuple[str, str]] = {}  # network -> (bridge, gateway)
        self._ranges: dict[str, ipaddress.IPv4Network] = {}
        self._held: set[str] = set()  # addresses of the public network that the host answers for
        self._holding = threading.Lock()

    def ensure_public(self) -> None:
        self._ensure(PUBLIC_NETWORK, PUBLIC_RANGE, internal=False)

    def ensure_vpc(self, spec: VpcSpec) -> None:
        self._ensure(vpc_network(spec.id), spec.ip_range, internal=True)

    def _ensure(self, name: str, ip_range: str, *, internal: bool) -> None:
        subnet = ipaddress.IPv4Network(ip_range)
        gateway = str(subnet.network_address + 1)
        known = self._inspect(name)
        if known is None:
            self._wait_for_leaving(name, subnet)
            _check_free(subnet)
            options = [f"--subnet={ip_range}", f"--gateway={gateway}", f"--opt=mtu={_uplink_mtu()}"]
            if internal:
                options.append("--internal")
            # --disable-dns: podman's own name server would take port 53 of the gateway
            self._podman("network", "create", "--disable-dns", "--label=localcloud=1", *options, name)
            known = self._inspect(name)
            if known is None:
                raise MachineError(f"the network {name} was made and is not there")
        bridge, present = known
        if present != str(subnet):
            raise MachineError(
                f"the network {name} has the range {present} instead of {subnet}; run `localcloud down` first"
            )
        self._bridges[name] = (bridge, gateway)
        self._ranges[name] = subnet

    def _wait_for_leaving(self, name: str, subnet: ipaddress.IPv4Network) -> None:
        """A range may be given again while the network that had it before is still being removed."""
        deadline = time.monotonic() + _LEAVING_TIMEOUT
        while any(taken.overlaps(subnet) for other, taken in list(self._ranges.items()) if other != name):
            if time.monotonic() > deadline:
                raise MachineError(f"the range {subnet} overlaps that of another network of this cloud")
            time.sleep(0.2)

    def _inspect(self, name: str) -> tuple[str, str] | None:
        """(bridge, subnet) of a network, None when there is no such network."""
        try:
            found = json.loads(self._podman("network", "inspect", name))[0]
        except MachineError as error:
            if "not found" in str(error):
                return None
            raise
        return found["network_interface"], found["subnets"][0]["subnet"]

    def settle(self) -> None:
        """Fix what a bridge forgets whenever it is made anew, which is each time its first container starts.

        A bridge takes the lowest MAC of its ports: without an address of its own every start of a container changes
        it, and the neighbours' stale ARP entries make connections to the gateway hang for 10 to 30 s.
        """
        for bridge, gateway in list(self._bridges.values()):
            folder = Path("/sys/class/net") / bridge
            if not folder.exists():
                continue
            if (folder / "address").read_text().strip() != mac(gateway):
                hosts.run(["ip", "link", "set", bridge, "address", mac(gateway)])
            for switch in ("nf_call_iptables", "nf_call_ip6tables"):
                file = folder / "bridge" / switch
                if file.read_text().strip() != "1":
                    file.write_text("1")
        self._hold()

    def hold(self, addresses: Iterable[str]) -> None:
        """Answer for exactly these addresses of the public network and the gateway; the filter leads them on."""
        self._held = set(addresses)
        self._hold()

    def _hold(self) -> None:
        bridge, gateway = self._bridges.get(PUBLIC_NETWORK, ("", ""))
        if not bridge or not (Path("/sys/class/net") / bridge).exists():
            return
        with self._holding:  # a machine that starts meanwhile would add the same address
            (interface,) = json.loads(hosts.run(["ip", "-j", "-4", "address", "show", "dev", bridge]))
            present = {entry["local"] for entry in interface["addr_info"]} - {gateway}
            for address in sorted(present - self._held):
                hosts.run(["ip", "address", "delete", f"{address}/32", "dev", bridge])
            for address in sorted(self._held - present):
                hosts.run(["ip", "address", "add", f"{address}/32", "dev", bridge])

    def bridges(self) -> list[str]:
        return [bridge for bridge, _ in self._bridges.values()]

    def remove(self, name: str) -> None:
        if self._inspect(name) is not None:
            self._podman("network", "rm", "--force", name)
        self._bridges.pop(name, None)
        self._ranges.pop(name, None)


def _uplink_mtu() -> int:
    routes = json.loads(hosts.run(["ip", "-j", "route", "show", "default"]) or "[]")
    return int((Path("/sys/class/net") / routes[0]["dev"] / "mtu").read_text()) if routes else 1500


def _check_free(subnet: ipaddress.IPv4Network) -> None:
    for route in json.loads(hosts.run(["ip", "-j", "route", "show"])):
        if route["dst"] == "default":
            continue
        taken = ipaddress.IPv4Network(route["dst"], strict=False)
        if taken.overlaps(subnet):
            raise MachineError(
                f"the range {subnet} is in use on this host: {taken} goes through {route.get('dev', 'another route')}"
            )


def load_bridge_filter() -> None:
    """Make bridged traffic visible to the packet filter, for the bridges that ask for it only."""
    switches = Path("/proc/sys/net/bridge")
    if not switches.exists():
        hosts.run(["modprobe", "br_netfilter"])
        # loading the module switches it on for every bridge of the host, which is not ours to do
        for name in ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables"):
            (switches / name).write_text("0")


@dataclass(frozen=True)
class Guard:
    """The filter of one machine: its addresses and what may pass. None stands for no filter at all."""

    addresses: tuple[str, ...]
    inbound: tuple[FilterRule, ...] | None
    outbound: tuple[FilterRule, ...] | None


class PacketFilter:
    """The nftables table of this cloud; every change replaces it as a whole, in one transaction."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def apply(
        self,
        guards: Iterable[Guard],
        vpc_ranges: Iterable[str],
        bridges: Iterable[str],
        redirects: Mapping[str, str],
    ) -> None:
        with self._lock:
            hosts.run(["nft", "-f", "-"], stdin=ruleset(guards, vpc_ranges, bridges, redirects))

    def remove(self) -> None:
        with self._lock:
            hosts.run(["nft", "-f", "-"], stdin=f"add table {TABLE}\ndelete table {TABLE}\n")


def ruleset(
    guards: Iterable[Guard],
    vpc_ranges: Iterable[str],
    bridges: Iterable[str],
    redirects: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The nft commands that put exactly these guards in place, and lead `redirects` (address -> address).

    A guard's chain returns what may pass and drops the rest, so that a packet between two guarded machines must satisfy
    the sender's outbound and the receiver's inbound rules.
    """
    chains: list[str] = []
    senders: list[str] = []
    receivers: list[str] = []
    for number, guard in enumerate(guards):
        for rules, direction, members in ((guard.outbound, "out", senders), (guard.inbound, "in", receivers)):
            if rules is None:
                continue
            chain = f"{direction}_{number}"
            peer = "daddr" if direction == "out" else "saddr"
            lines = [line for rule in rules if (line := _match(rule, peer))]
            chains.append(_chain(chain, [*lines, "counter drop"]))
            members += [f"{address} : jump {chain}" for address in guard.addresses]
    ranges = sorted(set(vpc_ranges))
    subnets = f"{{ {', '.join([PUBLIC_RANGE, *ranges])} }}"
    guard_lines = ["ct state established,related accept", "ct state invalid drop"]
    if senders:
        guard_lines.append(f"ip saddr vmap {{ {', '.join(senders)} }}")
    if receivers:
        guard_lines.append(f"ip daddr vmap {{ {', '.join(receivers)} }}")
    # the cloud's networks are IPv4: link-local IPv6 would be a way around every rule
    no_ipv6 = f"iifname {{ {', '.join(sorted(bridges))} }} meta nfproto ipv6 drop"
    forward = [no_ipv6, "ct state established,related accept", f"ip daddr {OBJECT_STORE_ADDRESS} drop"]
    for vpc in ranges:
        # a VPC is reached by its members only, not through the host that carries all networks
        forward += [f"ip daddr {vpc} ip saddr != {vpc} drop", f"ip saddr {vpc} ip daddr != {vpc} drop"]
    output = ["ct state established,related accept"]
    if ranges:
        output.append(f"ip daddr {{ {', '.join(ranges)} }} drop")
    return "\n".join(
        [
            f"add table {TABLE}",
            f"delete table {TABLE}",
            f"table {TABLE} {{",
            *chains,
            _chain("guard", guard_lines),
            _chain(
                "forward", [*forward, f"ip saddr {subnets} goto guard", f"ip daddr {subnets} goto guard"], "forward"
            ),
            _chain("output", [*output, f"ip daddr {subnets} goto guard"], "output"),
            _chain("input", [no_ipv6, f"ip saddr {subnets} goto guard"], "input"),
            *_redirections(redirects),
            "}\n",
        ]
    )


def _redirections(redirects: Mapping[str, str]) -> list[str]:
    """Before the filter looks, so that it judges the droplet that is meant."""
    if not redirects:
        return []
    pairs = ", ".join(f"{address} : {target}" for address, target in sorted(redirects.items()))
    line = f"dnat ip to ip daddr map {{ {pairs} }}"
    return [
        f"  chain redirect_{hook} {{\n    type nat hook {hook} priority -100; policy accept;\n    {line}\n  }}"
        for hook in ("prerouting", "output")
    ]


def _chain(name: str, lines: list[str], hook: str = "") -> str:
    head = [f"type filter hook {hook} priority filter - 10; policy accept;"] if hook else []
    return f"  chain {name} {{\n" + "".join(f"    {line}\n" for line in head + lines) + "  }"


def _match(rule: FilterRule, peer: str) -> str:
    """One rule in nft's words; empty when nobody is let through by it."""
    networks = [ipaddress.ip_network(peer_range, strict=False) for peer_range in rule.peers]
    peers = list(ipaddress.collapse_addresses(net for net in networks if isinstance(net, ipaddress.IPv4Network)))
    if not peers:
        return ""
    words = [f"ip {peer} {{ {', '.join(map(str, peers))} }}"]
    if rule.protocol == "icmp":
        words.append("ip protocol icmp")
    elif rule.ports in ("all", "0", ""):
        words.append(f"ip protocol {rule.protocol}")
    else:
        words.append(f"{rule.protocol} dport {rule.ports}")
    return " ".join([*words, "return"])
