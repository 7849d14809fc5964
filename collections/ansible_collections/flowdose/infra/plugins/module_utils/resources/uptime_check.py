# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uptime checks: DigitalOcean looks at a target from outside, and tells when something is wrong with it."""

from __future__ import annotations

import re
from typing import Any, ClassVar
from urllib.parse import urlsplit

from ..client import CloudError
from ..resource import NONE, Change, Cloud, Facts, Resource
from .alert_policy import RECEIVERS, normalise_receivers, receivers

REGIONS = ["us_east", "us_west", "eu_west", "se_asia"]
# Types of alerts that compare with a threshold -> in which direction, when nothing else is said
COMPARED = {"latency": "greater_than", "ssl_expiry": "less_than"}
ALERT_OPTIONS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "required": True, "choices": ["latency", "down", "down_global", "ssl_expiry"]},
    "threshold": {"type": "int"},
    "comparison": {"type": "str", "choices": ["greater_than", "less_than"]},
    "period": {"type": "str", "choices": ["2m", "3m", "5m", "10m", "15m", "30m", "1h"], "default": "2m"},
    "notifications": {"type": "dict", "required": True, "options": RECEIVERS},
}


class UptimeCheck(Resource):
    kind = "uptime_check"
    plural = "uptime_checks"
    label = "uptime check"
    options: ClassVar = {
        "name": {"type": "str", "required": True},
        "type": {"type": "str", "choices": ["ping", "http", "https"]},
        "target": {"type": "str"},
        "regions": {"type": "list", "elements": "str", "choices": REGIONS},
        "enabled": {"type": "bool"},
        "alerts": {"type": "list", "elements": "dict", "options": ALERT_OPTIONS},
    }
    updates: ClassVar = dict.fromkeys(("type", "target", "regions", "enabled", "alerts"), NONE)
    later = frozenset({"alerts"})
    required_for_create = ("type", "target", "regions")

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        if "target" in desired and "type" in desired:
            check_target(desired["type"], desired["target"])
        if "regions" in desired:
            desired["regions"] = sorted(set(desired["regions"]))
            if not desired["regions"]:
                raise CloudError(f"regions must name at least one of {', '.join(REGIONS)}")
        if "alerts" in desired:
            names = [alert["name"] for alert in desired["alerts"]]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise CloudError(f"alerts: {', '.join(twice)} is there twice, and nothing but names tells them apart")
            if desired.get("type", "https") != "https":
                expiry = [alert["name"] for alert in desired["alerts"] if alert["type"] == "ssl_expiry"]
                if expiry:
                    raise CloudError(f"alert {expiry[0]}: a check of type {desired['type']} sees no certificate")
            alerts = [normalise_alert(alert) for alert in desired["alerts"]]
            desired["alerts"] = sorted(alerts, key=lambda alert: str(alert["name"]))
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        return {
            **{key: raw.get(key) for key in ("id", "name", "type", "target")},
            "regions": sorted(raw.get("regions") or []),
            "enabled": bool(raw.get("enabled")),
        }

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        return cloud.client.list_all("list the uptime checks", "uptime.list_checks", "checks")

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self.client.find(f"read {self.title}", "uptime.get_check", facts["id"])
        return found and found["check"]

    def details(self, facts: Facts) -> Facts:
        if "alerts" not in self.desired:
            return {}
        alerts = [normalise_alert(raw) for raw in self._alerts()]
        return {"alerts": sorted(alerts, key=lambda alert: str(alert["name"]))}

    def preflight(self, changes: dict[str, Change]) -> None:
        merged = {**(self.current or {}), **self.desired}
        if self.state == "present":
            check_target(merged["type"], merged["target"])

    def create(self) -> dict[str, Any]:
        return self.client.call(f"create {self.title}", "uptime.create_check", body=self._body())["check"]

    def update(self, changes: dict[str, Change]) -> None:
        if changes.keys() - {"alerts"}:
            self.client.call(f"update {self.title}", "uptime.update_check", self.existing["id"], body=self._body())
        if "alerts" in changes:
            self._update_alerts(changes["alerts"].after)

    def delete(self, facts: Facts) -> None:
        self.client.call(f"delete {self.title}", "uptime.delete_check", facts["id"])

    def _alerts(self) -> list[dict[str, Any]]:
        return self.client.list_all(
            f"list the alerts of {self.title}", "uptime.list_alerts", "alerts", self.existing["id"]
        )

    def _update_alerts(self, wanted: list[Facts]) -> None:
        """Make the alerts of the check exactly those; an alert is known by its name."""
        check = self.existing["id"]
        found = self._alerts()
        for alert in wanted:
            there = next((other for other in found if other["name"] == alert["name"]), None)
            attempted = f"alert {alert['name']} of {self.title}"
            if there is None:
                self.cloud.settle(
                    lambda alert=alert, attempted=attempted: self.client.call(  # type: ignore[misc]
                        f"create {attempted}", "uptime.create_alert", check, body=alert
                    ),
                    lambda name=alert["name"]: next(  # type: ignore[misc]
                        (other for other in self._alerts() if other["name"] == name), None
                    ),
                )
                continue
            found.remove(there)
            if alert != normalise_alert(there):
                self.client.call(f"update {attempted}", "uptime.update_alert", check, there["id"], body=alert)
        for other in found:
            attempted = f"delete alert {other['name']} of {self.title}"
            self.client.find(attempted, "uptime.delete_alert", check, other["id"])

    def _body(self) -> dict[str, Any]:
        merged = {"enabled": True, **(self.current or {}), **self.desired}
        return {key: merged[key] for key in ("name", "type", "target", "regions", "enabled")}


def check_target(type: str, target: str) -> None:
    if type == "ping":
        if not re.fullmatch(r"[a-zA-Z0-9]([a-zA-Z0-9.:-]*[a-zA-Z0-9])?", target):
            raise CloudError(f"target {target!r} of a ping is a host name or an address, and nothing else")
        return
    address = urlsplit(target)
    if address.scheme != type or not address.hostname:
        raise CloudError(
            f"target {target!r} is no address for type {type}", hint=f"It looks like: {type}://example.com/"
        )


def normalise_alert(alert: dict[str, Any]) -> Facts:
    """Declared, or as the API has it; refuses a declared one that makes no sense."""
    type = alert["type"]
    clean: Facts = {"name": alert["name"], "type": type, "period": alert.get("period")}
    if type in COMPARED:
        clean["threshold"] = alert.get("threshold")
        clean["comparison"] = alert.get("comparison") or COMPARED[type]
    if "id" in alert:
        return {**clean, "notifications": receivers(alert.get("notifications"))}
    place = f"alert {alert['name']}"
    if type in COMPARED:
        if not clean["threshold"] or clean["threshold"] < 1:
            unit = "milliseconds" if type == "latency" else "days"
            raise CloudError(f"{place}: type {type} needs a threshold of at least 1 ({unit})")
    elif alert.get("threshold") is not None or alert.get("comparison") is not None:
        raise CloudError(f"{place}: type {type} has no threshold: something is down, or it is not")
    return {**clean, "notifications": normalise_receivers(alert["notifications"], place)}
