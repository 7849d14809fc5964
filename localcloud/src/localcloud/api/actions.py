# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions: the long-running changes of droplets, reserved IPs and volumes."""

from __future__ import annotations

from typing import Any

from localcloud import catalog
from localcloud.cloud import Cloud
from localcloud.errors import not_found

FIRST_ACTION_ID = 2_500_000_000  # real ids outgrew 32 bits


def start_action(
    cloud: Cloud, kind: str, resource_type: str, resource_id: int | None, region: str, *, volume_id: str = ""
) -> dict[str, Any]:
    """`resource_id` is None for volumes, whose ids are no numbers; `volume_id` says which one it is."""
    action: dict[str, Any] = {
        "id": cloud.store.next_id("action", FIRST_ACTION_ID),
        "status": "in-progress",
        "type": kind,
        "started_at": cloud.timestamp(),
        "completed_at": None,
        "resource_id": resource_id,
        "resource_type": resource_type,
        "region_slug": region,
        "volume_id": volume_id,
    }
    cloud.state["actions"][str(action["id"])] = action
    return action


def start_droplet_action(cloud: Cloud, droplet: dict[str, Any], kind: str) -> dict[str, Any]:
    return start_action(cloud, kind, "droplet", droplet["id"], droplet["region"])


def finish_action(cloud: Cloud, action: dict[str, Any], *, errored: bool = False) -> None:
    action["status"] = "errored" if errored else "completed"
    action["completed_at"] = cloud.timestamp()


def _owner(action: dict[str, Any]) -> tuple[str, int | str]:
    # An older state file has actions of droplets only, and does not say so.
    return action.get("resource_type", "droplet"), action.get("volume_id") or action["resource_id"]


def actions_of(cloud: Cloud, resource_type: str, id: int | str) -> list[dict[str, Any]]:
    """The actions of one resource, the latest first."""
    return [a for a in reversed(cloud.state["actions"].values()) if _owner(a) == (resource_type, id)]


def find_action(cloud: Cloud, action_id: str, owner: tuple[str, int | str] | None = None) -> dict[str, Any]:
    """`owner`: (resource type, id) that the action must belong to."""
    action: dict[str, Any] | None = cloud.state["actions"].get(action_id)
    if action is None or (owner is not None and _owner(action) != owner):
        raise not_found()
    return action


def render_action(action: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in action.items() if key != "volume_id"}
    return {"resource_type": "droplet", **shown, "region": catalog.render_region(action["region_slug"])}
