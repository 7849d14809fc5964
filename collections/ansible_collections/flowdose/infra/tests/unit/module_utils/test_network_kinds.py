# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers, certificates, reserved IPs and volumes against the API; what drifts is tested in tests/drift."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import Client, CloudError
from ansible_collections.flowdose.infra.plugins.module_utils.resource import Resource
from ansible_collections.flowdose.infra.plugins.module_utils.resources.certificate import Certificate
from ansible_collections.flowdose.infra.plugins.module_utils.resources.domain import Domain
from ansible_collections.flowdose.infra.plugins.module_utils.resources.domain_record import DomainRecord
from ansible_collections.flowdose.infra.plugins.module_utils.resources.droplet import Droplet
from ansible_collections.flowdose.infra.plugins.module_utils.resources.firewall import Firewall
from ansible_collections.flowdose.infra.plugins.module_utils.resources.load_balancer import LoadBalancer
from ansible_collections.flowdose.infra.plugins.module_utils.resources.project import Project
from ansible_collections.flowdose.infra.plugins.module_utils.resources.reserved_ip import ReservedIp
from ansible_collections.flowdose.infra.plugins.module_utils.resources.volume import Volume
from ansible_collections.flowdose.infra.plugins.module_utils.resources.vpc import Vpc
from ansible_collections.flowdose.infra.tests.unit.certificates import pair

DROPLET = {"name": "one", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
VOLUME = {"name": "disk", "region": "fra1", "size_gigabytes": 10}
HTTP = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8000}
HTTPS = {**HTTP, "entry_protocol": "https", "entry_port": 443}
PASSED = {**HTTPS, "target_protocol": "https", "target_port": 443, "tls_passthrough": True}
BALANCER = {"name": "lb", "region": "fra1", "tag": "web", "forwarding_rules": [HTTP]}
OWN = {"name": "own", **pair("shop.example.test")}
ISSUED = {"name": "issued", "dns_names": ["shop.example.test"]}

# Whatever answer comes to the call that creates one, or is lost: there is one afterwards.
ANSWERS = [
    {"status": 504, "effect": True},
    {"status": 500, "effect": True},
    {"status": 502, "effect": False},
    {"reset": "after"},
    {"reset": "before"},
    {"hide": 4},
    {"status": 429, "retry_after": 20},
]
ONE_OF_EACH: list[tuple[type[Resource], dict[str, Any], str]] = [
    (LoadBalancer, BALANCER, "load_balancers"),
    (Certificate, OWN, "certificates"),
    (ReservedIp, {"droplet": "one"}, "reserved_ips"),
    (Volume, {**VOLUME, "droplet": "one"}, "volumes"),
]


@pytest.mark.parametrize(("kind", "params", "path"), ONE_OF_EACH, ids=lambda value: getattr(value, "kind", ""))
class TestEach:
    @pytest.mark.parametrize("answer", ANSWERS, ids=str)
    def test_one_only_whatever_the_answer(
        self, account: Any, kind: type[Resource], params: dict[str, Any], path: str, answer: dict[str, Any]
    ) -> None:
        account.converge(Droplet, **DROPLET)
        account.server.fault(f"POST /v2/{path}", **answer)
        made = account.converge(kind, **params).result()
        assert [facts["id"] for facts in account.cloud().all(kind)] == [made["id"]]

    def test_a_plan_changes_nothing(
        self, account: Any, kind: type[Resource], params: dict[str, Any], path: str
    ) -> None:
        account.converge(Droplet, **DROPLET)
        before = len(account.server.requests)
        planned = account.resource(kind, **params)
        assert planned.plan().action == "create"
        assert planned.result(check_mode=True) is not None
        assert account.written(before) == []

    def test_from_nothing_to_nothing(
        self, account: Any, kind: type[Resource], params: dict[str, Any], path: str
    ) -> None:
        account.converge(Droplet, **DROPLET)
        created = account.converge(kind, **params)
        found = account.resource(kind, **params)
        assert found.plan().action == "none"
        assert found.result() == created.result(), "one shape, created or found"
        gone = account.converge(kind, **params, state="absent", **({"protected": False} if kind.stateful else {}))
        assert gone.entry.action == "delete"
        assert account.cloud().all(kind) == []

    def test_two_that_match(self, account: Any, kind: type[Resource], params: dict[str, Any], path: str) -> None:
        """The API lets nobody make them, but its answer may hold them."""
        account.converge(Droplet, **DROPLET)
        facts = account.converge(kind, **params).result()
        resource = account.resource(kind, **params)
        resource.cloud.all(kind).append({**facts, "id": "another"})
        with pytest.raises(CloudError) as caught:
            resource.plan()
        assert all(id in str(caught.value) for id in (facts["id"], "another"))


