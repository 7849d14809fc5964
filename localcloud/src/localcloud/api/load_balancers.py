# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers."""

from __future__ import annotations

import ipaddress
import re
import uuid
from typing import Any

from localcloud import catalog
from localcloud.api import vpcs
from localcloud.api.domains import add_record, zone_of
from localcloud.api.projects import find_project
from localcloud.api.tags import check_tag_names, ensure_tags
from localcloud.cloud import Cloud, transition
from localcloud.errors import forbidden, not_found, unprocessable
from localcloud.routing import Answer, Call, route
from localcloud.sync import balanced_droplets

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.\-]{0,254}")
_PATH = re.compile(r"/[!-~]*")
_COOKIE = re.compile(r"[a-zA-Z0-9_\-]{2,40}")
MAX_DROPLETS = 10  # more than that only by a tag
RESIZE_PAUSE = 3600  # seconds after the creation, and after each resize
SIZE_UNITS = {"lb-small": 1, "lb-medium": 3, "lb-large": 6}
OLD_SIZE_REGIONS = ("ams2", "nyc2", "sfo1")  # where `size` was not replaced by `size_unit`

# What entry and target protocols go together. TLS may end here or be passed through.
_TARGETS = {
    "http": ("http", "https", "http2"),
    "https": ("http", "https", "http2"),
    "http2": ("http", "https", "http2"),
    "http3": ("http", "https", "http2"),
    "tcp": ("tcp",),
    "udp": ("udp",),
}
_TLS = ("https", "http2", "http3")
_NOT_CARRIED = ("http3", "udp")  # by the machine

_RULE = {
    "entry_protocol": str,
    "entry_port": int,
    "target_protocol": str,
    "target_port": int,
    "certificate_id": str,
    "tls_passthrough": bool,
}
_HEALTH_CHECK = {
    "protocol": str,
    "port": int,
    "path": str,
    "check_interval_seconds": int,
    "response_timeout_seconds": int,
    "unhealthy_threshold": int,
    "healthy_threshold": int,
}
_HEALTH_DEFAULTS = {
    "protocol": "http",
    "port": 80,
    "path": "/",
    "check_interval_seconds": 10,
    "response_timeout_seconds": 5,
    "unhealthy_threshold": 3,
    "healthy_threshold": 5,
}
_HEALTH_RANGES = {
    "port": (1, 65535),
    "check_interval_seconds": (3, 300),
    "response_timeout_seconds": (3, 300),
    "unhealthy_threshold": (2, 10),
    "healthy_threshold": (2, 10),
}
_BODY = {
    "name": str,
    "region": str,
    "vpc_uuid": str,
    "project_id": str,
    "type": str,
    "network": str,
    "network_stack": str,
    "algorithm": str,
    "size": str,
    "size_unit": int,
    "droplet_ids": [int],
    "tag": str,
    "forwarding_rules": [_RULE],
    "health_check": _HEALTH_CHECK,
    "sticky_sessions": {"type": str, "cookie_name": str, "cookie_ttl_seconds": int},
    "redirect_http_to_https": bool,
    "enable_proxy_protocol": bool,
    "enable_backend_keepalive": bool,
    "http_idle_timeout_seconds": int,
    "disable_lets_encrypt_dns_records": bool,
    "tls_cipher_policy": str,
    "firewall": {"allow": [str], "deny": [str]},
}
# Chosen at the creation for good.
_FIXED = {"type": "REGIONAL", "network": "EXTERNAL", "network_stack": "IPV4"}
_FLAGS = (
    "redirect_http_to_https",
    "enable_proxy_protocol",
    "enable_backend_keepalive",
    "disable_lets_encrypt_dns_records",
)
_UNRENDERED = ("region", "public_ip", "private_ip", "busy", "resized_at", "droplet_ids")


def queue(balancer: dict[str, Any]) -> str:
    return f"load_balancer:{balancer['id']}"


def urn(balancer: dict[str, Any]) -> str:
    return f"do:loadbalancer:{balancer['id']}"


def address(balancer: dict[str, Any]) -> str:
    """Where it is reached, once it is active."""
    found: str = balancer["public_ip"] if balancer["network"] == "EXTERNAL" else balancer["private_ip"]
    return found


def _balancer(call: Call) -> dict[str, Any]:
    balancer: dict[str, Any] | None = call.cloud.state["load_balancers"].get(call.params["balancer"])
    if balancer is None:
        raise not_found()
    return balancer


