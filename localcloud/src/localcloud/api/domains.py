# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains and their records."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from localcloud.cloud import Cloud
from localcloud.errors import not_found, unprocessable
from localcloud.routing import Answer, Call, route
from localcloud.sync import NAME_SERVERS

FIRST_RECORD_ID = 1_810_000_000
DEFAULT_TTL = 1800
MIN_TTL = 30
_DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
_NAME = re.compile(
    r"@|\*|(\*\.)?[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?(\.[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?)*"
)
_TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT")
# Values that a type must have beside name and data, and the range of each.
_NUMBERS = {"MX": ("priority",), "SRV": ("priority", "port", "weight"), "CAA": ("flags",)}
_RANGES = {"priority": 65535, "port": 65535, "weight": 65535, "flags": 255}
_BODY = {
    "type": str,
    "name": str,
    "data": str,
    "priority": int,
    "port": int,
    "ttl": int,
    "weight": int,
    "flags": int,
    "tag": str,
}


def _domain_name(call: Call) -> str:
    name: str = call.params["domain"]
    if name not in call.cloud.state["domains"]:
        raise not_found()
    return name


def _records(call: Call) -> dict[str, Any]:
    records: dict[str, Any] = call.cloud.state["domains"][_domain_name(call)]["records"]
    return records


def _record(call: Call) -> dict[str, Any]:
    record: dict[str, Any] | None = _records(call).get(call.params["record"])
    if record is None:
        raise not_found()
    return record


# -- domains ---------------------------------------------------------------------------------------------------------


def zone_of(cloud: Cloud, name: str) -> str | None:
    """The account's zone that a name, perhaps a wildcard, lies in."""
    labels = name.split(".")
    parents = (".".join(labels[start:]) for start in range(len(labels)))
    return next((parent for parent in parents if parent in cloud.state["domains"]), None)


def add_record(cloud: Cloud, domain: str, **values: Any) -> dict[str, Any]:
    record = {
        "id": cloud.store.next_id("record", FIRST_RECORD_ID),
        **dict.fromkeys(_BODY),
        "name": "@",
        "ttl": DEFAULT_TTL,
        **values,
    }
    cloud.state["domains"][domain]["records"][str(record["id"])] = record
    return record


def _zone_file(name: str, records: dict[str, Any]) -> str:
    lines = [f"$ORIGIN {name}.", f"$TTL {DEFAULT_TTL}"]
    soa = next(record for record in records.values() if record["type"] == "SOA")
    lines.append(f"{name}. IN SOA {NAME_SERVERS[0]}. hostmaster.{name}. 1 10800 3600 604800 {soa['ttl']}")
    for record in records.values():
        if record["type"] == "SOA":
            continue
        owner = f"{name}." if record["name"] == "@" else f"{record['name']}.{name}."
        numbers = [
            str(record[key]) for key in ("priority", "weight", "port", "flags", "tag") if record[key] is not None
        ]
        data = f"{record['data']}." if record["type"] in ("CNAME", "MX", "NS", "SRV") else record["data"]
        lines.append(" ".join([owner, str(record["ttl"]), "IN", record["type"], *numbers, data]))
    return "\n".join(lines) + "\n"


def _render_domain(cloud: Cloud, name: str) -> dict[str, Any]:
    records = cloud.state["domains"][name]["records"]
    return {"name": name, "ttl": DEFAULT_TTL, "zone_file": _zone_file(name, records)}


@route("GET", "/v2/domains")
def list_domains(call: Call) -> Answer:
    return call.page("domains", call.cloud.state["domains"], lambda name: _render_domain(call.cloud, name))


@route("POST", "/v2/domains", body={"name": str, "ip_address": str})
def create_domain(call: Call) -> Answer:
    call.require("name")
    cloud, name = call.cloud, call.body["name"].lower().rstrip(".")
    if not _DOMAIN.fullmatch(name):
        raise unprocessable("Name is not a valid domain name")
    if name in cloud.state["domains"]:
        raise unprocessable("Name already exists")
    if call.body.get("ip_address"):
        _check_address("A", call.body["ip_address"])
    cloud.state["domains"][name] = {"records": {}}
    add_record(cloud, name, type="SOA", data=str(DEFAULT_TTL))
    for server in NAME_SERVERS:
        add_record(cloud, name, type="NS", data=server)
    if call.body.get("ip_address"):
        add_record(cloud, name, type="A", data=call.body["ip_address"])
    cloud.join_project(f"do:domain:{name}")
    # The zone is written later: a new domain is answered without it.
    return 201, {"domain": {"name": name, "ttl": None, "zone_file": None}}


@route("GET", "/v2/domains/{domain}")
def get_domain(call: Call) -> Answer:
    return 200, {"domain": _render_domain(call.cloud, _domain_name(call))}


@route("DELETE", "/v2/domains/{domain}")
def delete_domain(call: Call) -> Answer:
    name = _domain_name(call)
    del call.cloud.state["domains"][name]
    call.cloud.leave_project(f"do:domain:{name}")
    return 204, None


# -- records ---------------------------------------------------------------------------------------------------------


def _check_address(kind: str, data: str) -> None:
    try:
        (ipaddress.IPv4Address if kind == "A" else ipaddress.IPv6Address)(data)
    except ValueError:
        example = "IPv4 format (e.g. 127.0.0.1)" if kind == "A" else "IPv6 format (e.g. 2001:db8::1)"
        raise unprocessable(f"IP address did not match {example}.") from None


