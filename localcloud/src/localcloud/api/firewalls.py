# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud firewalls."""

from __future__ import annotations

import ipaddress
import re
import uuid
from typing import Any

from localcloud.api.tags import require_tags
from localcloud.cloud import Cloud, transition
from localcloud.errors import conflict, not_found, unprocessable
from localcloud.routing import Answer, Call, route
from localcloud.sync import effective_droplets

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]+")
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_TARGET = {
    "addresses": [str],
    "droplet_ids": [int],
    "tags": [str],
    "load_balancer_uids": [str],
    "kubernetes_ids": [str],
}
_RULES = {
    "inbound_rules": [{"protocol": str, "ports": str, "sources": _TARGET}],
    "outbound_rules": [{"protocol": str, "ports": str, "destinations": _TARGET}],
}
_SIDES = {"inbound_rules": "sources", "outbound_rules": "destinations"}
_BODY = {"name": str, "droplet_ids": [int], "tags": [str], **_RULES}


def _firewall(call: Call) -> dict[str, Any]:
    firewall: dict[str, Any] | None = call.cloud.state["firewalls"].get(call.params["firewall"])
    if firewall is None:
        raise not_found()
    return firewall


def render_firewall(firewall: dict[str, Any]) -> dict[str, Any]:
    pending = [{"droplet_id": id, "removing": False, "status": "waiting"} for id in firewall["pending"]]
    return {**{key: value for key, value in firewall.items() if key != "pending"}, "pending_changes": pending}


# -- rules -----------------------------------------------------------------------------------------------------------


def _checked_rules(call: Call) -> dict[str, list[dict[str, Any]]]:
    return {key: [_checked_rule(call, rule, side) for rule in call.body.get(key, [])] for key, side in _SIDES.items()}


def _checked_rule(call: Call, rule: dict[str, Any], side: str) -> dict[str, Any]:
    protocol = rule.get("protocol", "")
    if protocol not in ("tcp", "udp", "icmp"):
        raise unprocessable(f"protocol '{protocol}' is invalid: tcp, udp or icmp")
    target = {key: value for key, value in rule.get(side, {}).items() if value}
    if not target:
        raise unprocessable(f"{side} must name at least one address, droplet, tag or load balancer")
    for address in target.get("addresses", []):
        try:
            ipaddress.ip_network(address, strict=False)
        except ValueError:
            raise unprocessable(f"address '{address}' is invalid") from None
    _check_droplets(call.cloud, target.get("droplet_ids", []))
    balancers = call.cloud.state["load_balancers"]
    if missing := [uid for uid in target.get("load_balancer_uids", []) if uid not in balancers]:
        raise unprocessable(f"load balancer {', '.join(missing)} does not exist")
    if "tags" in target:
        target["tags"] = require_tags(call.cloud, target["tags"])
    return {"protocol": protocol, "ports": _ports(protocol, rule.get("ports", "")), side: target}


def _ports(protocol: str, ports: str) -> str:
    """The form that is read back: "0" stands for all, and for the ports that ICMP has not."""
    if protocol == "icmp" or ports in ("all", "0"):
        return "0"
    match = _PORTS.fullmatch(ports)
    if match is None:
        raise unprocessable(f"ports '{ports}' is invalid: a port, a range such as 8000-9000, or all")
    low, high = int(match[1]), int(match[2] or match[1])
    if not 1 <= low <= high <= 65535:
        raise unprocessable(f"ports '{ports}' is invalid: between 1 and 65535, the lower one first")
    return ports


def _check_droplets(cloud: Cloud, ids: list[int]) -> None:
    if missing := [str(id) for id in ids if str(id) not in cloud.state["droplets"]]:
        raise unprocessable(f"droplet {', '.join(missing)} does not exist")


# -- firewalls -------------------------------------------------------------------------------------------------------


def _apply(cloud: Cloud, firewall: dict[str, Any], before: list[int]) -> None:
    """The change reaches the droplets after a while."""
    after = effective_droplets(cloud.state, firewall)
    firewall["pending"] = sorted({*before, *after})
    firewall["status"] = "waiting"
    queues = [f"droplet:{id}" for id in firewall["pending"]]
    cloud.later(cloud.config.latencies.firewall, firewall_applied, firewall["id"], queues=queues)


