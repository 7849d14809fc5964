# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers and their certificates."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from localcloud.clock import VIRTUAL_START
from localcloud.testing import RunningCloud
from localcloud.tls import Authority
from plain_api import Api

HTTP: dict[str, Any] = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8000}
HTTPS: dict[str, Any] = {**HTTP, "entry_protocol": "https", "entry_port": 443}
START = datetime.datetime.fromtimestamp(VIRTUAL_START, datetime.UTC)
LISTS = "/v2/load_balancers"


def balancer(api: Api, *, ready: bool = True, **more: Any) -> dict[str, Any]:
    members: dict[str, Any] = {} if "tag" in more else {"droplet_ids": []}
    body = {"name": "lb", "region": "fra1", "forwarding_rules": [HTTP], **members, **more}
    created: dict[str, Any] = api("POST", LISTS, body, status=202)["load_balancer"]
    if ready:
        api.cloud.clock.advance(120)
        created = api("GET", f"{LISTS}/{created['id']}")["load_balancer"]
    return created


def replace(api: Api, lb: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"name": lb["name"], "region": "fra1", "forwarding_rules": [HTTP], "droplet_ids": [], **more}
    replaced: dict[str, Any] = api("PUT", f"{LISTS}/{lb['id']}", body)["load_balancer"]
    api.cloud.clock.advance(8)
    return replaced


# -- life ------------------------------------------------------------------------------------------------------------


def test_address_comes_with_the_status_active(api: Api, cloud: RunningCloud) -> None:
    created = balancer(api, ready=False)
    assert (created["status"], created["ip"]) == ("new", "")
    cloud.clock.advance(119)
    assert api("GET", f"{LISTS}/{created['id']}")["load_balancer"]["status"] == "new"
    cloud.clock.advance(1)
    (ready,) = api("GET", LISTS)["load_balancers"]
    assert (ready["status"], ready["ip"]) == ("active", "10.77.0.16")


def test_what_is_left_out_has_its_default(api: Api) -> None:
    lb = balancer(api)
    assert lb["forwarding_rules"] == [{**HTTP, "certificate_id": "", "tls_passthrough": False}]
    assert lb["health_check"] == {
        "protocol": "http",
        "port": 80,
        "path": "/",
        "check_interval_seconds": 10,
        "response_timeout_seconds": 5,
        "unhealthy_threshold": 3,
        "healthy_threshold": 5,
    }
    shown = {key: lb[key] for key in ("size", "size_unit", "tag", "droplet_ids", "algorithm", "type", "network")}
    assert shown == {
        "size": "lb-small",
        "size_unit": 1,
        "tag": "",
        "droplet_ids": [],
        "algorithm": "round_robin",
        "type": "REGIONAL",
        "network": "EXTERNAL",
    }
    assert (lb["sticky_sessions"], lb["firewall"]) == ({"type": "none"}, {"allow": [], "deny": []})
    assert (lb["redirect_http_to_https"], lb["enable_proxy_protocol"], lb["http_idle_timeout_seconds"]) == (
        False,
        False,
        60,
    )


def test_put_resets_what_it_leaves_out(api: Api) -> None:
    droplet = api.droplet()
    sticky = {"type": "cookies", "cookie_name": "DO-LB", "cookie_ttl_seconds": 300}
    lb = balancer(
        api,
        droplet_ids=[droplet["id"]],
        sticky_sessions=sticky,
        health_check={"protocol": "tcp", "port": 8000},
        enable_proxy_protocol=True,
        http_idle_timeout_seconds=90,
        firewall={"deny": ["ip:1.2.3.4"]},
    )
    assert (lb["sticky_sessions"], lb["health_check"]["path"]) == (sticky, "")
    assert lb["firewall"] == {"allow": [], "deny": ["ip:1.2.3.4"]}
    replaced = replace(api, lb)
    assert (replaced["droplet_ids"], replaced["sticky_sessions"]) == ([], {"type": "none"})
    assert (replaced["health_check"]["protocol"], replaced["enable_proxy_protocol"]) == ("http", False)
    assert (replaced["http_idle_timeout_seconds"], replaced["firewall"]["deny"]) == (60, [])
    assert (replaced["id"], replaced["ip"], replaced["created_at"]) == (lb["id"], lb["ip"], lb["created_at"])


