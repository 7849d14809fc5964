# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Droplets and their actions."""

from __future__ import annotations

import datetime
import ipaddress
import re
from functools import cache
from typing import Any

from localcloud import catalog
from localcloud.api import vpcs
from localcloud.api.actions import actions_of, find_action, finish_action, render_action, start_droplet_action
from localcloud.api.firewalls import render_firewall
from localcloud.api.ssh_keys import find_key
from localcloud.api.tags import check_tag_names, ensure_tags
from localcloud.cloud import PUBLIC_GATEWAY, PUBLIC_NETWORK, Cloud, transition
from localcloud.errors import ApiError, bad_request, not_found, unprocessable
from localcloud.routing import Answer, Call, route
from localcloud.sync import effective_droplets

MAX_USER_DATA = 64 * 1024
MAX_VOLUMES = 15
_NAME = re.compile(r"[a-zA-Z0-9]?[a-z0-9A-Z.\-]*[a-z0-9A-Z]")
_BACKUP_POLICY = {"plan": str, "weekday": str, "hour": int}
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

_CREATE = {
    "name": str,
    "names": [str],
    "region": str,
    "size": str,
    "image": (str, int),
    "ssh_keys": [(str, int)],
    "backups": bool,
    "backup_policy": _BACKUP_POLICY,
    "ipv6": bool,
    "monitoring": bool,
    "private_networking": bool,
    "public_networking": bool,
    "tags": [str],
    "user_data": str,
    "volumes": [str],
    "vpc_uuid": str,
    "with_droplet_agent": bool,
}


def queue(droplet: dict[str, Any]) -> str:
    return f"droplet:{droplet['id']}"


def _droplet(call: Call) -> dict[str, Any]:
    droplet: dict[str, Any] | None = call.cloud.state["droplets"].get(call.params["droplet"])
    if droplet is None:
        raise not_found()
    return droplet


def render_droplet(cloud: Cloud, droplet: dict[str, Any]) -> dict[str, Any]:
    size = catalog.SIZES[droplet["size"]]
    image = catalog.find_image(droplet["image"])
    if image is None:
        raise LookupError(f"droplet {droplet['id']} has the unknown image {droplet['image']}")
    networks: dict[str, list[dict[str, Any]]] = {"v4": [], "v6": []}
    if droplet["status"] != "new":
        # A droplet that is being made has no address yet.
        netmask, gateway = _netmask_and_gateway(cloud.state["vpcs"][droplet["vpc_uuid"]]["ip_range"])
        networks["v4"] = [
            {
                "ip_address": droplet["private_ip"],
                "netmask": netmask,
                "gateway": gateway,
                "type": "private",
            },
            {
                "ip_address": droplet["public_ip"],
                "netmask": str(PUBLIC_NETWORK.netmask),
                "gateway": PUBLIC_GATEWAY,
                "type": "public",
            },
        ]
        networks["v4"] += [
            {
                "ip_address": reserved["ip"],
                "netmask": str(PUBLIC_NETWORK.netmask),
                "gateway": PUBLIC_GATEWAY,
                "type": "public",
            }
            for reserved in cloud.state["reserved_ips"].values()
            if reserved["droplet_id"] == droplet["id"]
        ]
    if "ipv6" in droplet["features"] and droplet["status"] != "new":
        address = f"2001:db8:77::{droplet['id']:x}"
        if len(f"{droplet['id']:x}") > 4:
            text = f"{droplet['id']:08x}"
            address = f"2001:db8:77::{text[:4]}:{text[4:]}"
        networks["v6"] = [{"ip_address": address, "netmask": 64, "gateway": "2001:db8:77::1", "type": "public"}]
    backups = "backups" in droplet["features"]
    return {
        "id": droplet["id"],
        "name": droplet["name"],
        "memory": size.memory,
        "vcpus": size.vcpus,
        "disk": droplet["disk"],
        "disk_info": [{"type": "local", "size": {"amount": droplet["disk"], "unit": "gib"}}],
        "locked": droplet["locked"],
        "status": droplet["status"],
        "kernel": None,
        "created_at": droplet["created_at"],
        "features": droplet["features"],
        "backup_ids": [],
        "next_backup_window": _backup_window(cloud, droplet) if backups else None,
        "snapshot_ids": [],
        "image": catalog.render_image(image),
        "volume_ids": [v["id"] for v in cloud.state["volumes"].values() if v["droplet_id"] == droplet["id"]],
        "size": catalog.render_size(size),
        "size_slug": droplet["size"],
        "networks": networks,
        "region": catalog.render_region(droplet["region"]),
        "tags": droplet["tags"],
        "vpc_uuid": droplet["vpc_uuid"],
    }