@transition
def firewall_applied(cloud: Cloud, firewall_id: str) -> None:
    firewall = cloud.state["firewalls"].get(firewall_id)
    if firewall is not None:
        firewall["status"] = "succeeded"
        firewall["pending"] = []


def _values(call: Call, own_id: str = "") -> dict[str, Any]:
    """The whole firewall as the body says; what is left out is empty."""
    cloud, body = call.cloud, call.body
    name = body.get("name", "")
    if not _NAME.fullmatch(name):
        raise unprocessable(
            "name is invalid: letters, numbers, dots and dashes, at least two, a letter or number first"
        )
    if any(fw["name"] == name and fw["id"] != own_id for fw in cloud.state["firewalls"].values()):
        raise conflict("duplicate name")
    if "inbound_rules" not in body and "outbound_rules" not in body:
        raise unprocessable("must have at least one inbound or outbound rule")
    rules = _checked_rules(call)
    if not rules["inbound_rules"] and not rules["outbound_rules"]:
        raise unprocessable("must have at least one inbound or outbound rule")
    _check_droplets(cloud, body.get("droplet_ids", []))
    tags = require_tags(cloud, body.get("tags", []))
    return {"name": name, "droplet_ids": list(dict.fromkeys(body.get("droplet_ids", []))), "tags": tags, **rules}


@route("GET", "/v2/firewalls")
def list_firewalls(call: Call) -> Answer:
    return call.page("firewalls", call.cloud.state["firewalls"].values(), render_firewall)


@route("POST", "/v2/firewalls", body=_BODY)
def create_firewall(call: Call) -> Answer:
    firewall = {
        "id": str(uuid.uuid4()),
        "status": "waiting",
        "created_at": call.cloud.timestamp(),
        "pending": [],
        **_values(call),
    }
    call.cloud.state["firewalls"][firewall["id"]] = firewall
    _apply(call.cloud, firewall, [])
    return 202, {"firewall": render_firewall(firewall)}


@route("GET", "/v2/firewalls/{firewall}")
def get_firewall(call: Call) -> Answer:
    return 200, {"firewall": render_firewall(_firewall(call))}


@route("PUT", "/v2/firewalls/{firewall}", body=_BODY)
def replace_firewall(call: Call) -> Answer:
    firewall = _firewall(call)
    before = effective_droplets(call.cloud.state, firewall)
    firewall.update(_values(call, firewall["id"]))
    _apply(call.cloud, firewall, before)
    return 200, {"firewall": render_firewall(firewall)}


@route("DELETE", "/v2/firewalls/{firewall}")
def delete_firewall(call: Call) -> Answer:
    del call.cloud.state["firewalls"][_firewall(call)["id"]]
    return 204, None


# -- parts of a firewall ---------------------------------------------------------------------------------------------


def _change(call: Call, key: str, items: list[Any]) -> Answer:
    """Add (POST) or take away (DELETE) `items` of the firewall's list `key`."""
    firewall = _firewall(call)
    before = effective_droplets(call.cloud.state, firewall)
    kept = [item for item in firewall[key] if item not in items]
    firewall[key] = kept + (items if call.method == "POST" else [])
    _apply(call.cloud, firewall, before)
    return 204, None


@route("POST", "/v2/firewalls/{firewall}/droplets", body={"droplet_ids": [int]})
@route("DELETE", "/v2/firewalls/{firewall}/droplets", body={"droplet_ids": [int]})
def change_droplets(call: Call) -> Answer:
    call.require("droplet_ids")
    if call.method == "POST":
        _check_droplets(call.cloud, call.body["droplet_ids"])
    return _change(call, "droplet_ids", call.body["droplet_ids"])


@route("POST", "/v2/firewalls/{firewall}/tags", body={"tags": [str]})
@route("DELETE", "/v2/firewalls/{firewall}/tags", body={"tags": [str]})
def change_tags(call: Call) -> Answer:
    call.require("tags")
    return _change(call, "tags", require_tags(call.cloud, call.body["tags"]))


@route("POST", "/v2/firewalls/{firewall}/rules", body=_RULES)
@route("DELETE", "/v2/firewalls/{firewall}/rules", body=_RULES)
def change_rules(call: Call) -> Answer:
    rules = _checked_rules(call)
    if not any(rules.values()):
        raise unprocessable("must have at least one inbound or outbound rule")
    for key, items in rules.items():
        _change(call, key, items)
    return 204, None
