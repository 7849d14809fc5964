# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was declared when it was last applied: tells a change of the data from a drift of what they describe.

Not a state: without the file a plan is the same, only its "why" is not known. The file holds, per resource and key, a
keyed digest of the declared value; the key is random and in the file, which only its owner can read. Secrets are left
out altogether (`without_secrets`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable
from typing import Any

from .client import CloudError
from .files import write_file
from .resource import Facts, Resource, without_secrets

NEW, CONFIGURATION, DRIFT, UNKNOWN = "new", "configuration changed", "drift", "not known"
VERSION = 1
ALL = ""  # stands for all keys of a resource together


class Applied:
    """Use: `why` while planning, `save` after applying. Without a path nothing is known, and nothing kept."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._key = secrets.token_hex(32)
        self._digests: dict[str, dict[str, str]] | None = None
        if path and os.path.exists(path):
            try:
                with open(path, encoding="utf-8") as file:
                    content = json.load(file)
                if content["version"] != VERSION:
                    raise ValueError(f"version {content['version']}, not {VERSION}")
                self._key, self._digests = str(content["key"]), dict(content["resources"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise CloudError(
                    f"applied_file {path} cannot be read: {error}",
                    hint="Delete it: the next plan says `not known` where it would have said why, no more is lost.",
                ) from None

    def why(self, resource: Resource, key: str) -> str:
        """Why the value of `key` is another one than declared."""
        if self._digests is None:
            return UNKNOWN
        before = self._digests.get(_id(resource), {})
        # What is declared by another key, as a record's data by its droplet, is as new as the whole of it.
        key = key if key in resource.declared else ALL
        return DRIFT if before.get(key) == self._digest(resource).get(key) else CONFIGURATION

    def why_missing(self, resource: Resource) -> str:
        """Why a resource that is declared does not exist."""
        return DRIFT if _id(resource) in (self._digests or {}) else NEW

    def save(self, made: Iterable[Resource], declared: Iterable[Resource]) -> None:
        """`made` are as declared now; of what failed the earlier declaration is kept."""
        if self._path is None:
            return
        before = self._digests or {}
        kept = {_id(resource): before[_id(resource)] for resource in declared if _id(resource) in before}
        for resource in made:
            if resource.state == "present":
                kept[_id(resource)] = self._digest(resource)
            else:
                kept.pop(_id(resource), None)
        content = {"version": VERSION, "key": self._key, "resources": kept}
        write_file(self._path, json.dumps(content, indent=1, sort_keys=True) + "\n", 0o600)

    def _digest(self, resource: Resource) -> dict[str, str]:
        declared = without_secrets(resource.options, resource.declared)
        values: Facts = {**declared, ALL: declared}
        return {key: self._hmac(_id(resource), key, value) for key, value in values.items()}

    def _hmac(self, *parts: Any) -> str:
        text = json.dumps(parts, sort_keys=True, default=str)
        return hmac.new(bytes.fromhex(self._key), text.encode(), hashlib.sha256).hexdigest()[:32]


def _id(resource: Resource) -> str:
    return f"{resource.kind}:{resource.name}"