@cache
def _netmask_and_gateway(ip_range: str) -> tuple[str, str]:
    network = ipaddress.IPv4Network(ip_range)
    return str(network.netmask), str(network[1])


def _backup_window(cloud: Cloud, droplet: dict[str, Any]) -> dict[str, str]:
    policy = droplet["backup_policy"]
    now = datetime.datetime.fromtimestamp(cloud.now(), datetime.UTC)
    start = now.replace(hour=policy["hour"], minute=0, second=0, microsecond=0)
    while start <= now or (policy["plan"] == "weekly" and _WEEKDAYS[start.isoweekday() % 7] != policy["weekday"]):
        start += datetime.timedelta(days=1)
    end = start + datetime.timedelta(hours=4)
    return {"start": start.strftime("%Y-%m-%dT%H:%M:%SZ"), "end": end.strftime("%Y-%m-%dT%H:%M:%SZ")}


# -- create, list, get, delete ---------------------------------------------------------------------------------------


@route("POST", "/v2/droplets", body=_CREATE)
def create_droplets(call: Call) -> Answer:
    body, cloud = call.body, call.cloud
    several = "names" in body
    if several == ("name" in body):
        raise unprocessable("Name can't be blank" if not several else "name and names exclude each other")
    names: list[str] = body["names"] if several else [body["name"]]
    if several and not 1 <= len(names) <= 10:
        raise unprocessable("names must hold between 1 and 10 names")
    for name in names:
        if not _NAME.fullmatch(name) or len(name) > 255:
            raise unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
    size, image, region = _placement(call)
    if len(cloud.state["droplets"]) + len(names) > cloud.config.droplet_limit:
        raise unprocessable("creating this/these droplet(s) will exceed your droplet limit")
    if len(body.get("user_data", "").encode()) > MAX_USER_DATA:
        raise unprocessable("User data is too long: at most 64 KiB")
    volumes = _volumes(cloud, body.get("volumes", []), region, len(names))
    policy = _backup_policy(body.get("backup_policy", {}))
    keys = _authorized_keys(cloud, body.get("ssh_keys", []))
    check_tag_names(body.get("tags", []))
    # From here on something is made, so all that can be refused was refused before.
    vpc = vpcs.vpc_for_member(cloud, body.get("vpc_uuid"), region)
    private_ips = cloud.private_addresses(vpc, len(names))
    public_ips = cloud.public_addresses(len(names))
    tags = ensure_tags(cloud, body.get("tags", []))
    features = [
        *(["backups"] if body.get("backups") else []),
        *(["ipv6"] if body.get("ipv6") else []),
        *(["monitoring"] if body.get("monitoring") else []),
        *(["droplet_agent"] if body.get("with_droplet_agent", True) else []),
        "private_networking",
    ]
    droplets, links = [], []
    for name, public_ip, private_ip in zip(names, public_ips, private_ips, strict=True):
        droplet = add_droplet(
            cloud,
            name=name,
            region=region,
            size=size.slug,
            disk=size.disk,
            image=image.slug,
            features=list(features),
            backup_policy=policy,
            tags=list(tags),
            vpc_uuid=vpc["id"],
            public_ip=public_ip,
            private_ip=private_ip,
            authorized_keys=keys,
            user_data=body.get("user_data", ""),
        )
        for volume in volumes:
            volume["droplet_id"] = droplet["id"]
        action = start_droplet_action(cloud, droplet, "create")
        cloud.later(
            cloud.config.latencies.droplet_create, droplet_created, droplet["id"], action["id"], queues=[queue(droplet)]
        )
        droplets.append(render_droplet(cloud, droplet))
        links.append({"id": action["id"], "rel": "create", "href": f"{call.base_url}/v2/actions/{action['id']}"})
    result = {"droplets": droplets} if several else {"droplet": droplets[0]}
    return 202, {**result, "links": {"actions": links}}


def add_droplet(cloud: Cloud, **values: Any) -> dict[str, Any]:
    """A droplet that is about to be made, with `values` checked before."""
    droplet: dict[str, Any] = {
        "id": cloud.store.next_id("droplet", cloud.config.first_droplet_id),
        "status": "new",
        "locked": True,
        "created_at": cloud.timestamp(),
        **values,
    }
    cloud.state["droplets"][str(droplet["id"])] = droplet
    cloud.join_project(f"do:droplet:{droplet['id']}")
    return droplet