def test_no_change_while_an_action_runs(api: Api, cloud: RunningCloud) -> None:
    lb = balancer(api, ready=False)
    path = f"{LISTS}/{lb['id']}"
    body = {"name": "lb", "region": "fra1", "forwarding_rules": [HTTP], "droplet_ids": []}
    assert "processes previous actions" in api.refused("PUT", path, body, status=403)
    cloud.clock.advance(120)
    api("PUT", path, body)
    api.refused("PUT", path, body, status=403)
    api.refused("POST", f"{path}/forwarding_rules", {"forwarding_rules": [HTTP]}, status=403)
    cloud.clock.advance(8)
    api("PUT", path, body)


@pytest.mark.parametrize(
    "change", [{"region": "ams3"}, {"vpc_uuid": "00000000-0000-4000-8000-000000000009"}, {"network": "INTERNAL"}]
)
def test_region_vpc_and_network_are_for_good(api: Api, change: dict[str, Any]) -> None:
    lb = balancer(api)
    body = {"name": "lb", "region": "fra1", "forwarding_rules": [HTTP], "droplet_ids": [], **change}
    assert "cannot be changed" in api.refused("PUT", f"{LISTS}/{lb['id']}", body, status=422)


def test_resized_once_per_hour(api: Api, cloud: RunningCloud) -> None:
    lb = balancer(api)
    body = {"name": "lb", "region": "fra1", "forwarding_rules": [HTTP], "droplet_ids": [], "size_unit": 3}
    path = f"{LISTS}/{lb['id']}"
    assert "once per hour" in api.refused("PUT", path, body, status=422)
    cloud.clock.advance(3600)
    assert replace(api, lb, size_unit=3)["size"] == "lb-medium"
    assert "once per hour" in api.refused("PUT", path, {**body, "size_unit": 2}, status=422)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "lb"}, "name is not unique"),
        ({"name": "_"}, "name is invalid"),
        ({"region": "xyz1"}, "region xyz1"),
        ({"vpc_uuid": "00000000-0000-4000-8000-000000000009"}, "does not exist"),
        ({"droplet_ids": [7]}, "droplet 7 does not exist"),
        ({"droplet_ids": [7], "tag": "web"}, "exclude each other"),
        ({"tag": "a b"}, "Tag name"),
        ({"forwarding_rules": []}, "at least one rule"),
        ({"forwarding_rules": [HTTP, HTTP]}, "same entry port"),
        ({"forwarding_rules": [{**HTTP, "entry_port": 0}]}, "between 1 and 65535"),
        ({"forwarding_rules": [{**HTTP, "target_protocol": "tcp"}]}, "http cannot be forwarded to tcp"),
        ({"forwarding_rules": [{**HTTP, "tls_passthrough": True}]}, "neither a certificate nor"),
        ({"forwarding_rules": [HTTPS]}, "needs a certificate or TLS passthrough"),
        ({"forwarding_rules": [{**HTTPS, "tls_passthrough": True}]}, "must be https"),
        ({"forwarding_rules": [{**HTTPS, "certificate_id": "x"}]}, "certificate x does not exist"),
        ({"redirect_http_to_https": True}, "on port 443"),
        ({"health_check": {"protocol": "http", "path": "health"}}, "slash"),
        ({"health_check": {"protocol": "http", "path": "/health\nmode tcp"}}, "no space"),
        ({"health_check": {"check_interval_seconds": 2}}, "between 3 and 300"),
        ({"sticky_sessions": {"type": "cookies"}}, "cookie_name"),
        ({"sticky_sessions": {"type": "cookies", "cookie_name": "lb"}}, "cookie_ttl_seconds"),
        ({"http_idle_timeout_seconds": 20}, "between 30 and 600"),
        ({"firewall": {"allow": ["1.2.3.4"]}}, "neither ip:"),
        ({"size_unit": 101}, "between 1 and 100"),
        ({"size": "lb-small", "size_unit": 1}, "exclude each other"),
        ({"type": "GLOBAL"}, "GLOBAL"),
        ({"type": "REGIONAL_NETWORK"}, "tcp and udp only"),
    ],
)
def test_bad_load_balancer(api: Api, change: dict[str, Any], message: str) -> None:
    balancer(api)
    body = {"name": "other", "region": "fra1", "forwarding_rules": [HTTP], **change}
    assert message in api.refused("POST", LISTS, body, status=422)
    assert len(api("GET", LISTS)["load_balancers"]) == 1


def test_unknown_project_is_refused_before_anything_is_made(api: Api) -> None:
    body = {"name": "lb", "region": "fra1", "forwarding_rules": [HTTP], "project_id": "nothing"}
    api.refused("POST", LISTS, body, status=404)
    assert api("GET", LISTS)["load_balancers"] == []


# -- droplets --------------------------------------------------------------------------------------------------------