def render_load_balancer(cloud: Cloud, balancer: dict[str, Any]) -> dict[str, Any]:
    small = [name for name, units in SIZE_UNITS.items() if units <= balancer["size_unit"]]
    return {
        **{key: value for key, value in balancer.items() if key not in _UNRENDERED},
        "ip": address(balancer) if balancer["status"] == "active" else "",
        "size": small[-1],
        "algorithm": "round_robin",
        "region": catalog.render_region(balancer["region"]),
        "droplet_ids": balanced_droplets(cloud.state, balancer),
        "project_id": cloud.state["project_resources"][urn(balancer)]["project_id"],
    }


def certificate_ids(balancer: dict[str, Any]) -> list[str]:
    return [rule["certificate_id"] for rule in balancer["forwarding_rules"] if rule["certificate_id"]]


# -- what a body says ------------------------------------------------------------------------------------------------


def _checked_rules(cloud: Cloud, rules: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    checked = [_checked_rule(cloud, rule) for rule in rules]
    if not checked:
        raise unprocessable("forwarding_rules must have at least one rule")
    ports = [(rule["entry_port"], rule["entry_protocol"] in ("udp", "http3")) for rule in checked]
    if len(set(ports)) < len(ports):
        raise unprocessable("forwarding_rules must not have two rules with the same entry port")
    if kind == "REGIONAL_NETWORK" and any(rule["entry_protocol"] not in ("tcp", "udp") for rule in checked):
        raise unprocessable("a network load balancer forwards tcp and udp only")
    return checked


def _checked_rule(cloud: Cloud, rule: dict[str, Any]) -> dict[str, Any]:
    rule = {"certificate_id": "", "tls_passthrough": False, **rule}
    for key in ("entry_protocol", "entry_port", "target_protocol", "target_port"):
        if key not in rule:
            raise unprocessable(f"forwarding_rules: {key} is required")
    entry, target = rule["entry_protocol"], rule["target_protocol"]
    if entry not in _TARGETS or target not in _TARGETS[entry]:
        raise unprocessable(f"forwarding_rules: {entry} cannot be forwarded to {target}")
    for key in ("entry_port", "target_port"):
        if not 1 <= rule[key] <= 65535:
            raise unprocessable(f"forwarding_rules: {key} must be between 1 and 65535")
    if cloud.config.has_machines and entry in _NOT_CARRIED:
        raise unprocessable(f"localcloud's load balancers carry http, https, http2 and tcp only, not {entry}.")
    certificate, passed = rule["certificate_id"], rule["tls_passthrough"]
    if entry not in _TLS:
        if certificate or passed:
            raise unprocessable(f"forwarding_rules: {entry} takes neither a certificate nor TLS passthrough")
        return rule
    if bool(certificate) == passed:
        raise unprocessable(f"forwarding_rules: {entry} needs a certificate or TLS passthrough")
    if passed and (entry == "http3" or target != entry):
        raise unprocessable("forwarding_rules: with TLS passthrough entry and target must be https, or both http2")
    if certificate:
        known = cloud.state["certificates"].get(certificate)
        if known is None:
            raise unprocessable(f"certificate {certificate} does not exist")
        if known["state"] != "verified":
            raise unprocessable(f"certificate {certificate} is not verified")
    return rule


def _health_check(given: dict[str, Any]) -> dict[str, Any]:
    if given.get("protocol", "http") not in ("http", "https", "tcp"):
        raise unprocessable("health_check: protocol must be http, https or tcp")
    check = {**_HEALTH_DEFAULTS, **({"path": ""} if given.get("protocol") == "tcp" else {}), **given}
    if check["protocol"] != "tcp" and not _PATH.fullmatch(check["path"]):
        raise unprocessable("health_check: path must begin with a slash and have no space in it")
    for key, (low, high) in _HEALTH_RANGES.items():
        if not low <= check[key] <= high:
            raise unprocessable(f"health_check: {key} must be between {low} and {high}")
    return check


def _sticky_sessions(given: dict[str, Any]) -> dict[str, Any]:
    if given.get("type", "none") == "none":
        return {"type": "none"}
    if given["type"] != "cookies":
        raise unprocessable("sticky_sessions: type must be cookies or none")
    if not _COOKIE.fullmatch(given.get("cookie_name", "")):
        raise unprocessable("sticky_sessions: cookie_name must be 2 to 40 letters, numbers, dashes and underscores")
    if given.get("cookie_ttl_seconds", 0) < 1:
        raise unprocessable("sticky_sessions: cookie_ttl_seconds must be 1 or more")
    return dict(given)


def _firewall(given: dict[str, list[str]]) -> dict[str, list[str]]:
    for entry in [*given.get("allow", []), *given.get("deny", [])]:
        kind, _, value = entry.partition(":")
        try:
            if kind not in ("ip", "cidr"):
                raise ValueError(kind)
            ipaddress.ip_address(value) if kind == "ip" else ipaddress.ip_network(value)
        except ValueError:
            raise unprocessable(f"firewall: '{entry}' is neither ip:ADDRESS nor cidr:RANGE") from None
    return {"allow": given.get("allow", []), "deny": given.get("deny", [])}


def _size_unit(body: dict[str, Any], region: str) -> int:
    if "size" in body and "size_unit" in body:
        raise unprocessable("size and size_unit exclude each other")
    if "size" in body:
        if body["size"] not in SIZE_UNITS:
            raise unprocessable(f"size must be one of {', '.join(SIZE_UNITS)}")
        return SIZE_UNITS[body["size"]]
    if "size_unit" in body and region in OLD_SIZE_REGIONS:
        raise unprocessable(f"size_unit is not available in {region}: use size")
    units: int = body.get("size_unit", 1)
    if not 1 <= units <= 100:
        raise unprocessable("size_unit must be between 1 and 100")
    return units


def _droplet_ids(cloud: Cloud, ids: list[int], vpc_id: str) -> list[int]:
    for droplet_id in ids:
        droplet = cloud.state["droplets"].get(str(droplet_id))
        if droplet is None:
            raise unprocessable(f"droplet {droplet_id} does not exist")
        if droplet["vpc_uuid"] != vpc_id:
            raise unprocessable(f"droplet {droplet_id} is not in the VPC of the load balancer")
    unique = list(dict.fromkeys(ids))
    if len(unique) > MAX_DROPLETS:
        raise unprocessable(f"at most {MAX_DROPLETS} droplets can be added by id: use a tag for more")
    return unique


def _settings(call: Call, region: str, vpc_id: str, kind: str, own_id: str = "") -> dict[str, Any]:
    """All that can be changed later, as the body says; what it leaves out has its default."""
    cloud, body = call.cloud, call.body
    call.require("name")
    if not _NAME.fullmatch(body["name"]):
        raise unprocessable("name is invalid: letters, numbers, dots and dashes, a letter or number first")
    if any(lb["name"] == body["name"] and lb["id"] != own_id for lb in cloud.state["load_balancers"].values()):
        raise unprocessable("name is not unique")
    if body.get("tag") and body.get("droplet_ids"):
        raise unprocessable("droplet_ids and tag exclude each other")
    if "algorithm" in body:
        call.warnings.append("algorithm is deprecated and ignored")
    check_tag_names([body["tag"]] if body.get("tag") else [])
    idle = body.get("http_idle_timeout_seconds", 60)
    if not 30 <= idle <= 600:
        raise unprocessable("http_idle_timeout_seconds must be between 30 and 600")
    policy = body.get("tls_cipher_policy", "DEFAULT")
    if policy not in ("DEFAULT", "STRONG"):
        raise unprocessable("tls_cipher_policy must be DEFAULT or STRONG")
    rules = _checked_rules(cloud, body.get("forwarding_rules", []), kind)
    secure = any(rule["entry_protocol"] in _TLS and rule["entry_port"] == 443 for rule in rules)
    if body.get("redirect_http_to_https") and not secure:
        raise unprocessable("redirect_http_to_https needs a forwarding rule for https or http2 on port 443")
    settings = {
        "name": body["name"],
        "size_unit": _size_unit(body, region),
        "forwarding_rules": rules,
        "health_check": _health_check(body.get("health_check", {})),
        "sticky_sessions": _sticky_sessions(body.get("sticky_sessions", {})),
        **{key: body.get(key, False) for key in _FLAGS},
        "http_idle_timeout_seconds": idle,
        "tls_cipher_policy": policy,
        "firewall": _firewall(body.get("firewall", {})),
        "droplet_ids": _droplet_ids(cloud, body.get("droplet_ids", []), vpc_id),
    }
    # Last, because a tag that is new is made.
    return {**settings, "tag": ensure_tags(cloud, [body["tag"]])[0] if body.get("tag") else ""}


# -- create, list, get, replace, delete ------------------------------------------------------------------------------


@route("GET", "/v2/load_balancers")
def list_load_balancers(call: Call) -> Answer:
    balancers = call.cloud.state["load_balancers"].values()
    return call.page("load_balancers", balancers, lambda balancer: render_load_balancer(call.cloud, balancer))


@route("POST", "/v2/load_balancers", body=_BODY)
def create_load_balancer(call: Call) -> Answer:
    call.require("name", "region")
    cloud, body = call.cloud, call.body
    if body["region"] not in catalog.OPEN_REGIONS:
        raise unprocessable(f"region {body['region']} is not valid")
    fixed = {key: body.get(key, default) for key, default in _FIXED.items()}
    if fixed["type"] not in ("REGIONAL", "REGIONAL_NETWORK"):
        raise unprocessable(f"localcloud does not offer load balancers of the type {fixed['type']}.")
    if fixed["network"] not in ("EXTERNAL", "INTERNAL") or fixed["network_stack"] not in ("IPV4", "DUALSTACK"):
        raise unprocessable("network must be EXTERNAL or INTERNAL, network_stack IPV4 or DUALSTACK")
    if fixed["network_stack"] == "DUALSTACK":
        raise unprocessable("localcloud's load balancers have IPv4 addresses only.")
    project_id = find_project(cloud, body["project_id"])["id"] if body.get("project_id") else None
    vpc = vpcs.vpc_for_member(cloud, body.get("vpc_uuid"), body["region"])
    settings = _settings(call, body["region"], vpc["id"], fixed["type"])
    balancer: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "status": "new",
        "created_at": cloud.timestamp(),
        "region": body["region"],
        "vpc_uuid": vpc["id"],
        "private_ip": cloud.private_addresses(vpc, 1)[0],
        "public_ip": cloud.public_addresses(1)[0],
        "resized_at": cloud.now(),
        "busy": True,
        **fixed,
        **settings,
    }
    cloud.state["load_balancers"][balancer["id"]] = balancer
    cloud.join_project(urn(balancer), project_id)
    latency = cloud.config.latencies.load_balancer_create
    cloud.later(latency, load_balancer_ready, balancer["id"], queues=[queue(balancer)])
    return 202, {"load_balancer": render_load_balancer(cloud, balancer)}


