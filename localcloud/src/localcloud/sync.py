# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the state to the machines: what should stand on the host, and the queues that bring it about.

`desired()` derives everything from the state; `Sync.update()` compares it with what was asked for before and queues
what differs. So no handler calls a machine for what the state tells, and a start after a kill is one more comparison.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from localcloud import catalog
from localcloud.machines import (
    ClusterSpec,
    DnsRecord,
    DropletSpec,
    FilterRule,
    ForwardingRule,
    HealthCheck,
    LoadBalancerSpec,
    MachineError,
    Machines,
    PoolSpec,
    VpcSpec,
)
from localcloud.settings import server_settings

logger = logging.getLogger(__name__)

State = dict[str, Any]
Key = tuple[Hashable, ...]

DATABASE_ZONE = "db.localcloud.test"
NAME_SERVERS = ("ns1.digitalocean.com", "ns2.digitalocean.com", "ns3.digitalocean.com")


# -- what should be --------------------------------------------------------------------------------------------------


def droplet_addresses(droplet: dict[str, Any]) -> tuple[str, ...]:
    return f"{droplet['public_ip']}/32", f"{droplet['private_ip']}/32"


def effective_droplets(state: State, firewall: dict[str, Any]) -> list[int]:
    """Ids of the droplets that a firewall stands before: named ones and tagged ones."""
    tags = set(firewall["tags"])
    return [
        droplet["id"]
        for droplet in state["droplets"].values()
        if droplet["id"] in firewall["droplet_ids"] or tags & set(droplet["tags"])
    ]


def balanced_droplets(state: State, balancer: dict[str, Any]) -> list[int]:
    """Ids of the droplets behind a load balancer: the named ones, or those of its network with its tag."""
    if not balancer["tag"]:
        return list(balancer["droplet_ids"])
    return [
        droplet["id"]
        for droplet in state["droplets"].values()
        if balancer["tag"] in droplet["tags"] and droplet["vpc_uuid"] == balancer["vpc_uuid"]
    ]


def _tagged_addresses(state: State, tags: Iterable[str]) -> list[str]:
    wanted = set(tags)
    tagged = [droplet for droplet in state["droplets"].values() if wanted & set(droplet["tags"])]
    return [address for droplet in tagged for address in droplet_addresses(droplet)]


def _filter_rules(state: State, rules: list[dict[str, Any]], side: str) -> list[FilterRule]:
    result = []
    for rule in rules:
        target = rule[side]
        peers = [_cidr(address) for address in target.get("addresses", []) if ":" not in address]
        for droplet_id in target.get("droplet_ids", []):
            if droplet := state["droplets"].get(str(droplet_id)):
                peers += droplet_addresses(droplet)
        for balancer_id in target.get("load_balancer_uids", []):
            if balancer := state["load_balancers"].get(balancer_id):
                peers += droplet_addresses(balancer)
        peers += _tagged_addresses(state, target.get("tags", []))
        ports = "all" if rule["ports"] == "0" else rule["ports"]
        result.append(FilterRule(rule["protocol"], ports, tuple(sorted(set(peers)))))
    return result


def droplet_filter(state: State, droplet_id: int) -> tuple[list[FilterRule] | None, list[FilterRule] | None]:
    """The union of the rules of all firewalls before a droplet; (None, None) when there is no firewall."""
    attached = [fw for fw in state["firewalls"].values() if droplet_id in effective_droplets(state, fw)]
    if not attached:
        return None, None
    inbound = [rule for fw in attached for rule in _filter_rules(state, fw["inbound_rules"], "sources")]
    outbound = [rule for fw in attached for rule in _filter_rules(state, fw["outbound_rules"], "destinations")]
    return inbound, outbound


