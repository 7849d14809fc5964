# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects. Every resource is in exactly one; it can be moved, not taken out."""

from __future__ import annotations

import uuid
from typing import Any

from localcloud.cloud import Cloud
from localcloud.errors import conflict, not_found, precondition_failed, unprocessable
from localcloud.routing import Answer, Call, route

PURPOSES = {
    "Just trying out DigitalOcean",
    "Class project / Educational purposes",
    "Website or blog",
    "Web Application",
    "Service or API",
    "Mobile Application",
    "Machine learning / AI / Data processing",
    "IoT",
    "Operational / Developer tooling",
}
ENVIRONMENTS = ("Development", "Staging", "Production")
_BODY = {"name": str, "description": str, "purpose": str, "environment": str}
_UPDATE = {**_BODY, "is_default": bool}
# kind in a URN -> collection of the state
_ASSIGNABLE = {
    "droplet": "droplets",
    "dbaas": "databases",
    "domain": "domains",
    "loadbalancer": "load_balancers",
    "floatingip": "reserved_ips",
    "volume": "volumes",
    "space": None,
}
_PATHS = {"dbaas": "databases", "space": "spaces", "loadbalancer": "load_balancers", "floatingip": "floating_ips"}


def _project(call: Call) -> dict[str, Any]:
    return find_project(call.cloud, call.params.get("project", "default"))


def find_project(cloud: Cloud, project_id: str) -> dict[str, Any]:
    projects = cloud.state["projects"]
    if project_id == "default":
        return next(project for project in projects.values() if project["is_default"])
    if project_id not in projects:
        raise not_found()
    return projects[project_id]


def _checked(call: Call, own_id: str = "") -> dict[str, Any]:
    """The body's values, as they are kept."""
    body = dict(call.body)
    if "name" in body:
        if not 1 <= len(body["name"]) <= 175:
            raise unprocessable("name must be between 1 and 175 characters")
        others = [project for project in call.cloud.state["projects"].values() if project["id"] != own_id]
        if any(project["name"] == body["name"] for project in others):
            raise conflict("name is already in use")
    if len(body.get("description", "")) > 255:
        raise unprocessable("description must not be longer than 255 characters")
    if "purpose" in body:
        if not 1 <= len(body["purpose"]) <= 255:
            raise unprocessable("purpose must be between 1 and 255 characters")
        if body["purpose"] not in PURPOSES and not body["purpose"].startswith("Other: "):
            body["purpose"] = f"Other: {body['purpose']}"
    if body.get("environment", "") not in ("", *ENVIRONMENTS):
        raise unprocessable(f"environment must be one of {', '.join(ENVIRONMENTS)}")
    return body


@route("GET", "/v2/projects")
def list_projects(call: Call) -> Answer:
    return call.page("projects", call.cloud.state["projects"].values())


@route("POST", "/v2/projects", body=_BODY)
def create_project(call: Call) -> Answer:
    call.require("name", "purpose")
    now = call.cloud.timestamp()
    project = {
        "id": str(uuid.uuid4()),
        "owner_uuid": "00000000-0000-4000-8000-000000000001",
        "owner_id": 1,
        "description": "",
        "environment": "",
        **_checked(call),
        "is_default": False,
        "created_at": now,
        "updated_at": now,
    }
    project["environment"] = project["environment"] or "Development"
    call.cloud.state["projects"][project["id"]] = project
    return 201, {"project": project}


def _update(call: Call) -> Answer:
    project = _project(call)
    values = _checked(call, project["id"])
    if values.pop("is_default", False):
        find_project(call.cloud, "default")["is_default"] = False
        project["is_default"] = True
    project.update(values, updated_at=call.cloud.timestamp())
    return 200, {"project": project}


@route("PUT", "/v2/projects/{project}", body=_UPDATE)
def replace_project(call: Call) -> Answer:
    if missing := [key for key in _UPDATE if key not in call.body]:
        raise unprocessable(f"{', '.join(missing)} required: PUT replaces the whole project")
    return _update(call)


@route("PATCH", "/v2/projects/{project}", body=_UPDATE)
def update_project(call: Call) -> Answer:
    return _update(call)


@route("GET", "/v2/projects/{project}")
def get_project(call: Call) -> Answer:
    return 200, {"project": _project(call)}


@route("DELETE", "/v2/projects/{project}")
def delete_project(call: Call) -> Answer:
    project = _project(call)
    if project["is_default"]:
        raise precondition_failed("cannot delete the default project")
    if any(entry["project_id"] == project["id"] for entry in call.cloud.state["project_resources"].values()):
        raise precondition_failed("cannot delete a project with resources. move or remove the resources first")
    del call.cloud.state["projects"][project["id"]]
    return 204, None


def _self_link(call: Call, urn: str) -> str:
    _, kind, id = urn.split(":", 2)
    path = _PATHS.get(kind, f"{kind}s")
    return f"{call.base_url}/v2/{path}/{id}"


def _render(call: Call, urn: str, assigned_at: str, status: str) -> dict[str, Any]:
    return {"urn": urn, "assigned_at": assigned_at, "links": {"self": _self_link(call, urn)}, "status": status}


@route("GET", "/v2/projects/{project}/resources")
def list_resources(call: Call) -> Answer:
    project = _project(call)
    entries = call.cloud.state["project_resources"].items()
    mine = [(urn, entry["assigned_at"]) for urn, entry in entries if entry["project_id"] == project["id"]]
    return call.page("resources", mine, lambda item: _render(call, item[0], item[1], "ok"))


@route("POST", "/v2/projects/{project}/resources", body={"resources": [str]})
def assign_resources(call: Call) -> Answer:
    project = _project(call)
    return 200, {"resources": [_assign(call, project["id"], urn) for urn in call.body.get("resources", [])]}


def _assign(call: Call, project_id: str, urn: str) -> dict[str, Any]:
    cloud = call.cloud
    _, _, rest = urn.partition("do:")
    kind, _, id = rest.partition(":")
    if kind not in _ASSIGNABLE or not id:
        raise unprocessable(f"{urn} is not a resource that can be assigned")
    collection = _ASSIGNABLE[kind]
    # Buckets live in Spaces, of which the API knows the names only.
    if collection is not None and id not in cloud.state[collection]:
        return _render(call, urn, cloud.timestamp(), "not_found")
    entry = cloud.state["project_resources"].get(urn)
    if entry is not None and entry["project_id"] == project_id:
        return _render(call, urn, entry["assigned_at"], "already_assigned")
    cloud.join_project(urn, project_id)
    return _render(call, urn, cloud.timestamp(), "assigned")
