# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of DNS zones."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, ClassVar

from ..client import CloudError
from ..resource import NONE, Change, Cloud, Facts, Resource
from .domain import Domain, normalise_zone
from .droplet import Droplet
from .load_balancer import LoadBalancer
from .reserved_ip import ReservedIp

TYPES = ["A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT"]
SINGLE = ("A", "AAAA", "CNAME")  # of these a name mostly has one; of the others often several
HOST_DATA = ("CNAME", "MX", "NS", "SRV")  # their data is a host name
# What an A record can point to by name -> its kind, the fact that is its address
TARGETS: dict[str, tuple[type[Resource], str]] = {
    "droplet": (Droplet, "public_ipv4"),
    "load_balancer": (LoadBalancer, "ip"),
    "reserved_ip": (ReservedIp, "ip"),  # by the name of its droplet
}
RANGES = {
    "ttl": (30, 2**31 - 1),
    "priority": (0, 65535),
    "port": (0, 65535),
    "weight": (0, 65535),
    "flags": (0, 255),
}
_LABEL = r"[a-z0-9_]([a-z0-9_\-]{0,61}[a-z0-9_])?"  # underscores too: they begin the names of services
NAME = rf"@|(\*|{_LABEL})(\.{_LABEL})*"
CAA_TAGS = ("issue", "issuewild", "iodef")
NUMBERS = ("priority", "port", "weight", "flags")
NEEDED: dict[str, tuple[str, ...]] = {
    "MX": ("priority",),
    "SRV": ("priority", "port", "weight"),
    "CAA": ("flags", "tag"),
}