def trusted_sources(state: State, cluster: dict[str, Any]) -> list[str] | None:
    """CIDRs that may talk to a cluster; None when it has no rule and so trusts everybody."""
    if not cluster["rules"]:
        return None
    trusted: set[str] = set()
    for rule in cluster["rules"]:
        if rule["type"] == "ip_addr":
            trusted.add(_cidr(rule["value"]))
        elif rule["type"] == "tag":
            trusted.update(_tagged_addresses(state, [rule["value"]]))
        elif rule["type"] == "droplet" and (droplet := state["droplets"].get(rule["value"])):
            trusted.update(droplet_addresses(droplet))
    return sorted(trusted)


def zones(state: State) -> dict[str, list[DnsRecord]]:
    """Everything the DNS serves: the account's domains and the database hosts."""
    result = {name: _zone(name, domain) for name, domain in state["domains"].items()}
    hosts = []
    for cluster in state["databases"].values():
        hosts.append(DnsRecord(f"{cluster['host']}.", "A", 30, cluster["public_ip"]))
        hosts.append(DnsRecord(f"private-{cluster['host']}.", "A", 30, cluster["private_ip"]))
    soa = DnsRecord(f"{DATABASE_ZONE}.", "SOA", 1800, _soa(DATABASE_ZONE, 1800))
    server = DnsRecord(f"{DATABASE_ZONE}.", "NS", 1800, f"{NAME_SERVERS[0]}.")
    result[DATABASE_ZONE] = [soa, server, *hosts]
    return result


def _zone(name: str, domain: dict[str, Any]) -> list[DnsRecord]:
    result = []
    for record in domain["records"].values():
        data = record["data"]
        absolute = f"{name}." if data == "@" else f"{data}."
        match record["type"]:
            case "SOA":
                data = _soa(name, record["ttl"])
            case "CNAME" | "NS":
                data = absolute
            case "MX":
                data = f"{record['priority']} {absolute}"
            case "SRV":
                data = f"{record['priority']} {record['weight']} {record['port']} {absolute}"
            case "CAA":
                value = data if record["tag"] == "iodef" else data.rstrip(".")
                data = f'{record["flags"]} {record["tag"]} "{value}"'
            case "TXT":
                data = _quoted(data)
        owner = f"{name}." if record["name"] == "@" else f"{record['name']}.{name}."
        result.append(DnsRecord(owner, record["type"], record["ttl"], data))
    return result


def _soa(zone: str, ttl: int) -> str:
    return f"{NAME_SERVERS[0]}. hostmaster.{zone}. 1 10800 3600 604800 {ttl}"


def _quoted(text: str) -> str:
    """Split a text into the character strings of 255 octets that DNS knows."""
    escaped = [char if char not in '"\\' else f"\\{char}" for char in text]
    parts = ["".join(escaped[start : start + 255]) for start in range(0, len(escaped), 255)] or [""]
    return " ".join(f'"{part}"' for part in parts)


def _cidr(address: str) -> str:
    return str(ipaddress.ip_network(address, strict=False))


def load_balancer_spec(state: State, balancer: dict[str, Any]) -> LoadBalancerSpec:
    def certificate(certificate_id: str) -> str:
        found = state["certificates"].get(certificate_id)
        return found["chain"] + found["private_key"] if found else ""

    check, sticky = balancer["health_check"], balancer["sticky_sessions"]
    droplets = [state["droplets"][str(droplet_id)] for droplet_id in balanced_droplets(state, balancer)]
    return LoadBalancerSpec(
        id=balancer["id"],
        name=balancer["name"],
        public_ip=balancer["public_ip"] if balancer["network"] == "EXTERNAL" else "",
        private_ip=balancer["private_ip"],
        vpc_id=balancer["vpc_uuid"],
        rules=tuple(
            ForwardingRule(
                rule["entry_protocol"],
                rule["entry_port"],
                rule["target_protocol"],
                rule["target_port"],
                rule["tls_passthrough"],
                certificate(rule["certificate_id"]),
            )
            for rule in balancer["forwarding_rules"]
        ),
        targets=tuple((f"droplet-{droplet['id']}", droplet["private_ip"]) for droplet in droplets),
        health=HealthCheck(
            protocol=check["protocol"],
            port=check["port"],
            path=check["path"],
            interval=check["check_interval_seconds"],
            timeout=check["response_timeout_seconds"],
            healthy=check["healthy_threshold"],
            unhealthy=check["unhealthy_threshold"],
        ),
        idle_timeout=balancer["http_idle_timeout_seconds"],
        redirect_to_https=balancer["redirect_http_to_https"],
        proxy_protocol=balancer["enable_proxy_protocol"],
        backend_keepalive=balancer["enable_backend_keepalive"],
        cookie_name=sticky.get("cookie_name", ""),
        cookie_ttl=sticky.get("cookie_ttl_seconds", 0),
        allow=tuple(_cidr(entry.partition(":")[2]) for entry in balancer["firewall"]["allow"]),
        deny=tuple(_cidr(entry.partition(":")[2]) for entry in balancer["firewall"]["deny"]),
        strong_tls=balancer["tls_cipher_policy"] == "STRONG",
    )


