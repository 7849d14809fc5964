# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from plain_api import Api

ZONE = "/v2/domains/flowdose.xyz"


@pytest.fixture
def zone(api: Api) -> Api:
    api("POST", "/v2/domains", {"name": "flowdose.xyz"}, status=201)
    return api


def add(api: Api, status: int = 201, **values: Any) -> dict[str, Any]:
    record: dict[str, Any] = api("POST", f"{ZONE}/records", values, status=status)["domain_record"]
    return record


def test_domain_life(api: Api) -> None:
    created = api("POST", "/v2/domains", {"name": "Flowdose.xyz", "ip_address": "192.0.2.1"}, status=201)["domain"]
    assert created == {"name": "flowdose.xyz", "ttl": None, "zone_file": None}
    records = api("GET", f"{ZONE}/records")["domain_records"]
    assert [(record["type"], record["name"], record["data"]) for record in records] == [
        ("SOA", "@", "1800"),
        ("NS", "@", "ns1.digitalocean.com"),
        ("NS", "@", "ns2.digitalocean.com"),
        ("NS", "@", "ns3.digitalocean.com"),
        ("A", "@", "192.0.2.1"),
    ]
    assert "flowdose.xyz. 1800 IN A 192.0.2.1" in api("GET", ZONE)["domain"]["zone_file"]
    api.refused("POST", "/v2/domains", {"name": "flowdose.xyz"}, status=422)
    api.refused("POST", "/v2/domains", {"name": "nodots"}, status=422)
    api("DELETE", ZONE, status=204)
    api.refused("GET", ZONE, status=404)


@pytest.mark.parametrize(
    "values",
    [
        {"type": "CNAME", "name": "www", "data": "flowdose.xyz"},
        {"type": "MX", "name": "@", "data": "mail.flowdose.xyz", "priority": 10},
        {"type": "NS", "name": "sub", "data": "ns.example.com"},
        {"type": "SRV", "name": "_sip._tcp", "data": "sip.example.com", "priority": 1, "port": 5060, "weight": 1},
        {"type": "CAA", "name": "@", "data": "letsencrypt.org", "flags": 0, "tag": "issue"},
    ],
)
def test_host_names_are_written_with_a_dot_and_read_without(zone: Api, values: dict[str, Any]) -> None:
    message = zone.refused("POST", f"{ZONE}/records", values, status=422)
    assert message == "Data needs to end with a dot (.)"
    record = add(zone, **{**values, "data": values["data"] + "."})
    assert record["data"] == values["data"]
    # So what was read cannot be written back, even to change the TTL only.
    path = f"{ZONE}/records/{record['id']}"
    zone.refused("PUT", path, {"type": values["type"], "ttl": 60}, status=422)
    zone("PUT", path, {"type": values["type"], "ttl": 60, "data": values["data"] + "."})
    zone("PATCH", path, {"type": values["type"], "ttl": 90})


def test_data_without_a_host_name_needs_no_dot(zone: Api) -> None:
    add(zone, type="CAA", name="@", data="mailto:ops@flowdose.xyz", flags=0, tag="iodef")
    add(zone, type="TXT", name="@", data="v=spf1 -all")
    add(zone, type="CNAME", name="shop", data="@")


def test_filters(zone: Api) -> None:
    add(zone, type="A", name="@", data="192.0.2.1")
    add(zone, type="A", name="www", data="192.0.2.2")
    data = lambda query: [r["data"] for r in zone("GET", f"{ZONE}/records?{query}")["domain_records"]]  # noqa: E731
    assert data("name=www.flowdose.xyz") == ["192.0.2.2"]
    assert data("name=flowdose.xyz&type=A") == ["192.0.2.1"]
    assert data("name=www") == data("name=@") == []
    assert len(data("type=NS")) == 3


def test_records_of_one_name_and_type_share_their_ttl(zone: Api) -> None:
    first = add(zone, type="A", name="www", data="192.0.2.1", ttl=300)
    add(zone, type="A", name="www", data="192.0.2.2", ttl=60)
    assert zone("GET", f"{ZONE}/records/{first['id']}")["domain_record"]["ttl"] == 60


def test_name_may_be_given_in_full(zone: Api) -> None:
    assert add(zone, type="A", name="www.flowdose.xyz.", data="192.0.2.1")["name"] == "www"
    assert add(zone, type="A", name="flowdose.xyz.", data="192.0.2.1")["name"] == "@"


@pytest.mark.parametrize(
    "values",
    [
        {"type": "A", "name": "www", "data": "192.0.2"},
        {"type": "AAAA", "name": "www", "data": "192.0.2.1"},
        {"type": "A", "name": "www", "data": ""},
        {"type": "A", "name": "w w", "data": "192.0.2.1"},
        {"type": "A", "name": "www.example.com.", "data": "192.0.2.1"},
        {"type": "A", "name": "www", "data": "192.0.2.1", "ttl": 29},
        {"type": "A", "name": "taken", "data": "192.0.2.1"},
        {"type": "CNAME", "name": "taken", "data": "flowdose.xyz."},
        {"type": "A", "name": "alias", "data": "192.0.2.1"},
        {"type": "CNAME", "name": "@", "data": "example.com."},
        {"type": "MX", "name": "@", "data": "mail.flowdose.xyz."},
        {"type": "SRV", "name": "_s._tcp", "data": "x.example.com.", "priority": 1, "port": 70000, "weight": 1},
        {"type": "CAA", "name": "@", "data": "letsencrypt.org.", "flags": 0, "tag": "isue"},
        {"type": "PTR", "name": "www", "data": "x."},
        {"type": "SOA", "name": "@", "data": "x"},
        {"name": "www", "data": "192.0.2.1"},
    ],
)
def test_bad_records(zone: Api, values: dict[str, Any]) -> None:
    add(zone, type="A", name="taken", data="192.0.2.1")
    add(zone, type="CNAME", name="alias", data="flowdose.xyz.")
    zone.refused("POST", f"{ZONE}/records", values, status=422)


def test_update(zone: Api) -> None:
    record = add(zone, type="A", name="www", data="192.0.2.1")
    path = f"{ZONE}/records/{record['id']}"
    zone.refused("PATCH", path, {"data": "192.0.2.2"}, status=422)  # the type must be named
    zone.refused("PATCH", path, {"type": "AAAA", "data": "::1"}, status=422)
    changed = zone("PATCH", path, {"type": "A", "data": "192.0.2.2"})["domain_record"]
    assert (changed["id"], changed["name"], changed["data"]) == (record["id"], "www", "192.0.2.2")
    zone("DELETE", path, status=204)
    zone.refused("GET", path, status=404)


def test_soa_has_a_ttl_only(zone: Api) -> None:
    soa = zone("GET", f"{ZONE}/records?type=SOA")["domain_records"][0]
    path = f"{ZONE}/records/{soa['id']}"
    assert zone("PATCH", path, {"type": "SOA", "ttl": 3600})["domain_record"]["ttl"] == 3600
    zone.refused("PATCH", path, {"type": "SOA", "data": "x"}, status=422)
    zone.refused("DELETE", path, status=422)
