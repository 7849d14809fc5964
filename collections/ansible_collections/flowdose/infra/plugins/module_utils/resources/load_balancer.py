# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers: one address for several droplets, and the end of TLS."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, ClassVar

from ..actions import when_free
from ..catalog import check_region
from ..client import CloudError
from ..resource import NONE, Change, Cloud, Facts, Resource
from .certificate import Certificate
from .droplet import Droplet, normalise_tags
from .vpc import Vpc

REPLACE = (
    "A load balancer is not replaced, because its address would change. Declare one with another name, let the domain "
    "records name that one, and delete the old one (state: absent) when their TTL is over. Or put into the data what "
    "this one has, and it stays."
)
ENTRY_PROTOCOLS = ["http", "https", "http2", "http3", "tcp", "udp"]
TARGET_PROTOCOLS = ["http", "https", "http2", "tcp", "udp"]
ENCRYPTED = ("https", "http2", "http3")  # entries that end TLS, or pass it through
SIZES = ["lb-small", "lb-medium", "lb-large"]
OLD_SIZE_REGIONS = ("ams2", "nyc2", "sfo1")  # where size_unit did not take the place of size
MAX_DROPLETS = 10  # by name
RULE_OPTIONS: dict[str, Any] = {
    "entry_protocol": {"type": "str", "required": True, "choices": ENTRY_PROTOCOLS},
    "entry_port": {"type": "int", "required": True},
    "target_protocol": {"type": "str", "required": True, "choices": TARGET_PROTOCOLS},
    "target_port": {"type": "int", "required": True},
    "certificate": {"type": "str"},
    "tls_passthrough": {"type": "bool", "default": False},
}
HEALTH_CHECK_OPTIONS: dict[str, Any] = {
    "protocol": {"type": "str", "choices": ["http", "https", "tcp"]},
    "port": {"type": "int"},
    "path": {"type": "str"},
    "check_interval_seconds": {"type": "int"},
    "response_timeout_seconds": {"type": "int"},
    "healthy_threshold": {"type": "int"},
    "unhealthy_threshold": {"type": "int"},
}
STICKY_OPTIONS: dict[str, Any] = {
    "type": {"type": "str", "required": True, "choices": ["cookies", "none"]},
    "cookie_name": {"type": "str"},
    "cookie_ttl_seconds": {"type": "int"},
}
FIREWALL_OPTIONS: dict[str, Any] = {
    "allow": {"type": "list", "elements": "str", "default": []},
    "deny": {"type": "list", "elements": "str", "default": []},
}
# What the API takes (inclusive): key -> least, most
RANGES = {
    "size_unit": (1, 100),
    "http_idle_timeout_seconds": (30, 600),
    "port": (1, 65535),
    "entry_port": (1, 65535),
    "target_port": (1, 65535),
    "check_interval_seconds": (3, 300),
    "response_timeout_seconds": (3, 300),
    "healthy_threshold": (2, 10),
    "unhealthy_threshold": (2, 10),
    "cookie_ttl_seconds": (1, 2**31 - 1),
}
SWITCHES = (
    "redirect_http_to_https",
    "enable_proxy_protocol",
    "enable_backend_keepalive",
    "disable_lets_encrypt_dns_records",
)
SETTINGS = (*SWITCHES, "size", "size_unit", "http_idle_timeout_seconds", "tls_cipher_policy")  # alike here and there
FIXED = ("type", "network", "network_stack")
NOT_SENT = ("id", "ip", "ipv6", "status", "created_at", "algorithm")  # read-only, or not to be chosen any more