def _placement(call: Call) -> tuple[catalog.Size, catalog.Image, str]:
    body = call.body
    size = catalog.SIZES.get(body.get("size", ""))
    if size is None:
        raise unprocessable("You specified an invalid size for Droplet creation.")
    image = catalog.find_image(body["image"]) if "image" in body else None
    if image is None:
        raise unprocessable("You specified an invalid image for Droplet creation.")
    if call.cloud.config.has_machines and image.slug != catalog.BOOTABLE_IMAGE:
        raise unprocessable(f"localcloud boots {catalog.BOOTABLE_IMAGE} only, not {image.slug}.")
    # The region may be left out, or be the start of a slug: the platform chooses.
    candidates = [slug for slug in size.regions if slug.startswith(body.get("region", ""))]
    if body.get("region") in catalog.OPEN_REGIONS and not candidates:
        raise unprocessable("Size is not available in this region.")
    if not candidates:
        raise unprocessable("You specified an invalid region for Droplet creation.")
    if size.disk < catalog.MIN_DISK:
        raise unprocessable("The image needs a larger disk than this size has.")
    return size, image, candidates[0]


def _authorized_keys(cloud: Cloud, wanted: list[int | str]) -> list[str]:
    found = [(item, find_key(cloud, item)) for item in wanted]
    if missing := [str(item) for item, key in found if key is None]:
        raise unprocessable(f"{', '.join(missing)} are invalid key identifiers for Droplet creation.")
    return [key["public_key"] for _, key in found if key is not None]


def _volumes(cloud: Cloud, ids: list[str], region: str, droplets: int) -> list[dict[str, Any]]:
    volumes = []
    for volume_id in dict.fromkeys(ids):
        volume = cloud.state["volumes"].get(volume_id)
        if volume is None:
            raise unprocessable(f"volume {volume_id} does not exist")
        check_can_attach(volume, region)
        volumes.append(volume)
    if volumes and droplets > 1:
        raise unprocessable("a volume can be attached to one droplet only")
    if len(volumes) > MAX_VOLUMES:
        raise unprocessable(f"a droplet can have {MAX_VOLUMES} volumes at most")
    return volumes


def check_can_attach(volume: dict[str, Any], region: str) -> None:
    """Whether a volume may go to a droplet in `region`."""
    if volume["locked"]:
        raise unprocessable("The volume already has a pending event.")
    if volume["droplet_id"] is not None:
        raise unprocessable("the volume is attached to a droplet already")
    if volume["region"] != region:
        raise unprocessable("the droplet and the volume must be in the same region")


def _backup_policy(given: dict[str, Any]) -> dict[str, Any]:
    policy = {"plan": "weekly", "weekday": "SUN", "hour": 0, **given}
    if (
        policy["plan"] not in ("daily", "weekly")
        or policy["weekday"] not in _WEEKDAYS
        or policy["hour"] not in range(0, 24, 4)
    ):
        raise unprocessable(
            "backup policy is invalid: plan daily or weekly, weekday SUN to SAT, hour 0, 4, 8, 12, 16, 20"
        )
    return policy


@transition
def droplet_created(cloud: Cloud, droplet_id: int, action_id: int) -> None:
    droplet = cloud.state["droplets"].get(str(droplet_id))
    if droplet is None:
        return
    failed = queue(droplet) in cloud.queues.failures
    finish_action(cloud, cloud.state["actions"][str(action_id)], errored=failed)
    droplet["locked"] = False
    if not failed:
        droplet["status"] = "active"


@route("GET", "/v2/droplets")
def list_droplets(call: Call) -> Answer:
    query = call.query
    if "tag_name" in query and "name" in query:
        raise bad_request("name and tag_name cannot be combined")
    found = list(call.cloud.state["droplets"].values())
    if "tag_name" in query:
        found = [droplet for droplet in found if query["tag_name"] in droplet["tags"]]
    if "name" in query:
        found = [droplet for droplet in found if droplet["name"].lower() == query["name"].lower()]
    if query.get("type") == "gpus":
        found = []
    return call.page("droplets", found, lambda droplet: render_droplet(call.cloud, droplet))


@route("GET", "/v2/droplets/{droplet}")
def get_droplet(call: Call) -> Answer:
    return 200, {"droplet": render_droplet(call.cloud, _droplet(call))}


@route("DELETE", "/v2/droplets")
def delete_tagged(call: Call) -> Answer:
    if not call.query.get("tag_name"):
        raise bad_request("tag_name is required")
    tagged = [d for d in call.cloud.state["droplets"].values() if call.query["tag_name"] in d["tags"]]
    for droplet in tagged:
        check_unlocked(droplet)
    for droplet in tagged:
        _delete(call.cloud, droplet)
    return 204, None


