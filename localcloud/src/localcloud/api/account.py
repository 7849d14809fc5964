# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Account, regions, sizes, images, actions."""

from __future__ import annotations

from localcloud import catalog
from localcloud.alerting import ACCOUNT_EMAIL
from localcloud.api.actions import find_action, render_action
from localcloud.errors import not_found
from localcloud.routing import Answer, Call, route


@route("GET", "/v2/account")
def get_account(call: Call) -> Answer:
    account = {
        "uuid": "00000000-0000-4000-8000-000000000001",
        "name": "localcloud",
        "email": ACCOUNT_EMAIL,
        "email_verified": True,
        "droplet_limit": call.cloud.config.droplet_limit,
        "floating_ip_limit": 3,
        "status": "active",
        "status_message": "",
        "team": {"uuid": "00000000-0000-4000-8000-000000000002", "name": "localcloud"},
    }
    return 200, {"account": account}


@route("GET", "/v2/regions")
def list_regions(call: Call) -> Answer:
    return call.page("regions", catalog.REGION_NAMES, catalog.render_region)


@route("GET", "/v2/sizes")
def list_sizes(call: Call) -> Answer:
    return call.page("sizes", catalog.SIZES.values(), catalog.render_size)


@route("GET", "/v2/images")
def list_images(call: Call) -> Answer:
    """All images are public distributions: there are none of the account's own, of applications or with tags."""
    nothing = call.query.get("private") == "true" or call.query.get("type") == "application" or "tag_name" in call.query
    return call.page("images", [] if nothing else catalog.IMAGES.values(), catalog.render_image)


@route("GET", "/v2/images/{image_id}")
def get_image(call: Call) -> Answer:
    image = catalog.find_image(call.params["image_id"])
    if image is None:
        raise not_found()
    return 200, {"image": catalog.render_image(image)}


@route("GET", "/v2/actions")
def list_actions(call: Call) -> Answer:
    return call.page("actions", reversed(call.cloud.state["actions"].values()), render_action)


@route("GET", "/v2/actions/{action_id}")
def get_action(call: Call) -> Answer:
    return 200, {"action": render_action(find_action(call.cloud, call.params["action_id"]))}