class LoadBalancer(Resource):
    kind = "load_balancer"
    plural = "load_balancers"
    label = "load balancer"
    options: ClassVar = {
        "name": {"type": "str", "required": True},
        "region": {"type": "str"},
        "vpc": {"type": "str"},
        "type": {"type": "str", "choices": ["REGIONAL", "REGIONAL_NETWORK"]},
        "network": {"type": "str", "choices": ["EXTERNAL", "INTERNAL"]},
        "network_stack": {"type": "str", "choices": ["IPV4", "DUALSTACK"]},
        "size": {"type": "str", "choices": SIZES},
        "size_unit": {"type": "int"},
        "droplets": {"type": "list", "elements": "str"},
        "tag": {"type": "str"},
        "forwarding_rules": {"type": "list", "elements": "dict", "options": RULE_OPTIONS},
        "health_check": {"type": "dict", "options": HEALTH_CHECK_OPTIONS},
        "sticky_sessions": {"type": "dict", "options": STICKY_OPTIONS},
        "firewall": {"type": "dict", "options": FIREWALL_OPTIONS},
        **{key: {"type": "bool"} for key in SWITCHES},
        "http_idle_timeout_seconds": {"type": "int"},
        "tls_cipher_policy": {"type": "str", "choices": ["DEFAULT", "STRONG"]},
    }
    updates: ClassVar = dict.fromkeys(
        ("name", "droplets", "tag", "forwarding_rules", "health_check", "sticky_sessions", "firewall", *SETTINGS), NONE
    )
    immutable: ClassVar = dict.fromkeys(("region", "vpc", *FIXED), REPLACE)
    required_for_create = ("region", "forwarding_rules")
    references: ClassVar = {"vpc": Vpc, "droplets": Droplet, "forwarding_rules": Certificate}

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        for first, second in (("droplets", "tag"), ("size", "size_unit")):
            if first in desired and second in desired:
                raise CloudError(f"{first} and {second} exclude each other")
        for key in ("health_check", "sticky_sessions"):
            if key in desired:
                desired[key] = {name: value for name, value in desired[key].items() if value is not None}
                check_ranges(desired[key], f"{key}.")
        check_ranges(desired)
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9.\-]{0,254}", desired["name"]):
            raise CloudError("the name of a load balancer has letters, digits, hyphens and dots only")
        if "droplets" in desired:
            desired["droplets"] = sorted(set(desired["droplets"]))
            if len(desired["droplets"]) > MAX_DROPLETS:
                raise CloudError(f"a load balancer takes {MAX_DROPLETS} droplets by name at most: use tag for more")
        if "tag" in desired:
            normalise_tags([desired["tag"]])
        check = desired.get("health_check", {})
        if not check.get("path", "/").startswith("/"):
            raise CloudError("health_check.path must start with a slash")
        if "path" in check and check.get("protocol") == "tcp":
            raise CloudError("health_check.path goes with protocol http or https")
        if "sticky_sessions" in desired:
            check_sticky_sessions(desired["sticky_sessions"])
        if "firewall" in desired:
            sources = desired["firewall"]
            desired["firewall"] = {
                key: sorted({normalise_address(source, "firewall: address") for source in sources[key]})
                for key in FIREWALL_OPTIONS
            }
        if "forwarding_rules" in desired:
            check_rules(desired["forwarding_rules"], desired.get("type"))
            desired["forwarding_rules"] = normalise_rules(desired["forwarding_rules"])
            check_redirect(desired)
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        tag = raw.get("tag") or None
        firewall = raw.get("firewall") or {}
        return {
            "id": raw.get("id"),
            "name": raw.get("name"),
            "status": raw.get("status"),
            "ip": raw.get("ip") or None,
            "ipv6": raw.get("ipv6") or None,
            "region": (raw.get("region") or {}).get("slug"),
            "vpc_uuid": raw.get("vpc_uuid"),
            "project_id": raw.get("project_id"),
            "droplet_ids": sorted(raw.get("droplet_ids") or []),
            "tag": tag,
            **{key: raw.get(key) for key in FIXED},
            **{key: raw.get(key) for key in SETTINGS},
            **{key: dict(raw.get(key) or {}) for key in ("health_check", "sticky_sessions")},
            "firewall": {
                key: sorted(
                    shown_address(source.removeprefix("ip:").removeprefix("cidr:"))
                    for source in firewall.get(key) or []
                )
                for key in FIREWALL_OPTIONS
            },
            # ids of certificates here; `details` puts the names in their place
            "forwarding_rules": normalise_rules(
                [{**rule, "certificate": rule.get("certificate_id")} for rule in raw.get("forwarding_rules") or []]
            ),
        }

    @classmethod
    def ready(cls, facts: Facts) -> bool:
        return bool(facts["status"] == "active" and facts["ip"])

    @classmethod
    def broken(cls, facts: Facts) -> tuple[str, str] | None:
        if facts["status"] != "errored":
            return None
        return (
            "its status is errored: DigitalOcean could not make it",
            "Its history in the control panel may say why. Delete it (state: absent), then run again.",
        )

    def same(self, key: str, wanted: Any, found: Any) -> bool:
        if key in ("health_check", "sticky_sessions"):  # what is not named in them is not compared
            return all((found or {}).get(name) == value for name, value in wanted.items())
        return super().same(key, wanted, found)

    def dependencies(self) -> list[tuple[type[Resource], str]]:
        found: list[tuple[type[Resource], str]] = [(Vpc, self.desired["vpc"])] if "vpc" in self.desired else []
        found += [(Droplet, name) for name in self.desired.get("droplets", [])]
        rules = self.desired.get("forwarding_rules", [])
        names = dict.fromkeys(rule["certificate"] for rule in rules if rule["certificate"])
        return found + [(Certificate, name) for name in names]

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        return cloud.client.list_all("list the load balancers", "load_balancers.list", "load_balancers")

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self.client.find(f"read {self.title}", "load_balancers.get", facts["id"])
        return found and found["load_balancer"]

    def details(self, facts: Facts) -> Facts:
        found: Facts = {}
        if "vpc" in self.desired:
            found["vpc"] = self.cloud.name_of(Vpc, facts["vpc_uuid"])
        if "droplets" in self.desired:
            # Those that a tag chooses are not a list to compare with.
            names = [self.cloud.name_of(Droplet, id) for id in facts["droplet_ids"]]
            found["droplets"] = None if facts["tag"] else sorted(names)
        if any(rule["certificate"] for rule in facts["forwarding_rules"]):
            found["forwarding_rules"] = [
                {**rule, "certificate": rule["certificate"] and self.cloud.name_of(Certificate, rule["certificate"])}
                for rule in facts["forwarding_rules"]
            ]
        return found

    def preflight(self, changes: dict[str, Change]) -> None:
        if self.current is None and self.state == "present":
            check_region(self.cloud, self.desired["region"])
        if self.state == "present":
            check_redirect({**(self.current or {}), **self.desired})
        if "droplets" in changes:
            self._check_droplets()

    def _check_droplets(self) -> None:
        """Refuse those that are in another network; of what does not exist yet, that is not known yet."""
        if self.current:
            network = self.current["vpc_uuid"]
        elif "vpc" in self.desired:
            network = (self.cloud.find(Vpc, self.desired["vpc"]) or {}).get("id")
        else:
            here = [vpc for vpc in self.cloud.all(Vpc) if vpc["region"] == self.desired["region"] and vpc["default"]]
            network = here[0]["id"] if here else None
        for name in self.desired["droplets"]:
            droplet = self.cloud.find(Droplet, name)
            if droplet and network and droplet["vpc_uuid"] != network:
                theirs, ours = (self.cloud.name_of(Vpc, id) for id in (droplet["vpc_uuid"], network))
                raise self.fail(
                    f"droplet {name} is in VPC {theirs}, and the load balancer in {ours}",
                    hint="A load balancer reaches the droplets of its own VPC only: set `vpc`, or take others.",
                )

    def create(self) -> dict[str, Any]:
        body = {"name": self.name, "region": self.desired["region"], **self._wanted({})}
        body |= {key: self.desired[key] for key in FIXED if key in self.desired}
        if "vpc" in self.desired:
            body["vpc_uuid"] = self.cloud.require(Vpc, self.desired["vpc"])["id"]
        return self.client.call(f"create {self.title}", "load_balancers.create", body=body)["load_balancer"]

    def update(self, changes: dict[str, Change]) -> None:
        """Everything as it is now but what changes: a PUT resets what it does not name."""
        raw = self.read(self.existing)
        if raw is None:
            raise self.fail("it does not exist any more", hint="Run again to create it.")
        body = {key: value for key, value in raw.items() if key not in NOT_SENT and value is not None}
        body |= {"name": self.name, "region": self.existing["region"]}
        for key in ("tag", "droplet_ids"):  # one of the two
            body.pop(key, None)
        body |= self._wanted(raw)
        # Also these two are one setting, and only in answers both.
        body.pop("size_unit" if "size" in self.desired or body["region"] in OLD_SIZE_REGIONS else "size", None)
        attempted, id = f"update {self.title}", self.existing["id"]
        try:
            when_free(
                self.cloud, self.title, lambda: self.client.call(attempted, "load_balancers.update", id, body=body)
            )
        except CloudError as error:
            if error.status == 422 and changes.keys() & {"size", "size_unit"}:
                error.hint = "A load balancer is resized once per hour at most, and not in its first hour."
            raise

    def delete(self, facts: Facts) -> None:
        self.client.call(f"delete {self.title}", "load_balancers.delete", facts["id"])

    def _wanted(self, raw: dict[str, Any]) -> dict[str, Any]:
        """The declared part of a body, on top of the API's object as it is ({} when it does not exist)."""
        body: dict[str, Any] = {key: self.desired[key] for key in SETTINGS if key in self.desired}
        if "forwarding_rules" in self.desired:
            body["forwarding_rules"] = [self._rule(rule) for rule in self.desired["forwarding_rules"]]
        if "health_check" in self.desired:
            check = {**(raw.get("health_check") or {}), **self.desired["health_check"]}
            if check.get("protocol") == "tcp":
                check.pop("path", None)
            body["health_check"] = check
        if "sticky_sessions" in self.desired:
            body["sticky_sessions"] = self.desired["sticky_sessions"]
        if "firewall" in self.desired:
            body["firewall"] = {
                key: [f"cidr:{source}" if "/" in source else f"ip:{source}" for source in sources]
                for key, sources in self.desired["firewall"].items()
            }
        tag = self.desired.get("tag") or (raw.get("tag") if "droplets" not in self.desired else None)
        if tag:
            self.cloud.ensure_tags([tag])
            body["tag"] = tag
        elif "droplets" in self.desired:
            body["droplet_ids"] = [self.cloud.require(Droplet, name)["id"] for name in self.desired["droplets"]]
        else:
            body["droplet_ids"] = raw.get("droplet_ids") or []
        return body

    def _rule(self, rule: dict[str, Any]) -> dict[str, Any]:
        body = {key: value for key, value in rule.items() if key != "certificate"}
        if rule["certificate"]:
            body["certificate_id"] = self.cloud.require(Certificate, rule["certificate"])["id"]
        return body