class TestLoadBalancer:
    def test_it_is_there_when_it_has_an_address(self, account: Any) -> None:
        created = account.client().call("make", "load_balancers.create", body=BALANCER | {"tag": "web"})
        assert not created["load_balancer"]["ip"]
        facts = account.converge(LoadBalancer, **BALANCER).result()
        assert (facts["status"], facts["ip"].count(".")) == ("active", 3)

    def test_what_is_not_declared_survives_a_change(self, account: Any) -> None:
        """The PUT replaces everything."""
        settings = {
            "health_check": {"port": 8000, "path": "/health"},
            "sticky_sessions": {"type": "cookies", "cookie_name": "LB", "cookie_ttl_seconds": 300},
            "firewall": {"deny": ["192.0.2.0/24"]},
            "enable_backend_keepalive": True,
            "http_idle_timeout_seconds": 90,
            "size_unit": 3,
        }
        first = account.converge(LoadBalancer, **BALANCER, **settings).result()
        second = account.converge(LoadBalancer, name="lb", tls_cipher_policy="STRONG").result()
        assert second == {**first, "tls_cipher_policy": "STRONG"}
        third = account.converge(LoadBalancer, name="lb", health_check={"path": "/"}).result()
        assert third["health_check"] == {**first["health_check"], "path": "/"}

    def test_from_a_tag_to_names_and_back(self, account: Any) -> None:
        account.converge(Droplet, **DROPLET, tags=["web"])
        by_name = {key: value for key, value in BALANCER.items() if key != "tag"} | {"droplets": ["one"]}
        assert account.converge(LoadBalancer, **BALANCER).result()["tag"] == "web"
        facts = account.converge(LoadBalancer, **by_name).result()
        assert (facts["tag"], facts["droplets"]) == (None, ["one"])
        assert account.converge(LoadBalancer, **BALANCER).result()["tag"] == "web"
        assert account.converge(LoadBalancer, **{**by_name, "droplets": []}).result()["droplet_ids"] == []

    def test_a_certificate_is_known_by_name_whatever_its_id_is_today(self, account: Any) -> None:
        account.converge(Domain, name="example.test")
        issued = account.converge(Certificate, **ISSUED).result()
        params = BALANCER | {"forwarding_rules": [HTTP, {**HTTPS, "certificate": "issued"}]}
        account.converge(LoadBalancer, **params)
        account.server.clock.advance(70 * 24 * 3600)
        assert account.converge(Certificate, **ISSUED).result()["id"] != issued["id"], "renewed"
        assert account.plan(LoadBalancer, **params).action == "none"
        account.converge(LoadBalancer, **params, redirect_http_to_https=True)

    def test_a_change_waits_until_the_last_one_is_carried_out(self, account: Any) -> None:
        account.converge(LoadBalancer, **BALANCER)
        for seconds in (90, 120, 150):
            account.converge(LoadBalancer, **BALANCER, http_idle_timeout_seconds=seconds)
        refused = [entry for entry in account.server.requests if entry["status"] == 403]
        assert refused, "the API takes one change at a time"

    def test_one_that_could_not_be_made(self, account: Any) -> None:
        account.server.fault("POST /v2/load_balancers", fail=True)
        with pytest.raises(CloudError, match=r"(?s)status is errored.*state: absent"):
            account.converge(LoadBalancer, **BALANCER)
        with pytest.raises(CloudError, match="status is errored"):
            account.plan(LoadBalancer, **BALANCER)
        account.converge(LoadBalancer, name="lb", state="absent")

    def test_resizing_twice_in_an_hour(self, account: Any) -> None:
        account.converge(LoadBalancer, **BALANCER)
        with pytest.raises(CloudError, match=r"(?s)HTTP 422.*once per hour at most, and not in its first hour"):
            account.converge(LoadBalancer, **BALANCER, size_unit=2)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"name": "under_score"}, "letters, digits, hyphens and dots"),
            ({"droplets": ["one"]}, "droplets and tag exclude each other"),
            ({"size": "lb-small", "size_unit": 1}, "size and size_unit exclude each other"),
            ({"size_unit": 101}, "size_unit must be between 1 and 100, not 101"),
            ({"http_idle_timeout_seconds": 5}, "between 30 and 600"),
            ({"tag": "not a tag"}, "may contain letters"),
            ({"forwarding_rules": []}, "at least one rule"),
            ({"forwarding_rules": [HTTPS]}, "https 443 needs a certificate"),
            ({"forwarding_rules": [{**PASSED, "certificate": "own"}]}, "exclude each other"),
            ({"forwarding_rules": [{**PASSED, "target_protocol": "http"}]}, "target_protocol is https too"),
            ({"forwarding_rules": [{**HTTP, "certificate": "own"}]}, "go with https, http2, http3"),
            ({"forwarding_rules": [{**HTTP, "target_protocol": "tcp"}]}, "http 80 cannot go to tcp"),
            ({"forwarding_rules": [HTTP, {**HTTP, "target_port": 1}]}, "another rule for that port"),
            ({"forwarding_rules": [{**HTTP, "entry_port": 70000}]}, "http 70000: entry_port must be between"),
            ({"type": "REGIONAL_NETWORK"}, "takes tcp and udp only"),
            ({"redirect_http_to_https": True}, "needs a forwarding rule for https on port 443"),
            ({"health_check": {"check_interval_seconds": 1}}, "health_check.check_interval_seconds must be between 3"),
            ({"health_check": {"path": "health"}}, "must start with a slash"),
            ({"health_check": {"protocol": "tcp", "path": "/"}}, "path goes with protocol http or https"),
            ({"sticky_sessions": {"type": "cookies"}}, "need cookie_name and cookie_ttl_seconds"),
            ({"sticky_sessions": {"type": "none", "cookie_name": "LB"}}, "type none take neither"),
            ({"firewall": {"allow": ["office"]}}, "firewall: address 'office'"),
        ],
    )
    def test_wrong_data(self, account: Any, change: dict[str, Any], message: str) -> None:
        with pytest.raises(CloudError, match=message):
            account.resource(LoadBalancer, **BALANCER | change)
        assert account.server.requests == [], "no call is needed to refuse it"

    def test_a_region_that_does_not_exist(self, account: Any) -> None:
        with pytest.raises(CloudError, match=r"(?s)region fra2 does not exist.*fra1"):
            account.plan(LoadBalancer, **BALANCER | {"region": "fra2"})

    def test_what_it_needs_must_exist(self, account: Any) -> None:
        with pytest.raises(CloudError, match="there is no certificate named nowhere"):
            account.plan(LoadBalancer, **BALANCER | {"forwarding_rules": [{**HTTPS, "certificate": "nowhere"}]})

    def test_droplets_of_another_network(self, account: Any) -> None:
        by_name = {key: value for key, value in BALANCER.items() if key != "tag"} | {"droplets": ["one"]}
        account.converge(Vpc, name="default", region="fra1")
        account.converge(Vpc, name="other", region="fra1")
        account.converge(Droplet, **DROPLET, vpc="other")
        before = len(account.server.requests)
        for params in (by_name, {**by_name, "vpc": "default"}):
            with pytest.raises(CloudError, match=r"droplet one is in VPC other, and the load balancer in default"):
                account.plan(LoadBalancer, **params)
        assert account.written(before) == []
        account.converge(LoadBalancer, **by_name, vpc="other")

    def test_records_and_firewalls_name_it(self, account: Any) -> None:
        account.converge(Domain, name="example.test")
        balancer = account.converge(LoadBalancer, **BALANCER).result()
        record = {"domain": "example.test", "type": "A", "name": "www", "load_balancer": "lb"}
        assert account.converge(DomainRecord, **record).result()["data"] == balancer["ip"]
        rules = [{"ports": "8000", "load_balancers": ["lb"]}]
        made = account.converge(Firewall, name="web", tags=["web"], inbound_rules=rules).result()
        assert made["inbound_rules"][0]["load_balancers"] == ["lb"]
        with pytest.raises(CloudError, match="there is no load balancer named other"):
            account.plan(DomainRecord, **record | {"load_balancer": "other"})