def test_droplets_by_tag_follow_the_tag(api: Api) -> None:
    api.vpc("default", "10.79.0.0/20")
    other = api.vpc("other", "10.80.0.0/20")
    first, second = api.droplet("a", tags=["web"]), api.droplet("b")
    api.droplet("elsewhere", tags=["web"], vpc_uuid=other["id"])  # in a network that the load balancer is not in
    lb = balancer(api, tag="web")
    assert lb["droplet_ids"] == [first["id"]]
    resource = {"resources": [{"resource_id": str(second["id"]), "resource_type": "droplet"}]}
    api("POST", "/v2/tags/web/resources", resource, status=204)
    path = f"{LISTS}/{lb['id']}"
    assert api("GET", path)["load_balancer"]["droplet_ids"] == [first["id"], second["id"]]
    assert "with its tag" in api.refused("POST", f"{path}/droplets", {"droplet_ids": [first["id"]]}, status=422)


def test_droplets_and_rules_one_by_one(api: Api, cloud: RunningCloud) -> None:
    first, second = api.droplet("a"), api.droplet("b")
    lb = balancer(api, droplet_ids=[first["id"]])
    path = f"{LISTS}/{lb['id']}"

    def change(method: str, part: str, body: dict[str, Any], status: int = 204) -> None:
        api(method, f"{path}/{part}", body, status=status)
        cloud.clock.advance(8)

    change("POST", "droplets", {"droplet_ids": [second["id"]]})
    assert api("GET", path)["load_balancer"]["droplet_ids"] == [first["id"], second["id"]]
    change("DELETE", "droplets", {"droplet_ids": [first["id"]]})
    change("DELETE", "droplets", {"droplet_ids": [first["id"]]}, 422)
    change("POST", "forwarding_rules", {"forwarding_rules": [{**HTTP, "entry_port": 81}]})
    assert len(api("GET", path)["load_balancer"]["forwarding_rules"]) == 2
    change("POST", "forwarding_rules", {"forwarding_rules": [{**HTTP, "entry_port": 81}]}, 422)
    change("DELETE", "forwarding_rules", {"forwarding_rules": [HTTP]})
    change("DELETE", "forwarding_rules", {"forwarding_rules": [HTTP]}, 404)
    change("DELETE", "forwarding_rules", {"forwarding_rules": [{**HTTP, "entry_port": 81}]}, 422)  # the last one
    final = api("GET", path)["load_balancer"]
    assert (final["droplet_ids"], [rule["entry_port"] for rule in final["forwarding_rules"]]) == ([second["id"]], [81])


def test_droplet_of_another_network_or_an_eleventh_is_refused(api: Api) -> None:
    api.vpc("default", "10.79.0.0/20")
    stranger = api.droplet("x", vpc_uuid=api.vpc("other", "10.80.0.0/20")["id"])
    ids = [api.droplet(f"d{number}", ready=False)["id"] for number in range(11)]
    body = {"name": "lb", "region": "fra1", "forwarding_rules": [HTTP]}
    assert "not in the VPC" in api.refused("POST", LISTS, {**body, "droplet_ids": [stranger["id"]]}, status=422)
    assert "use a tag" in api.refused("POST", LISTS, {**body, "droplet_ids": ids}, status=422)


def test_deleted_droplet_leaves_its_load_balancer(api: Api, cloud: RunningCloud) -> None:
    droplet = api.droplet()
    lb = balancer(api, droplet_ids=[droplet["id"]])
    api("DELETE", f"/v2/droplets/{droplet['id']}", status=204)
    cloud.clock.advance(8)
    assert api("GET", f"{LISTS}/{lb['id']}")["load_balancer"]["droplet_ids"] == []


# -- neighbours: VPC, firewall, project ------------------------------------------------------------------------------


def test_load_balancer_is_a_member_of_its_vpc_and_of_a_project(api: Api, cloud: RunningCloud) -> None:
    api.vpc("default", "10.79.0.0/20")
    vpc = api.vpc()
    lb = balancer(api, vpc_uuid=vpc["id"])
    urn = f"do:loadbalancer:{lb['id']}"
    assert [member["urn"] for member in api("GET", f"/v2/vpcs/{vpc['id']}/members")["members"]] == [urn]
    project = api("POST", "/v2/projects", {"name": "p", "purpose": "IoT"}, status=201)["project"]
    path = f"/v2/projects/{project['id']}/resources"
    assert api("POST", path, {"resources": [urn]})["resources"][0]["status"] == "assigned"
    assert api("GET", f"{LISTS}/{lb['id']}")["load_balancer"]["project_id"] == project["id"]
    api("DELETE", f"{LISTS}/{lb['id']}", status=204)
    api.refused("GET", f"{LISTS}/{lb['id']}", status=404)
    assert api("GET", path)["resources"] == []
    api.refused("DELETE", f"/v2/vpcs/{vpc['id']}", status=409)
    cloud.clock.advance(10)
    api("DELETE", f"/v2/vpcs/{vpc['id']}", status=204)


