# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reserved IPv4 addresses and their actions."""

from __future__ import annotations

import ipaddress
from typing import Any

from localcloud import catalog
from localcloud.api.actions import actions_of, find_action, finish_action, render_action, start_action
from localcloud.api.droplets import check_unlocked, render_droplet
from localcloud.api.droplets import queue as droplet_queue
from localcloud.api.projects import find_project
from localcloud.cloud import Cloud, transition
from localcloud.errors import not_found, unprocessable
from localcloud.routing import Answer, Call, route


def _reserved(call: Call) -> dict[str, Any]:
    reserved: dict[str, Any] | None = call.cloud.state["reserved_ips"].get(call.params["reserved"])
    if reserved is None:
        raise not_found()
    return reserved


def _urn(reserved: dict[str, Any]) -> str:
    return f"do:floatingip:{reserved['ip']}"  # as they were called before


def _number(reserved: dict[str, Any]) -> int:
    """What stands for the address where the API wants an integer."""
    return int(ipaddress.IPv4Address(reserved["ip"]))


def _render(cloud: Cloud, reserved: dict[str, Any]) -> dict[str, Any]:
    droplet = cloud.state["droplets"].get(str(reserved["droplet_id"]))
    return {
        "ip": reserved["ip"],
        "region": catalog.render_region(reserved["region"]),
        "droplet": None if droplet is None else render_droplet(cloud, droplet),
        "locked": reserved["locked"],
        "project_id": cloud.state["project_resources"][_urn(reserved)]["project_id"],
    }


def _droplet_for(cloud: Cloud, reserved: dict[str, Any] | None, droplet_id: int) -> dict[str, Any]:
    """The droplet that an address (None: a new one) shall be assigned to, if it can be."""
    droplet: dict[str, Any] | None = cloud.state["droplets"].get(str(droplet_id))
    if droplet is None:
        raise unprocessable(f"Droplet {droplet_id} does not exist")
    if reserved is not None and droplet["region"] != reserved["region"]:
        raise unprocessable("The droplet and the reserved IP must be in the same region")
    check_unlocked(droplet)
    if any(droplet_id in (other["droplet_id"], other["next"]) for other in cloud.state["reserved_ips"].values()):
        raise unprocessable("The droplet already has a reserved IP")
    return droplet


def _start(cloud: Cloud, reserved: dict[str, Any], kind: str, droplet: dict[str, Any] | None) -> dict[str, Any]:
    """Begin to move the address to `droplet` (None: to nowhere)."""
    # Both droplets have an event of their own while the address moves.
    before = cloud.state["droplets"].get(str(reserved["droplet_id"]))
    if before is not None:
        check_unlocked(before)
    moved = [item for item in (before, droplet) if item is not None]
    reserved["locked"] = True
    reserved["next"] = None if droplet is None else droplet["id"]
    for item in moved:
        item["locked"] = True
    action = start_action(cloud, kind, "reserved_ip", _number(reserved), reserved["region"])
    ids = [item["id"] for item in moved]
    queues = [droplet_queue(item) for item in moved]
    cloud.later(
        cloud.config.latencies.reserved_ip_action, reserved_ip_moved, reserved["ip"], action["id"], ids, queues=queues
    )
    return action


@transition
def reserved_ip_moved(cloud: Cloud, address: str, action_id: int, droplet_ids: list[int]) -> None:
    for droplet_id in droplet_ids:
        if droplet := cloud.state["droplets"].get(str(droplet_id)):
            droplet["locked"] = False
    reserved = cloud.state["reserved_ips"].get(address)
    wanted = None if reserved is None else reserved["next"]
    gone = wanted is not None and str(wanted) not in cloud.state["droplets"]
    finish_action(cloud, cloud.state["actions"][str(action_id)], errored=gone)
    if reserved is not None:
        reserved.update(locked=False, next=None, droplet_id=None if gone else wanted)


# -- create, list, get, delete ---------------------------------------------------------------------------------------


@route("GET", "/v2/reserved_ips")
def list_reserved_ips(call: Call) -> Answer:
    items = call.cloud.state["reserved_ips"].values()
    return call.page("reserved_ips", items, lambda reserved: _render(call.cloud, reserved))


