# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions: the long-running changes of droplets."""

from __future__ import annotations

from typing import Any

from localcloud import catalog
from localcloud.cloud import Cloud
from localcloud.errors import not_found

FIRST_ACTION_ID = 2_500_000_000  # real ids outgrew 32 bits


def start_action(cloud: Cloud, droplet: dict[str, Any], kind: str) -> dict[str, Any]:
    action = {
        "id": cloud.store.next_id("action", FIRST_ACTION_ID),
        "status": "in-progress",
        "type": kind,
        "started_at": cloud.timestamp(),
        "completed_at": None,
        "resource_id": droplet["id"],
        "region_slug": droplet["region"],
    }
    cloud.state["actions"][str(action["id"])] = action
    return action


def finish_action(cloud: Cloud, action: dict[str, Any], *, errored: bool = False) -> None:
    action["status"] = "errored" if errored else "completed"
    action["completed_at"] = cloud.timestamp()


def find_action(cloud: Cloud, action_id: str, droplet_id: int | None = None) -> dict[str, Any]:
    action: dict[str, Any] | None = cloud.state["actions"].get(action_id)
    if action is None or (droplet_id is not None and action["resource_id"] != droplet_id):
        raise not_found()
    return action


def render_action(action: dict[str, Any]) -> dict[str, Any]:
    return {**action, "resource_type": "droplet", "region": catalog.render_region(action["region_slug"])}