def reserved_addresses(state: State) -> dict[str, str]:
    """Reserved address -> public address of its droplet."""
    droplets = state["droplets"]
    return {
        reserved["ip"]: droplets[str(reserved["droplet_id"])]["public_ip"]
        for reserved in state["reserved_ips"].values()
        if str(reserved["droplet_id"]) in droplets
    }


def desired(state: State, ca_certificate: str, ca_key: str) -> dict[Key, Any]:
    """Everything that should stand, in the order of making: key -> what is asked of the machines."""
    result: dict[Key, Any] = {}
    for vpc in state["vpcs"].values():
        result["vpc", vpc["id"]] = VpcSpec(vpc["id"], vpc["ip_range"])
    for droplet in state["droplets"].values():
        size = catalog.SIZES[droplet["size"]]
        result["droplet", droplet["id"]] = DropletSpec(
            id=droplet["id"],
            name=droplet["name"],
            image=droplet["image"],
            vcpus=size.vcpus,
            memory_mib=size.memory,
            disk_gib=droplet["disk"],
            public_ip=droplet["public_ip"],
            private_ip=droplet["private_ip"],
            vpc_id=droplet["vpc_uuid"],
            authorized_keys=tuple(droplet["authorized_keys"]),
            user_data=droplet["user_data"],
        )
        result["droplet_filter", droplet["id"]] = droplet_filter(state, droplet["id"])
    for cluster in state["databases"].values():
        id = cluster["id"]
        engine = catalog.ENGINES[cluster["engine"]]
        admin, *others = cluster["users"]
        result["cluster", id] = ClusterSpec(
            id=id,
            name=cluster["name"],
            engine=cluster["engine"],
            version=cluster["version"],
            public_ip=cluster["public_ip"],
            private_ip=cluster["private_ip"],
            vpc_id=cluster["private_network_uuid"],
            host=cluster["host"],
            private_host=f"private-{cluster['host']}",
            port=engine.port,
            memory_mib=catalog.database_memory(cluster["next_size"] or cluster["size"]),
            admin_user=engine.admin_user,
            admin_password=admin["password"],
            ca_cert_pem=ca_certificate,
            ca_key_pem=ca_key,
            settings=server_settings(cluster["engine"], cluster["config"]),
            pools=tuple(
                PoolSpec(pool["name"], pool["mode"], pool["size"], pool["db"], pool.get("user", ""))
                for pool in cluster["pools"].values()
            ),
        )
        result["cluster_filter", id] = trusted_sources(state, cluster)
        for user in others:
            result["cluster_user", id, user["name"]] = user["password"]
        for name in (cluster["db_names"] or [])[1:]:
            result["database", id, name] = True
    for balancer in state["load_balancers"].values():
        result["load_balancer", balancer["id"]] = load_balancer_spec(state, balancer)
    result["reserved_ips",] = reserved_addresses(state)
    result["dns",] = zones(state)
    result["spaces_keys",] = {
        key["access_key"]: (key["secret_key"], {grant["bucket"]: grant["permission"] for grant in key["grants"]})
        for key in state["spaces_keys"].values()
    }
    return result


