# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spaces keys. The API tells the secret of a key once, when it is made; it goes into a file before anything else."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, ClassVar

from ..client import CloudError
from ..files import write_file
from ..resource import IRREVERSIBLE, NONE, Change, Cloud, Facts, Resource
from .spaces_bucket import SpacesBucket

FULL = "fullaccess"
EXCLUSIVE = (
    "DigitalOcean has either bucket policies or limited-access keys for a bucket. Remove the policy (and give the "
    "objects ACLs), or use a key with full access."
)


class SpacesKey(Resource):
    """`secret_file` holds `{"name", "access_key", "secret_key"}`, the last two null from before the key is asked for
    until its secret is there: a key that came to be without its secret being known is told by that, and made anew.
    """

    kind = "spaces_key"
    plural = "spaces_keys"
    label = "Spaces key"
    options: ClassVar = {
        "name": {"type": "str", "required": True},
        "grants": {
            "type": "list",
            "elements": "dict",
            "options": {
                "bucket": {"type": "str", "default": ""},
                "permission": {"type": "str", "required": True, "choices": ["read", "readwrite", FULL]},
            },
        },
        "secret_file": {"type": "path", "no_log": False},
    }
    updates: ClassVar = {"grants": NONE, "secret_file": NONE}
    required_for_create = ("grants", "secret_file")
    references: ClassVar = {"grants": SpacesBucket}
    delete_impact = IRREVERSIBLE  # no other key has its secret

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        if "grants" in desired:
            desired["grants"] = normalise_grants(desired["grants"])
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        """Never the secret."""
        return {
            "id": raw.get("access_key"),
            "name": raw.get("name"),
            "access_key": raw.get("access_key"),
            "grants": sorted(
                ({"bucket": g.get("bucket") or "", "permission": g["permission"]} for g in raw.get("grants") or []),
                key=str,
            ),
            "created_at": raw.get("created_at"),
        }

    @property
    def file(self) -> str | None:
        return os.path.abspath(self.desired["secret_file"]) if "secret_file" in self.desired else None

    def dependencies(self) -> list[tuple[type[Resource], str]]:
        return [(SpacesBucket, grant["bucket"]) for grant in self.desired.get("grants", []) if grant["bucket"]]

    def check_beside(self, others: Sequence[Resource]) -> None:
        limited = {grant["bucket"] for grant in self.desired.get("grants", [])} - {""}
        for other in others:
            if isinstance(other, SpacesBucket) and other.name in limited and other.desired.get("policy"):
                raise CloudError(f"it is limited to bucket {other.name}, which has a policy", hint=EXCLUSIVE)
            if isinstance(other, SpacesKey) and other is not self and self.file and other.file == self.file:
                raise CloudError(f"its secret_file is also that of key {other.name}")

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        return cloud.client.list_all("list the Spaces keys", "spaces_key.list", "keys")

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self.client.find(f"read {self.title}", "spaces_key.get", facts["id"])
        return found and found["key"]

    def details(self, facts: Facts) -> Facts:
        if "secret_file" not in self.desired:
            return {}
        file, kept = self.desired["secret_file"], self._kept()
        if kept.get("access_key") == facts["id"]:
            return {"secret_file": file}
        if kept and kept["access_key"] is None:
            return {"secret_file": None}  # asked for from here, and the answer never came: nobody has the secret
        raise self.fail(
            f"the key exists ({facts['id']}), but its secret is not in {file}",
            hint=f"Copy {file} from where the key was made. If the secret is lost, have the key deleted "
            "(state: absent) and made anew, which ends the access of all that use it.",
        )

    def preflight(self, changes: dict[str, Change]) -> None:
        if self.state == "absent":
            return
        if self.current is None:
            kept = self._kept()
            if kept and kept["name"] != self.name:
                raise CloudError(f"{self.desired['secret_file']} is in use: it holds the secret of key {kept['name']}")
        elif "grants" in changes and is_full(changes["grants"].before) != is_full(changes["grants"].after):
            raise self.fail(
                "a key cannot be changed between full access and access to some buckets",
                hint="Declare a key of another name, give it to what uses this one, then delete this one.",
            )

    def create(self) -> dict[str, Any]:
        body = {"name": self.name, "grants": {**(self.current or {}), **self.desired}["grants"]}
        self._keep(None, None)
        try:
            raw = self.cloud.settle(
                lambda: self.client.call(f"create {self.title}", "spaces_key.create", body=body)["key"],
                self._delete_lost,
            )
        except CloudError as error:
            if not error.ambiguous:
                os.unlink(self.desired["secret_file"])  # it was refused: there is no key to be told by this
            # What may have come of it is of no use, because its secret is not known: it is not to be looked for.
            error.ambiguous = False
            raise
        self._keep(raw["access_key"], raw["secret_key"])
        return raw

    def update(self, changes: dict[str, Change]) -> None:
        if "secret_file" in changes:
            self.delete(self.existing)
            self.current = self.flatten(self.create())
        elif "grants" in changes:
            body = {"name": self.name, "grants": changes["grants"].after}
            answer = self.client.call(f"update {self.title}", "spaces_key.update", self.existing["id"], body=body)
            if self.flatten(answer["key"])["grants"] != changes["grants"].after:
                raise self.fail(
                    "the API changed the key, but left its grants as they were",
                    hint="Declare a key of another name, give it to what uses this one, then delete this one.",
                )

    def delete(self, facts: Facts) -> None:
        self.client.find(f"delete {self.title}", "spaces_key.delete", facts["id"])
        if "secret_file" in self.desired and self._kept().get("access_key") == facts["id"]:
            os.unlink(self.desired["secret_file"])

    def _delete_lost(self) -> None:
        """Keys of this name that came of a request without an answer; there was none before."""
        for facts in self.observe_all(self.cloud, None):
            if facts["name"] == self.name:
                self.client.find(f"delete {self.title}, of which no secret came", "spaces_key.delete", facts["id"])

    def _kept(self) -> dict[str, Any]:
        """What the secret file holds, {} when there is none."""
        file = self.desired["secret_file"]
        try:
            with open(file, encoding="utf-8") as text:
                kept = json.load(text)
            return {key: kept[key] for key in ("name", "access_key", "secret_key")}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise CloudError(f"{file} cannot be read: {error.strerror}") from None
        except (ValueError, TypeError, KeyError):
            raise CloudError(
                f"{file} is not the secret file of a Spaces key, and is not written over", hint="Choose another place."
            ) from None

    def _keep(self, access_key: str | None, secret_key: str | None) -> None:
        kept = {"name": self.name, "access_key": access_key, "secret_key": secret_key}
        write_file(self.desired["secret_file"], json.dumps(kept, indent=2) + "\n", 0o600)


def is_full(grants: list[dict[str, str]]) -> bool:
    return any(grant["permission"] == FULL for grant in grants)


def normalise_grants(grants: list[dict[str, str]]) -> list[dict[str, str]]:
    if not grants:
        raise CloudError("grants is empty: a key that may do nothing is none")
    for grant in grants:
        if (grant["permission"] == FULL) != (grant["bucket"] == ""):
            raise CloudError(f"{FULL} is for all buckets and names none; read and readwrite are for one bucket each")
    if is_full(grants) and len(grants) > 1:
        raise CloudError(f"{FULL} goes with no other grant, and contains them all")
    buckets = [grant["bucket"] for grant in grants]
    if len(set(buckets)) < len(buckets):
        raise CloudError("grants names a bucket twice")
    return sorted(({"bucket": grant["bucket"], "permission": grant["permission"]} for grant in grants), key=str)
