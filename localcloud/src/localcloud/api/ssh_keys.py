# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH keys."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from localcloud.cloud import Cloud
from localcloud.errors import not_found, unprocessable
from localcloud.routing import Answer, Call, route

FIRST_KEY_ID = 51_000_000
KEY_TYPES = {
    "ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
}  # fmt: skip


def fingerprint(public_key: str) -> str:
    """The MD5 fingerprint that DigitalOcean knows keys by."""
    words = public_key.split()
    if len(words) < 2 or words[0] not in KEY_TYPES:
        raise unprocessable("Key invalid, key should be of the format `ssh-rsa AAAA...`")
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        blob = b""
    # The blob names its type again, after that name's length in four bytes.
    if blob[4 : 4 + len(words[0])] != words[0].encode():
        raise unprocessable("Key invalid, key should be of the format `ssh-rsa AAAA...`")
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[start : start + 2] for start in range(0, 32, 2))


def find_key(cloud: Cloud, id_or_fingerprint: int | str) -> dict[str, Any] | None:
    wanted = str(id_or_fingerprint)
    keys = cloud.state["ssh_keys"]
    return keys.get(wanted) or next((key for key in keys.values() if key["fingerprint"] == wanted), None)


def _key(call: Call) -> dict[str, Any]:
    key = find_key(call.cloud, call.params["key"])
    if key is None:
        raise not_found()
    return key


@route("GET", "/v2/account/keys")
def list_keys(call: Call) -> Answer:
    return call.page("ssh_keys", call.cloud.state["ssh_keys"].values())


@route("POST", "/v2/account/keys", body={"name": str, "public_key": str})
def create_key(call: Call) -> Answer:
    if not call.body.get("name"):
        raise unprocessable("Name can't be blank")
    if not call.body.get("public_key"):
        raise unprocessable("Public key can't be blank")
    public_key = call.body["public_key"].strip()
    print_ = fingerprint(public_key)
    if find_key(call.cloud, print_) is not None:
        raise unprocessable("SSH Key is already in use on your account")
    key = {
        "id": call.cloud.store.next_id("ssh_key", FIRST_KEY_ID),
        "fingerprint": print_,
        "public_key": public_key,
        "name": call.body["name"],
    }
    call.cloud.state["ssh_keys"][str(key["id"])] = key
    return 201, {"ssh_key": key}


@route("GET", "/v2/account/keys/{key}")
def get_key(call: Call) -> Answer:
    return 200, {"ssh_key": _key(call)}


@route("PUT", "/v2/account/keys/{key}", body={"name": str})
def rename_key(call: Call) -> Answer:
    key = _key(call)
    if not call.body.get("name"):
        raise unprocessable("Name can't be blank")
    key["name"] = call.body["name"]
    return 200, {"ssh_key": key}


@route("DELETE", "/v2/account/keys/{key}")
def delete_key(call: Call) -> Answer:
    del call.cloud.state["ssh_keys"][str(_key(call)["id"])]
    return 204, None