# -- bringing it about -----------------------------------------------------------------------------------------------


class Queues:
    """Blocking calls in worker threads, one at a time and in order per queue ("droplet:7")."""

    def __init__(self, on_idle: Callable[[], None]) -> None:
        self.failures: dict[str, str] = {}  # queue -> what went wrong first
        self._own_failures: set[str] = set()  # those of calls, not ordered ones
        self._tails: dict[str, asyncio.Task[None]] = {}
        self._on_idle = on_idle
        # Threads of their own: whoever looks at a target must not wait for machines that are being made.
        self._threads = ThreadPoolExecutor(thread_name_prefix="machines")

    def busy(self, queue: str) -> bool:
        return queue in self._tails

    def run(
        self,
        queue: str,
        call: Callable[..., None],
        *args: Any,
        after: Iterable[str] = (),
        needs: str = "",
        whole: bool = False,
    ) -> None:
        """Call `call(*args)` when all that is queued now in `queue` and in the queues `after` is done.

        `needs` is a queue that must be done too, and not have failed. `whole`: the call brings about all that the queue
        is for, so that once it succeeds earlier failures are over.
        """
        before = [self._tails[name] for name in (queue, needs, *after) if name in self._tails]
        task = asyncio.get_running_loop().create_task(self._run(queue, before, needs, whole, call, args))
        self._tails[queue] = task
        task.add_done_callback(lambda done: self._finished(queue, done))

    def busy_names(self) -> list[str]:
        return list(self._tails)

    async def drain(self) -> None:
        while self._tails:
            await asyncio.wait(self._tails.values())

    async def _run(
        self,
        queue: str,
        before: list[asyncio.Task[None]],
        needs: str,
        whole: bool,
        call: Callable[..., None],
        args: tuple[Any, ...],
    ) -> None:
        if before:
            await asyncio.wait(before)
        if needs in self.failures:
            self._failed(queue, call, f"{needs} failed before: {self.failures[needs]}")
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)
        except MachineError as error:
            self._failed(queue, call, str(error))
        except Exception as error:  # a defect of the machines must show, and not stop the others
            logger.exception("%s: %s failed", queue, getattr(call, "__name__", call))
            self._failed(queue, call, repr(error))
        else:
            if whole and queue in self._own_failures:
                self._own_failures.discard(queue)
                self.failures.pop(queue, None)

    def _failed(self, queue: str, call: Callable[..., None], text: str) -> None:
        if queue not in self.failures:  # what fails afterwards is a consequence
            self.failures[queue] = text
            self._own_failures.add(queue)
        logger.error("%s: %s: %s", queue, getattr(call, "__name__", call), text)

    def _finished(self, queue: str, task: asyncio.Task[None]) -> None:
        if self._tails.get(queue) is task:
            del self._tails[queue]
            self._on_idle()


_STANDING = ("vpc", "droplet", "cluster", "load_balancer")  # what stays on the host when the server is gone