def check_ranges(values: Facts, prefix: str = "") -> None:
    for key, (least, most) in RANGES.items():
        value = values.get(key)
        if value is not None and not least <= value <= most:
            raise CloudError(f"{prefix}{key} must be between {least} and {most}, not {value}")


def check_redirect(balancer: Facts) -> None:
    entries = {rule["entry_protocol"] for rule in balancer["forwarding_rules"] if rule["entry_port"] == 443}
    if balancer.get("redirect_http_to_https") and not entries.intersection(ENCRYPTED):
        raise CloudError("redirect_http_to_https needs a forwarding rule for https on port 443 to redirect to")


def check_sticky_sessions(sticky: Facts) -> None:
    cookie = {"cookie_name", "cookie_ttl_seconds"}
    if sticky["type"] == "cookies" and not cookie <= sticky.keys():
        raise CloudError("sticky_sessions of type cookies need cookie_name and cookie_ttl_seconds")
    if sticky["type"] == "none" and cookie & sticky.keys():
        raise CloudError("sticky_sessions of type none take neither cookie_name nor cookie_ttl_seconds")
    if not re.fullmatch(r"[a-zA-Z0-9_\-]{2,40}", sticky.get("cookie_name", "ok")):
        raise CloudError("sticky_sessions.cookie_name must have 2 to 40 letters, digits, hyphens and underscores")