def test_firewall_names_load_balancers_that_exist(api: Api) -> None:
    lb = balancer(api)
    rule = {"protocol": "tcp", "ports": "80", "sources": {"load_balancer_uids": [lb["id"]]}}
    body = {"name": "fw", "inbound_rules": [rule]}
    firewall = api("POST", "/v2/firewalls", body, status=202)["firewall"]
    assert firewall["inbound_rules"] == [rule]
    rule = {**rule, "sources": {"load_balancer_uids": ["00000000-0000-4000-8000-000000000009"]}}
    assert "does not exist" in api.refused(
        "POST", "/v2/firewalls", {"name": "fw-2", "inbound_rules": [rule]}, status=422
    )


# -- certificates ----------------------------------------------------------------------------------------------------


def upload(names: list[str], *, days: int = 90, name: str = "cert") -> dict[str, Any]:
    authority = Authority.create("test")
    chain, key = authority.issue(names, start=START, validity=datetime.timedelta(days=days))
    leaf, issuer = chain.split("-----END CERTIFICATE-----\n")[:2]
    end = "-----END CERTIFICATE-----\n"
    return {
        "name": name,
        "type": "custom",
        "private_key": key,
        "leaf_certificate": leaf + end,
        "certificate_chain": issuer + end,
    }


def test_uploaded_certificate_is_read(api: Api) -> None:
    body = upload(["shop.test", "www.shop.test"])
    created = api("POST", "/v2/certificates", body, status=201)["certificate"]
    assert (created["state"], created["type"]) == ("verified", "custom")
    assert (created["dns_names"], created["not_after"]) == (["shop.test", "www.shop.test"], "2026-11-30T00:00:00Z")
    assert len(created["sha1_fingerprint"]) == 40
    assert "private_key" not in created
    assert api("GET", "/v2/certificates?name=cert")["certificates"] == [created]
    assert api("GET", "/v2/certificates?name=other")["certificates"] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "taken"}, "name is not unique"),
        ({"private_key": upload(["shop.test"])["private_key"]}, "does not belong"),
        ({"private_key": "secret"}, "not a private key"),
        ({"leaf_certificate": "certificate"}, "leaf_certificate is not a certificate"),
        ({"certificate_chain": "chain"}, "certificate_chain is not a certificate"),
        ({"certificate_chain": upload(["shop.test"])["certificate_chain"]}, "does not certify"),
        ({"leaf_certificate": ""}, "leaf_certificate is required"),
        ({"type": "other"}, "custom or lets_encrypt"),
        ({"type": "lets_encrypt"}, "at least one name"),
        ({"type": "lets_encrypt", "dns_names": ["www.elsewhere.test"]}, "not managed"),
        ({"type": "lets_encrypt", "dns_names": ["shop test"]}, "not a valid domain name"),
    ],
)
def test_bad_certificate(api: Api, change: dict[str, Any], message: str) -> None:
    api("POST", "/v2/certificates", upload(["shop.test"], name="taken"), status=201)
    body = {**upload(["shop.test"]), **change}
    assert message in api.refused("POST", "/v2/certificates", body, status=422)


def test_expired_certificate_is_refused(api: Api, cloud: RunningCloud) -> None:
    body = upload(["shop.test"], days=100)
    cloud.clock.advance(100 * 86400)
    assert "expired" in api.refused("POST", "/v2/certificates", body, status=422)


def _lets_encrypt(api: Api, names: list[str]) -> dict[str, Any]:
    api("POST", "/v2/domains", {"name": "shop.test"}, status=201)
    body = {"name": "cert", "type": "lets_encrypt", "dns_names": names}
    created: dict[str, Any] = api("POST", "/v2/certificates", body, status=201)["certificate"]
    return created