@transition
def load_balancer_ready(cloud: Cloud, balancer_id: str) -> None:
    balancer = cloud.state["load_balancers"].get(balancer_id)
    if balancer is not None:
        balancer["status"] = "errored" if queue(balancer) in cloud.queues.failures else "active"
        balancer["busy"] = False
        _add_records(cloud, balancer)


@route("GET", "/v2/load_balancers/{balancer}")
def get_load_balancer(call: Call) -> Answer:
    return 200, {"load_balancer": render_load_balancer(call.cloud, _balancer(call))}


@route("PUT", "/v2/load_balancers/{balancer}", body=_BODY)
def replace_load_balancer(call: Call) -> Answer:
    cloud, body, balancer = call.cloud, call.body, _balancer(call)
    _check_idle(balancer)
    for key in ("region", "vpc_uuid", *_FIXED):
        if body.get(key, balancer[key]) != balancer[key]:
            raise unprocessable(f"{key} cannot be changed")
    if body.get("project_id"):
        project_id = find_project(cloud, body["project_id"])["id"]
    else:
        project_id = cloud.state["project_resources"][urn(balancer)]["project_id"]
    settings = _settings(call, balancer["region"], balancer["vpc_uuid"], balancer["type"], balancer["id"])
    if settings["size_unit"] != balancer["size_unit"]:
        if cloud.now() < balancer["resized_at"] + RESIZE_PAUSE:
            raise unprocessable("a load balancer can be resized once per hour, and not in its first hour")
        balancer["resized_at"] = cloud.now()
    balancer.update(settings)
    if project_id != cloud.state["project_resources"][urn(balancer)]["project_id"]:
        cloud.join_project(urn(balancer), project_id)
    _change(cloud, balancer)
    return 200, {"load_balancer": render_load_balancer(cloud, balancer)}