@route("DELETE", "/v2/droplets/{droplet}")
def delete_droplet(call: Call) -> Answer:
    droplet = _droplet(call)
    check_unlocked(droplet)
    _delete(call.cloud, droplet)
    return 204, None


def _delete(cloud: Cloud, droplet: dict[str, Any]) -> None:
    """The droplet is seen, locked, until it is really gone."""
    droplet["locked"] = True
    action = start_droplet_action(cloud, droplet, "destroy")
    latency = cloud.config.latencies.droplet_delete
    cloud.later(latency, droplet_deleted, droplet["id"], action["id"], queues=[queue(droplet)])


@transition
def droplet_deleted(cloud: Cloud, droplet_id: int, action_id: int) -> None:
    droplet = cloud.state["droplets"].pop(str(droplet_id))
    finish_action(cloud, cloud.state["actions"][str(action_id)])
    urn = f"do:droplet:{droplet_id}"
    cloud.leave_project(urn)
    latency = cloud.config.latencies.droplet_leaves_vpc
    vpcs.leave(cloud, urn, droplet["vpc_uuid"], droplet["name"], droplet["created_at"], latency, queue(droplet))
    for firewall in cloud.state["firewalls"].values():
        if droplet_id in firewall["droplet_ids"]:
            firewall["droplet_ids"].remove(droplet_id)
    for balancer in cloud.state["load_balancers"].values():
        if droplet_id in balancer["droplet_ids"]:
            balancer["droplet_ids"].remove(droplet_id)
    for owned in (*cloud.state["reserved_ips"].values(), *cloud.state["volumes"].values()):
        if owned["droplet_id"] == droplet_id:
            owned["droplet_id"] = None


# -- what belongs to a droplet ---------------------------------------------------------------------------------------


@route("GET", "/v2/droplets/{droplet}/firewalls")
def list_firewalls(call: Call) -> Answer:
    droplet, state = _droplet(call), call.cloud.state
    attached = [fw for fw in state["firewalls"].values() if droplet["id"] in effective_droplets(state, fw)]
    return call.page("firewalls", attached, render_firewall)


@route("GET", "/v2/droplets/{droplet}/neighbors")
def list_neighbors(call: Call) -> Answer:
    _droplet(call)
    return 200, {"droplets": []}


@route("GET", "/v2/droplets/{droplet}/backups/policy")
def get_backup_policy(call: Call) -> Answer:
    droplet = _droplet(call)
    if "backups" not in droplet["features"]:
        return 200, {"policy": {"droplet_id": droplet["id"], "backup_enabled": False}}
    policy = {**droplet["backup_policy"], "window_length_hours": 4, "retention_period_days": 28}
    if policy["plan"] == "daily":
        del policy["weekday"]
        policy["retention_period_days"] = 7
    window = _backup_window(call.cloud, droplet)
    record = {"droplet_id": droplet["id"], "backup_enabled": True, "backup_policy": policy}
    return 200, {"policy": {**record, "next_backup_window": window}}


@route("GET", "/v2/droplets/{droplet}/{what}")
def list_nothing(call: Call) -> Answer:
    """Snapshots, backups, kernels: there are none, but the lists are."""
    if call.params["what"] == "actions":
        return _list_actions(call)
    if call.params["what"] not in ("snapshots", "backups", "kernels"):
        raise not_found()
    _droplet(call)
    return call.page(call.params["what"], [])


# -- actions ---------------------------------------------------------------------------------------------------------

_ACTION = {
    "type": str,
    "name": str,
    "size": str,
    "disk": bool,
    "image": (str, int),
    "backup_policy": _BACKUP_POLICY,
}
# What each action asks of the droplet's status before.
_NEEDS_STATUS = {
    "power_on": "off",
    "power_off": "active",
    "shutdown": "active",
    "reboot": "active",
    "power_cycle": "active",
    "resize": "off",
}
_POWER = ("power_on", "power_off", "shutdown", "reboot", "power_cycle")
_OTHERS = ("resize", "rename", "enable_backups", "disable_backups", "change_backup_policy", "enable_ipv6")
# Real actions that need what localcloud has not: snapshots, other kernels, a mailbox for a new password.
_NOT_OFFERED = ("snapshot", "restore", "rebuild", "change_kernel", "password_reset", "enable_private_networking")


def check_unlocked(droplet: dict[str, Any]) -> None:
    if droplet["locked"]:
        raise unprocessable("Droplet already has a pending event.")


def _list_actions(call: Call) -> Answer:
    droplet = _droplet(call)
    return call.page("actions", actions_of(call.cloud, "droplet", droplet["id"]), render_action)


