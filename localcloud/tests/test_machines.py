# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines themselves: two droplets, two clusters, DNS, ACME and Spaces, started once for all tests of this file.

The tests stand in an order: they share the cloud, and the last one takes it down and looks for what is left.
"""

from __future__ import annotations

import json
import queue
import shutil
import socket
import ssl
import struct
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from localcloud.machines import ClusterSpec, DnsRecord, DropletSpec, FilterRule, MachineError, PoolSpec, VpcSpec
from localcloud.podman import PodmanMachines
from localcloud.tls import Authority

from localcloud import hosts

pytestmark = pytest.mark.machines

VPC = VpcSpec("test-vpc", "10.78.0.0/24")
WEB_1, WEB_2 = 1, 2
PUBLIC = {WEB_1: "10.77.0.21", WEB_2: "10.77.0.22"}
PRIVATE = {WEB_1: "10.78.0.21", WEB_2: "10.78.0.22"}
PASSWORD = "it's a\\pass\"word"
ENDPOINT = "https://fra1.spaces.localcloud.test"
FULL, READER = ("FULLKEY", "f" * 40), ("READKEY", "r" * 40)
KEYS = {
    FULL[0]: (FULL[1], {"": "fullaccess"}),
    READER[0]: (READER[1], {"limited": "read"}),
}
RUNNING = {"dns", "acme", "spaces", "droplet-1", "droplet-2", "cluster-pg", "cluster-valkey"}
ZONE = [
    DnsRecord("shop.test.", "A", 30, PUBLIC[WEB_1]),
    DnsRecord("www.shop.test.", "CNAME", 30, "shop.test."),
    DnsRecord("*.wild.shop.test.", "A", 30, PUBLIC[WEB_2]),
    DnsRecord("shop.test.", "TXT", 30, '"v=spf1 -all"'),
]


class Cloud:
    """The started machines, with what the tests need to look at them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.power: queue.Queue[tuple[int, str]] = queue.Queue()
        self.key = folder / "id_ed25519"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)
        self.database_ca = Authority.create("test databases")
        self.machines = self.new_machines()

    def new_machines(self) -> PodmanMachines:
        machines = PodmanMachines(self.folder / "state")
        machines.on_power_event(lambda droplet, state: self.power.put((droplet, state)))
        return machines

    def fill(self) -> None:
        """Ask for everything, as the API does after each start."""
        self.machines.create_vpc(VPC)
        for number in (WEB_1, WEB_2):
            self.machines.create_droplet(self.droplet(number))
        for cluster in (self.cluster("pg", 31, 25060, "doadmin"), self.cluster("valkey", 32, 25061, "default")):
            self.machines.create_cluster(cluster)
        self.machines.set_dns({"shop.test": ZONE})
        self.machines.set_spaces_keys(KEYS)

    def droplet(self, number: int) -> DropletSpec:
        return DropletSpec(
            id=number,
            name=f"web-{number}",
            image="debian-13-x64",
            vcpus=1,
            memory_mib=1024,
            disk_gib=25,
            public_ip=PUBLIC[number],
            private_ip=PRIVATE[number],
            vpc_id=VPC.id,
            authorized_keys=(self.key.with_suffix(".pub").read_text(),),
            user_data="#!/bin/sh\necho done > /root/user-data-ran\n",
        )

    def cluster(self, engine: str, last: int, port: int, user: str) -> ClusterSpec:
        return ClusterSpec(
            id=engine,
            name=f"test-{engine}",
            engine=engine,
            version="15" if engine == "pg" else "8",
            public_ip=f"10.77.0.{last}",
            private_ip=f"10.78.0.{last}",
            vpc_id=VPC.id,
            host=f"{engine}.db.localcloud.test",
            private_host=f"private-{engine}.db.localcloud.test",
            port=port,
            memory_mib=1024,
            admin_user=user,
            admin_password=PASSWORD,
            ca_cert_pem=self.database_ca.certificate_pem,
            ca_key_pem=self.database_ca.key_pem,
            settings={"work_mem": "8MB"} if engine == "pg" else {"maxmemory-policy": "noeviction"},
        )

    def inside(self, container: str, command: str, timeout: float = 60) -> str:
        """The output of a shell command in a container, past every filter."""
        done = subprocess.run(
            ["podman", "exec", f"localcloud-{container}", "sh", "-c", command],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return (done.stdout + done.stderr).strip()

    def ssh(self, number: int, command: str) -> str:
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=3"]
        arguments = [argument for option in options for argument in ("-o", option)]
        done = subprocess.run(
            ["ssh", "-i", str(self.key), *arguments, f"root@{PUBLIC[number]}", command],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.stdout.strip() if done.returncode == 0 else f"FAILED: {done.stderr.strip()}"

    def reaches(self, droplet: int, address: str, port: int) -> bool:
        """Whether a droplet can connect to an address."""
        script = f"import socket; socket.create_connection(('{address}', {port}), 2)"
        return self.inside(f"droplet-{droplet}", f'python3 -c "{script}" 2>/dev/null && echo yes') == "yes"

    def s3(self, key: tuple[str, str], style: str = "virtual") -> Any:
        return boto3.client(
            "s3",
            endpoint_url=ENDPOINT,
            region_name="fra1",
            aws_access_key_id=key[0],
            aws_secret_access_key=key[1],
            verify=str(self.folder / "state/ca.pem"),
            config=Config(s3={"addressing_style": style}, retries={"max_attempts": 1}),
        )

    def fetch(self, url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        """An anonymous request of the host."""
        context = ssl.create_default_context(cafile=str(self.folder / "state/ca.pem"))
        request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310 (https, as the tests say)
        try:
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    running = Cloud(tmp_path_factory.mktemp("localcloud"))
    try:
        running.machines.start(print)
        running.fill()
        yield running
    finally:
        running.machines.stop()


def eventually(check: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def host_reaches(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return False
    return True


def refused(call: Callable[[], object]) -> str:
    """S3's code of an expected refusal."""
    with pytest.raises(ClientError) as error:
        call()
    return str(error.value.response["Error"]["Code"])


# -- droplets --------------------------------------------------------------------------------------------------------


def test_a_droplet_is_a_debian_machine(cloud: Cloud) -> None:
    assert eventually(lambda: cloud.ssh(WEB_1, "systemctl is-system-running") == "running")
    assert cloud.ssh(WEB_1, "systemctl --failed --no-legend") == ""
    assert cloud.ssh(WEB_1, "hostname; . /etc/os-release; echo $VERSION_CODENAME; date +%Z") == "web-1\ntrixie\nUTC"
    assert cloud.ssh(WEB_1, "systemctl is-active systemd-timesyncd cron ssh") == "active\nactive\nactive"
    addresses = json.loads(cloud.ssh(WEB_1, "ip -j -4 address"))
    found = {link["ifname"]: link["addr_info"][0]["local"] for link in addresses if link["ifname"] != "lo"}
    assert found == {"eth0": PUBLIC[WEB_1], "eth1": PRIVATE[WEB_1]}
    assert eventually(lambda: cloud.ssh(WEB_1, "cat /root/user-data-ran") == "done")


def test_droplets_have_identities_of_their_own(cloud: Cloud) -> None:
    identity = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2"
    assert eventually(lambda: cloud.ssh(WEB_2, "true") == "")
    first, second = cloud.ssh(WEB_1, identity).split(), cloud.ssh(WEB_2, identity).split()
    assert len(first) == len(second) == 2
    assert not set(first) & set(second)


def test_services_may_sandbox_themselves(cloud: Cloud) -> None:
    options = "PrivateTmp=yes ProtectSystem=strict ProtectHome=yes PrivateDevices=yes PrivateUsers=yes DynamicUser=yes"
    properties = " ".join(f"-p {option}" for option in options.split())
    assert cloud.ssh(WEB_1, f"systemd-run --quiet --wait --pipe {properties} echo sandboxed") == "sandboxed"


def test_a_droplet_cannot_change_the_kernel_of_the_host(cloud: Cloud) -> None:
    before = Path("/proc/sys/vm/overcommit_memory").read_text()
    assert cloud.ssh(WEB_1, "sysctl -w vm.overcommit_memory=2").startswith("FAILED")
    assert Path("/proc/sys/vm/overcommit_memory").read_text() == before


def test_a_reboot_from_inside_keeps_disk_name_keys_and_address(cloud: Cloud) -> None:
    look = "hostname; cat /root/mark; cat /etc/ssh/ssh_host_ed25519_key.pub"
    cloud.ssh(WEB_1, "hostnamectl set-hostname renamed; echo mark > /root/mark")
    before = cloud.ssh(WEB_1, look)
    assert before.startswith("renamed\nmark\nssh-ed25519 ")
    cloud.inside("droplet-1", "systemctl reboot")
    assert cloud.power.get(timeout=30) == (WEB_1, "active")
    assert eventually(lambda: cloud.ssh(WEB_1, look) == before)


def test_a_power_off_from_inside_is_told_and_can_be_undone(cloud: Cloud) -> None:
    cloud.inside("droplet-2", "systemctl poweroff")
    assert cloud.power.get(timeout=30) == (WEB_2, "off")
    assert not host_reaches(PUBLIC[WEB_2], 22)
    cloud.machines.resize_droplet(WEB_2, 1, 1536)
    cloud.machines.power_droplet(WEB_2, "power_on")
    assert eventually(lambda: host_reaches(PUBLIC[WEB_2], 22))
    limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true"
    assert cloud.ssh(WEB_2, limit).split()[0] == str(1536 * 1024 * 1024)
    cloud.machines.power_droplet(WEB_2, "shutdown")
    cloud.machines.resize_droplet(WEB_2, 1, 1024)
    for action in ("power_on", "reboot", "power_cycle"):
        cloud.machines.power_droplet(WEB_2, action)
    assert eventually(lambda: host_reaches(PUBLIC[WEB_2], 22))
    assert cloud.power.empty(), "what the API asked for is no power event"


def test_an_old_event_ends_no_droplet(cloud: Cloud) -> None:
    """podman tells everything again when it shortens its log of events."""
    before = containers()
    told = {"Name": "localcloud-droplet-2", "ID": "0" * 64, "ContainerExitCode": "130"}
    events = [subprocess.Popen(["echo", json.dumps(told)], stdout=subprocess.PIPE) for _ in range(2)]
    for process in events:
        cloud.machines._read_events(process)
        process.wait()
    with pytest.raises(queue.Empty):
        cloud.power.get(timeout=3)
    assert containers() == before


def test_user_data_that_is_no_script_is_refused(cloud: Cloud) -> None:
    spec = DropletSpec(9, "x", "debian-13-x64", 1, 512, 10, "10.77.0.29", "10.78.0.29", VPC.id, (), "#cloud-config\n")
    with pytest.raises(MachineError, match="script"):
        cloud.machines.create_droplet(spec)


# -- filters ---------------------------------------------------------------------------------------------------------


def test_a_firewall_lets_through_what_its_rules_say_and_no_more(cloud: Cloud) -> None:
    for port in (9000, 9100):
        cloud.ssh(WEB_1, f"systemd-run --quiet --unit=listen-{port} python3 -m http.server {port}")
    assert eventually(lambda: cloud.reaches(WEB_2, PUBLIC[WEB_1], 9000) and cloud.reaches(WEB_2, PRIVATE[WEB_1], 9100))

    inbound = [
        FilterRule("tcp", "22", ("0.0.0.0/0",)),
        FilterRule("tcp", "9000-9010", (f"{PRIVATE[WEB_2]}/32",)),
        FilterRule("tcp", "9100", ()),
    ]
    cloud.machines.filter_droplet(WEB_1, inbound, [FilterRule("udp", "53", ("0.0.0.0/0",))])
    assert host_reaches(PUBLIC[WEB_1], 22)
    assert cloud.reaches(WEB_2, PRIVATE[WEB_1], 9000)
    assert not cloud.reaches(WEB_2, PUBLIC[WEB_1], 9000), "the rule names the private address only"
    assert not cloud.reaches(WEB_2, PRIVATE[WEB_1], 9100)
    assert not host_reaches(PUBLIC[WEB_1], 9000)
    assert not cloud.reaches(WEB_1, PUBLIC[WEB_2], 22), "outbound is limited too"
    assert "10.77" in cloud.inside("droplet-1", "getent hosts acme.localcloud.test")


def test_a_droplet_cannot_flush_its_firewall(cloud: Cloud) -> None:
    cloud.inside("droplet-1", "nft flush ruleset; ip link set eth0 down; ip link set eth0 up")
    assert not cloud.reaches(WEB_2, PRIVATE[WEB_1], 9100)
    neighbour = cloud.inside("droplet-1", "ip -6 -j address show eth1")
    link_local = json.loads(neighbour)[0]["addr_info"][0]["local"]
    assert not cloud.reaches(WEB_2, f"{link_local}%eth1", 9100), "IPv6 is no way around"


def test_a_firewall_that_is_taken_away_filters_no_more(cloud: Cloud) -> None:
    cloud.machines.filter_droplet(WEB_1, None, None)
    cloud.inside("droplet-1", "ip route replace default via 10.77.0.1 dev eth0")
    assert eventually(lambda: cloud.reaches(WEB_2, PUBLIC[WEB_1], 9100))


def test_a_vpc_is_closed_to_the_outside(cloud: Cloud) -> None:
    assert cloud.reaches(WEB_2, PRIVATE[WEB_1], 22)
    assert not host_reaches(PRIVATE[WEB_1], 22)


def test_a_taken_range_is_refused(cloud: Cloud) -> None:
    addresses = json.loads(hosts.run(["ip", "-j", "-4", "address"]))
    uplink = next(
        info
        for link in addresses
        for info in link["addr_info"]
        if not info["local"].startswith(("127.", "10.77.", "10.78."))
    )
    with pytest.raises(MachineError, match="in use on this host"):
        cloud.machines.create_vpc(VpcSpec("clash", f"{uplink['local'].rsplit('.', 1)[0]}.0/24"))


# -- databases -------------------------------------------------------------------------------------------------------


def tls_to_postgresql(address: str, name: str, ca_pem: str) -> None:
    with socket.create_connection((address, 25060), 5) as plain:
        plain.sendall(struct.pack("!ii", 8, 80877103))  # SSLRequest
        assert plain.recv(1) == b"S"
        ssl.create_default_context(cadata=ca_pem).wrap_socket(plain, server_hostname=name).close()


def test_postgresql_has_a_certificate_for_both_names(cloud: Cloud) -> None:
    for name in ("pg.db.localcloud.test", "private-pg.db.localcloud.test"):
        tls_to_postgresql("10.77.0.31", name, cloud.database_ca.certificate_pem)
    with pytest.raises(ssl.SSLCertVerificationError):
        tls_to_postgresql("10.77.0.31", "pg.db.localcloud.test", Authority.create("other").certificate_pem)


def psql(
    cloud: Cloud,
    statement: str,
    user: str = "doadmin",
    sslmode: str = "require",
    port: int = 25060,
    database: str = "defaultdb",
) -> str:
    service = f"host=10.77.0.31 port={port} dbname={database} user={user} sslmode={sslmode}"
    quoted = PASSWORD.replace("'", "'\\''")
    return cloud.inside("cluster-pg", f"PGPASSWORD='{quoted}' psql '{service}' -Atc \"{statement}\"")


def test_postgresql_gives_doadmin_what_a_managed_one_gives(cloud: Cloud) -> None:
    assert psql(cloud, "SHOW work_mem") == "8MB"
    assert psql(cloud, "SHOW server_version").startswith("15.")
    assert psql(cloud, "CREATE EXTENSION pg_trgm") == "CREATE EXTENSION"
    assert "permission denied" in psql(cloud, "CREATE EXTENSION file_fdw")
    assert "no encryption" in psql(cloud, "SELECT 1", sslmode="disable")
    assert "password authentication failed" in psql(cloud, "SELECT 1", user="nobody")


def test_users_databases_and_settings_of_postgresql(cloud: Cloud) -> None:
    for _ in range(2):  # asking again changes nothing
        cloud.machines.set_cluster_user("pg", 'odd"name', PASSWORD)
        cloud.machines.create_database("pg", "shop")
    assert psql(cloud, "SELECT datdba::regrole FROM pg_database WHERE datname = 'shop'") == "doadmin"
    assert psql(cloud, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'odd%'") == "1"
    cloud.machines.configure_cluster(
        replace(cloud.cluster("pg", 31, 25060, "doadmin"), settings={"work_mem": "12MB", "max_connections": "33"})
    )
    assert psql(cloud, "SELECT current_setting('work_mem'), current_setting('max_connections')") == "12MB|33"
    cloud.machines.delete_cluster_user("pg", 'odd"name')
    cloud.machines.delete_database("pg", "shop")
    assert psql(cloud, "SELECT count(*) FROM pg_database WHERE datname = 'shop'") == "0"


def valkey(cloud: Cloud, *commands: str) -> list[str]:
    context = ssl.create_default_context(cadata=cloud.database_ca.certificate_pem)
    with (
        socket.create_connection(("10.77.0.32", 25061), 5) as plain,
        context.wrap_socket(plain, server_hostname="valkey.db.localcloud.test") as connection,
    ):
        answers = []
        for command in commands:
            connection.sendall(command.encode() + b"\r\n")
            answers.append(connection.recv(4096).decode().strip())
        return answers


def test_valkey_asks_for_tls_and_the_password(cloud: Cloud) -> None:
    login = 'AUTH default "' + PASSWORD.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert valkey(cloud, "PING")[0].startswith("-NOAUTH")
    assert valkey(cloud, login, "PING") == ["+OK", "+PONG"]
    changed = replace(
        cloud.cluster("valkey", 32, 25061, "default"), settings={"maxmemory-policy": "allkeys-lru"}, memory_mib=2048
    )
    cloud.machines.configure_cluster(changed)
    assert valkey(cloud, login, "CONFIG GET maxmemory-policy")[1].endswith("allkeys-lru")
    assert valkey(cloud, login, "CONFIG GET maxmemory")[1].endswith(str(1536 * 2**20))


def test_connection_pools_of_postgresql(cloud: Cloud) -> None:
    cloud.machines.set_cluster_user("pg", "shop", PASSWORD)
    plain = cloud.cluster("pg", 31, 25060, "doadmin")
    pools = (PoolSpec("web", "transaction", 2, "defaultdb", "shop"), PoolSpec("any-one", "session", 3, "defaultdb"))
    cloud.machines.configure_cluster(replace(plain, pools=pools))

    def ask(pool: str, user: str, sslmode: str = "require") -> str:
        return psql(cloud, "SELECT session_user", user, sslmode, port=25061, database=pool)

    assert eventually(lambda: ask("web", "shop") == "shop")
    assert ask("any-one", "doadmin") == "doadmin"
    assert "FATAL" in ask("web", "doadmin")  # it is the other user's
    assert "FATAL" in ask("any-one", "postgres")
    assert "FATAL" in ask("nowhere", "shop")
    assert "SSL required" in ask("web", "shop", sslmode="disable")
    cloud.machines.configure_cluster(replace(plain, pools=pools[1:]))
    assert eventually(lambda: "FATAL" in ask("web", "shop"))
    assert ask("any-one", "shop") == "shop"
    # one that crashes comes back
    crash = ("sh", "-c", "kill -9 $(cat /cluster/run/pgbouncer.pid)")
    subprocess.run(["podman", "exec", "localcloud-cluster-pg", *crash], check=True)
    assert eventually(lambda: ask("any-one", "shop") == "shop")


def test_a_resized_postgresql_has_its_new_memory_its_data_and_its_pools(cloud: Cloud) -> None:
    psql(cloud, "CREATE TABLE kept AS SELECT 1 AS number")
    pool = PoolSpec("web", "session", 2, "defaultdb")
    bigger = replace(cloud.cluster("pg", 31, 25060, "doadmin"), memory_mib=256, pools=(pool,))
    cloud.machines.configure_cluster(bigger)
    assert psql(cloud, "SHOW shared_buffers") == "64MB"
    assert eventually(lambda: psql(cloud, "SELECT number FROM kept", port=25061, database="web") == "1")
    cloud.machines.configure_cluster(replace(bigger, memory_mib=1024, pools=()))
    assert psql(cloud, "SHOW shared_buffers") == "128MB"


def test_what_machines_use_is_measured(cloud: Cloud) -> None:
    first = cloud.machines.measure()
    burning = subprocess.Popen(
        ["podman", "exec", f"localcloud-droplet-{WEB_1}", "timeout", "5", "sh", "-c", "while :; do :; done"]
    )
    burning.wait()
    found = cloud.machines.measure()
    busy, idle = found[f"droplets:{WEB_1}"], found[f"droplets:{WEB_2}"]
    assert busy["cpu"] > max(2, 2 * idle["cpu"])  # a computer that others use too gives little
    assert 0 < busy["memory_utilization_percent"] < 100
    assert 0 < first[f"droplets:{WEB_1}"]["disk_utilization_percent"] < 100
    assert {"load_1", "load_15", "public_inbound_bandwidth", "private_outbound_bandwidth"} <= set(busy)
    assert set(found["databases:pg"]) == {
        *("cpu_alerts", "load_15_alerts", "memory_utilization_alerts", "disk_utilization_alerts")
    }


def test_only_trusted_sources_reach_a_cluster(cloud: Cloud) -> None:
    cloud.machines.filter_cluster("pg", [f"{PUBLIC[WEB_1]}/32", f"{PRIVATE[WEB_1]}/32"])
    for address in ("10.77.0.31", "10.78.0.31"):
        assert cloud.reaches(WEB_1, address, 25060)
        assert not cloud.reaches(WEB_2, address, 25060)
    assert not host_reaches("10.77.0.31", 25060)
    cloud.machines.filter_cluster("pg", None)
    assert host_reaches("10.77.0.31", 25060)


# -- names and certificates ------------------------------------------------------------------------------------------


def ask_dns(name: str, kind: int, *, tcp: bool = False) -> tuple[int, int, bool]:
    """(response code, number of answers, whether the answer is authoritative) of the cloud's DNS."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as connection:
        connection.settimeout(5)
        connection.connect(("10.77.0.3", 53))
        connection.sendall(struct.pack("!H", len(question)) + question if tcp else question)
        answer = connection.recv(4096)
        if tcp:
            answer = answer[2:] or connection.recv(4096)
    _, flags, _, answers, _, _ = struct.unpack("!HHHHHH", answer[:12])
    return flags & 15, answers, bool(flags & 0x0400)


A, TXT, AAAA, NXDOMAIN = 1, 16, 28, 3


@pytest.mark.parametrize("tcp", [False, True])
def test_dns_serves_the_zones(cloud: Cloud, tcp: bool) -> None:
    assert ask_dns("shop.test", A, tcp=tcp) == (0, 1, True)
    assert ask_dns("www.shop.test", A, tcp=tcp) == (0, 2, True)
    assert ask_dns("any.wild.shop.test", A, tcp=tcp) == (0, 1, True)
    assert ask_dns("shop.test", TXT, tcp=tcp) == (0, 1, True)
    assert ask_dns("shop.test", AAAA, tcp=tcp) == (0, 0, True)
    assert ask_dns("missing.shop.test", A, tcp=tcp) == (NXDOMAIN, 0, True)


def test_a_changed_record_is_served_at_once(cloud: Cloud) -> None:
    for address in ("192.0.2.1", "192.0.2.2", PUBLIC[WEB_1]):
        cloud.machines.set_dns({"shop.test": [DnsRecord("shop.test.", "A", 30, address), *ZONE[1:]]})
        assert cloud.inside("droplet-1", "getent ahostsv4 www.shop.test").split()[0] == address
        assert socket.gethostbyname("www.shop.test") == address, "the host reads the same from /etc/hosts"


def test_records_that_are_no_zone_are_refused_and_the_old_ones_stay(cloud: Cloud) -> None:
    with pytest.raises(MachineError, match=r"shop\.test"):
        cloud.machines.set_dns({"shop.test": [*ZONE, DnsRecord("www.shop.test.", "A", 30, "192.0.2.9")]})
    cloud.machines.set_dns({"shop.test": ZONE})
    assert ask_dns("www.shop.test", A) == (0, 2, True)


def test_a_droplet_installs_packages_and_gets_a_certificate(cloud: Cloud) -> None:
    install = (
        "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq caddy >/dev/null 2>&1; echo $?"
    )
    assert cloud.inside("droplet-1", install, timeout=180).endswith("0")
    caddyfile = "{\\n acme_ca https://acme.localcloud.test/acme/local/directory\\n email ops@shop.test\\n}\\n"
    sites = 'shop.test {\\n respond \\"hello\\"\\n}\\nmissing.shop.test {\\n respond \\"never\\"\\n}\\n'
    cloud.inside("droplet-1", f'printf "{caddyfile}{sites}" > /etc/caddy/Caddyfile; systemctl reload caddy')

    def served() -> bool:
        try:
            return cloud.fetch("https://shop.test/") == (200, b"hello")
        except OSError:
            return False

    assert eventually(served, 30), cloud.inside("droplet-1", "journalctl -u caddy -n 20 --no-pager")
    stored = cloud.inside("droplet-1", "find /var/lib/caddy -name '*.crt'")
    assert "missing.shop.test" not in stored, "a name that does not lead here gets no certificate"


# -- Spaces ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_objects_come_back_as_they_went(cloud: Cloud, style: str) -> None:
    client, bucket, key = cloud.s3(FULL, style), f"things-{style}", "a b/ü+(1)&=%.txt"
    # by path: the host learns a bucket's name when the bucket exists
    constraint = {"LocationConstraint": "fra1"}
    cloud.s3(FULL, "path").create_bucket(Bucket=bucket, CreateBucketConfiguration=constraint)
    assert client.get_bucket_location(Bucket=bucket)["LocationConstraint"] == "fra1"
    client.put_object(Bucket=bucket, Key=key, Body=b"content", ContentType="text/plain")
    found = client.get_object(Bucket=bucket, Key=key)
    assert (found["Body"].read(), found["ContentType"]) == (b"content", "text/plain")
    assert [item["Key"] for item in client.list_objects_v2(Bucket=bucket, Prefix="a b/")["Contents"]] == [key]
    client.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    big = cloud.folder / "big"
    big.write_bytes(b"0123456789a" * 2_000_000)
    client.put_object(Bucket=bucket, Key="whole", Body=big.read_bytes())
    client.upload_file(str(big), bucket, "parts", ExtraArgs={"ContentType": "text/x-digits"})
    for name in ("whole", "parts"):
        assert client.get_object(Bucket=bucket, Key=name)["Body"].read() == big.read_bytes()
        for asked, part in (
            ("8388600-8388620", slice(8388600, 8388621)),
            ("5-", slice(5, None)),
            ("-7", slice(-7, None)),
        ):
            ranged = client.get_object(Bucket=bucket, Key=name, Range=f"bytes={asked}")
            assert ranged["Body"].read() == big.read_bytes()[part]
            assert ranged["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert client.head_object(Bucket=bucket, Key="parts")["ContentType"] == "text/x-digits"
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=60)
    assert cloud.fetch(url) == (200, b"content")
    assert cloud.fetch(url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"))[0] == 403
    assert refused(lambda: client.delete_bucket(Bucket=bucket)) == "BucketNotEmpty"


def test_wrong_keys_and_regions_are_refused(cloud: Cloud) -> None:
    assert refused(cloud.s3((FULL[0], "wrong")).list_buckets) == "SignatureDoesNotMatch"
    assert refused(cloud.s3(("UNKNOWN", "x")).list_buckets) == "InvalidAccessKeyId"
    constraint = {"LocationConstraint": "nyc3"}
    create = cloud.s3(FULL, "path").create_bucket
    assert (
        refused(lambda: create(Bucket="elsewhere", CreateBucketConfiguration=constraint)) == "InvalidLocationConstraint"
    )


def test_anonymous_requests_see_what_is_public_and_no_more(cloud: Cloud) -> None:
    client = cloud.s3(FULL)
    cloud.s3(FULL, "path").create_bucket(Bucket="public-things")
    client.put_object(Bucket="public-things", Key="open", Body=b"open", ACL="public-read")
    client.put_object(Bucket="public-things", Key="shut", Body=b"shut")
    base = "https://public-things.fra1.spaces.localcloud.test"
    assert cloud.fetch(f"{base}/open") == (200, b"open")
    assert [cloud.fetch(f"{base}/{path}")[0] for path in ("shut", "")] == [403, 403]
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject"],
        "Resource": ["arn:aws:s3:::public-things/*"],
    }
    client.put_bucket_policy(
        Bucket="public-things", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    assert [cloud.fetch(f"{base}/{path}")[0] for path in ("shut", "")] == [200, 403]
    assert cloud.machines.buckets_with_policy() == {"public-things"}


def test_cors_and_versions(cloud: Cloud) -> None:
    client = cloud.s3(FULL)
    rule = {"AllowedOrigins": ["https://shop.test"], "AllowedMethods": ["GET"], "AllowedHeaders": ["*"]}
    client.put_bucket_cors(Bucket="public-things", CORSConfiguration={"CORSRules": [rule]})
    url = "https://public-things.fra1.spaces.localcloud.test/open"
    asked = {"Access-Control-Request-Method": "GET"}
    assert cloud.fetch(url, "OPTIONS", Origin="https://shop.test", **asked)[0] == 200
    assert cloud.fetch(url, "OPTIONS", Origin="https://other.test", **asked)[0] == 403
    client.put_bucket_versioning(Bucket="public-things", VersioningConfiguration={"Status": "Enabled"})
    assert client.get_bucket_versioning(Bucket="public-things")["Status"] == "Enabled"


def test_a_limited_key_is_limited(cloud: Cloud) -> None:
    owner, reader = cloud.s3(FULL), cloud.s3(READER)
    cloud.s3(FULL, "path").create_bucket(Bucket="limited")
    owner.put_object(Bucket="limited", Key="seen", Body=b"seen")
    assert reader.get_object(Bucket="limited", Key="seen")["Body"].read() == b"seen"
    denied: list[Callable[[], object]] = [
        lambda: reader.put_object(Bucket="limited", Key="new", Body=b""),
        lambda: reader.delete_object(Bucket="limited", Key="seen"),
        lambda: reader.list_objects_v2(Bucket="public-things"),
        lambda: reader.get_bucket_cors(Bucket="limited"),
        reader.list_buckets,
        lambda: owner.put_bucket_policy(Bucket="limited", Policy="{}"),
    ]
    assert [refused(call) for call in denied] == ["AccessDenied"] * len(denied)


# -- the cloud as a whole --------------------------------------------------------------------------------------------


def containers() -> dict[str, str]:
    listed = hosts.run(["podman", "ps", "--format", "{{.Names}} {{.ID}}", "--filter", "label=localcloud"])
    return dict(line.split() for line in listed.splitlines())


def processes_with(text: str) -> list[str]:
    """Processes that carry a text in their arguments or environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if any(text.encode() in (folder / name).read_bytes() for name in ("cmdline", "environ")):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it ended in the meantime
    return found


def test_a_second_cloud_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="another localcloud"):
        PodmanMachines(tmp_path).start(print)


def test_a_new_server_takes_over_the_running_machines(cloud: Cloud, tmp_path: Path) -> None:
    before = containers()
    assert set(before) == {f"localcloud-{name}" for name in RUNNING}, hosts.run(["podman", "ps", "--all"])
    dead = tmp_path / "another clone"  # whose server was killed: the disk of its droplet is still mounted
    for name in ("lower", "upper", "work", "root"):
        (dead / name).mkdir(parents=True)
    layers = f"lowerdir={dead}/lower,upperdir={dead}/upper,workdir={dead}/work"
    hosts.run(["mount", "-t", "overlay", "-o", layers, "localcloud", str(dead / "root")])
    cloud.machines.leave()
    cloud.machines = cloud.new_machines()
    cloud.machines.start(print)
    cloud.fill()
    assert containers() == before
    assert not (dead / "root").is_mount()
    assert Path("/proc/mounts").read_text().count("localcloud ") == len(PUBLIC)
    assert cloud.s3(FULL).get_object(Bucket="limited", Key="seen")["Body"].read() == b"seen"


def test_nothing_is_left_after_stop(cloud: Cloud) -> None:
    cloud.machines.stop()
    assert containers() == {}
    assert "localcloud" not in hosts.run(["podman", "network", "ls"])
    assert "localcloud" not in hosts.run(["nft", "list", "tables"])
    assert "localcloud" not in Path("/etc/hosts").read_text()
    assert str(cloud.folder) not in Path("/proc/mounts").read_text()
    assert not processes_with(str(cloud.folder / "state"))
    shutil.rmtree(cloud.folder / "state")