def _check_idle(balancer: dict[str, Any]) -> None:
    if balancer["busy"]:
        raise forbidden("Load Balancer can't be updated while it processes previous actions")


def _change(cloud: Cloud, balancer: dict[str, Any]) -> None:
    """The change takes a while, in which no other one is taken."""
    balancer["busy"] = True
    latency = cloud.config.latencies.load_balancer_change
    cloud.later(latency, load_balancer_changed, balancer["id"], queues=[queue(balancer)])


@transition
def load_balancer_changed(cloud: Cloud, balancer_id: str) -> None:
    if balancer := cloud.state["load_balancers"].get(balancer_id):
        balancer["busy"] = False
        _add_records(cloud, balancer)


def _add_records(cloud: Cloud, balancer: dict[str, Any]) -> None:
    """Lead the names of its Let's Encrypt certificates to an active load balancer, those that lead nowhere yet."""
    if balancer["disable_lets_encrypt_dns_records"] or balancer["status"] != "active":
        return
    certificates = [cloud.state["certificates"][certificate_id] for certificate_id in certificate_ids(balancer)]
    names = [name for item in certificates if item["type"] == "lets_encrypt" for name in item["dns_names"]]
    for name in dict.fromkeys(names):
        if zone := zone_of(cloud, name):
            label = name.removesuffix(zone).rstrip(".") or "@"
            records = cloud.state["domains"][zone]["records"].values()
            if not any(r["name"] == label and r["type"] in ("A", "AAAA", "CNAME") for r in records):
                add_record(cloud, zone, type="A", name=label, data=address(balancer))


