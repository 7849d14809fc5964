# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS zones. A zone is often shared by environments, so that only its existence is declared, never its content."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from ..client import CloudError
from ..resource import Cloud, Facts, Resource

LABEL = r"[a-z0-9]([a-z0-9\-]{0,61}[a-z0-9])?"  # a part of a host name


class Domain(Resource):
    kind = "domain"
    plural = "domains"
    label = "domain"
    options: ClassVar = {"name": {"type": "str", "required": True}}
    stateful = True

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        desired["name"] = normalise_zone(desired["name"])
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        return {"id": raw.get("name"), "name": raw.get("name")}

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        return cloud.client.list_all("list the domains", "domains.list", "domains")

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self.client.find(f"read {self.title}", "domains.get", facts["name"])
        return found and found["domain"]

    def create(self) -> dict[str, Any]:
        return self.client.call(f"create {self.title}", "domains.create", body={"name": self.name})["domain"]

    def delete(self, facts: Facts) -> None:
        self.client.call(f"delete {self.title}", "domains.delete", facts["name"])


def normalise_zone(name: str) -> str:
    name = name.rstrip(".").lower()
    labels = name.split(".")
    if len(labels) < 2 or not all(re.fullmatch(LABEL, label) for label in labels):
        raise CloudError(f"domain {name!r} is not a domain name such as example.com")
    return name