@route("POST", "/v2/reserved_ips", body={"droplet_id": int, "region": str, "project_id": str})
def create_reserved_ip(call: Call) -> Answer:
    cloud, body = call.cloud, call.body
    if ("droplet_id" in body) == ("region" in body):
        raise unprocessable("either droplet_id or region is required")
    if "region" in body and body["region"] not in catalog.OPEN_REGIONS:
        raise unprocessable(f"region {body['region']} is not valid")
    project_id = find_project(cloud, body["project_id"])["id"] if body.get("project_id") else None
    droplet = _droplet_for(cloud, None, body["droplet_id"]) if "droplet_id" in body else None
    if len(cloud.state["reserved_ips"]) >= cloud.config.reserved_ip_limit:
        raise unprocessable("creating this reserved IP will exceed your reserved IP limit")
    (address,) = cloud.public_addresses(1)
    reserved: dict[str, Any] = {
        "ip": address,
        "public_ip": address,  # by which name addresses in use are counted
        "region": body["region"] if droplet is None else droplet["region"],
        "droplet_id": None,
        "next": None,
        "locked": False,
    }
    cloud.state["reserved_ips"][address] = reserved
    cloud.join_project(_urn(reserved), project_id)
    links: dict[str, Any] = {}
    if droplet is not None:
        action = _start(cloud, reserved, "assign_ip", droplet)
        links = {
            "droplets": [_link(call, "droplets", droplet["id"], "droplet")],
            "actions": [_link(call, "actions", action["id"], "assign_ip")],
        }
    return 202, {"reserved_ip": _render(cloud, reserved), "links": links}


def _link(call: Call, collection: str, id: int, rel: str) -> dict[str, Any]:
    return {"id": id, "rel": rel, "href": f"{call.base_url}/v2/{collection}/{id}"}


@route("GET", "/v2/reserved_ips/{reserved}")
def get_reserved_ip(call: Call) -> Answer:
    return 200, {"reserved_ip": _render(call.cloud, _reserved(call))}


@route("DELETE", "/v2/reserved_ips/{reserved}")
def delete_reserved_ip(call: Call) -> Answer:
    reserved = _reserved(call)
    _check_idle(reserved)
    if reserved["droplet_id"] is not None:
        raise unprocessable("The reserved IP is assigned to a droplet: unassign it first")
    del call.cloud.state["reserved_ips"][reserved["ip"]]
    call.cloud.leave_project(_urn(reserved))
    return 204, None


def _check_idle(reserved: dict[str, Any]) -> None:
    if reserved["locked"]:
        raise unprocessable("The reserved IP already has a pending event.")


# -- actions ---------------------------------------------------------------------------------------------------------


def _render_action(call: Call, reserved: dict[str, Any], action: dict[str, Any]) -> dict[str, Any]:
    project_id = call.cloud.state["project_resources"][_urn(reserved)]["project_id"]
    return {**render_action(action), "project_id": project_id}


@route("GET", "/v2/reserved_ips/{reserved}/actions")
def list_reserved_ip_actions(call: Call) -> Answer:
    actions = actions_of(call.cloud, "reserved_ip", _number(_reserved(call)))
    return call.page("actions", actions, render_action)


@route("GET", "/v2/reserved_ips/{reserved}/actions/{action}")
def get_reserved_ip_action(call: Call) -> Answer:
    reserved = _reserved(call)
    action = find_action(call.cloud, call.params["action"], ("reserved_ip", _number(reserved)))
    return 200, {"action": _render_action(call, reserved, action)}


@route("POST", "/v2/reserved_ips/{reserved}/actions", body={"type": str, "droplet_id": int})
def act_on_reserved_ip(call: Call) -> Answer:
    call.require("type")
    reserved, kind = _reserved(call), call.body["type"]
    if kind not in ("assign", "unassign"):
        raise unprocessable("type must be assign or unassign")
    _check_idle(reserved)
    if kind == "assign":
        call.require("droplet_id")
        droplet = _droplet_for(call.cloud, reserved, call.body["droplet_id"])
        action = _start(call.cloud, reserved, "assign_ip", droplet)
    else:
        if reserved["droplet_id"] is None:
            raise unprocessable("The reserved IP is not assigned to a droplet")
        action = _start(call.cloud, reserved, "unassign_ip", None)
    return 201, {"action": _render_action(call, reserved, action)}
