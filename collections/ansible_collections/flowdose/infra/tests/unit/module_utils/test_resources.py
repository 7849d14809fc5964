# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind against the API: create, nothing to do, change in place, refuse what cannot be changed, delete."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import Client, CloudError
from ansible_collections.flowdose.infra.plugins.module_utils.resource import Resource
from ansible_collections.flowdose.infra.plugins.module_utils.resources.database_cluster import (
    DatabaseCluster,
    read_connections,
)
from ansible_collections.flowdose.infra.plugins.module_utils.resources.domain import Domain
from ansible_collections.flowdose.infra.plugins.module_utils.resources.domain_record import DomainRecord
from ansible_collections.flowdose.infra.plugins.module_utils.resources.droplet import Droplet
from ansible_collections.flowdose.infra.plugins.module_utils.resources.firewall import Firewall
from ansible_collections.flowdose.infra.plugins.module_utils.resources.project import Project
from ansible_collections.flowdose.infra.plugins.module_utils.resources.ssh_key import SshKey
from ansible_collections.flowdose.infra.plugins.module_utils.resources.tag import Tag
from ansible_collections.flowdose.infra.plugins.module_utils.resources.vpc import Vpc

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGfQ2Cz1Hf1mZpZ1m8q0b8m9w5u8WmYkq5Qh1f5m3e5L"
OTHER_KEY = KEY.replace("3e5L", "3e5M")
DROPLET = {"name": "one", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
POSTGRES = {"name": "pg-one", "engine": "pg", "version": "15", "size": "db-s-1vcpu-1gb", "region": "fra1"}
VALKEY = {"name": "valkey-one", "engine": "valkey", "size": "db-s-1vcpu-1gb", "region": "fra1"}
RULE = {"ports": "22", "addresses": ["0.0.0.0/0", "::/0"]}

# kind, how it is first declared, what then changes
LIFE: list[tuple[type[Resource], dict[str, Any], dict[str, Any]]] = [
    (SshKey, {"name": "one", "public_key": f"{KEY} me@here"}, {"name": "two"}),
    (Vpc, {"name": "one", "region": "fra1", "ip_range": "10.20.0.0/20"}, {"description": "mine"}),
    (Droplet, {**DROPLET, "tags": ["a", "b"]}, {"tags": ["b", "c"]}),
    (Droplet, DROPLET, {"backups": True}),
    (Droplet, DROPLET, {"ipv6": True}),
    (Droplet, DROPLET, {"powered": False}),
    (Droplet, DROPLET, {"size": "s-2vcpu-4gb"}),
    (Firewall, {"name": "one", "tags": ["a"], "inbound_rules": [RULE]}, {"tags": ["a", "b"]}),
    (
        Firewall,
        {"name": "one", "tags": ["a"], "inbound_rules": [RULE], "outbound_rules": [{"addresses": ["0.0.0.0/0"]}]},
        {"inbound_rules": [RULE, {"protocol": "icmp", "addresses": ["10.0.0.0/8"], "tags": ["a"]}]},
    ),
    (DatabaseCluster, POSTGRES, {"databases": ["shop"], "users": ["reader", "writer"]}),
    (DatabaseCluster, {**POSTGRES, "databases": ["shop"]}, {"trusted_sources": [{"type": "tag", "value": "backend"}]}),
    (DatabaseCluster, {**POSTGRES, "tags": ["a"]}, {"tags": ["b"]}),
    (DatabaseCluster, POSTGRES, {"size": "db-s-1vcpu-2gb"}),
    (DatabaseCluster, {**VALKEY, "eviction_policy": "noeviction"}, {"eviction_policy": "allkeys_lru"}),
    (Domain, {"name": "example.test"}, {}),
    (
        Project,
        {"name": "one", "purpose": "Web Application", "environment": "Staging"},
        {"environment": "Production", "description": "shop", "purpose": "Something rare"},
    ),
]


@pytest.mark.parametrize(("kind", "name"), [(Domain, "example.test"), (Tag, "web")])
def test_what_is_read_alone_is_what_the_list_says(account: Any, kind: type[Resource], name: str) -> None:
    resource = account.converge(kind, name=name)
    raw = resource.read(resource.existing)
    assert raw is not None
    assert kind.flatten(raw) == account.cloud().require(kind, name)


@pytest.mark.parametrize(("kind", "first", "change"), LIFE)
def test_life(account: Any, kind: type[Resource], first: dict[str, Any], change: dict[str, Any]) -> None:
    if kind is Vpc:  # the first one becomes the default of its region, which cannot be deleted
        account.converge(Vpc, name="default", region="fra1", ip_range="10.99.0.0/20")
    created = account.converge(kind, **first)
    assert created.entry.action == "create"
    assert created.result() == account_view(account, kind, first), "one shape, created or found"
    if change:
        planned = account.plan(kind, **first | change)
        assert planned.action == "update"
        assert {entry.key for entry in planned.changes} == change.keys()
        changed = account.converge(kind, **first | change)
        assert {entry.key: entry.after for entry in changed.entry.changes} == {
            key: changed.desired[key] for key in change
        }
    name = (first | change)["name"]
    gone = account.converge(kind, name=name, state="absent", **({"protected": False} if kind.stateful else {}))
    assert gone.entry.action == "delete"
    assert gone.entry.impact == ("irreversible" if kind.stateful or kind is Droplet else "none")
    assert gone.result() is None


def account_view(account: Any, kind: type[Resource], params: dict[str, Any]) -> dict[str, Any] | None:
    resource = account.resource(kind, **params)
    resource.plan()
    return resource.result()


@pytest.mark.parametrize(("kind", "first", "change"), LIFE)
def test_a_plan_changes_nothing(
    account: Any, kind: type[Resource], first: dict[str, Any], change: dict[str, Any]
) -> None:
    assert account.plan(kind, **first).action == "create"
    unprotected = {"protected": False} if kind.stateful else {}
    assert account.plan(kind, name="nobody.test", state="absent", **unprotected).action == "none"
    assert account.written() == []


class TestSshKey:
    def test_the_same_key_under_another_name_is_renamed(self, account: Any) -> None:
        first = account.converge(SshKey, name="one", public_key=KEY)
        second = account.converge(SshKey, name="two", public_key=f"{KEY} another comment")
        assert second.entry.action == "update"
        assert second.result()["id"] == first.result()["id"]

    def test_another_key_under_the_same_name_is_refused(self, account: Any) -> None:
        account.converge(SshKey, name="one", public_key=KEY)
        with pytest.raises(CloudError, match=r"(?s)public_key is .* cannot be changed.*another name"):
            account.plan(SshKey, name="one", public_key=OTHER_KEY)

    def test_name_and_key_of_two_different_ones(self, account: Any) -> None:
        ids = [account.converge(SshKey, name=n, public_key=k).result()["id"] for n, k in (("a", KEY), ("b", OTHER_KEY))]
        with pytest.raises(CloudError) as caught:
            account.plan(SshKey, name="a", public_key=OTHER_KEY)
        assert all(str(id) in str(caught.value) for id in ids)

    @pytest.mark.parametrize("key", ["", "ssh-ed25519", "ssh-ed25519 !!!", "-----BEGIN PRIVATE KEY-----"])
    def test_what_is_not_a_key(self, account: Any, key: str) -> None:
        with pytest.raises(CloudError, match="not an OpenSSH public key"):
            account.plan(SshKey, name="one", public_key=key)


class TestVpc:
    @pytest.mark.parametrize("change", [{"region": "ams3"}, {"ip_range": "10.40.0.0/20"}])
    def test_it_is_not_replaced(self, account: Any, change: dict[str, str]) -> None:
        params = {"name": "one", "region": "fra1", "ip_range": "10.20.0.0/20"}
        account.converge(Vpc, **params)
        with pytest.raises(CloudError, match=r"cannot be changed\nA VPC is not replaced"):
            account.plan(Vpc, **params | change)

    def test_an_overlap_is_refused_before_anything_is_written(self, account: Any) -> None:
        account.converge(Vpc, name="one", region="fra1", ip_range="10.20.0.0/20")
        with pytest.raises(CloudError, match=r"overlaps with 10.20.0.0/20 of VPC one"):
            account.plan(Vpc, name="two", region="fra1", ip_range="10.20.8.0/24")

    @pytest.mark.parametrize("ip_range", ["10.20.0.1/20", "10.0.0.0/8", "not a range", "100.64.0.0/20"])
    def test_a_wrong_range(self, account: Any, ip_range: str) -> None:
        with pytest.raises(CloudError, match="ip_range"):
            account.plan(Vpc, name="one", region="fra1", ip_range=ip_range)

    def test_the_default_one_is_not_deleted(self, account: Any) -> None:
        account.converge(Vpc, name="one", region="fra1", ip_range="10.20.0.0/20")
        with pytest.raises(CloudError, match="it is the default VPC of region fra1"):
            account.plan(Vpc, name="one", state="absent")

    def test_deleting_waits_until_the_members_are_gone(self, account: Any) -> None:
        account.converge(Vpc, name="one", region="fra1", ip_range="10.20.0.0/20")
        account.converge(Vpc, name="two", region="fra1", ip_range="10.30.0.0/20")
        account.converge(Droplet, **DROPLET, vpc="two")
        account.converge(Droplet, name="one", state="absent")
        account.converge(Vpc, name="two", state="absent")
        assert [call.split("/")[2] for call in account.written() if call.startswith("DELETE")][-1] == "vpcs"


class TestDroplet:
    def test_all_that_creating_takes(self, account: Any) -> None:
        account.converge(SshKey, name="key", public_key=KEY)
        account.converge(Vpc, name="net", region="fra1", ip_range="10.20.0.0/20")
        droplet = account.converge(
            Droplet, **DROPLET, vpc="net", ssh_keys=["key"], tags=["a"], monitoring=True, user_data="#!/bin/sh\nsecret"
        )
        facts = droplet.result()
        assert facts["public_ipv4"]
        assert facts["private_ipv4"].startswith("10.20.0.")
        assert (facts["status"], facts["vpc"], facts["memory"], facts["vcpus"]) == ("active", "net", 1024, 1)
        shown = str(droplet.entry.as_dict()) + str(droplet.entry.as_diff()) + str(facts)
        assert "secret" not in shown, "user data may hold secrets"

    @pytest.mark.parametrize(
        ("change", "near"),
        [
            ({"region": "fra2"}, "fra1"),
            ({"size": "s-1vcpu-1bg"}, "s-1vcpu-1gb"),
            ({"image": "debian-13-x46"}, "debian-13-x64"),
        ],
    )
    def test_what_is_not_offered(self, account: Any, change: dict[str, str], near: str) -> None:
        with pytest.raises(CloudError, match=rf"(?s){next(iter(change))} .* does not exist.*{near}"):
            account.plan(Droplet, **DROPLET | change)
        assert account.written() == []

    def test_what_it_needs_must_exist(self, account: Any) -> None:
        account.converge(Vpc, name="network", region="fra1", ip_range="10.20.0.0/20")
        with pytest.raises(CloudError, match=r"(?s)there is no VPC named netwrok.*Did you mean network"):
            account.plan(Droplet, **DROPLET, vpc="netwrok")

    def test_two_of_one_name(self, account: Any) -> None:
        client = account.client()
        ids = [client.call("create", "droplets.create", body=DROPLET)["droplet"]["id"] for _copy in range(2)]
        with pytest.raises(CloudError) as caught:
            account.plan(Droplet, **DROPLET)
        assert all(str(id) in str(caught.value) for id in ids)

    @pytest.mark.parametrize("change", [{"region": "ams3"}, {"image": "debian-12-x64"}, {"monitoring": True}])
    def test_it_is_not_replaced(self, account: Any, change: dict[str, Any]) -> None:
        account.converge(Droplet, **DROPLET)
        written = len(account.server.requests)
        with pytest.raises(CloudError, match=r"cannot be changed\nA droplet is not replaced"):
            account.plan(Droplet, **DROPLET | change)
        assert account.written(written) == []

    def test_resizing_switches_it_off_and_on_again(self, account: Any) -> None:
        account.converge(Droplet, **DROPLET)
        assert account.plan(Droplet, **DROPLET | {"size": "s-2vcpu-4gb"}).impact == "power-off"
        facts = account.converge(Droplet, **DROPLET | {"size": "s-2vcpu-4gb"}).result()
        assert (facts["status"], facts["memory"]) == ("active", 4096)

    def test_it_runs_again_after_a_resize_that_failed(self, account: Any) -> None:
        created = account.converge(Droplet, **DROPLET).result()
        resize = account.resource(Droplet, **DROPLET | {"size": "s-2vcpu-4gb"})
        resize.plan()
        account.server.fault(f"POST /v2/droplets/{created['id']}/actions", nth=2, status=422, message="no capacity")
        with pytest.raises(CloudError, match="no capacity"):
            resize.apply()
        found = account.resource(Droplet, **DROPLET)
        assert found.plan().action == "none"
        assert found.result()["status"] == "active"

    def test_an_action_that_ends_in_an_error_is_not_waited_for(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        droplet = account.converge(Droplet, **DROPLET)
        call = Client.call

        def errored(client: Client, attempted: str, operation: str, *args: Any, **kwargs: Any) -> Any:
            answer = call(client, attempted, operation, *args, **kwargs)
            return {"action": {**answer["action"], "status": "errored"}} if operation == "actions.get" else answer

        monkeypatch.setattr(Client, "call", errored)
        start = account.server.clock.now()
        with pytest.raises(CloudError, match=r"Could not enable backups of droplet one: .* status errored"):
            droplet._action("enable_backups", lambda facts: False)
        assert account.server.clock.now() - start < 120

    def test_one_that_is_just_being_made_is_waited_for(self, account: Any) -> None:
        """An interrupted run left it behind."""
        account.client().call("create", "droplets.create", body=DROPLET)
        found = account.converge(Droplet, **DROPLET)
        assert found.entry.action == "none"
        assert found.result()["status"] == "active"

    @pytest.mark.parametrize(
        "fault",
        [
            {"status": 504, "effect": True},
            {"status": 500, "effect": True},
            {"status": 502, "effect": False},
            {"reset": "after"},
            {"reset": "before"},
            {"hide": 4},
            {"status": 429, "retry_after": 20},
            {"status": 429},
        ],
    )
    def test_one_droplet_only_whatever_the_answer(self, account: Any, fault: dict[str, Any]) -> None:
        account.server.fault("POST /v2/droplets", **fault)
        account.converge(Droplet, **DROPLET)
        assert len(account.client().list_all("list", "droplets.list", "droplets")) == 1

    def test_it_is_found_among_many_others(self, account: Any) -> None:
        client = account.client()
        for number in range(60):
            client.call("create", "droplets.create", body={**DROPLET, "name": f"other-{number}"})
        account.converge(Droplet, **DROPLET)
        assert account.plan(Droplet, **DROPLET).action == "none"

    def test_a_wrong_name(self, account: Any) -> None:
        with pytest.raises(CloudError, match="host name"):
            account.plan(Droplet, **DROPLET | {"name": "one_two"})


def test_a_reserved_ip_is_not_the_address_of_the_droplet_itself() -> None:
    """Else its records would change when one is assigned, and its inventory name with them."""
    networks = [("private", "10.1.0.2"), ("public", "192.0.2.7"), ("public", "198.51.100.1")]
    raw = {"networks": {"v4": [{"type": type, "ip_address": address} for type, address in networks]}}
    facts = Droplet.flatten(raw)
    assert (facts["private_ipv4"], facts["public_ipv4"]) == ("10.1.0.2", "192.0.2.7")


class TestFirewall:
    def test_names_of_droplets_become_ids(self, account: Any) -> None:
        droplet = account.converge(Droplet, **DROPLET).result()
        params = {"name": "fw", "droplets": ["one"], "inbound_rules": [{"ports": "80", "droplets": ["one"]}]}
        facts = account.converge(Firewall, **params).result()
        assert facts["droplet_ids"] == [droplet["id"]]
        assert facts["inbound_rules"][0]["droplets"] == ["one"]

    def test_what_is_not_declared_survives_a_change(self, account: Any) -> None:
        """The PUT replaces everything."""
        account.converge(Firewall, name="fw", tags=["a"], inbound_rules=[RULE], outbound_rules=[RULE])
        facts = account.converge(Firewall, name="fw", inbound_rules=[{**RULE, "ports": "443"}]).result()
        assert facts["tags"] == ["a"]
        assert facts["outbound_rules"][0]["ports"] == "22"

    @pytest.mark.parametrize(
        ("rule", "message"),
        [
            ({"ports": "80"}, "neither addresses nor tags nor droplets"),
            ({"ports": "http", "addresses": ["0.0.0.0/0"]}, "neither a port"),
            ({"ports": "90-80", "addresses": ["0.0.0.0/0"]}, "neither a port"),
            ({"ports": "80", "addresses": ["everywhere"]}, "everywhere"),
        ],
    )
    def test_a_wrong_rule(self, account: Any, rule: dict[str, Any], message: str) -> None:
        with pytest.raises(CloudError, match=message):
            account.plan(Firewall, name="fw", tags=["a"], inbound_rules=[rule])

    def test_at_least_one_rule(self, account: Any) -> None:
        with pytest.raises(CloudError, match="at least one rule"):
            account.plan(Firewall, name="fw", tags=["a"])


class TestDatabaseCluster:
    def test_it_is_closed_from_the_start(self, account: Any) -> None:
        account.converge(DatabaseCluster, **POSTGRES, trusted_sources=[{"type": "ip_addr", "value": "10.1.2.3/32"}])
        assert not [call for call in account.written() if call.endswith("/firewall")], "given when it is created"

    def test_a_droplet_as_trusted_source(self, account: Any) -> None:
        account.converge(Droplet, **DROPLET)
        account.converge(DatabaseCluster, **POSTGRES, trusted_sources=[{"type": "droplet", "value": "one"}])

    def test_spellings_are_the_same(self, account: Any) -> None:
        account.converge(DatabaseCluster, **VALKEY)
        assert account.plan(DatabaseCluster, **VALKEY | {"engine": "redis"}).action == "none"
        account.converge(DatabaseCluster, **POSTGRES)
        for spelling in ({"version": "15.4"}, {"engine": "postgres"}, {"version": "15"}):
            assert account.plan(DatabaseCluster, **POSTGRES | spelling).action == "none"

    @pytest.mark.parametrize(
        ("change", "hint"),
        [
            ({"engine": "valkey"}, "never replaced"),
            ({"region": "ams3"}, "leaves its VPC"),
        ],
    )
    def test_it_is_never_replaced(self, account: Any, change: dict[str, str], hint: str) -> None:
        account.converge(DatabaseCluster, **POSTGRES)
        before = len(account.server.requests)
        with pytest.raises(CloudError, match=rf"(?s)cannot be changed.*{hint}"):
            account.plan(DatabaseCluster, **POSTGRES | change)
        assert account.written(before) == []

    def test_databases_and_users_are_only_added(self, account: Any) -> None:
        account.converge(DatabaseCluster, **POSTGRES, databases=["a", "b"], users=["u"])
        facts = account.converge(DatabaseCluster, **POSTGRES, databases=["b", "c"], users=[]).result()
        assert facts["databases"] == ["a", "b", "c", "defaultdb"]
        assert "u" in facts["users"]

    def test_a_user_is_added_once_whatever_the_answer(self, account: Any) -> None:
        cluster = account.converge(DatabaseCluster, **POSTGRES).result()
        account.server.fault(f"POST /v2/databases/{cluster['id']}/users", status=504, effect=True)
        account.converge(DatabaseCluster, **POSTGRES, users=["u"])
        assert len([call for call in account.written() if call.endswith("/users")]) == 1

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"size": "db-s-1vcpu-1bg"}, r"(?s)size db-s-1vcpu-1bg does not exist.*db-s-1vcpu-1gb"),
            ({"version": "9"}, "not offered in version 9"),
            ({"region": "xyz1"}, "not offered in region xyz1"),
            ({"num_nodes": 7}, "not offered with 7 nodes"),
            ({"name": "pg_one"}, "underscore"),
            ({"eviction_policy": "noeviction"}, "goes with engine valkey"),
            ({"trusted_sources": [{"type": "ip_addr", "value": "::1"}]}, "IPv6"),
        ],
    )
    def test_what_is_not_offered(self, account: Any, change: dict[str, Any], message: str) -> None:
        with pytest.raises(CloudError, match=message):
            account.plan(DatabaseCluster, **POSTGRES | change)
        assert account.written() == []

    def test_how_to_connect(self, account: Any) -> None:
        account.converge(DatabaseCluster, **POSTGRES, users=["medusa"])
        (info,) = read_connections(account.client(), "pg-one")
        assert info["private_connection"]["host"].startswith("private-")
        assert info["connection"].keys() == {"host", "port", "user", "password", "database", "uri"}
        assert {user["name"]: bool(user["password"]) for user in info["users"]} == {"doadmin": True, "medusa": True}
        assert info["ca_certificate"].startswith("-----BEGIN CERTIFICATE-----")
        with pytest.raises(CloudError, match=r"(?s)no database cluster named pg-two.*pg-one"):
            read_connections(account.client(), "pg-two")

    def test_no_password_in_any_result(self, account: Any) -> None:
        cluster = account.converge(DatabaseCluster, **POSTGRES, users=["medusa"])
        (info,) = read_connections(account.client(), "pg-one")
        shown = str(cluster.result()) + str(cluster.entry.as_dict())
        assert all(user["password"] not in shown for user in info["users"])


