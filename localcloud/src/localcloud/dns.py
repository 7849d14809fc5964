# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names: BIND serves the cloud's zones and forwards every other question to the host's resolvers.

It answers at 10.77.0.3 for droplets and the ACME server; the host itself gets the same addresses through /etc/hosts.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from localcloud import hosts
from localcloud.hosts import Podman
from localcloud.machines import DnsRecord

CONTAINER = "localcloud-dns"
CLOUD_ZONE = "localcloud.test"
_STATIC_ZONE = "static.localcloud.invalid"


def command() -> list[str]:
    return ["named", "-f", "-4", "-n", "1", "-u", "bind", "-c", "/zones/named.conf"]


def write_zones(folder: Path, zones: dict[str, list[DnsRecord]], serial: int) -> None:
    """BIND's configuration and zone files of these zones; `zones` have no trailing dot."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    names = sorted(zones)
    for name in names:
        (folder / f"{name}.zone").write_text(zone_text(name, zones[name], serial))
    static = [(name, address) for address, found in hosts.static_names().items() for name in found]
    (folder / f"{_STATIC_ZONE}.zone").write_text(
        f"$TTL 60\n@ SOA localhost. root.localhost. {serial} 60 60 60 60\n@ NS localhost.\n"
        + "".join(f"{name} {'AAAA' if ':' in address else 'A'} {address}\n" for name, address in static)
    )
    (folder / "named.conf").write_text(_configuration(names, hosts.forwarders()))
    for leftover in set(folder.glob("*.zone")) - {folder / f"{name}.zone" for name in [*names, _STATIC_ZONE]}:
        leftover.unlink()
    for file in folder.iterdir():
        file.chmod(0o644)
        # BIND skips files that are not newer than its last load, which two changes in one moment would not be
        os.utime(file, (serial, serial + 3600))


def zone_text(zone: str, records: list[DnsRecord], serial: int) -> str:
    """A master file. The SOA is ours; a zone without NS records gets the cloud's own."""
    lines = [f"$TTL 1800\n{zone}. 1800 SOA ns1.{CLOUD_ZONE}. hostmaster.{CLOUD_ZONE}. {serial} 10800 3600 604800 60"]
    if not any(record.type == "NS" and record.name == f"{zone}." for record in records):
        lines.append(f"{zone}. 1800 NS ns1.{CLOUD_ZONE}.")
    for record in records:
        if record.type != "SOA":
            lines.append(f"{record.name} {record.ttl} {record.type} {record.data}")
    return "\n".join(lines) + "\n"


def _configuration(zones: list[str], forwarders: list[str]) -> str:
    served = "".join(
        f'zone "{name}" {{ type primary; file "/zones/{name}.zone"; check-names ignore; }};\n'
        for name in [*zones, _STATIC_ZONE]
    )
    servers = " ".join(f"{address};" for address in forwarders)
    forward = f"forward only; forwarders {{ {servers} }};" if forwarders else ""
    return f"""options {{
  directory "/var/cache/bind";
  listen-on {{ any; }};
  listen-on-v6 {{ none; }};
  allow-query {{ any; }};
  recursion yes;
  allow-recursion {{ any; }};
  {forward}
  dnssec-validation no;
  empty-zones-enable no;
  max-cache-size 16m;
  max-ncache-ttl 5;
  response-policy {{ zone "{_STATIC_ZONE}"; }} qname-wait-recurse no;
}};
{served}"""


def reload(podman: Podman, zones: list[str], serial: int) -> None:
    """Have the running server take up the files; returns when it serves them."""
    # zones are loaded in the background: served is what carries the new serial
    script = f"""
        for zone in {" ".join(zones)}; do
            named-checkzone -k ignore $zone /zones/$zone.zone > /tmp/check 2>&1 || {{ cat /tmp/check >&2; exit 1; }}
        done
        rndc reconfig && rndc reload || exit 1
        for zone in {" ".join(zones)}; do
            for i in $(seq 100); do
                rndc zonestatus $zone 2>/dev/null | grep -q 'serial: {serial}$' && continue 2
                sleep 0.05
            done
            echo "$zone has not been loaded" >&2
            exit 1
        done
    """
    podman("exec", CONTAINER, "sh", "-c", script)


def new_serial(previous: int) -> int:
    """Serials rise, also when two changes fall into one second."""
    return max(int(time.time()), previous + 1)


def host_entries(zones: dict[str, list[DnsRecord]]) -> list[tuple[str, str]]:
    """(address, name) of every name that leads to an A record, CNAMEs as well; wildcards have no line in hosts."""
    addresses: dict[str, list[str]] = {}
    aliases: dict[str, str] = {}
    for records in zones.values():
        for record in records:
            if record.type == "A":
                addresses.setdefault(record.name.lower(), []).append(record.data)
            elif record.type == "CNAME":
                aliases[record.name.lower()] = record.data.lower()
    entries = []
    for name in sorted({*addresses, *aliases}):
        target = name
        for _ in range(8):
            target = aliases.get(target, target)
        if not name.startswith("*"):
            entries += [(address, name.rstrip(".")) for address in addresses.get(target, [])]
    return entries
