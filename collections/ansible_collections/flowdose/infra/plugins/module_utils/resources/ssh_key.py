# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH keys that new droplets let in."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, ClassVar

from ..client import CloudError
from ..resource import NONE, Change, Cloud, Facts, Resource


class SshKey(Resource):
    kind = "ssh_key"
    plural = "ssh_keys"
    label = "SSH key"
    options: ClassVar = {
        "name": {"type": "str", "required": True},
        "public_key": {"type": "str", "no_log": False},
    }
    updates: ClassVar = {"name": NONE}
    immutable: ClassVar = {"public_key": "Give the new key another name, or delete the old one first (state: absent)."}
    required_for_create = ("public_key",)

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        if "public_key" in desired:
            fingerprint(desired["public_key"])
            desired["public_key"] = desired["public_key"].strip()
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        return {key: raw.get(key) for key in ("id", "name", "fingerprint", "public_key")}

    def matches(self, facts: Facts) -> bool:
        # An account has every key only once: the same key under another name is this one, to be renamed.
        named = bool(facts["name"] == self.name)
        if self.state == "absent" or "public_key" not in self.desired:
            return named
        return named or bool(facts["fingerprint"] == fingerprint(self.desired["public_key"]))

    def same(self, key: str, wanted: Any, found: Any) -> bool:
        if key == "public_key":  # the comment at the end does not count
            return fingerprint(wanted) == fingerprint(found)
        return super().same(key, wanted, found)

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        return cloud.client.list_all("list the SSH keys", "ssh_keys.list", "ssh_keys")

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self.client.find(f"read {self.title}", "ssh_keys.get", facts["id"])
        return found and found["ssh_key"]

    def create(self) -> dict[str, Any]:
        return self.client.call(f"create {self.title}", "ssh_keys.create", body=self.desired)["ssh_key"]

    def update(self, changes: dict[str, Change]) -> None:
        self.client.call(
            f"rename SSH key {self.existing['name']} to {self.name}",
            "ssh_keys.update",
            self.existing["id"],
            body={"name": self.name},
        )

    def delete(self, facts: Facts) -> None:
        self.client.call(f"delete {self.title}", "ssh_keys.delete", facts["id"])


def fingerprint(public_key: str) -> str:
    """MD5 of the key's binary form in pairs of hex digits: what DigitalOcean knows a key by."""
    parts = public_key.split()
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (IndexError, binascii.Error):
        raise CloudError(
            "public_key is not an OpenSSH public key", hint="It looks like: ssh-ed25519 AAAAC3Nz... comment"
        ) from None
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, 32, 2))