class DomainRecord(Resource):
    kind = "domain_record"
    plural = "domain_records"
    label = "record"
    options: ClassVar = {
        "domain": {"type": "str", "required": True},
        "type": {"type": "str", "required": True, "choices": TYPES},
        "name": {"type": "str", "default": "@"},
        "data": {"type": "str"},
        **{key: {"type": "str"} for key in TARGETS},
        "ttl": {"type": "int"},
        **{key: {"type": "int"} for key in NUMBERS},
        "tag": {"type": "str"},
        "exclusive": {"type": "bool"},
    }
    updates: ClassVar = {**dict.fromkeys(("data", "ttl", "tag", *NUMBERS), NONE)}
    references: ClassVar = {"domain": Domain, **{key: kind for key, (kind, _fact) in TARGETS.items()}}

    @property
    def name(self) -> str:
        name, domain = self.desired["name"], self.desired["domain"]
        title = f"{domain if name == '@' else f'{name}.{domain}'} {self.desired['type']}"
        return title if self.desired["exclusive"] else f"{title} {self.desired.get('data', '')}"

    @property
    def scope(self) -> str | None:
        return str(self.desired["domain"])

    @property
    def identity_value(self) -> tuple[Any, ...]:
        keys: tuple[str, ...] = ("domain", "type", "name")
        if not self.desired["exclusive"]:
            keys += ("data", *TARGETS)
        return tuple(self.desired.get(key) for key in keys)

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        type = desired["type"]
        desired["domain"] = normalise_zone(desired["domain"])
        desired["name"] = relative_name(desired.get("name", "@"), desired["domain"])
        desired.setdefault("exclusive", type in SINGLE)
        given = [key for key in ("data", *TARGETS) if key in desired]
        if len(given) > 1:
            raise CloudError(f"{' and '.join(given)} exclude each other")
        if not desired["exclusive"] and not given:
            raise CloudError(f"data must be given: it tells the {type} records of a name apart")
        if given and given != ["data"] and type != "A":
            raise CloudError(f"{given[0]} goes with type A, not {type}")
        if type == "CAA" and desired.get("tag", "issue") not in CAA_TAGS:
            raise CloudError(f"tag must be one of {', '.join(CAA_TAGS)}")
        missing = [key for key in NEEDED.get(type, ()) if key not in desired]
        if missing:
            raise CloudError(f"type {type} needs {', '.join(missing)}")
        for key, (least, most) in RANGES.items():
            if not least <= desired.get(key, least) <= most:
                raise CloudError(f"{key} must be between {least} and {most}")
        if "data" in desired:
            desired["data"] = normalise_data(type, desired["data"], desired["domain"])
        if not re.fullmatch(NAME, desired["name"]):
            raise CloudError(f"name {desired['name']!r} is not a name within a zone such as www, _sip._tcp, * or @")
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        keys = ("id", "type", "name", "data", "ttl", "tag", *NUMBERS)
        facts = {key: raw.get(key) for key in keys}
        if facts["type"] in HOST_DATA and facts["data"] not in (None, "@"):
            facts["data"] = facts["data"].rstrip(".").lower()
        return facts

    def matches(self, facts: Facts) -> bool:
        if (facts["type"], facts["name"]) != (self.desired["type"], self.desired["name"]):
            return False
        return bool(self.desired["exclusive"]) or facts["data"] == self._address_or_data()

    def resolve(self) -> None:
        target = self._target()
        if target:
            kind, name, _fact = target
            if (kind.kind, name) not in self.cloud.declared:
                self.cloud.require(kind, name)
            self.desired["data"] = self._address_or_data() or f"address of {kind.label} {name}"

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        if cloud.find(Domain, str(scope)) is None:
            return []
        return cloud.client.list_all(f"list the records of {scope}", "domains.list_records", "domain_records", scope)

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self.client.find(f"read {self.title}", "domains.get_record", self.scope, facts["id"])
        return found and found["domain_record"]

    def preflight(self, changes: dict[str, Change]) -> None:
        if self.current is None and not self.desired.keys() & {"data", *TARGETS}:
            raise CloudError(f"data, or one of {', '.join(TARGETS)}, must be given")

    def create(self) -> dict[str, Any]:
        answer = self.client.call(f"create {self.title}", "domains.create_record", self.scope, body=self._body())
        return answer["domain_record"]

    def update(self, changes: dict[str, Change]) -> None:
        self.client.call(
            f"update {self.title}", "domains.update_record", self.scope, self.existing["id"], body=self._body()
        )

    def delete(self, facts: Facts) -> None:
        self.client.call(f"delete {self.title}", "domains.delete_record", self.scope, facts["id"])

    def _address_or_data(self) -> Any:
        """None while what it points to does not exist yet, or has no address yet."""
        target = self._target()
        if target is None:
            return self.desired.get("data")
        kind, name, fact = target
        found = self.cloud.find(kind, name)
        return found and found[fact]

    def _target(self) -> tuple[type[Resource], str, str] | None:
        """What it points to by name: kind, name, the fact that is its address."""
        for key, (kind, fact) in TARGETS.items():
            if key in self.desired:
                return kind, self.desired[key], fact
        return None

    def _body(self) -> dict[str, Any]:
        body = {key: self.desired[key] for key in ("type", "name", "ttl", "tag", *NUMBERS) if key in self.desired}
        data = self._address_or_data()
        if data is None:
            target = self._target()
            if target is None:
                raise RuntimeError("a record without data, which preflight refuses")
            raise CloudError(f"{target[0].label} {target[1]} has no public address")
        # Written with the dot that makes a name absolute, and read back without it.
        type = self.desired["type"]
        absolute = type in HOST_DATA or (type == "CAA" and self.desired["tag"] != "iodef")
        body["data"] = f"{data}." if absolute and data != "@" else data
        return body


def relative_name(name: str, domain: str) -> str:
    """The name within its zone, @ for the zone itself. With a dot at the end it is absolute and must lie in it."""
    name = name.lower()
    if name in ("@", domain, f"{domain}."):
        return "@"
    if name.endswith(f".{domain}.") or name.endswith(f".{domain}"):
        return name.rstrip(".").removesuffix(f".{domain}")
    if name.endswith("."):
        raise CloudError(
            f"name {name} is not in the zone {domain}",
            hint=f"Records of {domain} end with .{domain}, or are given relative to it (www for www.{domain}).",
        )
    return name


def normalise_data(type: str, data: str, domain: str) -> str:
    if type in ("A", "AAAA"):
        try:
            address = ipaddress.ip_address(data)
        except ValueError:
            raise CloudError(f"data {data!r} is not an IP address") from None
        if address.version != (4 if type == "A" else 6):
            raise CloudError(f"data {data} does not go with type {type}")
        return str(address)
    if type in HOST_DATA:
        data = data.lower().rstrip(".")
        if not re.fullmatch(NAME, data):
            raise CloudError(f"data {data!r} is not a host name, which is what a record of type {type} leads to")
        return "@" if data == domain else data
    return data.rstrip(".") if type == "CAA" else data