def test_certificate_in_use_stays_until_the_load_balancer_is_gone(api: Api, cloud: RunningCloud) -> None:
    created = _lets_encrypt(api, ["www.shop.test", "*.shop.test"])
    assert created["state"] == "pending"
    rule = {**HTTPS, "certificate_id": created["id"]}
    body = {"name": "lb", "region": "fra1", "forwarding_rules": [rule], "droplet_ids": []}
    assert "not verified" in api.refused("POST", LISTS, body, status=422)
    cloud.clock.advance(60)
    assert api("GET", f"/v2/certificates/{created['id']}")["certificate"]["state"] == "verified"
    lb = balancer(api, forwarding_rules=[rule], redirect_http_to_https=True)
    message = "Make sure the certificate is not in use before deleting it"
    assert api.refused("DELETE", f"/v2/certificates/{created['id']}", status=403) == message
    api("DELETE", f"{LISTS}/{lb['id']}", status=204)
    api.refused("DELETE", f"/v2/certificates/{created['id']}", status=403)
    cloud.clock.advance(10)
    api("DELETE", f"/v2/certificates/{created['id']}", status=204)


def test_names_of_a_certificate_lead_to_its_load_balancer(api: Api, cloud: RunningCloud) -> None:
    certificate = _lets_encrypt(api, ["shop.test", "www.shop.test", "api.shop.test"])
    api("POST", "/v2/domains/shop.test/records", {"type": "A", "name": "api", "data": "1.2.3.4"}, status=201)
    cloud.clock.advance(60)
    rule = {**HTTPS, "certificate_id": certificate["id"]}
    without = balancer(api, forwarding_rules=[rule], disable_lets_encrypt_dns_records=True)
    path = "/v2/domains/shop.test/records?type=A"
    assert len(api("GET", path)["domain_records"]) == 1
    lb = balancer(api, name="lb-2", forwarding_rules=[rule])
    records = {record["name"]: record["data"] for record in api("GET", path)["domain_records"]}
    assert records == {"api": "1.2.3.4", "@": lb["ip"], "www": lb["ip"]}
    replace(api, without, forwarding_rules=[rule])  # all names lead somewhere
    assert len(api("GET", path)["domain_records"]) == 3


def test_renewed_certificate_has_another_id(api: Api, cloud: RunningCloud) -> None:
    old = _lets_encrypt(api, ["shop.test"])
    cloud.clock.advance(60)
    lb = balancer(api, forwarding_rules=[{**HTTPS, "certificate_id": old["id"]}])
    cloud.clock.advance(60 * 86400)
    (new,) = api("GET", "/v2/certificates?name=cert")["certificates"]
    assert new["id"] != old["id"]
    assert (new["state"], new["sha1_fingerprint"] != old["sha1_fingerprint"]) == ("verified", True)
    assert new["not_after"] > old["not_after"]
    api.refused("GET", f"/v2/certificates/{old['id']}", status=404)
    rules = api("GET", f"{LISTS}/{lb['id']}")["load_balancer"]["forwarding_rules"]
    assert rules[0]["certificate_id"] == new["id"]


def test_renewal_is_tried_again_until_the_zone_is_back(api: Api, cloud: RunningCloud) -> None:
    old = _lets_encrypt(api, ["shop.test"])
    cloud.clock.advance(60)
    api("DELETE", "/v2/domains/shop.test", status=204)
    cloud.clock.advance(60 * 86400)
    assert api("GET", "/v2/certificates?name=cert")["certificates"][0]["id"] == old["id"]
    api("POST", "/v2/domains", {"name": "shop.test"}, status=201)
    cloud.clock.advance(86400)
    (new,) = api("GET", "/v2/certificates?name=cert")["certificates"]
    assert new["id"] != old["id"]
    assert new["not_after"] > old["not_after"]


def test_certificate_of_a_zone_that_went_away_is_not_verified(api: Api, cloud: RunningCloud) -> None:
    created = _lets_encrypt(api, ["shop.test"])
    api("DELETE", "/v2/domains/shop.test", status=204)
    cloud.clock.advance(60)
    assert api("GET", f"/v2/certificates/{created['id']}")["certificate"]["state"] == "error"


# -- on a bad day ----------------------------------------------------------------------------------------------------


def test_load_balancer_and_certificate_that_fail(api: Api, cloud: RunningCloud) -> None:
    cloud.fault("POST /v2/load_balancers", fail=True)
    failed = balancer(api)
    assert (failed["status"], failed["ip"]) == ("errored", "")
    api("DELETE", f"{LISTS}/{failed['id']}", status=204)
    assert balancer(api)["status"] == "active"
    cloud.fault("POST /v2/certificates", fail=True)
    certificate = _lets_encrypt(api, ["shop.test"])
    cloud.clock.advance(60)
    assert api("GET", f"/v2/certificates/{certificate['id']}")["certificate"]["state"] == "error"
