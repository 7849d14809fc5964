# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API asks of the machines: a recorder stands in for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localcloud.clock import VirtualClock
from localcloud.cloud import Cloud
from localcloud.machines import FilterRule, MachineError, NoMachines, PoolSpec, VpcSpec
from localcloud.store import Store, empty_state
from localcloud.sync import _quoted, zones
from localcloud.testing import RunningCloud, running_cloud
from localcloud.tls import Authority
from plain_api import PUBLIC_KEY, Api
from test_alerts import Target, serving


class Recorder(NoMachines):
    """Notes every call; `broken` names calls that fail, `gate` holds up those that create or delete a droplet."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.broken: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.power_event: Any = None

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_") or name in ("calls", "broken", "gate", "power_event", "on_power_event", "named"):
            return super().__getattribute__(name)

        if name == "buckets_with_policy":
            return lambda: frozenset({"public"})

        def call(*args: Any) -> None:
            if name in ("create_droplet", "delete_droplet"):
                self.gate.wait(10)
            self.calls.append((name, *args))
            if name in self.broken:
                raise MachineError(f"{name} is broken")

        return call

    def on_power_event(self, callback: Any) -> None:
        self.power_event = callback

    def named(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]


@pytest.fixture
def machines() -> Recorder:
    return Recorder()


@pytest.fixture
def cloud(machines: Recorder) -> Iterator[RunningCloud]:
    with running_cloud(machines=machines) as running:
        yield running


def test_droplet_reaches_the_machines(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    key = api("POST", "/v2/account/keys", {"name": "k", "public_key": PUBLIC_KEY}, status=201)["ssh_key"]
    vpc = api.vpc()
    droplet = api.droplet(vpc_uuid=vpc["id"], ssh_keys=[key["id"]], size="s-2vcpu-4gb", user_data="#!/bin/sh")
    cloud.drain()
    names = [call[0] for call in machines.calls]
    assert names.index("create_vpc") < names.index("create_droplet") < names.index("filter_droplet")
    ((spec,),) = machines.named("create_droplet")
    assert (spec.id, spec.vcpus, spec.memory_mib, spec.disk_gib) == (droplet["id"], 2, 4096, 80)
    assert (spec.public_ip, spec.private_ip, spec.vpc_id) == ("10.77.0.16", "10.78.0.2", vpc["id"])
    assert (spec.authorized_keys, spec.user_data) == ((PUBLIC_KEY,), "#!/bin/sh")
    assert machines.named("filter_droplet") == [(droplet["id"], None, None)]


def test_status_waits_for_the_machine_and_the_latency(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    machines.gate.clear()
    droplet = api.droplet(ready=False)
    cloud.clock.advance(60)
    path = f"/v2/droplets/{droplet['id']}"
    assert api("GET", path)["droplet"]["status"] == "new"
    machines.gate.set()
    cloud.drain()
    assert api("GET", path)["droplet"]["status"] == "active"


def test_machine_that_fails_is_told(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    machines.broken = {"create_droplet", "create_cluster"}
    droplet = api.droplet(ready=False)
    cluster = api.cluster(ready=False)
    cloud.drain()
    cloud.clock.advance(300)
    assert api("GET", f"/v2/droplets/{droplet['id']}")["droplet"]["status"] == "new"
    (action,) = api("GET", f"/v2/droplets/{droplet['id']}/actions")["actions"]
    assert action["status"] == "errored"
    assert api("GET", f"/v2/databases/{cluster['id']}")["database"]["status"] == "creating"
    shown = cloud.status()
    assert shown["droplets"][0]["error"] == "create_droplet is broken"
    assert shown["clusters"][0]["error"] == "create_cluster is broken"


def test_first_failure_is_the_one_that_is_told(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    machines.broken = {"create_vpc", "filter_droplet"}
    api.droplet(ready=False)
    cloud.drain()
    shown = cloud.status()["droplets"][0]["error"]
    assert shown.endswith("failed before: create_vpc is broken")
    assert machines.named("create_droplet") == []


def test_power_and_resize(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    droplet = api.droplet()
    actions = f"/v2/droplets/{droplet['id']}/actions"
    for body in ({"type": "power_off"}, {"type": "resize", "size": "s-1vcpu-2gb"}, {"type": "power_on"}):
        api("POST", actions, body, status=201)
        cloud.drain()
        cloud.clock.advance(60)
        api("GET", actions)
        cloud.drain()
    assert [call[1] for call in machines.named("power_droplet")] == ["power_off", "power_on"]
    assert machines.named("resize_droplet") == [(droplet["id"], 1, 2048)]


def test_failed_power_action_is_errored_and_the_next_is_not(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    droplet = api.droplet()
    actions = f"/v2/droplets/{droplet['id']}/actions"
    results = []
    for broken in ({"power_droplet"}, set[str]()):
        machines.broken = broken
        action = api("POST", actions, {"type": "reboot"}, status=201)["action"]
        cloud.drain()
        cloud.clock.advance(5)
        results.append(api("GET", f"{actions}/{action['id']}")["action"]["status"])
    assert results == ["errored", "completed"]


def test_droplet_that_powers_itself_off(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    droplet = api.droplet()
    for status in ("off", "active"):
        machines.power_event(droplet["id"], status)
        assert api("GET", f"/v2/droplets/{droplet['id']}")["droplet"]["status"] == status


def test_firewall_is_resolved_to_addresses(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    web, db = api.droplet("web", tags=["web"]), api.droplet("db")
    rules = [
        {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["192.0.2.7", "::/0"]}},
        {"protocol": "tcp", "ports": "all", "sources": {"tags": ["web"]}},
        {"protocol": "icmp", "ports": "0", "sources": {"droplet_ids": [web["id"]]}},
    ]
    api("POST", "/v2/firewalls", {"name": "fw", "droplet_ids": [db["id"]], "inbound_rules": rules}, status=202)
    cloud.drain()
    id, inbound, outbound = machines.named("filter_droplet")[-1]
    both = ("10.104.0.2/32", "10.77.0.16/32")
    assert (id, outbound) == (db["id"], [])  # no outbound rule: nothing goes out
    assert inbound == [
        FilterRule("tcp", "22", ("192.0.2.7/32",)),
        FilterRule("tcp", "all", both),
        FilterRule("icmp", "all", both),
    ]
    # A second droplet with the tag may come in as soon as it is there.
    api.droplet("web-2", tags=["web"])
    cloud.drain()
    assert len(machines.named("filter_droplet")[-1][1] or machines.named("filter_droplet")[-2][1][1].peers) >= 3


def test_trusted_sources_follow_the_tags(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    droplet = api.droplet()
    api("POST", "/v2/tags", {"name": "web"}, status=201)
    cluster = api.cluster(rules=[{"type": "tag", "value": "web"}, {"type": "ip_addr", "value": "192.0.2.7"}])
    resource = {"resources": [{"resource_id": str(droplet["id"]), "resource_type": "droplet"}]}
    api("POST", "/v2/tags/web/resources", resource, status=204)
    api("DELETE", "/v2/tags/web/resources", resource, status=204)
    api("PUT", f"/v2/databases/{cluster['id']}/firewall", {"rules": []}, status=204)
    cloud.drain()
    assert [call[1] for call in machines.named("filter_cluster")] == [
        ["192.0.2.7/32"],
        ["10.104.0.2/32", "10.77.0.16/32", "192.0.2.7/32"],
        ["192.0.2.7/32"],
        None,  # no rule at all: open to everybody
    ]


def test_cluster_reaches_the_machines(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    cluster = api.cluster(engine="valkey")
    path = f"/v2/databases/{cluster['id']}"
    api("PUT", f"{path}/eviction_policy", {"eviction_policy": "allkeys_lru"}, status=204)
    cloud.drain()
    ((spec,),) = machines.named("create_cluster")
    assert (spec.engine, spec.version, spec.port, spec.admin_user) == ("valkey", "8", 25061, "default")
    assert spec.host == cluster["connection"]["host"]
    assert spec.admin_password == cluster["connection"]["password"]
    assert spec.settings["maxmemory-policy"] == "noeviction"
    assert machines.named("configure_cluster")[0][0].settings["maxmemory-policy"] == "allkeys-lru"
    api("DELETE", path, status=204)
    cloud.drain()
    assert machines.named("delete_cluster") == [(cluster["id"],)]


def test_pools_and_memory_reach_the_machines(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    path = f"/v2/databases/{api.cluster()['id']}"
    pool = {"name": "web", "mode": "transaction", "size": 10, "db": "defaultdb", "user": "doadmin"}
    api("POST", f"{path}/pools", pool, status=201)
    cloud.drain()
    assert machines.named("configure_cluster")[-1][0].pools == (
        PoolSpec("web", "transaction", 10, "defaultdb", "doadmin"),
    )
    api("POST", f"{path}/users/doadmin/reset_auth", {})
    cloud.drain()
    assert len(machines.named("configure_cluster")) == 1  # a password is no configuration
    api("PUT", f"{path}/resize", {"size": "db-s-1vcpu-2gb", "num_nodes": 1}, status=202)
    cloud.drain()
    assert machines.named("configure_cluster")[-1][0].memory_mib == 2048
    assert api("GET", path)["database"]["size"] == "db-s-1vcpu-1gb"  # until the time is up
    cloud.clock.advance(120)
    assert api("GET", path)["database"]["size"] == "db-s-1vcpu-2gb"
    assert len(machines.named("configure_cluster")) == 2


def test_users_and_databases_reach_the_machines(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    cluster = api.cluster(version="15")
    path = f"/v2/databases/{cluster['id']}"
    api("POST", f"{path}/dbs", {"name": "shop"}, status=201)
    user = api("POST", f"{path}/users", {"name": "app"}, status=201)["user"]
    admin = api("POST", f"{path}/users/doadmin/reset_auth", {})["user"]
    api("DELETE", f"{path}/users/app", status=204)
    api("DELETE", f"{path}/dbs/shop", status=204)
    cloud.drain()
    id = cluster["id"]
    assert machines.named("create_database") == [(id, "shop")]
    assert machines.named("set_cluster_user") == [
        (id, "app", user["password"]),
        (id, "doadmin", admin["password"]),
    ]
    assert machines.named("delete_cluster_user") == [(id, "app")]
    assert machines.named("delete_database") == [(id, "shop")]


def test_names_are_published(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    cluster = api.cluster()
    api("POST", "/v2/domains", {"name": "flowdose.xyz"}, status=201)
    for record in (
        {"type": "A", "name": "*", "data": "192.0.2.1", "ttl": 60},
        {"type": "CNAME", "name": "www", "data": "@"},
        {"type": "MX", "name": "@", "data": "mail.example.com.", "priority": 10},
        {"type": "CAA", "name": "@", "data": "letsencrypt.org.", "flags": 0, "tag": "issue"},
        {"type": "TXT", "name": "@", "data": 'say "hi"'},
    ):
        api("POST", "/v2/domains/flowdose.xyz/records", record, status=201)
    cloud.drain()
    published = machines.named("set_dns")[-1][0]
    shown = {(record.name, record.type, record.data) for record in published["flowdose.xyz"]}
    assert {
        ("*.flowdose.xyz.", "A", "192.0.2.1"),
        ("www.flowdose.xyz.", "CNAME", "flowdose.xyz."),
        ("flowdose.xyz.", "MX", "10 mail.example.com."),
        ("flowdose.xyz.", "CAA", '0 issue "letsencrypt.org"'),
        ("flowdose.xyz.", "TXT", '"say \\"hi\\""'),
        ("flowdose.xyz.", "NS", "ns1.digitalocean.com."),
    } <= shown
    hosts = {record.name: record.data for record in published["db.localcloud.test"] if record.type == "A"}
    host = cluster["connection"]["host"]
    assert hosts == {f"{host}.": "10.77.0.16", f"private-{host}.": "10.104.0.2"}


def test_spaces_keys_reach_the_machines(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    body = {"name": "a", "grants": [{"bucket": "b", "permission": "read"}]}
    key = api("POST", "/v2/spaces/keys", body, status=201)["key"]
    cloud.drain()
    keys = machines.named("set_spaces_keys")[-1][0]
    assert keys[key["access_key"]] == (key["secret_key"], {"b": "read"})
    assert len(keys) == 2  # and the account's own


def test_policy_and_limited_key_exclude_each_other(api: Api) -> None:
    body = {"name": "a", "grants": [{"bucket": "public", "permission": "read"}]}
    assert "has a bucket policy: public" in api.refused("POST", "/v2/spaces/keys", body, status=400)
    api("POST", "/v2/spaces/keys", {"name": "a", "grants": [{"bucket": "", "permission": "fullaccess"}]}, status=201)


def test_reset_removes_members_before_their_network(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    vpc = api.vpc()
    droplet, cluster = api.droplet(vpc_uuid=vpc["id"]), api.cluster(private_network_uuid=vpc["id"])
    cloud.reset()
    cloud.drain()
    removed = [call for call in machines.calls if call[0].startswith("delete_")]
    assert set(removed[:2]) == {("delete_droplet", droplet["id"]), ("delete_cluster", cluster["id"])}
    assert removed[2:] == [("delete_vpc", vpc["id"])]


def test_only_what_there_is_a_machine_for_is_created() -> None:
    with running_cloud(machines=Recorder(), has_machines=True) as cloud:
        api = Api(cloud)
        droplet = {"name": "a", "size": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64"}
        assert "boots debian-13-x64 only" in api.refused("POST", "/v2/droplets", droplet, status=422)
        cluster = {"name": "db1", "engine": "pg", "region": "fra1", "size": "db-s-1vcpu-1gb", "num_nodes": 1}
        assert "pg 15 only" in api.refused("POST", "/v2/databases", cluster, status=422)


def test_long_texts_are_split() -> None:
    assert _quoted("x" * 300) == f'"{"x" * 255}" "{"x" * 45}"'
    assert _quoted("") == '""'


def test_database_zone_is_there_without_clusters() -> None:
    assert [record.type for record in zones(empty_state())["db.localcloud.test"]] == ["SOA", "NS"]


def test_start_after_a_kill_asks_again_for_all_and_removes_the_rest(
    api: Api, cloud: RunningCloud, machines: Recorder, tmp_path: Path
) -> None:
    vpc = api.vpc()
    on = api.droplet("on", vpc_uuid=vpc["id"])
    off = api.droplet("off", vpc_uuid=vpc["id"])
    api("POST", f"/v2/droplets/{off['id']}/actions", {"type": "power_off"}, status=201)
    cloud.drain()
    cloud.clock.advance(5)
    api("GET", "/v2/droplets")
    store = Store(tmp_path / "state.json")
    store.state.update(cloud.state)
    store.state["machines"] = [*store.state["machines"], "droplet:7", "cluster:gone", "vpc:gone"]
    store.save()

    later = Recorder()

    async def start() -> None:
        authority = Authority.create("databases")
        resumed = Cloud(Store(tmp_path / "state.json"), VirtualClock(), authority, authority, machines=later)
        resumed.resume()
        await resumed.queues.drain()

    asyncio.run(start())
    assert later.named("create_vpc") == [(VpcSpec(vpc["id"], "10.78.0.0/20"),)]
    assert {spec.id for (spec,) in later.named("create_droplet")} == {on["id"], off["id"]}
    assert later.named("power_droplet") == [(off["id"], "power_off")]
    assert later.named("delete_droplet") == [(7,)]
    assert later.named("delete_cluster") == [("gone",)]
    assert later.named("delete_vpc") == [("gone",)]
    assert len(later.named("set_dns")) == len(later.named("set_spaces_keys")) == 1


def test_what_is_being_removed_is_known_until_it_is_gone(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    def standing() -> list[str]:
        api("POST", "/v2/tags", {"name": "any"}, status=201)  # a change, after which the state is saved
        return [name for name in cloud.state["machines"] if name.startswith("droplet:")]

    names = []
    machines.gate.clear()
    for broken in (set[str](), {"delete_droplet"}):
        machines.gate.set()
        droplet = api.droplet()
        names.append(f"droplet:{droplet['id']}")
        machines.gate.clear()
        machines.broken = broken
        api("DELETE", f"/v2/droplets/{droplet['id']}", status=204)
        cloud.clock.advance(8)
        assert standing() == names[-1:]  # so that a start after a kill removes it
        machines.gate.set()
        cloud.drain()
    assert standing() == names[1:]  # what could not be removed is tried again by the next start


def test_a_target_is_looked_at_while_machines_are_made(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    machines.gate.clear()
    for number in range(40):
        api.droplet(f"web-{number}", ready=False)
    with serving(Target()) as target:
        url = f"http://localhost:{target.port}/"  # whose address is looked up in a thread
        body = {"name": "shop", "type": "http", "target": url, "regions": ["eu_west"], "enabled": True}
        id = api("POST", "/v2/uptime/checks", body, status=201)["check"]["id"]
        cloud.watch()
    machines.gate.set()
    assert api("GET", f"/v2/uptime/checks/{id}/state")["state"]["regions"]["eu_west"]["status"] == "UP"


def test_an_error_that_was_put_right_is_told_no_more(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    errors = []
    for broken in ({"set_dns"}, set[str]()):
        machines.broken = broken
        api("POST", "/v2/domains", {"name": f"shop{len(errors)}.test"}, status=201)
        cloud.drain()
        errors.append(cloud.status()["errors"])
    assert errors == [{"dns": "set_dns is broken"}, {}]


def test_reset_forgets_errors_and_keeps_the_accounts_own_key(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    (own,) = api("GET", "/v2/spaces/keys")["keys"]
    api("DELETE", f"/v2/spaces/keys/{own['access_key']}", status=204)
    machines.broken = {"set_dns"}
    api("POST", "/v2/domains", {"name": "shop.test"}, status=201)
    cloud.drain()
    machines.broken = set()
    cloud.reset()
    cloud.drain()
    assert cloud.status()["errors"] == {}
    assert api("GET", "/v2/spaces/keys")["keys"] == [own]


# -- load balancers and reserved IPs ---------------------------------------------------------------------------------

RULE = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8000}


def _balancer(api: Api, cloud: RunningCloud, **more: Any) -> dict[str, Any]:
    body = {"name": "lb", "region": "fra1", "forwarding_rules": [RULE], "tag": "web", **more}
    created: dict[str, Any] = api("POST", "/v2/load_balancers", body, status=202)["load_balancer"]
    cloud.drain()
    cloud.clock.advance(120)
    created = api("GET", f"/v2/load_balancers/{created['id']}")["load_balancer"]
    return created


def test_load_balancer_follows_tags_and_certificates(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    api("POST", "/v2/domains", {"name": "shop.test"}, status=201)
    body = {"name": "cert", "type": "lets_encrypt", "dns_names": ["shop.test"]}
    certificate = api("POST", "/v2/certificates", body, status=201)["certificate"]
    cloud.clock.advance(60)
    droplet = api.droplet(tags=["web"])
    tls = {**RULE, "entry_protocol": "https", "entry_port": 443, "certificate_id": certificate["id"]}
    lb = _balancer(api, cloud, forwarding_rules=[tls])
    (first,) = machines.named("set_load_balancer")[-1]
    assert (first.id, first.public_ip) == (lb["id"], lb["ip"])
    assert first.targets == ((f"droplet-{droplet['id']}", first.targets[0][1]),)
    assert "PRIVATE KEY" in first.rules[0].certificate
    resource = {"resources": [{"resource_id": str(droplet["id"]), "resource_type": "droplet"}]}
    api("DELETE", "/v2/tags/web/resources", resource, status=204)
    cloud.drain()
    (untagged,) = machines.named("set_load_balancer")[-1]
    assert untagged.targets == ()
    cloud.clock.advance(60 * 86400)  # the certificate is renewed
    api("POST", "/v2/tags", {"name": "x"}, status=201)
    cloud.drain()
    (renewed,) = machines.named("set_load_balancer")[-1]
    assert renewed.rules[0].certificate != first.rules[0].certificate
    assert len(machines.named("set_load_balancer")) == 3
    api("DELETE", f"/v2/load_balancers/{lb['id']}", status=204)
    cloud.drain()
    assert machines.named("delete_load_balancer") == [(lb["id"],)]


def test_load_balancer_that_did_not_come_up_is_errored(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    machines.broken.add("set_load_balancer")
    assert _balancer(api, cloud)["status"] == "errored"
    assert cloud.status()["load_balancers"][0]["error"] == "set_load_balancer is broken"


def test_firewall_filters_by_load_balancer(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    droplet = api.droplet(tags=["web"])
    lb = _balancer(api, cloud)
    rule = {"protocol": "tcp", "ports": "8000", "sources": {"load_balancer_uids": [lb["id"]]}}
    api("POST", "/v2/firewalls", {"name": "fw", "tags": ["web"], "inbound_rules": [rule]}, status=202)
    cloud.drain()
    id, (inbound,), outbound = machines.named("filter_droplet")[-1]
    (spec,) = machines.named("set_load_balancer")[-1]
    assert inbound.peers == tuple(sorted((f"{spec.public_ip}/32", f"{spec.private_ip}/32")))
    assert (id, outbound) == (droplet["id"], [])


def test_reserved_ip_leads_to_its_droplet(api: Api, cloud: RunningCloud, machines: Recorder) -> None:
    droplet = api.droplet()
    ip = api("POST", "/v2/reserved_ips", {"droplet_id": droplet["id"]}, status=202)["reserved_ip"]["ip"]
    cloud.drain()
    cloud.clock.advance(5)
    api("POST", "/v2/tags", {"name": "x"}, status=201)
    cloud.drain()
    assert machines.named("set_reserved_ips")[-1] == ({ip: "10.77.0.16"},)
    api("DELETE", f"/v2/droplets/{droplet['id']}", status=204)
    cloud.drain()
    cloud.clock.advance(8)
    api("POST", "/v2/tags", {"name": "y"}, status=201)
    cloud.drain()
    assert machines.named("set_reserved_ips")[-1] == ({},)
