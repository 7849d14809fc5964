# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags. A resource holds the names of its tags; what a tag holds is derived from them."""

from __future__ import annotations

import re
from typing import Any

from localcloud.cloud import Cloud
from localcloud.errors import TagError, not_found, unprocessable
from localcloud.routing import Answer, Call, route

_NAME = re.compile(r"[a-zA-Z0-9_\-:]{1,255}")
# resource_type of the API -> collection of the state
_TAGGABLE = {"droplet": "droplets", "database": "databases", "volume": "volumes"}
_ABSENT = {"image": "images", "volume_snapshot": "volume_snapshots"}  # the account has none of its own


def check_tag_names(names: list[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise unprocessable(f"Tag name '{name}' is invalid: letters, numbers, colons, dashes and underscores only")


def ensure_tags(cloud: Cloud, names: list[str]) -> list[str]:
    """Create the tags that are new; return the names as first written: capitals do not make another tag."""
    check_tag_names(names)
    return list(dict.fromkeys(cloud.state["tags"].setdefault(name.lower(), name) for name in names))


def require_tags(cloud: Cloud, names: list[str]) -> list[str]:
    """For those places where a tag must exist already, such as firewalls."""
    known = cloud.state["tags"]
    if missing := [name for name in names if name.lower() not in known]:
        raise unprocessable(f"tag {', '.join(missing)} does not exist")
    return list(dict.fromkeys(known[name.lower()] for name in names))


def _tag(call: Call) -> str:
    name: str = call.params["tag"]
    if call.cloud.state["tags"].get(name.lower()) != name:
        raise not_found()
    return name


def _render(call: Call, name: str) -> dict[str, Any]:
    resources: dict[str, Any] = {"count": 0}
    for collection in _TAGGABLE.values():
        ids = [item["id"] for item in call.cloud.state[collection].values() if name in item["tags"]]
        resources[collection] = {"count": len(ids)}
        resources["count"] += len(ids)
        if ids:
            uri = f"{call.base_url}/v2/{collection}/{ids[-1]}"
            resources[collection]["last_tagged_uri"] = resources["last_tagged_uri"] = uri
    resources |= {collection: {"count": 0} for collection in _ABSENT.values()}
    return {"name": name, "resources": resources}


@route("GET", "/v2/tags")
def list_tags(call: Call) -> Answer:
    return call.page("tags", call.cloud.state["tags"].values(), lambda name: _render(call, name))


@route("POST", "/v2/tags", body={"name": str})
def create_tag(call: Call) -> Answer:
    if not _NAME.fullmatch(call.body.get("name", "")):
        raise TagError("name is invalid: 1 to 255 letters, numbers, colons, dashes and underscores")
    (name,) = ensure_tags(call.cloud, [call.body["name"]])
    return 201, {"tag": _render(call, name)}


@route("GET", "/v2/tags/{tag}")
def get_tag(call: Call) -> Answer:
    return 200, {"tag": _render(call, _tag(call))}


@route("DELETE", "/v2/tags/{tag}")
def delete_tag(call: Call) -> Answer:
    name = _tag(call)
    state = call.cloud.state
    del state["tags"][name.lower()]
    for collection in (*_TAGGABLE.values(), "firewalls"):
        for item in state[collection].values():
            if name in item["tags"]:
                item["tags"].remove(name)
    for balancer in state["load_balancers"].values():
        if balancer["tag"] == name:
            balancer["tag"] = ""
    return 204, None


_RESOURCES = {"resources": [{"resource_id": str, "resource_type": str}]}


def _resources(call: Call) -> list[dict[str, Any]]:
    call.require("resources")
    found = []
    for resource in call.body["resources"]:
        kind, id = resource.get("resource_type", ""), resource.get("resource_id", "")
        if kind not in _TAGGABLE and kind not in _ABSENT:
            raise unprocessable(f"resource type '{kind}' cannot be tagged")
        item = call.cloud.state[_TAGGABLE[kind]].get(id) if kind in _TAGGABLE else None
        if item is None:
            raise not_found(f"{kind} {id} could not be found")
        found.append(item)
    return found


@route("POST", "/v2/tags/{tag}/resources", body=_RESOURCES)
def tag_resources(call: Call) -> Answer:
    name = _tag(call)
    for item in _resources(call):
        if name not in item["tags"]:
            item["tags"].append(name)
    return 204, None


@route("DELETE", "/v2/tags/{tag}/resources", body=_RESOURCES)
def untag_resources(call: Call) -> Answer:
    name = _tag(call)
    for item in _resources(call):
        if name in item["tags"]:
            item["tags"].remove(name)
    return 204, None
