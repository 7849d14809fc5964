# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift of droplets and of what is around them in the network."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import Client
from ansible_collections.flowdose.infra.plugins.module_utils.resource import Facts, Resource
from ansible_collections.flowdose.infra.plugins.module_utils.resources.certificate import Certificate
from ansible_collections.flowdose.infra.plugins.module_utils.resources.domain import Domain
from ansible_collections.flowdose.infra.plugins.module_utils.resources.domain_record import DomainRecord
from ansible_collections.flowdose.infra.plugins.module_utils.resources.droplet import Droplet
from ansible_collections.flowdose.infra.plugins.module_utils.resources.firewall import Firewall
from ansible_collections.flowdose.infra.plugins.module_utils.resources.load_balancer import LoadBalancer
from ansible_collections.flowdose.infra.plugins.module_utils.resources.project import Project
from ansible_collections.flowdose.infra.plugins.module_utils.resources.reserved_ip import ReservedIp
from ansible_collections.flowdose.infra.plugins.module_utils.resources.ssh_key import SshKey
from ansible_collections.flowdose.infra.plugins.module_utils.resources.volume import Volume
from ansible_collections.flowdose.infra.plugins.module_utils.resources.vpc import Vpc
from ansible_collections.flowdose.infra.tests.unit.certificates import pair
from drift.cases import Behind, Case, check_complete, check_drift, check_fixed, drifts, fixed

KINDS: tuple[type[Resource], ...] = (
    *(Certificate, Domain, DomainRecord, Droplet, Firewall, LoadBalancer),
    *(Project, ReservedIp, SshKey, Volume, Vpc),
)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGfQ2Cz1Hf1mZpZ1m8q0b8m9w5u8WmYkq5Qh1f5m3e5L"
DROPLET = {"name": "one", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
RULE = {"ports": "22", "addresses": ["192.0.2.0/24"]}
OPEN = {"protocol": "tcp", "ports": "all", "sources": {"addresses": ["0.0.0.0/0", "::/0"]}}
HTTP = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8000}
HTTPS = {**HTTP, "entry_protocol": "https", "entry_port": 443, "certificate": "cert"}
PASSED = {**HTTP, "entry_protocol": "https", "entry_port": 443, "target_protocol": "https", "tls_passthrough": True}
TCP = {"entry_protocol": "tcp", "entry_port": 80, "target_protocol": "tcp", "target_port": 80}


def act(*types: str, **arguments: Any) -> Behind:
    """Actions of a droplet, one after the other."""

    def behind(client: Client, facts: Facts) -> None:
        for type in types:
            body = {"type": type, **(arguments if type == types[-1] else {})}
            client.call("drift", "droplet_actions.post", facts["id"], body=body)
            client.sleep(600)

    return behind


def resize(client: Client, facts: Facts) -> None:
    act("power_off", "resize", size="s-2vcpu-4gb", disk=False)(client, facts)
    act("power_on")(client, facts)


def untag(resource_type: str, tag: str) -> Behind:
    def behind(client: Client, facts: Facts) -> None:
        body = {"resources": [{"resource_id": str(facts["id"]), "resource_type": resource_type}]}
        client.call("drift", "tags.unassign_resources", tag, body=body)

    return behind


def put_firewall(**changes: Any) -> Behind:
    def behind(client: Client, facts: Facts) -> None:
        raw = client.call("drift", "firewalls.get", facts["id"])["firewall"]
        kept = ("name", "tags", "droplet_ids", "inbound_rules", "outbound_rules")
        client.call("drift", "firewalls.update", facts["id"], body={key: raw[key] for key in kept} | changes)

    return behind


def put_balancer(**changes: Any) -> Behind:
    """The load balancer as it is but for `changes`; None takes a key away, which the PUT then resets."""

    def behind(client: Client, facts: Facts) -> None:
        raw = client.call("drift", "load_balancers.get", facts["id"])["load_balancer"]
        unsent = {"id", "ip", "status", "created_at", "algorithm", "size"}
        unsent |= {"droplet_ids" if raw["tag"] else "tag"}
        body = {key: value for key, value in raw.items() if key not in unsent}
        body |= {"region": raw["region"]["slug"]} | changes
        body = {key: value for key, value in body.items() if value is not None}
        client.call("drift", "load_balancers.update", facts["id"], body=body)

    return behind


def patch(operation: str, **changes: Any) -> Behind:
    return lambda client, facts: client.call("drift", operation, facts["id"], body=changes)


def put_record(**changes: Any) -> Behind:
    def behind(client: Client, facts: Facts) -> None:
        body = {"type": facts["type"], **changes}
        client.call("drift", "domains.update_record", "example.test", facts["id"], body=body)

    return behind


