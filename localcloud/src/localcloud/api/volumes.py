# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes and their actions.

They are resources of the API only: a container cannot be given a block device of its own, so no machine ever sees one.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from localcloud import catalog
from localcloud.api.actions import actions_of, find_action, finish_action, render_action, start_action
from localcloud.api.droplets import MAX_VOLUMES, check_can_attach, check_unlocked
from localcloud.api.droplets import queue as droplet_queue
from localcloud.api.tags import check_tag_names, ensure_tags
from localcloud.cloud import Cloud, transition
from localcloud.errors import conflict, not_found, unprocessable
from localcloud.routing import Answer, Call, route

MAX_SIZE = 16384  # GiB
_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
_LABEL_LENGTHS = {"ext4": 16, "xfs": 12}
_CREATE = {
    "name": str,
    "description": str,
    "region": str,
    "size_gigabytes": int,
    "snapshot_id": str,
    "filesystem_type": str,
    "filesystem_label": str,
    "tags": [str],
}
_ACTION = {"type": str, "droplet_id": int, "region": str, "size_gigabytes": int, "tags": [str]}


def _volume(call: Call) -> dict[str, Any]:
    volume: dict[str, Any] | None = call.cloud.state["volumes"].get(call.params["volume"])
    if volume is None:
        raise not_found()
    return volume


def _named(call: Call, name: str | None, region: str | None) -> dict[str, Any]:
    """The volume of that name in that region: together they identify one."""
    for volume in call.cloud.state["volumes"].values():
        if (volume["name"], volume["region"]) == (name, region):
            found: dict[str, Any] = volume
            return found
    raise not_found()


def urn(volume: dict[str, Any]) -> str:
    return f"do:volume:{volume['id']}"


def _render(volume: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in volume.items() if key not in ("droplet_id", "locked")}
    ids = [] if volume["droplet_id"] is None else [volume["droplet_id"]]
    return {**shown, "droplet_ids": ids, "region": catalog.render_region(volume["region"])}


# -- create, list, get, delete ---------------------------------------------------------------------------------------


@route("GET", "/v2/volumes")
def list_volumes(call: Call) -> Answer:
    found = list(call.cloud.state["volumes"].values())
    for key in ("name", "region"):
        if call.query.get(key):
            found = [volume for volume in found if volume[key] == call.query[key]]
    return call.page("volumes", found, _render)


def _check_size(size: int) -> None:
    if not 1 <= size <= MAX_SIZE:
        raise unprocessable(f"size_gigabytes must be between 1 and {MAX_SIZE}")


@route("POST", "/v2/volumes", body=_CREATE)
def create_volume(call: Call) -> Answer:
    call.require("name", "region", "size_gigabytes")
    cloud, body = call.cloud, call.body
    if not _NAME.fullmatch(body["name"]):
        raise unprocessable("name must begin with a letter and hold up to 64 lowercase letters, numbers and dashes")
    if body["region"] not in catalog.OPEN_REGIONS:
        raise unprocessable(f"region {body['region']} is not valid")
    _check_size(body["size_gigabytes"])
    if body.get("snapshot_id"):
        raise not_found("the snapshot could not be found")
    kind, label = body.get("filesystem_type", ""), body.get("filesystem_label", "")
    if kind not in ("", *_LABEL_LENGTHS):
        raise unprocessable("filesystem_type must be ext4 or xfs")
    if label and len(label) > _LABEL_LENGTHS.get(kind, 0):
        raise unprocessable("filesystem_label needs a filesystem_type, and is at most 16 (ext4) or 12 (xfs) characters")
    check_tag_names(body.get("tags", []))
    if any((v["name"], v["region"]) == (body["name"], body["region"]) for v in cloud.state["volumes"].values()):
        raise conflict("a volume with this name exists in the region already")
    volume: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "name": body["name"],
        "description": body.get("description", ""),
        "region": body["region"],
        "size_gigabytes": body["size_gigabytes"],
        "filesystem_type": kind,
        "filesystem_label": label,
        "tags": ensure_tags(cloud, body.get("tags", [])),
        "created_at": cloud.timestamp(),
        "droplet_id": None,
        "locked": False,
    }
    cloud.state["volumes"][volume["id"]] = volume
    cloud.join_project(urn(volume))
    return 201, {"volume": _render(volume)}


@route("GET", "/v2/volumes/{volume}")
def get_volume(call: Call) -> Answer:
    return 200, {"volume": _render(_volume(call))}


@route("DELETE", "/v2/volumes")
def delete_named_volume(call: Call) -> Answer:
    return _delete(call, _named(call, call.query.get("name"), call.query.get("region")))


@route("DELETE", "/v2/volumes/{volume}")
def delete_volume(call: Call) -> Answer:
    return _delete(call, _volume(call))