@route("DELETE", "/v2/load_balancers/{balancer}")
def delete_load_balancer(call: Call) -> Answer:
    cloud, balancer = call.cloud, _balancer(call)
    del cloud.state["load_balancers"][balancer["id"]]
    cloud.leave_project(urn(balancer))
    for firewall in cloud.state["firewalls"].values():
        for rule in firewall["inbound_rules"] + firewall["outbound_rules"]:
            uids = rule.get("sources", rule.get("destinations", {})).get("load_balancer_uids", [])
            if balancer["id"] in uids:
                uids.remove(balancer["id"])
    vpcs.leave(
        cloud,
        urn(balancer),
        balancer["vpc_uuid"],
        balancer["name"],
        balancer["created_at"],
        cloud.config.latencies.load_balancer_leaves_vpc,
        queue(balancer),
        certificates=certificate_ids(balancer),
    )
    return 204, None


# -- parts of a load balancer ----------------------------------------------------------------------------------------


@route("POST", "/v2/load_balancers/{balancer}/droplets", body={"droplet_ids": [int]})
@route("DELETE", "/v2/load_balancers/{balancer}/droplets", body={"droplet_ids": [int]})
def change_droplets(call: Call) -> Answer:
    call.require("droplet_ids")
    balancer, ids = _balancer(call), call.body["droplet_ids"]
    _check_idle(balancer)
    if balancer["tag"]:
        raise unprocessable("the load balancer's droplets are those with its tag")
    kept = [droplet_id for droplet_id in balancer["droplet_ids"] if droplet_id not in ids]
    if call.method == "POST":
        kept = _droplet_ids(call.cloud, balancer["droplet_ids"] + ids, balancer["vpc_uuid"])
    elif missing := [str(droplet_id) for droplet_id in ids if droplet_id not in balancer["droplet_ids"]]:
        raise unprocessable(f"droplet {', '.join(missing)} is not assigned to the load balancer")
    balancer["droplet_ids"] = kept
    _change(call.cloud, balancer)
    return 204, None


@route("POST", "/v2/load_balancers/{balancer}/forwarding_rules", body={"forwarding_rules": [_RULE]})
def add_rules(call: Call) -> Answer:
    call.require("forwarding_rules")
    balancer = _balancer(call)
    _check_idle(balancer)
    rules = balancer["forwarding_rules"] + call.body["forwarding_rules"]
    balancer["forwarding_rules"] = _checked_rules(call.cloud, rules, balancer["type"])
    _change(call.cloud, balancer)
    return 204, None


@route("DELETE", "/v2/load_balancers/{balancer}/forwarding_rules", body={"forwarding_rules": [_RULE]})
def remove_rules(call: Call) -> Answer:
    call.require("forwarding_rules")
    balancer = _balancer(call)
    _check_idle(balancer)
    gone = [{"certificate_id": "", "tls_passthrough": False, **rule} for rule in call.body["forwarding_rules"]]
    if any(rule not in balancer["forwarding_rules"] for rule in gone):
        raise not_found("a forwarding rule could not be found")
    kept = [rule for rule in balancer["forwarding_rules"] if rule not in gone]
    balancer["forwarding_rules"] = _checked_rules(call.cloud, kept, balancer["type"])
    _change(call.cloud, balancer)
    return 204, None