class TestCertificate:
    @pytest.fixture(autouse=True)
    def zone(self, account: Any) -> None:
        account.converge(Domain, name="example.test")

    def test_lets_encrypt_is_waited_for(self, account: Any) -> None:
        facts = account.converge(Certificate, **ISSUED).result()
        assert (facts["type"], facts["status"], facts["dns_names"]) == (
            "lets_encrypt",
            "verified",
            ["shop.example.test"],
        )

    def test_the_private_key_is_sent_once_and_shown_never(self, account: Any) -> None:
        made = account.converge(Certificate, **OWN)
        account.converge(Certificate, **OWN)
        bodies = [entry["body"] for entry in account.server.requests if entry["body"]]
        assert sum("private_key" in body for body in bodies) == 1
        shown = [made.result(), made.entry.as_dict(), made.entry.as_diff(), made.desired | {"private_key": None}]
        assert OWN["private_key"].split("\n")[1] not in str(shown)

    def test_the_fingerprint_tells_certificates_apart(self, account: Any) -> None:
        account.converge(Certificate, **OWN)
        with pytest.raises(CloudError, match=r"(?s)leaf_certificate is SHA-1 \w{40}, not SHA-1 \w{40}.*another name"):
            account.plan(Certificate, name="own", **pair("other.example.test"))
        again = {**OWN, "leaf_certificate": OWN["leaf_certificate"].replace("\n", "\r\n") + "\n\n"}
        assert account.plan(Certificate, **again).action == "none"

    def test_deleting_waits_until_nothing_uses_it(self, account: Any) -> None:
        account.converge(Certificate, **OWN)
        account.converge(LoadBalancer, **BALANCER | {"forwarding_rules": [HTTP, {**HTTPS, "certificate": "own"}]})
        account.converge(LoadBalancer, name="lb", state="absent")
        account.converge(Certificate, name="own", state="absent")
        assert 403 in [entry["status"] for entry in account.server.requests], "it was still in use for a moment"

    def test_one_that_stays_in_use(self, account: Any) -> None:
        account.converge(Certificate, **OWN)
        account.converge(LoadBalancer, **BALANCER | {"forwarding_rules": [HTTP, {**HTTPS, "certificate": "own"}]})
        with pytest.raises(CloudError, match=r"(?s)in use.*A load balancer still has it"):
            account.converge(Certificate, name="own", state="absent")

    def test_a_token_that_may_not_is_not_waited_for(self, account: Any) -> None:
        account.converge(Certificate, **OWN)
        account.server.fault("DELETE /v2/certificates/*", status=403, message="You do not have access")
        start = account.server.clock.now()
        with pytest.raises(CloudError, match="You do not have access"):
            account.converge(Certificate, name="own", state="absent")
        assert account.server.clock.now() - start < 10

    def test_one_that_could_not_be_issued(self, account: Any) -> None:
        account.server.fault("POST /v2/certificates", fail=True)
        with pytest.raises(CloudError, match=r"(?s)could not be issued for shop.example.test.*CAA"):
            account.converge(Certificate, **ISSUED)

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({}, "give dns_names .* or private_key and leaf_certificate"),
            ({"type": "custom", "private_key": OWN["private_key"]}, "leaf_certificate must be given"),
            ({"dns_names": ["shop.example.test"], "private_key": OWN["private_key"]}, "not with type custom"),
            ({"type": "lets_encrypt", "private_key": OWN["private_key"]}, "not with type lets_encrypt"),
            ({"dns_names": ["shop example test"]}, "is not a host name"),
            ({"dns_names": []}, "dns_names is empty"),
            ({"dns_names": ["shop.example.org"]}, "shop.example.org is in no zone of this account"),
            (
                {"private_key": "secret", "leaf_certificate": OWN["leaf_certificate"]},
                "private_key is not a private key",
            ),
            ({"private_key": OWN["private_key"], "leaf_certificate": OWN["private_key"]}, "leaf_certificate is not a"),
            ({**pair("x.test"), "certificate_chain": "-----BEGIN CERTIFICATE-----"}, "certificate_chain is not a"),
        ],
    )
    def test_wrong_data(self, account: Any, params: dict[str, Any], message: str) -> None:
        before = len(account.server.requests)
        with pytest.raises(CloudError, match=message) as caught:
            account.plan(Certificate, name="cert", **params)
        assert OWN["private_key"].split("\n")[1] not in str(caught.value)
        assert account.written(before) == []