class TestDomainRecord:
    @pytest.fixture(autouse=True)
    def zone(self, account: Any) -> None:
        account.converge(Domain, name="example.test")

    @pytest.mark.parametrize(
        ("first", "change"),
        [
            ({"type": "A", "name": "www", "data": "192.0.2.1"}, {"data": "192.0.2.2"}),
            ({"type": "A", "name": "@", "data": "192.0.2.1"}, {"ttl": 300}),
            ({"type": "AAAA", "name": "www", "data": "2001:DB8::1"}, {"data": "2001:db8:0::2"}),
            ({"type": "CNAME", "name": "shop", "data": "www.example.test."}, {"data": "example.test"}),
            ({"type": "CNAME", "name": "shop", "data": "Other.Example"}, {"ttl": 60}),
            ({"type": "MX", "name": "@", "data": "mail.example.test", "priority": 10}, {"priority": 20}),
            ({"type": "TXT", "name": "@", "data": "v=spf1 -all"}, {"ttl": 60}),
            ({"type": "CAA", "name": "@", "data": "letsencrypt.org", "flags": 0, "tag": "issue"}, {"ttl": 60}),
            (
                {
                    "type": "SRV",
                    "name": "_sip._tcp",
                    "data": "sip.example.test",
                    "priority": 1,
                    "port": 5060,
                    "weight": 5,
                },
                {"port": 5061},
            ),
        ],
    )
    def test_life(self, account: Any, first: dict[str, Any], change: dict[str, Any]) -> None:
        created = account.converge(DomainRecord, domain="example.test", **first)
        assert created.entry.action == "create"
        changed = account.converge(DomainRecord, domain="example.test", **first | change)
        assert changed.entry.action == "update"
        assert changed.result()["id"] == created.result()["id"]
        gone = account.converge(DomainRecord, domain="example.test", state="absent", **first | change)
        assert gone.entry.action == "delete"

    def test_the_address_of_a_droplet(self, account: Any) -> None:
        droplet = account.converge(Droplet, **DROPLET).result()
        record = account.converge(DomainRecord, domain="example.test", type="A", name="api", droplet="one")
        assert record.result()["data"] == droplet["public_ipv4"]

    def test_a_droplet_made_anew_has_another_address(self, account: Any) -> None:
        account.converge(Droplet, **DROPLET)
        account.converge(DomainRecord, domain="example.test", type="A", name="api", droplet="one")
        account.converge(Droplet, name="one", state="absent")
        account.converge(Droplet, **DROPLET | {"name": "taker"})
        droplet = account.converge(Droplet, **DROPLET).result()
        record = account.converge(DomainRecord, domain="example.test", type="A", name="api", droplet="one")
        assert record.entry.action == "update"
        assert record.result()["data"] == droplet["public_ipv4"]

    def test_several_of_one_name(self, account: Any) -> None:
        for data in ("192.0.2.1", "192.0.2.2"):
            account.converge(DomainRecord, domain="example.test", type="A", name="rr", data=data, exclusive=False)
        with pytest.raises(CloudError, match="2 resources that match"):
            account.plan(DomainRecord, domain="example.test", type="A", name="rr", data="192.0.2.3")

    def test_a_name_that_is_not_in_the_zone(self, account: Any) -> None:
        with pytest.raises(CloudError, match=r"name api.example.org. is not in the zone example.test"):
            account.plan(DomainRecord, domain="example.test", type="A", name="api.example.org.", data="192.0.2.1")

    def test_a_zone_that_does_not_exist(self, account: Any) -> None:
        with pytest.raises(CloudError, match=r"(?s)there is no domain named exmaple.test.*example.test"):
            account.plan(DomainRecord, domain="exmaple.test", type="A", name="api", data="192.0.2.1")

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"type": "A"}, "data, or one of droplet, load_balancer, reserved_ip, must be given"),
            ({"type": "A", "data": "192.0.2.1", "droplet": "one"}, "exclude each other"),
            ({"type": "TXT", "droplet": "one"}, "goes with type A"),
            ({"type": "A", "data": "localhost"}, "not an IP address"),
            ({"type": "A", "data": "::1"}, "does not go with type A"),
            ({"type": "MX", "data": "mail.example.test"}, "needs priority"),
            ({"type": "A", "data": "192.0.2.1", "ttl": 5}, "ttl must be between 30"),
            ({"type": "A", "name": "two words", "data": "192.0.2.1"}, "not a name within a zone"),
            (
                {"type": "A", "name": "www", "data": "192.0.2.1", "droplet": "one"},
                "data and droplet exclude each other",
            ),
            ({"type": "AAAA", "name": "www", "load_balancer": "lb"}, "load_balancer goes with type A, not AAAA"),
            ({"type": "CNAME", "name": "www", "data": "https://example.org"}, "is not a host name"),
            ({"type": "MX", "data": "mail.example.test", "priority": 70000}, "priority must be between 0 and 65535"),
            ({"type": "CAA", "data": "x.org", "flags": 0, "tag": "isue"}, "tag must be one of issue, issuewild, iodef"),
        ],
    )
    def test_wrong_data(self, account: Any, params: dict[str, Any], message: str) -> None:
        with pytest.raises(CloudError, match=message):
            account.plan(DomainRecord, **{"domain": "example.test", "name": "x"} | params)


class TestProject:
    def test_resources_are_moved_in(self, account: Any) -> None:
        account.converge(Droplet, **DROPLET)
        account.converge(Domain, name="example.test")
        project = account.converge(
            Project, name="p", purpose="Web Application", resources=["droplet:one", "domain:example.test"]
        )
        assert project.result()["resources"] == ["domain:example.test", "droplet:one"]

    def test_a_resource_that_does_not_exist(self, account: Any) -> None:
        with pytest.raises(CloudError, match="there is no droplet named one"):
            account.plan(Project, name="p", purpose="x", resources=["droplet:one"])

    def test_a_resource_of_no_kind(self, account: Any) -> None:
        with pytest.raises(CloudError, match=r"'disk:x' is not of the form KIND:NAME"):
            account.plan(Project, name="p", purpose="x", resources=["disk:x"])