def make_other_default(client: Client, facts: Facts) -> None:
    (other,) = [vpc for vpc in client.list_all("drift", "vpcs.list", "vpcs") if vpc["name"] == "other"]
    client.call("drift", "vpcs.patch", other["id"], body={"default": True})


def move_to_default_project(client: Client, facts: Facts) -> None:
    default = client.call("drift", "projects.get_default")["project"]["id"]
    client.call("drift", "projects.assign_resources", default, body={"resources": ["do:domain:example.test"]})


def detach(client: Client, facts: Facts) -> None:
    body = {"type": "detach", "droplet_id": facts["droplet_ids"][0]}
    client.call("drift", "volume_actions.post_by_id", facts["id"], body=body)


def unassign(client: Client, facts: Facts) -> None:
    client.call("drift", "reserved_ips_actions.post", facts["ip"], body={"type": "unassign"})


def reserve(client: Client) -> dict[str, Any]:
    return {"ip": client.call("make", "reserved_ips.create", body={"region": "fra1"})["reserved_ip"]["ip"]}


ZONE = (Domain, {"name": "example.test"})
RECORD = {"domain": "example.test", "ttl": 300}
OWN_NETWORK = (Vpc, {"name": "net", "region": "fra1", "ip_range": "10.20.0.0/20"})
OTHER_NETWORK = (Vpc, {"name": "other", "region": "fra1", "ip_range": "10.30.0.0/20"})