@route("GET", "/v2/droplets/{droplet}/actions/{action}")
def get_droplet_action(call: Call) -> Answer:
    action = find_action(call.cloud, call.params["action"], ("droplet", _droplet(call)["id"]))
    return 200, {"action": render_action(action)}


@route("POST", "/v2/droplets/{droplet}/actions", body=_ACTION)
def act(call: Call) -> Answer:
    return 201, {"action": render_action(_start(call, _droplet(call)))}


@route("POST", "/v2/droplets/actions", body=_ACTION)
def act_on_tagged(call: Call) -> Answer:
    if not call.query.get("tag_name"):
        raise bad_request("tag_name is required")
    tagged = [d for d in call.cloud.state["droplets"].values() if call.query["tag_name"] in d["tags"]]
    actions = []
    for droplet in tagged:
        try:
            actions.append(render_action(_start(call, droplet)))
        except ApiError as error:  # the others are acted upon all the same
            call.warnings.append(f"droplet {droplet['id']}: {error.message}")
    return 201, {"actions": actions}


def _start(call: Call, droplet: dict[str, Any]) -> dict[str, Any]:
    cloud, body = call.cloud, call.body
    call.require("type")
    kind = body["type"]
    if kind in _NOT_OFFERED:
        raise unprocessable(f"localcloud does not offer the action {kind}.")
    if kind not in (*_POWER, *_OTHERS):
        raise unprocessable(f"The action type '{kind}' is not valid.")
    check_unlocked(droplet)
    needed = _NEEDS_STATUS.get(kind)
    if needed and droplet["status"] != needed:
        wrong = {"off": "Droplet is currently running. Please power it off.", "active": "Droplet is not running."}
        message = "Droplet is already powered on." if kind == "power_on" else wrong[needed]
        raise unprocessable(message)
    change = _prepare(kind, droplet, body)
    droplet["locked"] = True
    action = start_droplet_action(cloud, droplet, kind)
    latencies = cloud.config.latencies
    seconds = latencies.droplet_resize if kind == "resize" else latencies.droplet_action
    if kind in _POWER and cloud.machines is not None:
        cloud.queues.run(queue(droplet), cloud.machines.power_droplet, droplet["id"], kind)
    cloud.later(seconds, action_done, droplet["id"], action["id"], change, queues=[queue(droplet)])
    return action


def _prepare(kind: str, droplet: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Check an action's arguments; return what it will have changed in the droplet."""
    features = droplet["features"]
    match kind:
        case "power_off" | "shutdown":
            return {"status": "off"}
        case "power_on":
            return {"status": "active"}
        case "rename":
            name = body.get("name", "")
            if not _NAME.fullmatch(name) or len(name) > 255:
                raise unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
            return {"name": name}
        case "resize":
            size = catalog.SIZES.get(body.get("size", ""))
            if size is None:
                raise unprocessable("You specified an invalid size for this Droplet.")
            if droplet["region"] not in size.regions:
                raise unprocessable("Size is not available in this region.")
            if size.slug == droplet["size"]:
                raise unprocessable("Droplet already has this size.")
            if size.disk < droplet["disk"]:
                raise unprocessable("This size is not available because it has a smaller disk.")
            return {"size": size.slug, "disk": size.disk if body.get("disk") else droplet["disk"]}
        case "enable_backups":
            policy = _backup_policy(body.get("backup_policy", {}))
            return {"features": sorted({*features, "backups"}), "backup_policy": policy}
        case "change_backup_policy":
            if "backups" not in features:
                raise unprocessable("Backups are not enabled for this Droplet.")
            return {"backup_policy": _backup_policy(body.get("backup_policy", {}))}
        case "disable_backups":
            return {"features": [feature for feature in features if feature != "backups"]}
        case "enable_ipv6":
            return {"features": sorted({*features, "ipv6"})}
    return {}


@transition
def action_done(cloud: Cloud, droplet_id: int, action_id: int, change: dict[str, Any]) -> None:
    droplet = cloud.state["droplets"].get(str(droplet_id))
    if droplet is None:
        return
    failed = cloud.queues.failures.pop(queue(droplet), None) is not None
    finish_action(cloud, cloud.state["actions"][str(action_id)], errored=failed)
    droplet["locked"] = False
    if not failed:
        droplet.update(change)


def power_changed(cloud: Cloud, droplet_id: int, status: str) -> None:
    """A droplet powered itself off, or came back from its own reboot."""
    droplet = cloud.state["droplets"].get(str(droplet_id))
    if droplet is not None and not droplet["locked"]:
        droplet["status"] = status
