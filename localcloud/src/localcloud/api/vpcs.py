# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VPC networks."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from localcloud import catalog
from localcloud.cloud import PUBLIC_NETWORK, Cloud, transition
from localcloud.errors import conflict, forbidden, not_found, unprocessable
from localcloud.routing import Answer, Call, route

_NAME = re.compile(r"[a-zA-Z0-9\-.]+")
_PRIVATE = [ipaddress.IPv4Network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
# Ranges that the platform keeps for itself.
_RESERVED = [
    PUBLIC_NETWORK,
    *(ipaddress.IPv4Network(network) for network in ("10.244.0.0/16", "10.245.0.0/16", "10.246.0.0/24")),
]
_AUTOMATIC = ipaddress.IPv4Network("10.104.0.0/13")  # where ranges nobody asked for come from, a /20 each


def check_region(slug: str, message: str) -> None:
    if slug not in catalog.OPEN_REGIONS:
        raise unprocessable(message)


def find_vpc(cloud: Cloud, vpc_id: str) -> dict[str, Any]:
    vpc: dict[str, Any] | None = cloud.state["vpcs"].get(vpc_id)
    if vpc is None:
        raise not_found()
    return vpc


def vpc_for_member(cloud: Cloud, vpc_id: str | None, region: str) -> dict[str, Any]:
    """The network a new member goes to: the one asked for, else the region's default, made when there is none."""
    if vpc_id:
        vpc: dict[str, Any] | None = cloud.state["vpcs"].get(vpc_id)
        if vpc is None:
            raise unprocessable(f"VPC {vpc_id} does not exist")
        if vpc["region"] != region:
            raise unprocessable(f"VPC {vpc_id} is in {vpc['region']}, not in {region}")
        return vpc
    for vpc in cloud.state["vpcs"].values():
        if vpc["region"] == region and vpc["default"]:
            return vpc
    return add_vpc(cloud, f"default-{region}", region, "", _free_range(cloud))


def members(cloud: Cloud, vpc_id: str) -> Iterator[dict[str, str]]:
    """Members, those included that were deleted a moment ago and are not yet deregistered."""
    for droplet in cloud.state["droplets"].values():
        if droplet["vpc_uuid"] == vpc_id:
            urn = f"do:droplet:{droplet['id']}"
            yield {"urn": urn, "name": droplet["name"], "created_at": droplet["created_at"]}
    for cluster in cloud.state["databases"].values():
        if cluster["private_network_uuid"] == vpc_id:
            yield {"urn": f"do:dbaas:{cluster['id']}", "name": cluster["name"], "created_at": cluster["created_at"]}
    for balancer in cloud.state["load_balancers"].values():
        if balancer["vpc_uuid"] == vpc_id:
            urn = f"do:loadbalancer:{balancer['id']}"
            yield {"urn": urn, "name": balancer["name"], "created_at": balancer["created_at"]}
    for urn, leaver in cloud.state["vpc_leavers"].items():
        if leaver["vpc_id"] == vpc_id:
            yield {"urn": urn, "name": leaver["name"], "created_at": leaver["created_at"]}


def leave(
    cloud: Cloud,
    urn: str,
    vpc_id: str,
    name: str,
    created_at: str,
    seconds: float,
    queue: str,
    *,
    certificates: Iterable[str] = (),
) -> None:
    """A deleted member stays registered for a while: until then its network and its certificates cannot be deleted."""
    leaver = {"vpc_id": vpc_id, "name": name, "created_at": created_at, "certificates": list(certificates)}
    cloud.state["vpc_leavers"][urn] = leaver
    cloud.later(seconds, left, urn, queues=[queue])


@transition
def left(cloud: Cloud, urn: str) -> None:
    cloud.state["vpc_leavers"].pop(urn, None)


def add_vpc(cloud: Cloud, name: str, region: str, description: str, ip_range: str) -> dict[str, Any]:
    vpc_id = str(uuid.uuid4())
    vpc = {
        "id": vpc_id,
        "urn": f"do:vpc:{vpc_id}",
        "name": name,
        "description": description,
        "region": region,
        "ip_range": ip_range,
        "default": not any(other["region"] == region for other in cloud.state["vpcs"].values()),
        "created_at": cloud.timestamp(),
    }
    cloud.state["vpcs"][vpc_id] = vpc
    return vpc


def _free_range(cloud: Cloud) -> str:
    taken = [ipaddress.IPv4Network(vpc["ip_range"]) for vpc in cloud.state["vpcs"].values()]
    for candidate in _AUTOMATIC.subnets(new_prefix=20):
        if not any(candidate.overlaps(network) for network in taken):
            return str(candidate)
    raise unprocessable("no free IP range left for a VPC")


def _check_range(cloud: Cloud, text: str) -> str:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        raise unprocessable(f"{text} is not a valid IP range in CIDR notation") from None
    if not 16 <= network.prefixlen <= 28:
        raise unprocessable("The IP range must be between /28 and /16 in size")
    if not any(network.subnet_of(private) for private in _PRIVATE):
        raise unprocessable("The IP range must be within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    if any(network.overlaps(reserved) for reserved in _RESERVED):
        raise unprocessable(f"The range {text} overlaps with a range reserved by the platform")
    for vpc in cloud.state["vpcs"].values():
        if network.overlaps(ipaddress.IPv4Network(vpc["ip_range"])):
            message = "This range/size overlaps with another VPC network in your account:"
            raise unprocessable(f"{message} {vpc['name']}")
    return str(network)


def _check_name(cloud: Cloud, name: str, own_id: str = "") -> None:
    if not _NAME.fullmatch(name):
        raise unprocessable("Name may only contain letters, numbers, dashes and periods")
    if any(vpc["name"] == name and vpc["id"] != own_id for vpc in cloud.state["vpcs"].values()):
        raise unprocessable("Name must be unique: a VPC with this name already exists")


def _check_description(call: Call) -> None:
    if len(call.body.get("description", "")) > 255:
        raise unprocessable("Description must not be longer than 255 characters")


@route("GET", "/v2/vpcs")
def list_vpcs(call: Call) -> Answer:
    return call.page("vpcs", call.cloud.state["vpcs"].values())


@route("POST", "/v2/vpcs", body={"name": str, "description": str, "region": str, "ip_range": str})
def create_vpc(call: Call) -> Answer:
    call.require("name", "region")
    cloud, body = call.cloud, call.body
    _check_name(cloud, body["name"])
    _check_description(call)
    check_region(body["region"], f"Region {body['region']} is not valid")
    ip_range = _check_range(cloud, body["ip_range"]) if body.get("ip_range") else _free_range(cloud)
    return 201, {"vpc": add_vpc(cloud, body["name"], body["region"], body.get("description", ""), ip_range)}


@route("GET", "/v2/vpcs/{vpc}")
def get_vpc(call: Call) -> Answer:
    return 200, {"vpc": find_vpc(call.cloud, call.params["vpc"])}


_UPDATE = {"name": str, "description": str, "default": bool}


def _update(call: Call) -> Answer:
    vpc = find_vpc(call.cloud, call.params["vpc"])
    if "name" in call.body:
        _check_name(call.cloud, call.body["name"], vpc["id"])
    _check_description(call)
    if call.body.get("default") is False and vpc["default"]:
        raise unprocessable("default cannot be unset: make another VPC of the region the default instead")
    if call.body.get("default"):
        for other in call.cloud.state["vpcs"].values():
            other["default"] = other["default"] and other["region"] != vpc["region"]
    vpc.update(call.body)
    return 200, {"vpc": vpc}


@route("PUT", "/v2/vpcs/{vpc}", body=_UPDATE)
def replace_vpc(call: Call) -> Answer:
    call.require("name")
    call.body.setdefault("description", "")  # a PUT resets what it leaves out
    return _update(call)


@route("PATCH", "/v2/vpcs/{vpc}", body=_UPDATE)
def update_vpc(call: Call) -> Answer:
    return _update(call)


@route("DELETE", "/v2/vpcs/{vpc}")
def delete_vpc(call: Call) -> Answer:
    vpc = find_vpc(call.cloud, call.params["vpc"])
    if vpc["default"]:
        raise forbidden("Can not delete default VPCs")
    if next(members(call.cloud, vpc["id"]), None) is not None:
        raise conflict("Can not delete VPC with members")
    del call.cloud.state["vpcs"][vpc["id"]]
    return 204, None


@route("GET", "/v2/vpcs/{vpc}/members")
def list_members(call: Call) -> Answer:
    vpc = find_vpc(call.cloud, call.params["vpc"])
    kind = call.query.get("resource_type", "")
    shown = [member for member in members(call.cloud, vpc["id"]) if not kind or f":{kind}:" in member["urn"]]
    return call.page("members", shown)