CASES = [
    Case(
        SshKey,
        {"name": "one", "public_key": KEY},
        {"name": patch("ssh_keys.update", name="two")},
        {"public_key": {"public_key": KEY.replace("3e5L", "3e5M")}},
    ),
    Case(
        Vpc,
        {**OWN_NETWORK[1], "description": "ours", "default": True},
        {
            "name": patch("vpcs.patch", name="theirs"),
            "description": patch("vpcs.patch", description="theirs"),
            "default": make_other_default,
        },
        {"region": {"region": "ams3"}, "ip_range": {"ip_range": "10.40.0.0/20"}},
        needs=(OTHER_NETWORK,),
    ),
    Case(
        Droplet,
        {
            **DROPLET,
            "vpc": "net",
            "tags": ["a", "b"],
            "monitoring": True,
            "backup_policy": {"plan": "daily", "hour": 4},
        },
        {
            "name": act("rename", name="theirs"),
            "tags": untag("droplet", "a"),
            "backup_policy": act("change_backup_policy", backup_policy={"plan": "daily", "hour": 20}),
            "size": resize,
            "powered": act("power_off"),
            "ipv6": {"ipv6": True},  # never goes away by itself
        },
        {
            "region": {"region": "ams3"},
            "image": {"image": "debian-12-x64"},
            "vpc": {"vpc": "other"},
            "monitoring": {"monitoring": False},
        },
        needs=(OWN_NETWORK, OTHER_NETWORK),
    ),
    Case(Droplet, {**DROPLET, "backups": True}, {"backups": act("disable_backups")}),
    Case(
        Firewall,
        {"name": "web", "tags": ["a"], "droplets": ["one"], "inbound_rules": [RULE], "outbound_rules": [RULE]},
        {
            "name": put_firewall(name="theirs"),
            "tags": put_firewall(tags=[]),
            "droplets": put_firewall(droplet_ids=[]),
            "inbound_rules": put_firewall(inbound_rules=[OPEN]),
            "outbound_rules": put_firewall(outbound_rules=[]),
        },
        needs=((Droplet, DROPLET),),
    ),
    Case(Domain, {"name": "example.test"}),
    Case(
        DomainRecord,
        {**RECORD, "type": "A", "name": "www", "data": "192.0.2.1"},
        {"data": put_record(data="192.0.2.9"), "ttl": put_record(ttl=60)},
        needs=(ZONE,),
    ),
    Case(
        DomainRecord,
        {**RECORD, "type": "SRV", "name": "_sip._tcp", "data": "sip.example.test"}
        | {"priority": 1, "port": 5060, "weight": 5},
        {key: put_record(**{key: 77}, data="sip.example.test.") for key in ("priority", "port", "weight")},
        needs=(ZONE,),
    ),
    Case(
        DomainRecord,
        {**RECORD, "type": "CAA", "data": "letsencrypt.org", "flags": 0, "tag": "issue"},
        {
            "flags": put_record(data="letsencrypt.org.", flags=128, tag="issue"),
            "tag": put_record(data="letsencrypt.org.", flags=0, tag="issuewild"),
        },
        needs=(ZONE,),
    ),
    Case(
        Project,
        {"name": "shop", "description": "ours", "purpose": "Web Application", "environment": "Staging"}
        | {"resources": ["domain:example.test"]},
        {
            "name": patch("projects.patch", name="theirs"),
            "description": patch("projects.patch", description="theirs"),
            "purpose": patch("projects.patch", purpose="Just trying"),
            "environment": patch("projects.patch", environment="Production"),
            "resources": move_to_default_project,
        },
        needs=(ZONE,),
    ),
    Case(
        Certificate,
        {"name": "own", "type": "custom", **pair("shop.example.test")},
        fixed={
            "leaf_certificate": pair("other.example.test"),
            "type": {"type": "lets_encrypt", **dict.fromkeys(pair("shop.example.test"))},
        },
    ),
    Case(
        Certificate,
        {"name": "issued", "dns_names": ["shop.example.test", "example.test"]},
        fixed={"dns_names": {"dns_names": ["shop.example.test"]}},
        needs=(ZONE,),
    ),
    Case(
        ReservedIp,
        {"droplet": "one"},
        {"droplet": unassign},
        needs=((Droplet, DROPLET),),
        prepare=reserve,
    ),
    Case(
        Volume,
        {"name": "disk", "region": "fra1", "size_gigabytes": 10, "droplet": "one", "tags": ["a", "b"]}
        | {"description": "ours", "filesystem_type": "ext4", "filesystem_label": "ours"},
        {
            "size_gigabytes": {"size_gigabytes": 20},  # never becomes smaller by itself
            "droplet": detach,
            "tags": untag("volume", "b"),
        },
        {
            "description": {"description": "theirs"},
            "filesystem_type": {"filesystem_type": "xfs"},
            "filesystem_label": {"filesystem_label": "theirs"},
        },
        needs=((Droplet, DROPLET),),
    ),
    Case(
        LoadBalancer,
        {
            "name": "lb",
            "region": "fra1",
            "vpc": "net",
            "size_unit": 2,
            "droplets": ["one"],
            "forwarding_rules": [HTTP, HTTPS],
            "health_check": {"port": 8000, "healthy_threshold": 4},
            "sticky_sessions": {"type": "cookies", "cookie_name": "LB", "cookie_ttl_seconds": 300},
            "firewall": {"allow": ["192.0.2.1", "198.51.100.0/24"]},
            "redirect_http_to_https": True,
            "enable_proxy_protocol": True,
            "enable_backend_keepalive": True,
            "disable_lets_encrypt_dns_records": True,
            "http_idle_timeout_seconds": 90,
            "tls_cipher_policy": "STRONG",
        },
        {
            "name": put_balancer(name="theirs"),
            "size_unit": put_balancer(size_unit=1),
            "droplets": put_balancer(droplet_ids=[]),
            "forwarding_rules": put_balancer(forwarding_rules=[TCP, PASSED]),
            "health_check": put_balancer(health_check=None),
            "sticky_sessions": put_balancer(sticky_sessions=None),
            "firewall": put_balancer(firewall={"allow": [], "deny": ["ip:192.0.2.1"]}),
            "redirect_http_to_https": put_balancer(redirect_http_to_https=None),
            "enable_proxy_protocol": put_balancer(enable_proxy_protocol=None),
            "enable_backend_keepalive": put_balancer(enable_backend_keepalive=None),
            "disable_lets_encrypt_dns_records": put_balancer(disable_lets_encrypt_dns_records=None),
            "http_idle_timeout_seconds": put_balancer(http_idle_timeout_seconds=None),
            "tls_cipher_policy": put_balancer(tls_cipher_policy=None),
        },
        {
            "region": {"region": "ams3"},
            "vpc": {"vpc": "other"},
            "type": {"type": "REGIONAL_NETWORK", "forwarding_rules": [TCP], "redirect_http_to_https": False},
            "network": {"network": "INTERNAL"},
            "network_stack": {"network_stack": "DUALSTACK"},
        },
        needs=(
            OWN_NETWORK,
            OTHER_NETWORK,
            (Droplet, {**DROPLET, "vpc": "net"}),
            (Certificate, {"name": "cert", **pair("shop.example.test")}),
        ),
    ),
    Case(
        LoadBalancer,
        {"name": "lb", "region": "fra1", "size": "lb-medium", "tag": "web", "forwarding_rules": [HTTP]},
        {"tag": put_balancer(tag="theirs"), "size": put_balancer(size_unit=1)},
    ),
]


def test_the_tables_are_complete() -> None:
    check_complete(CASES, KINDS)


@pytest.mark.parametrize(("case", "key"), drifts(CASES))
def test_what_drifted_is_named_and_mended(account: Any, case: Case, key: str) -> None:
    check_drift(account, case, key)


@pytest.mark.parametrize(("case", "key"), fixed(CASES))
def test_what_cannot_be_changed_is_refused(account: Any, case: Case, key: str) -> None:
    check_fixed(account, case, key)