def _delete(call: Call, volume: dict[str, Any]) -> Answer:
    if volume["droplet_id"] is not None or volume["locked"]:
        raise conflict("attached volume cannot be deleted")
    del call.cloud.state["volumes"][volume["id"]]
    call.cloud.leave_project(urn(volume))
    return 204, None


# -- actions ---------------------------------------------------------------------------------------------------------


@route("GET", "/v2/volumes/{volume}/actions")
def list_volume_actions(call: Call) -> Answer:
    return call.page("actions", actions_of(call.cloud, "volume", _volume(call)["id"]), render_action)


@route("GET", "/v2/volumes/{volume}/actions/{action}")
def get_volume_action(call: Call) -> Answer:
    action = find_action(call.cloud, call.params["action"], ("volume", _volume(call)["id"]))
    return 200, {"action": render_action(action)}


@route("POST", "/v2/volumes/actions", body={**_ACTION, "volume_name": str})
def act_on_named_volume(call: Call) -> Answer:
    call.require("volume_name", "region")
    return _act(call, _named(call, call.body["volume_name"], call.body["region"]), ("attach", "detach"))


@route("POST", "/v2/volumes/{volume}/actions", body=_ACTION)
def act_on_volume(call: Call) -> Answer:
    return _act(call, _volume(call), ("attach", "detach", "resize"))


def _act(call: Call, volume: dict[str, Any], kinds: tuple[str, ...]) -> Answer:
    call.require("type")
    cloud, body, kind = call.cloud, call.body, call.body["type"]
    if kind not in kinds:
        raise unprocessable(f"type must be one of {', '.join(kinds)}")
    if body.get("region", volume["region"]) != volume["region"]:
        raise unprocessable(f"the volume is in {volume['region']}, not in {body['region']}")
    if volume["locked"]:
        raise unprocessable("The volume already has a pending event.")
    droplet: dict[str, Any] | None = None
    change: dict[str, Any] = {}
    match kind:
        case "resize":
            change = {"size_gigabytes": _larger_size(call, volume)}
            droplet = cloud.state["droplets"].get(str(volume["droplet_id"]))
            if droplet is not None:
                check_unlocked(droplet)
        case "attach":
            droplet = _droplet_to_attach(call, volume)
            change = {"droplet_id": droplet["id"]}
        case "detach":
            call.require("droplet_id")
            if volume["droplet_id"] != body["droplet_id"]:
                raise unprocessable("Attachment not found")
            droplet = cloud.state["droplets"][str(volume["droplet_id"])]
            check_unlocked(droplet)
            change = {"droplet_id": None}
    tags = ensure_tags(cloud, body.get("tags", []))
    volume["tags"] = list(dict.fromkeys([*volume["tags"], *tags]))
    return 202, {"action": render_action(_start(cloud, volume, kind, droplet, change))}


def _larger_size(call: Call, volume: dict[str, Any]) -> int:
    call.require("size_gigabytes")
    size: int = call.body["size_gigabytes"]
    _check_size(size)
    if size <= volume["size_gigabytes"]:
        raise unprocessable("size_gigabytes must be larger than the volume is: it cannot shrink")
    return size


def _droplet_to_attach(call: Call, volume: dict[str, Any]) -> dict[str, Any]:
    call.require("droplet_id")
    droplet: dict[str, Any] | None = call.cloud.state["droplets"].get(str(call.body["droplet_id"]))
    if droplet is None:
        raise unprocessable(f"Droplet {call.body['droplet_id']} does not exist")
    check_can_attach(volume, droplet["region"])
    check_unlocked(droplet)
    attached = [v for v in call.cloud.state["volumes"].values() if v["droplet_id"] == droplet["id"]]
    if len(attached) >= MAX_VOLUMES:
        raise unprocessable(f"a droplet can have {MAX_VOLUMES} volumes at most")
    return droplet


def _start(
    cloud: Cloud, volume: dict[str, Any], kind: str, droplet: dict[str, Any] | None, change: dict[str, Any]
) -> dict[str, Any]:
    action = start_action(cloud, f"{kind}_volume", "volume", None, volume["region"], volume_id=volume["id"])
    volume["locked"] = True
    queues = []
    if droplet is not None:
        droplet["locked"] = True
        queues = [droplet_queue(droplet)]
    droplet_id = None if droplet is None else droplet["id"]
    latency = cloud.config.latencies.volume_action
    cloud.later(latency, volume_changed, volume["id"], droplet_id, action["id"], change, queues=queues)
    return action


@transition
def volume_changed(
    cloud: Cloud, volume_id: str, droplet_id: int | None, action_id: int, change: dict[str, Any]
) -> None:
    droplet = cloud.state["droplets"].get(str(droplet_id))
    gone = droplet_id is not None and droplet is None
    finish_action(cloud, cloud.state["actions"][str(action_id)], errored=gone)
    if droplet is not None:
        droplet["locked"] = False
    volume = cloud.state["volumes"].get(volume_id)
    if volume is not None:
        volume["locked"] = False
        if not gone:
            volume.update(change)