class TestReservedIp:
    @pytest.fixture(autouse=True)
    def droplets(self, account: Any) -> None:
        account.converge(Droplet, **DROPLET)
        account.converge(Droplet, **DROPLET | {"name": "two"})

    def reserve(self, account: Any, **body: Any) -> str:
        return str(account.client().call("make", "reserved_ips.create", body=body)["reserved_ip"]["ip"])

    def test_a_droplet_has_one(self, account: Any) -> None:
        facts = account.converge(ReservedIp, droplet="one").result()
        assert (facts["name"], facts["droplet"], facts["locked"]) == ("one", "one", False)
        assert len(account.cloud().all(ReservedIp)) == 1

    def test_what_is_assigned_to_nothing_is_not_taken(self, account: Any) -> None:
        others = {self.reserve(account, region="fra1") for _number in range(3)}
        assert account.converge(ReservedIp, droplet="one").result()["ip"] not in others

    def test_one_on_its_way_is_waited_for(self, account: Any) -> None:
        """A run was killed after the call that made it: it does not show yet which droplet it is for."""
        id = account.cloud().require(Droplet, "one")["id"]
        mine = self.reserve(account, droplet_id=id)
        (seen,) = account.client().list_all("look", "reserved_ips.list", "reserved_ips")
        assert (seen["droplet"], seen["locked"]) == (None, True)
        assert account.plan(ReservedIp, droplet="one").action == "none"
        assert account.converge(ReservedIp, droplet="one").result()["ip"] == mine

    def test_it_moves(self, account: Any) -> None:
        ip = account.converge(ReservedIp, droplet="one").result()["ip"]
        moved = account.converge(ReservedIp, ip=ip, droplet="two")
        assert [(c.key, c.before, c.after) for c in moved.entry.changes] == [("droplet", "one", "two")]
        assert [facts["droplet"] for facts in account.cloud().all(ReservedIp)] == ["two"]

    def test_a_move_that_ends_in_an_error_is_not_waited_for(
        self, account: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The droplet that it was to move to goes meanwhile."""
        ip = account.converge(ReservedIp, droplet="one").result()["ip"]
        two = account.cloud().require(Droplet, "two")["id"]
        call = Client.call

        def gone(client: Client, attempted: str, operation: str, *args: Any, **kwargs: Any) -> Any:
            answer = call(client, attempted, operation, *args, **kwargs)
            if operation == "reserved_ips_actions.post":
                account.server.state["droplets"].pop(str(two))
            return answer

        monkeypatch.setattr(Client, "call", gone)
        moving = account.resource(ReservedIp, ip=ip, droplet="two")
        moving.plan()
        start = account.server.clock.now()
        with pytest.raises(CloudError, match="the action ended with status errored"):
            moving.apply()
        assert account.server.clock.now() - start < 120

    def test_a_new_droplet_of_the_old_name_gets_the_address_that_is_named(self, account: Any) -> None:
        ip = account.converge(ReservedIp, droplet="one").result()["ip"]
        account.converge(Droplet, name="one", state="absent")
        account.converge(Droplet, **DROPLET)
        assert account.converge(ReservedIp, droplet="one", ip=ip).result()["droplet"] == "one"

    def test_one_that_was_made_but_not_assigned(self, account: Any) -> None:
        """Its droplet was busy, say: it is assigned now, not made again."""
        ip = self.reserve(account, region="fra1")
        assert account.converge(ReservedIp, droplet="one", ip=ip).entry.action == "update"

    @pytest.mark.parametrize("one", [{"droplet": "one"}, {"droplet": "one", "ip": True}, {"ip": True}])
    def test_it_is_released(self, account: Any, one: dict[str, Any]) -> None:
        ip = account.converge(ReservedIp, droplet="one").result()["ip"]
        params = {**one, **({"ip": ip} if "ip" in one else {})}
        gone = account.converge(ReservedIp, **params, state="absent")
        assert (gone.entry.action, gone.entry.impact) == ("delete", "irreversible")
        assert account.cloud().all(ReservedIp) == []

    def test_that_of_another_droplet_is_not_released(self, account: Any) -> None:
        ip = account.converge(ReservedIp, droplet="one").result()["ip"]
        with pytest.raises(CloudError, match=f"{ip} belongs to droplet one"):
            account.plan(ReservedIp, droplet="two", ip=ip, state="absent")
        assert account.plan(ReservedIp, droplet="two", state="absent").action == "none"

    def test_a_droplet_with_another_one(self, account: Any) -> None:
        held = account.converge(ReservedIp, droplet="two").result()["ip"]
        ip = account.converge(ReservedIp, droplet="one").result()["ip"]
        with pytest.raises(CloudError, match=f"(?s)droplet two has the reserved IP {held} already.*Release it"):
            account.plan(ReservedIp, droplet="two", ip=ip)

    def test_it_waits_for_what_the_droplet_is_doing(self, account: Any) -> None:
        ip = self.reserve(account, region="fra1")
        planned = account.resource(ReservedIp, ip=ip, droplet="one")
        planned.plan()
        id = account.cloud().require(Droplet, "one")["id"]
        account.client().call("busy", "droplet_actions.post", id, body={"type": "reboot"})
        planned.apply()
        assert planned.result()["droplet"] == "one"
        assert 422 in [entry["status"] for entry in account.server.requests], "it was busy"

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({}, "droplet must be given"),
            ({"droplet": ""}, "droplet must be given"),
            ({"droplet": "one", "ip": "2001:db8::1"}, "not an IPv4 address"),
            ({"droplet": "one", "ip": "198.51.100.1"}, r"(?s)is not reserved in this account.*cannot be chosen"),
            ({"ip": "198.51.100.1"}, "is not reserved in this account"),
            ({"droplet": "three"}, "there is no droplet named three"),
        ],
    )
    def test_wrong_data(self, account: Any, params: dict[str, Any], message: str) -> None:
        before = len(account.server.requests)
        with pytest.raises(CloudError, match=message):
            account.plan(ReservedIp, **params)
        assert account.written(before) == []

    def test_it_stays_in_its_region(self, account: Any) -> None:
        ip = self.reserve(account, region="ams3")
        with pytest.raises(CloudError, match=r"reserved in region ams3, and droplet one is in fra1"):
            account.plan(ReservedIp, droplet="one", ip=ip)

    def test_a_record_leads_to_it_and_a_project_holds_it(self, account: Any) -> None:
        account.converge(Domain, name="example.test")
        ip = account.converge(ReservedIp, droplet="one").result()["ip"]
        record = {"domain": "example.test", "type": "A", "name": "www", "reserved_ip": "one"}
        assert account.converge(DomainRecord, **record).result()["data"] == ip
        account.converge(Volume, **VOLUME)
        account.converge(LoadBalancer, **BALANCER)
        members = ["reserved_ip:one", "volume:disk", "load_balancer:lb"]
        account.converge(Project, name="shop", purpose="Web Application", resources=members)


class TestVolume:
    @pytest.fixture(autouse=True)
    def droplets(self, account: Any) -> None:
        account.converge(Droplet, **DROPLET)
        account.converge(Droplet, **DROPLET | {"name": "two"})

    def test_it_moves_from_one_droplet_to_another(self, account: Any) -> None:
        account.converge(Volume, **VOLUME, droplet="one")
        assert account.plan(Volume, **VOLUME, droplet="two").impact == "restart"
        assert account.converge(Volume, **VOLUME, droplet="two").result()["droplet"] == "two"
        assert account.converge(Volume, **VOLUME, droplet="").result()["droplet_ids"] == []
        assert account.plan(Volume, **VOLUME, droplet="two").impact == "none"

    def test_where_it_is_attached_is_left_alone_when_not_declared(self, account: Any) -> None:
        account.converge(Volume, **VOLUME, droplet="one")
        assert account.plan(Volume, **VOLUME).action == "none"

    def test_it_grows_while_attached_but_never_shrinks(self, account: Any) -> None:
        account.converge(Volume, **VOLUME, droplet="one")
        assert account.plan(Volume, **VOLUME | {"size_gigabytes": 20}).impact == "irreversible"
        account.converge(Volume, **VOLUME | {"size_gigabytes": 20})
        before = len(account.server.requests)
        with pytest.raises(CloudError, match=r"(?s)has 20 GiB, and cannot be made smaller.*size_gigabytes: 20"):
            account.plan(Volume, **VOLUME)
        assert account.written(before) == []

    def test_the_same_name_in_another_region_is_another(self, account: Any) -> None:
        account.converge(Volume, **VOLUME)
        account.converge(Volume, **VOLUME | {"region": "ams3"})
        with pytest.raises(CloudError, match="2 resources that match volume disk"):
            account.plan(Volume, name="disk")

    def test_it_is_protected(self, account: Any) -> None:
        account.converge(Volume, **VOLUME, droplet="one")
        with pytest.raises(CloudError, match="is protected"):
            account.plan(Volume, name="disk", state="absent")
        gone = account.converge(Volume, name="disk", state="absent", protected=False)
        assert gone.entry.impact == "irreversible"

    def test_several_of_one_droplet(self, account: Any) -> None:
        """A droplet takes one action at a time."""
        for name in ("a", "b", "c"):
            resource = account.resource(Volume, **VOLUME | {"name": name, "droplet": "one"})
            resource.plan()
            id = account.cloud().require(Droplet, "one")["id"]
            account.client().call("busy", "droplet_actions.post", id, body={"type": "reboot"})
            resource.apply()
        assert {tuple(facts["droplet_ids"]) for facts in account.cloud().all(Volume)} == {(id,)}

    @pytest.mark.parametrize("gone", [False, True])
    def test_what_an_interrupted_run_began_is_not_begun_again(self, account: Any, gone: bool) -> None:
        volume = account.converge(Volume, **VOLUME).result()["id"]
        droplet = account.cloud().require(Droplet, "one")["id"]
        body = {"type": "attach", "droplet_id": droplet}
        account.client().call("begin", "volume_actions.post_by_id", volume, body=body)
        if gone:
            account.server.clock.advance(600)
            account.client().call("begin", "volume_actions.post_by_id", volume, body=body | {"type": "detach"})
            account.converge(Volume, name="disk", state="absent", protected=False)
        else:
            assert account.converge(Volume, **VOLUME, droplet="one").result()["droplet"] == "one"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"name": "Disk"}, "lower case letters"),
            ({"name": "1disk"}, "starts with a letter"),
            ({"size_gigabytes": 0}, "between 1 and 16384"),
            ({"filesystem_label": "data"}, "goes with filesystem_type"),
            ({"filesystem_type": "xfs", "filesystem_label": "thirteen-long"}, "12 characters at most"),
            ({"region": "fra2"}, "region fra2 does not exist"),
            ({"region": "ams3", "droplet": "one"}, "it is in region ams3, and droplet one in fra1"),
            ({"droplet": "three"}, "there is no droplet named three"),
            ({"tags": ["no tag"]}, "may contain letters"),
        ],
    )
    def test_wrong_data(self, account: Any, change: dict[str, Any], message: str) -> None:
        before = len(account.server.requests)
        with pytest.raises(CloudError, match=message):
            account.plan(Volume, **VOLUME | change)
        assert account.written(before) == []


class TestDroplet:
    def test_a_size_whose_disk_is_too_small_is_refused_while_it_runs(self, account: Any) -> None:
        account.converge(Droplet, **DROPLET | {"size": "s-2vcpu-4gb"})
        before = len(account.server.requests)
        with pytest.raises(CloudError, match=r"its disk has 80 GB, and size s-1vcpu-1gb only 25 GB"):
            account.plan(Droplet, **DROPLET)
        assert account.written(before) == []

    def test_a_resize_can_be_undone_unless_the_disk_goes_along(self, account: Any) -> None:
        account.converge(Droplet, **DROPLET)
        larger = DROPLET | {"size": "s-2vcpu-4gb"}
        assert account.converge(Droplet, **larger).result()["disk"] == 25
        account.converge(Droplet, **DROPLET)
        assert account.plan(Droplet, **larger, resize_disk=True).impact == "irreversible"
        assert account.converge(Droplet, **larger, resize_disk=True).result()["disk"] == 80

    @pytest.mark.parametrize("call", range(1, 9))
    def test_a_resize_that_was_interrupted_is_finished_by_the_next_run(
        self, account: Any, monkeypatch: pytest.MonkeyPatch, call: int
    ) -> None:
        """Killed before its k-th call: whatever was under way then, in the end it runs with the new size."""
        account.converge(Droplet, **DROPLET)
        larger = DROPLET | {"size": "s-2vcpu-4gb"}
        resize = account.resource(Droplet, **larger)
        resize.plan()
        calls = 0
        original = Client.call

        def killed(client: Client, attempted: str, operation: str, *args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls >= call:
                raise KeyboardInterrupt
            return original(client, attempted, operation, *args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr(Client, "call", killed)
            with pytest.raises(KeyboardInterrupt):
                resize.apply()
        found = account.resource(Droplet, **larger)
        found.plan()
        found.apply()
        facts = found.result()
        assert (facts["size"], facts["status"]) == ("s-2vcpu-4gb", "active")

    def test_both_failures_are_told_when_it_stays_off(self, account: Any) -> None:
        id = account.converge(Droplet, **DROPLET).result()["id"]
        resize = account.resource(Droplet, **DROPLET | {"size": "s-2vcpu-4gb"})
        resize.plan()
        account.server.fault(f"POST /v2/droplets/{id}/actions", nth=2, count=2, status=422, message="no capacity")
        with pytest.raises(CloudError, match=r"(?s)resize droplet one.*Nor could it be switched on.*Run again"):
            resize.apply()
        assert account.converge(Droplet, **DROPLET).result()["status"] == "active"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"backups": False, "backup_policy": {"plan": "daily"}}, "goes with backups: true"),
            ({"backup_policy": {"plan": "daily", "weekday": "MON"}}, "goes with plan weekly"),
            ({"user_data": "x" * 70_000}, "longer than 64 KiB"),
        ],
    )
    def test_wrong_data(self, account: Any, change: dict[str, Any], message: str) -> None:
        with pytest.raises(CloudError, match=message):
            account.resource(Droplet, **DROPLET | change)
        assert account.server.requests == []

    def test_a_backup_policy_from_the_start_and_switched_on_later(self, account: Any) -> None:
        policy = {"plan": "weekly", "weekday": "SAT", "hour": 8}
        created = account.converge(Droplet, **DROPLET, backup_policy=policy).result()
        assert policy.items() <= created["backup_policy"].items()
        account.converge(Droplet, **DROPLET, backups=False)
        later = account.converge(Droplet, **DROPLET, backup_policy=policy).result()
        assert policy.items() <= later["backup_policy"].items()


class TestFirewall:
    def test_what_we_have_no_word_for_is_kept_and_does_not_disturb(self, account: Any) -> None:
        """Somebody else's rules, and those of ours that are not declared."""
        cluster = "41b74c5d-9bd0-5555-5555-a57c495b81a3"
        assert Firewall.flatten({"inbound_rules": [{"protocol": "tcp", "sources": {"addresses": ["10.0.0.1/8"]}}]})
        assert LoadBalancer.flatten({"firewall": {"deny": ["cidr:10.0.0.1/8"]}})["firewall"]["deny"] == ["10.0.0.1/8"]
        rule = {"protocol": "tcp", "ports": "443", "sources": {"kubernetes_ids": [cluster]}}
        account.client().call("make", "firewalls.create", body={"name": "web", "inbound_rules": [rule]})
        everywhere = [{"addresses": ["0.0.0.0/0"]}]
        facts = account.converge(Firewall, name="web", outbound_rules=everywhere).result()
        assert facts["inbound_rules"][0]["kubernetes_ids"] == [cluster]
        replaced = account.converge(Firewall, name="web", inbound_rules=[{"ports": "443", "addresses": ["10.0.0.0/8"]}])
        assert "kubernetes_ids" not in replaced.result()["inbound_rules"][0]
