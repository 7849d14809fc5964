# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`PodmanMachines`: real machines behind the API, one container each.

Nothing is remembered here from one process to the next: disks and data lie in `machines/` of the state directory, and
the API asks for everything again after a start. Containers go on running while the server is away.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from localcloud import acme, databases, dns, droplets, hosts, images, loadbalancers, spaces
from localcloud.hosts import Podman
from localcloud.machines import (
    ClusterSpec,
    DnsRecord,
    DropletSpec,
    FilterRule,
    LoadBalancerSpec,
    MachineError,
    VpcSpec,
)
from localcloud.measure import Meter, Subject
from localcloud.network import (
    ACME_ADDRESS,
    DNS_ADDRESS,
    GATEWAY,
    Guard,
    Networks,
    PacketFilter,
    attach,
    load_bridge_filter,
    vpc_network,
)
from localcloud.tls import Authority

logger = logging.getLogger(__name__)

# the addresses and the host's tables are of the whole computer: one cloud with machines at a time
_HOST_LOCK = Path("/run/localcloud.lock")
_LABEL = "localcloud"
_CRASH_PAUSE = 1.0  # seconds before a load balancer that ended by itself is started again


class PodmanMachines:
    """Implements `machines.Machines`; needs root. `state_dir` holds disks, data and the cloud's authority."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir.resolve() / "machines"
        self._authority_folder = state_dir.resolve()
        self._podman = Podman(self._folder)
        self._networks = Networks(self._podman)
        self._filter = PacketFilter()
        self._spaces = spaces.Spaces(self._podman, self._folder / "spaces", self._write_hosts)
        self._meter = Meter(self._podman.container_pid)
        self._images: dict[str, str] = {}
        self._droplet_image = ""
        self._lock = threading.RLock()  # guards the dictionaries below
        self._dns_lock = threading.Lock()
        self._start_lock = threading.Lock()  # netavark 1.4 does not serialise its iptables calls
        self._balancer_lock = threading.Lock()  # one that crashed may be changed while it is started again
        self._vpcs: dict[str, VpcSpec] = {}
        self._droplets: dict[int, DropletSpec] = {}
        self._clusters: dict[str, ClusterSpec] = {}
        self._droplet_guards: dict[int, Guard] = {}
        self._cluster_guards: dict[str, Guard] = {}
        self._balancers: dict[str, loadbalancers.LoadBalancer] = {}
        self._reserved_ips: dict[str, str] = {}  # address -> public address of its droplet
        self._zones: dict[str, list[DnsRecord]] = {}
        self._serial = 0
        self._expected_stops: set[str] = set()  # ids of the containers that we end
        self._power_event: Callable[[int, str], None] = lambda droplet_id, state: None
        self._events: subprocess.Popen[bytes] | None = None
        self._host_lock: IO[str] | None = None

    # -- the cloud as a whole --

    def start(self, report: Callable[[str], None]) -> None:
        hosts.check_requirements()
        self._take_host()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        self._podman.configure()
        hosts.settle_cgroups()
        hosts.remember_host(self._folder / "host.json")
        self._remove_foreign_leftovers()
        self._images = images.ensure_images(self._podman, report)
        self._authority = Authority.load_or_create(self._authority_folder, "ca", "localcloud")
        self._droplet_image = images.droplet_layer(self._podman, self._authority.certificate_pem)
        report("starting networks, DNS, ACME and Spaces")
        load_bridge_filter()
        self._networks.ensure_public()
        self._start_dns()
        self._start_acme()
        self._spaces.start(self._ensure_container, self._images["services"], self._authority)
        self._apply_filter()
        self._watch()

    def _take_host(self) -> None:
        if self._host_lock is not None:
            return
        file = _HOST_LOCK.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            owner = file.read().strip()
            file.close()
            raise MachineError(
                f"another localcloud runs machines on this host (its state: {owner}); stop it with `localcloud down`"
            ) from None
        file.seek(0)
        file.truncate()
        file.write(str(self._authority_folder))
        file.flush()
        self._host_lock = file

    def _remove_foreign_leftovers(self) -> None:
        """Containers and disks of a cloud that died without `down`, started from another state directory."""
        listed = self._podman("ps", "--all", f"--filter=label={_LABEL}", "--format=json")
        for entry in json.loads(listed or "[]"):
            if entry["Labels"].get(_LABEL) != str(self._folder):
                self._podman.remove(entry["Names"][0])
        droplets.unmount_all(besides=self._folder.resolve())

    def stop(self) -> None:
        self._take_host()  # or else it is another cloud's, and nothing of ours is left on it
        self._podman.configure()
        self._stop_watching()
        self._spaces.stop()
        listed = self._podman("ps", "--all", f"--filter=label={_LABEL}", "--format={{.Names}}").split()
        threads = [threading.Thread(target=self._podman.remove, args=(name, 0)) for name in listed]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        droplets.unmount_all()
        for image in self._podman("images", "--filter=reference=localhost/localcloud-droplet-local", "--quiet").split():
            self._podman("image", "unmount", image)
        for name in self._podman("network", "ls", f"--filter=label={_LABEL}", "--format={{.Name}}").split():
            self._networks.remove(name)
        self._filter.remove()
        hosts.write_hosts([])
        hosts.restore_host(self._folder / "host.json", self._podman)
        _HOST_LOCK.unlink(missing_ok=True)
        self.leave()

    def leave(self) -> None:
        """Let go of the machines, which go on running: whoever starts next from this state takes them over."""
        self._stop_watching()
        self._spaces.stop()
        if self._host_lock is not None:
            self._host_lock.close()
            self._host_lock = None

    def on_power_event(self, callback: Callable[[int, str], None]) -> None:
        self._power_event = callback

    # -- containers --

    def _ensure_container(self, name: str, arguments: list[str], at_start: tuple[str, ...] = ()) -> bool:
        """Have `name` run with exactly these arguments of `podman run`; True when it was started now.

        `at_start` are options that a running container need not have.
        """
        digest = hashlib.sha256(json.dumps(arguments).encode()).hexdigest()[:16]
        listed = self._podman(
            *("ps", "--quiet", f"--filter=name=^{name}$", f"--filter=label=localcloud.arguments={digest}")
        )
        if listed.strip():
            return False
        self._remove_container(name)
        labels = [f"--label={_LABEL}={self._folder}", f"--label=localcloud.arguments={digest}"]
        with self._start_lock:
            self._podman("run", "--detach", "--cgroupns=private", *labels, *at_start, *arguments)
            self._networks.settle()
        return True

    def _remove_container(self, name: str, grace: int = 2) -> None:
        listed = self._container_ids(name)
        with self._lock:
            self._expected_stops.update(listed)
        self._podman.remove(name, grace)

    def _container_ids(self, name: str) -> list[str]:
        """The id of the container of that name, running or not; empty when there is none."""
        return self._podman("ps", "--all", "--no-trunc", "--quiet", f"--filter=name=^{name}$").split()

    def _start_dns(self) -> None:
        self._write_zones()
        self._ensure_container(
            dns.CONTAINER,
            [
                *(f"--name={dns.CONTAINER}", attach(DNS_ADDRESS), f"--volume={self._folder / 'dns'}:/zones:ro"),
                *(self._images["services"], *dns.command()),
            ],
        )

    def _start_acme(self) -> None:
        folder = self._folder / "acme"
        (folder / "data").mkdir(parents=True, exist_ok=True)
        (folder / "Caddyfile").write_text(acme.CADDYFILE)
        self._ensure_container(
            acme.CONTAINER,
            [
                *(f"--name={acme.CONTAINER}", attach(ACME_ADDRESS), f"--dns={DNS_ADDRESS}"),
                *(f"--volume={folder / 'Caddyfile'}:/etc/caddy/acme:ro", f"--volume={folder / 'data'}:/data"),
                *(f"--volume={self._authority_folder / name}:/pki/{name}:ro" for name in ("ca.pem", "ca-key.pem")),
                *(self._images["services"], *acme.command()),
            ],
        )

    # -- networks and filters --

    def create_vpc(self, spec: VpcSpec) -> None:
        self._networks.ensure_vpc(spec)
        with self._lock:
            self._vpcs[spec.id] = spec
        self._apply_filter()

    def delete_vpc(self, vpc_id: str) -> None:
        self._networks.remove(vpc_network(vpc_id))
        with self._lock:
            self._vpcs.pop(vpc_id, None)
        self._apply_filter()

    def _apply_filter(self) -> None:
        with self._lock:
            guards = [*self._droplet_guards.values(), *self._cluster_guards.values()]
            ranges = [vpc.ip_range for vpc in self._vpcs.values()]
            self._filter.apply(guards, ranges, self._networks.bridges(), self._reserved_ips)

    # -- droplets --

    def _disk(self, droplet_id: int) -> droplets.Disk:
        return droplets.Disk(self._podman, self._folder / "droplets" / str(droplet_id))

    def create_droplet(self, spec: DropletSpec) -> None:
        droplets.check_user_data(spec.user_data)
        with self._lock:
            self._droplets[spec.id] = spec
        self._boot(spec)

    def _boot(self, spec: DropletSpec) -> None:
        disk = self._disk(spec.id)
        name = droplets.container(spec.id)
        disk.mount(self._droplet_image, spec)
        arguments = droplets.arguments(self._podman, spec, disk.root)
        if self._ensure_container(name, arguments, (f"--hostname={droplets.hostname(disk.root)}",)):
            droplets.wait_for_systemd(self._podman, name)

    def _halt(self, droplet_id: int, grace: int) -> None:
        self._remove_container(droplets.container(droplet_id), grace)

    def delete_droplet(self, droplet_id: int) -> None:
        self._halt(droplet_id, 0)
        self._disk(droplet_id).delete()
        with self._lock:
            self._droplets.pop(droplet_id, None)
            self._droplet_guards.pop(droplet_id, None)
        self._apply_filter()

    def power_droplet(self, droplet_id: int, action: str) -> None:
        with self._lock:
            spec = self._droplets[droplet_id]
        match action:
            case "power_on":
                self._boot(spec)
            case "power_off":
                self._halt(droplet_id, 0)
            case "shutdown":
                self._halt(droplet_id, 60)
            case "reboot":
                self._halt(droplet_id, 60)
                self._boot(spec)
            case "power_cycle":
                self._halt(droplet_id, 0)
                self._boot(spec)
            case _:
                raise MachineError(f"unknown power action {action}")

    def resize_droplet(self, droplet_id: int, vcpus: int, memory_mib: int) -> None:
        """Takes effect at the next boot; the API lets only a droplet that is off be resized."""
        with self._lock:
            self._droplets[droplet_id] = replace(self._droplets[droplet_id], vcpus=vcpus, memory_mib=memory_mib)

    def filter_droplet(
        self, droplet_id: int, inbound: list[FilterRule] | None, outbound: list[FilterRule] | None
    ) -> None:
        with self._lock:
            spec = self._droplets[droplet_id]
            self._droplet_guards[droplet_id] = Guard(
                (spec.public_ip, spec.private_ip),
                None if inbound is None else tuple(inbound),
                None if outbound is None else tuple(outbound),
            )
        self._apply_filter()

    # -- what ends by itself: a droplet's own reboot and power off, a load balancer that crashed --

    def _watch(self) -> None:
        if self._events is not None:
            return
        self._events = self._podman.popen(
            *("events", "--stream", "--filter=event=died", "--format=json"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        threading.Thread(target=self._read_events, args=(self._events,), name="podman-events", daemon=True).start()

    def _read_events(self, process: subprocess.Popen[bytes]) -> None:
        for line in process.stdout or ():
            event: dict[str, Any] = json.loads(line)
            name = event.get("Name", "")
            droplet_id, balancer_id = droplets.droplet_id(name), loadbalancers.balancer_id(name)
            if droplet_id is None and balancer_id is None:
                continue
            with self._lock:
                spec = self._droplets.get(droplet_id or 0)
                balancer = self._balancers.get(balancer_id or "")
                expected = event["ID"] in self._expected_stops
                self._expected_stops.add(event["ID"])
            if spec is not None and not expected:
                exit_status = int(event.get("ContainerExitCode", 0))
                threading.Thread(target=self._ended_itself, args=(spec, event["ID"], exit_status), daemon=True).start()
            if balancer is not None and not expected:
                threading.Thread(target=self._start_again, args=(balancer, event["ID"]), daemon=True).start()

    def _ended_itself(self, spec: DropletSpec, container_id: str, exit_status: int) -> None:
        try:
            # When podman shortens its log of events it tells all that is left in it again, of earlier clouds too.
            if self._container_ids(droplets.container(spec.id)) != [container_id]:
                return
            self._halt(spec.id, 0)
            if exit_status == droplets.EXIT_REBOOT:
                self._boot(spec)
                self._power_event(spec.id, "active")
            else:
                self._power_event(spec.id, "off")
        except MachineError:
            logger.exception("droplet %s ended with %s and did not come back", spec.id, exit_status)
            self._power_event(spec.id, "off")

    def _stop_watching(self) -> None:
        if self._events is not None:
            self._events.terminate()
            self._events.wait()
            self._events = None

    # -- load balancers and reserved addresses --

    def set_load_balancer(self, spec: LoadBalancerSpec) -> None:
        balancer = loadbalancers.LoadBalancer(self._podman, spec, self._folder / "load_balancers" / spec.id)
        with self._balancer_lock:
            changed = balancer.prepare()
            if self._ensure_container(balancer.container, balancer.arguments(self._images["services"])):
                balancer.wait()
            elif changed:
                balancer.reload()
            with self._lock:
                self._balancers[spec.id] = balancer

    def _start_again(self, balancer: loadbalancers.LoadBalancer, container_id: str) -> None:
        """One that ended by itself."""
        time.sleep(_CRASH_PAUSE)
        try:
            with self._balancer_lock:
                with self._lock:
                    standing = self._balancers.get(balancer.id)
                # It may be gone meanwhile, or have been started for a change.
                if standing is None or self._container_ids(standing.container) != [container_id]:
                    return
                logger.error("load balancer %s ended by itself: it is started again", balancer.id)
                standing.prepare()
                if self._ensure_container(standing.container, standing.arguments(self._images["services"])):
                    standing.wait()
        except MachineError:
            logger.exception("load balancer %s ended by itself and did not come back", balancer.id)

    def delete_load_balancer(self, balancer_id: str) -> None:
        with self._balancer_lock:
            with self._lock:
                self._balancers.pop(balancer_id, None)
            self._podman.remove(loadbalancers.container(balancer_id))
        shutil.rmtree(self._folder / "load_balancers" / balancer_id, ignore_errors=True)

    def set_reserved_ips(self, addresses: dict[str, str]) -> None:
        with self._lock:
            self._reserved_ips = dict(addresses)
        self._networks.hold(addresses)
        self._apply_filter()

    # -- database clusters --

    def _cluster(self, cluster_id: str) -> databases.Cluster:
        with self._lock:
            spec = self._clusters[cluster_id]
        return databases.Cluster(self._podman, spec, self._folder / "clusters" / cluster_id)

    def create_cluster(self, spec: ClusterSpec) -> None:
        with self._lock:
            self._clusters[spec.id] = spec
        cluster = self._cluster(spec.id)
        cluster.prepare()
        image = self._images["pg" if spec.engine == "pg" else "services"]
        self._ensure_container(cluster.container, cluster.arguments(image))
        cluster.wait()

    def delete_cluster(self, cluster_id: str) -> None:
        self._podman.remove(databases.container(cluster_id), 5)
        shutil.rmtree(self._folder / "clusters" / cluster_id, ignore_errors=True)
        with self._lock:
            self._clusters.pop(cluster_id, None)
            self._cluster_guards.pop(cluster_id, None)
        self._apply_filter()

    def filter_cluster(self, cluster_id: str, trusted: list[str] | None) -> None:
        with self._lock:
            spec = self._clusters[cluster_id]
            rules = None if trusted is None else (FilterRule("tcp", "all", tuple(trusted)),)
            self._cluster_guards[cluster_id] = Guard((spec.public_ip, spec.private_ip), rules, None)
        self._apply_filter()

    def set_cluster_user(self, cluster_id: str, name: str, password: str) -> None:
        self._cluster(cluster_id).set_user(name, password)
        with self._lock:
            spec = self._clusters[cluster_id]
            if name == spec.admin_user:
                self._clusters[cluster_id] = replace(spec, admin_password=password)

    def delete_cluster_user(self, cluster_id: str, name: str) -> None:
        self._cluster(cluster_id).delete_user(name)

    def create_database(self, cluster_id: str, name: str) -> None:
        self._cluster(cluster_id).create_database(name)

    def delete_database(self, cluster_id: str, name: str) -> None:
        self._cluster(cluster_id).delete_database(name)

    def configure_cluster(self, spec: ClusterSpec) -> None:
        with self._lock:
            self._clusters[spec.id] = spec
        self._cluster(spec.id).configure()

    # -- what they use --

    def measure(self) -> dict[str, dict[str, float]]:
        with self._lock:
            specs, clusters = list(self._droplets.values()), list(self._clusters.values())
            balancers = list(self._balancers.values())
        subjects = {
            f"droplets:{spec.id}": Subject(
                droplets.container(spec.id), droplets.processors(spec), spec.memory_mib, self._disk(spec.id).root
            )
            for spec in specs
        }
        for cluster in clusters:
            folder = self._folder / "clusters" / cluster.id
            subject = Subject(databases.container(cluster.id), os.cpu_count() or 1, cluster.memory_mib, folder)
            subjects[f"databases:{cluster.id}"] = subject
        found = dict(zip(subjects, self._meter.measure(subjects.values()), strict=True))
        for key in found:
            if key.startswith("databases:"):
                found[key] = {
                    policy: found[key][metric] for policy, metric in databases.METRICS.items() if metric in found[key]
                }
        return found | {f"load_balancers:{balancer.id}": balancer.measure() for balancer in balancers}

    # -- names and objects --

    def set_dns(self, zones: dict[str, list[DnsRecord]]) -> None:
        with self._dns_lock:
            self._zones = dict(zones)
            served = self._write_zones()
            dns.reload(self._podman, sorted(served), self._serial)
        self._write_hosts()

    def _write_zones(self) -> dict[str, list[DnsRecord]]:
        zone = dns.CLOUD_ZONE
        own = [
            DnsRecord(f"ns1.{zone}.", "A", 1800, DNS_ADDRESS),
            DnsRecord(f"{acme.HOST}.", "A", 1800, ACME_ADDRESS),
            DnsRecord(f"*.spaces.{zone}.", "A", 1800, GATEWAY),
        ]
        served = {**self._zones, zone: own}
        self._serial = dns.new_serial(self._serial)
        dns.write_zones(self._folder / "dns", served, self._serial)
        return served

    def _write_hosts(self) -> None:
        # database hosts are for droplets; the host looks at its cloud from outside
        zones = {name: records for name, records in self._zones.items() if not name.endswith(dns.CLOUD_ZONE)}
        entries = dns.host_entries(zones)
        hosts.write_hosts([*entries, (ACME_ADDRESS, acme.HOST), *((GATEWAY, name) for name in self._spaces.names())])

    def set_spaces_keys(self, keys: dict[str, tuple[str, dict[str, str]]]) -> None:
        self._spaces.set_keys(keys)

    def empty_spaces(self) -> None:
        self._podman.remove(spaces.CONTAINER)
        self._spaces.forget()
        self._spaces.start(self._ensure_container, self._images["services"], self._authority)
        self._write_hosts()

    def buckets_with_policy(self) -> frozenset[str]:
        return self._spaces.buckets_with_policy()