def check_rules(rules: list[dict[str, Any]], type: str | None) -> None:
    """Refuse what the API would refuse, and the rules that could never pass anything on."""
    if not rules:
        raise CloudError("forwarding_rules must hold at least one rule")
    seen: set[tuple[int, bool]] = set()
    for rule in rules:
        entry, target = rule["entry_protocol"], rule["target_protocol"]
        place = f"the forwarding rule for {entry} {rule['entry_port']}"
        check_ranges(rule, f"{place}: ")
        if rule.get("certificate") and rule.get("tls_passthrough"):
            raise CloudError(f"{place}: certificate and tls_passthrough exclude each other")
        if entry in ENCRYPTED and not rule.get("certificate") and not rule.get("tls_passthrough"):
            raise CloudError(f"{place} needs a certificate, or tls_passthrough: true")
        if entry not in ENCRYPTED and (rule.get("certificate") or rule.get("tls_passthrough")):
            raise CloudError(f"{place}: certificate and tls_passthrough go with {', '.join(ENCRYPTED)}")
        if rule.get("tls_passthrough") and target != entry:
            raise CloudError(f"{place}: with tls_passthrough the target_protocol is {entry} too")
        if entry != target and {entry, target} & {"tcp", "udp"}:
            raise CloudError(f"{place} cannot go to {target}")
        if type == "REGIONAL_NETWORK" and entry not in ("tcp", "udp"):
            raise CloudError(f"{place}: type REGIONAL_NETWORK takes tcp and udp only")
        listens = (rule["entry_port"], entry in ("udp", "http3"))  # http3 is spoken over UDP
        if listens in seen:
            raise CloudError(f"{place}: there is another rule for that port")
        seen.add(listens)


def normalise_rules(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In one order, and with a value for every key."""
    keys = ("entry_protocol", "entry_port", "target_protocol", "target_port")
    found = [
        {
            **{key: rule.get(key) for key in keys},
            "certificate": rule.get("certificate") or None,
            "tls_passthrough": bool(rule.get("tls_passthrough")),
        }
        for rule in rules
    ]
    return sorted(found, key=lambda rule: (rule["entry_port"], rule["entry_protocol"]))


def normalise_address(address: str, place: str = "address") -> str:
    """Networks as networks, single addresses without /32."""
    try:
        network = ipaddress.ip_network(address)
    except ValueError as error:
        raise CloudError(f"{place} {address!r}: {error}") from None
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def shown_address(address: str) -> str:
    """In that form what the API has; as it is if it could not be declared: it may be somebody else's."""
    try:
        return normalise_address(address)
    except CloudError:
        return address