class Sync:
    """Keeps the machines at what the state says."""

    def __init__(self, machines: Machines, queues: Queues, ca_certificate: str, ca_key: str) -> None:
        self._machines = machines
        self._queues = queues
        self._ca = ca_certificate, ca_key
        self._asked: dict[Key, Any] = {}
        self._leaving: dict[str, None] = {}  # what is being removed, and stands on the host until that is done

    def resume(self, state: State) -> None:
        """Take over after a stop or a kill: what stood on the host is asked for again, or removed."""
        for name in state["machines"]:
            kind, _, id = name.partition(":")
            self._asked[kind, int(id) if kind == "droplet" else id] = None
        self.update(state)
        for droplet in state["droplets"].values():
            if droplet["status"] == "off":
                self._queues.run(f"droplet:{droplet['id']}", self._machines.power_droplet, droplet["id"], "power_off")

    def update(self, state: State) -> None:
        """Queue what differs between the state and what was asked for last."""
        wanted = desired(state, *self._ca)
        # Against the order of making: members go before their network.
        for key in [key for key in reversed(self._asked) if key not in wanted]:
            self._remove(key, wanted)
            del self._asked[key]
        for key, value in wanted.items():
            if key not in self._asked or self._asked[key] != value:
                self._ask(key, self._asked.get(key), value)
                self._asked[key] = value
        # In the order of making, too: a start after a kill removes first what was to go first.
        leaving = list(self._leaving)[::-1]
        state["machines"] = [f"{key[0]}:{key[1]}" for key in self._asked if key[0] in _STANDING] + leaving

    def _ask(self, key: Key, before: Any, value: Any) -> None:
        run, machines = self._queues.run, self._machines
        match key:
            case ("vpc", id):
                if before is None:
                    run(f"vpc:{id}", machines.create_vpc, value)
            case ("droplet", id):
                if before is None:
                    run(f"droplet:{id}", machines.create_droplet, value, needs=f"vpc:{value.vpc_id}")
                elif (before.vcpus, before.memory_mib) != (value.vcpus, value.memory_mib):
                    run(f"droplet:{id}", machines.resize_droplet, id, value.vcpus, value.memory_mib)
            case ("droplet_filter", id):
                run(f"droplet:{id}", machines.filter_droplet, id, *value)
            case ("cluster", id):
                if before is None or before.version != value.version:
                    run(f"cluster:{id}", machines.create_cluster, value, needs=f"vpc:{value.vpc_id}")
                    return
                if before.admin_password != value.admin_password:
                    run(f"cluster:{id}", machines.set_cluster_user, id, value.admin_user, value.admin_password)
                if replace(before, admin_password=value.admin_password) != value:
                    run(f"cluster:{id}", machines.configure_cluster, value)
            case ("cluster_filter", id):
                run(f"cluster:{id}", machines.filter_cluster, id, value)
            case ("cluster_user", id, name):
                run(f"cluster:{id}", machines.set_cluster_user, id, name, value)
            case ("database", id, name):
                run(f"cluster:{id}", machines.create_database, id, name)
            case ("load_balancer", id):
                needs = f"vpc:{value.vpc_id}"
                run(f"load_balancer:{id}", machines.set_load_balancer, value, needs=needs, whole=True)
            case ("reserved_ips",):
                run("reserved_ips", machines.set_reserved_ips, value, whole=True)
            case ("dns",):
                run("dns", machines.set_dns, value, whole=True)
            case ("spaces_keys",):
                run("spaces", machines.set_spaces_keys, value, whole=True)

    def _remove(self, key: Key, wanted: dict[Key, Any]) -> None:
        run, machines = self._queues.run, self._machines
        match key:
            case ("vpc", id):
                # Its members are gone from the state already, perhaps not yet from the host.
                self._end(f"vpc:{id}", machines.delete_vpc, id, after=self._queues.busy_names())
            case ("droplet", id):
                self._end(f"droplet:{id}", machines.delete_droplet, id)
            case ("cluster", id):
                self._end(f"cluster:{id}", machines.delete_cluster, id)
            case ("load_balancer", id):
                self._end(f"load_balancer:{id}", machines.delete_load_balancer, id)
            case ("cluster_user", id, name) if ("cluster", id) in wanted:
                run(f"cluster:{id}", machines.delete_cluster_user, id, name)
            case ("database", id, name) if ("cluster", id) in wanted:
                run(f"cluster:{id}", machines.delete_database, id, name)

    def _end(self, name: str, delete: Callable[[Any], None], id: Any, after: Iterable[str] = ()) -> None:
        def remove() -> None:
            delete(id)
            self._leaving.pop(name, None)  # not when it failed: the next start tries again

        self._leaving[name] = None
        self._queues.run(name, remove, after=after)