def _relative(name: str, domain: str) -> str:
    """`name` as it is kept: relative to the domain, `@` for the domain itself."""
    if name.endswith("."):
        name = name.rstrip(".")
        if name == domain:
            return "@"
        if not name.endswith(f".{domain}"):
            raise unprocessable(f"Name {name}. is not within {domain}")
        name = name.removesuffix(f".{domain}")
    if not _NAME.fullmatch(name):
        raise unprocessable("Name is not a valid host name")
    return name.lower()


def _without_dot(kind: str, tag: str | None, data: str) -> str:
    """Host names are written with a trailing dot, and read back without it."""
    is_host = kind in ("CNAME", "MX", "NS", "SRV") or (kind == "CAA" and tag != "iodef")
    if not is_host or data == "@":
        return data
    if not data.endswith("."):
        raise unprocessable("Data needs to end with a dot (.)")
    return data[:-1].lower()


def _check(record: dict[str, Any], others: list[dict[str, Any]]) -> None:
    """Refuse what the DNS or DigitalOcean would not have; `others` are the domain's other records."""
    kind = record["type"]
    if not record["data"]:
        raise unprocessable("Data can't be blank")
    for key in _NUMBERS.get(kind, ()):
        if record[key] is None:
            raise unprocessable(f"{key.capitalize()} can't be blank")
    for key, largest in _RANGES.items():
        if record[key] is not None and not 0 <= record[key] <= largest:
            raise unprocessable(f"{key.capitalize()} must be between 0 and {largest}")
    if kind == "CAA" and record["tag"] not in ("issue", "issuewild", "iodef"):
        raise unprocessable("Tag must be one of issue, issuewild, iodef")
    if kind in ("A", "AAAA"):
        _check_address(kind, record["data"])
    if record["ttl"] < MIN_TTL:
        raise unprocessable(f"TTL must be at least {MIN_TTL}")
    same_name = [other for other in others if other["name"] == record["name"]]
    if kind == "CNAME" and record["name"] == "@":
        raise unprocessable("CNAME records cannot be at the apex of a domain")
    if (kind == "CNAME" and same_name) or any(other["type"] == "CNAME" for other in same_name):
        raise unprocessable("CNAME records cannot share a name with other records")
    significant = ("type", "data", "priority", "port", "weight", "flags", "tag")
    if any(all(other[key] == record[key] for key in significant) for other in same_name):
        raise unprocessable("Record already exists")


def _share_ttl(records: dict[str, Any], record: dict[str, Any]) -> None:
    """Records of one name and type have one TTL: the last one written, silently."""
    for other in records.values():
        if (other["name"], other["type"]) == (record["name"], record["type"]):
            other["ttl"] = record["ttl"]


@route("GET", "/v2/domains/{domain}/records")
def list_records(call: Call) -> Answer:
    domain = _domain_name(call)
    records = list(_records(call).values())
    if "type" in call.query:
        records = [record for record in records if record["type"] == call.query["type"]]
    if "name" in call.query:
        # The filter takes the full name only: `www` or `@` match nothing.
        wanted = call.query["name"].lower()
        records = [record for record in records if _full_name(record, domain) == wanted]
    return call.page("domain_records", records)


def _full_name(record: dict[str, Any], domain: str) -> str:
    return domain if record["name"] == "@" else f"{record['name']}.{domain}"


@route("POST", "/v2/domains/{domain}/records", body=_BODY)
def create_record(call: Call) -> Answer:
    domain, body = _domain_name(call), call.body
    kind = _type(call)
    if kind == "SOA":
        raise unprocessable("A domain has one SOA record, which comes with it")
    values = {key: body.get(key) for key in _BODY}
    values |= {
        "type": kind,
        "name": _relative(body.get("name") or "@", domain),
        "data": _without_dot(kind, body.get("tag"), body.get("data", "")) if body.get("data") else "",
        "ttl": body.get("ttl", DEFAULT_TTL),
    }
    records = _records(call)
    _check(values, list(records.values()))
    record = add_record(call.cloud, domain, **values)
    _share_ttl(records, record)
    return 201, {"domain_record": record}


def _type(call: Call) -> str:
    kind: str = call.body.get("type", "")
    if kind not in _TYPES:
        raise unprocessable(f"Type must be one of {', '.join(_TYPES)}")
    return kind


@route("GET", "/v2/domains/{domain}/records/{record}")
def get_record(call: Call) -> Answer:
    return 200, {"domain_record": _record(call)}


@route("PUT", "/v2/domains/{domain}/records/{record}", body=_BODY)
@route("PATCH", "/v2/domains/{domain}/records/{record}", body=_BODY)
def update_record(call: Call) -> Answer:
    domain, body = _domain_name(call), dict(call.body)
    record, records = _record(call), _records(call)
    if _type(call) != record["type"]:
        raise unprocessable("The type of a record cannot be changed")
    if record["type"] == "SOA":
        if set(body) - {"type", "ttl"}:
            raise unprocessable("Only the TTL of a SOA record can be changed")
    elif "data" in body or call.method == "PUT":
        # A PUT without data is checked as if the data had been written as it is read: without the dot.
        body["data"] = _without_dot(record["type"], body.get("tag", record["tag"]), body.get("data", record["data"]))
    if "name" in body:
        body["name"] = _relative(body["name"], domain)
    changed = {**record, **body}
    _check(changed, [other for other in records.values() if other["id"] != record["id"]])
    record.update(changed)
    _share_ttl(records, record)
    return 200, {"domain_record": record}


@route("DELETE", "/v2/domains/{domain}/records/{record}")
def delete_record(call: Call) -> Answer:
    record = _record(call)
    if record["type"] == "SOA":
        raise unprocessable("The SOA record cannot be deleted")
    del _records(call)[str(record["id"])]
    return 204, None
