# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spaces access keys. The buckets themselves are spoken to by S3, at their own endpoint."""

from __future__ import annotations

import string
from typing import Any

from localcloud.cloud import random_text
from localcloud.errors import bad_request, not_found
from localcloud.routing import Answer, Call, route

MAX_KEYS = 200
_BODY = {"name": str, "grants": [{"bucket": str, "permission": str}]}
_PERMISSIONS = ("read", "readwrite", "fullaccess")


def _key(call: Call) -> dict[str, Any]:
    key: dict[str, Any] | None = call.cloud.state["spaces_keys"].get(call.params["key"])
    if key is None:
        raise not_found("key not found")
    return key


def _render(key: dict[str, Any]) -> dict[str, Any]:
    """Without the secret, which is told once, at creation."""
    return {name: value for name, value in key.items() if name != "secret_key"}


def _grants(call: Call) -> list[dict[str, str]]:
    grants: list[dict[str, str]] = call.body.get("grants", [])
    for grant in grants:
        if "bucket" not in grant:
            raise bad_request("each grant needs a bucket, be it '' for all")
        permission, bucket = grant.get("permission", ""), grant["bucket"]
        if permission not in _PERMISSIONS:
            raise bad_request(f"permission '{permission}' is invalid: {', '.join(_PERMISSIONS)}")
        if (permission == "fullaccess") != (bucket == ""):
            raise bad_request("fullaccess is for all buckets (bucket ''), read and readwrite are for one each")
    if len({grant["permission"] == "fullaccess" for grant in grants}) > 1:
        raise bad_request("cannot mix fullaccess permission with scoped permissions.")
    machines = call.cloud.machines
    with_policy = machines.buckets_with_policy() if machines is not None else frozenset()
    if taken := sorted(with_policy & {grant["bucket"] for grant in grants}):
        raise bad_request(
            f"a limited-access key cannot be made for a bucket that has a bucket policy: {', '.join(taken)}"
        )
    return grants


@route("GET", "/v2/spaces/keys")
def list_keys(call: Call) -> Answer:
    query, keys = call.query, list(call.cloud.state["spaces_keys"].values())
    if "name" in query:
        keys = [key for key in keys if key["name"] == query["name"]]
    for name in ("bucket", "permission"):
        if name in query:
            keys = [key for key in keys if any(grant[name] == query[name] for grant in key["grants"])]
    sort = query.get("sort", "created_at")
    if sort not in ("created_at", "name"):
        raise bad_request("sort must be created_at or name")
    keys.sort(key=lambda key: key[sort], reverse=query.get("sort_direction", "desc") == "desc")
    return call.page("keys", keys, _render)


@route("POST", "/v2/spaces/keys", body=_BODY)
def create_key(call: Call) -> Answer:
    if not call.body.get("name"):
        raise bad_request("name is required")
    keys = call.cloud.state["spaces_keys"]
    if len(keys) >= MAX_KEYS:
        raise bad_request(f"an account has {MAX_KEYS} keys at most")
    key = {
        "name": call.body["name"],
        "access_key": "DO" + random_text(18, string.ascii_uppercase + string.digits),
        "secret_key": random_text(43, string.ascii_letters + string.digits),
        "grants": _grants(call),
        "created_at": call.cloud.timestamp(),
    }
    keys[key["access_key"]] = key
    return 201, {"key": key}


@route("GET", "/v2/spaces/keys/{key}")
def get_key(call: Call) -> Answer:
    return 200, {"key": _render(_key(call))}


@route("PUT", "/v2/spaces/keys/{key}", body=_BODY)
@route("PATCH", "/v2/spaces/keys/{key}", body=_BODY)
def update_key(call: Call) -> Answer:
    key = _key(call)
    if "grants" in call.body:
        grants = _grants(call)
        full = [any(grant["permission"] == "fullaccess" for grant in some) for some in (grants, key["grants"])]
        if full[0] != full[1]:
            raise bad_request("a key cannot be changed between full access and limited access")
        key["grants"] = grants
    key["name"] = call.body.get("name") or key["name"]
    return 200, {"key": _render(key)}


@route("DELETE", "/v2/spaces/keys/{key}")
def delete_key(call: Call) -> Answer:
    del call.cloud.state["spaces_keys"][_key(call)["access_key"]]
    return 204, None
