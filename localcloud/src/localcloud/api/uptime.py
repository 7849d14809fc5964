# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uptime checks, their alerts, and what was seen of their targets."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any

from localcloud import alerting
from localcloud.clock import iso
from localcloud.cloud import Cloud
from localcloud.errors import bad_request, not_found
from localcloud.routing import Answer, Call, route

REGIONS = ("us_east", "us_west", "eu_west", "se_asia")
THIRTY_DAYS = 30 * 86400
_KINDS = ("ping", "http", "https")
_CHECK = {"name": str, "type": str, "target": str, "regions": [str], "enabled": bool}
_ALERT_KINDS = ("latency", "down", "down_global", "ssl_expiry")
_ALERT = {
    "name": str,
    "type": str,
    "threshold": int,
    "comparison": str,
    "period": str,
    "notifications": alerting.NOTIFICATIONS,
}
_HOST = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?")


def _invalid(field: str, text: str) -> Exception:
    """This part of the API answers 400 where others answer 422."""
    return bad_request(f"invalid value for field '{field}': {text}")


# -- checks ----------------------------------------------------------------------------------------------------------


def _check(call: Call) -> dict[str, Any]:
    check: dict[str, Any] | None = call.cloud.state["uptime_checks"].get(call.params["check"])
    if check is None:
        raise not_found("check not found")
    return check


def _render(check: dict[str, Any]) -> dict[str, Any]:
    return {key: check[key] for key in ("id", *_CHECK)}


def _validate(check: dict[str, Any]) -> None:
    if not check["name"]:
        raise _invalid("name", "is required")
    if check["type"] not in _KINDS:
        raise _invalid("type", f"'{check['type']}' is none of {', '.join(_KINDS)}")
    if check["type"] == "ping":
        if not _HOST.fullmatch(check["target"]):
            raise _invalid("target", f"'{check['target']}' is neither a host name nor an address")
    elif not re.fullmatch(rf"{check['type']}://{_HOST.pattern}(:\d+)?([/?#]\S*)?", check["target"]):
        raise _invalid("target", f"'{check['target']}' is no {check['type']} URL")
    if not check["regions"]:
        raise _invalid("regions", "at least one region is required")
    for index, region in enumerate(check["regions"]):
        if region not in REGIONS:
            raise _invalid(f"regions[{index}]", f"'{region}' is none of {', '.join(REGIONS)}")
    if len(set(check["regions"])) < len(check["regions"]):
        raise _invalid("regions", "a region is given twice")


def _begin(cloud: Cloud, check: dict[str, Any]) -> None:
    """Forget what was seen: another target, or other regions."""
    now = cloud.now()
    check["states"] = {
        region: {"status": "CHECKING", "since": now, "begun": now, "outages": []} for region in check["regions"]
    }
    alerting.forget(cloud, f"uptime:{check['id']}:")


@route("GET", "/v2/uptime/checks")
def list_checks(call: Call) -> Answer:
    return call.page("checks", call.cloud.state["uptime_checks"].values(), _render)


@route("POST", "/v2/uptime/checks", body=_CHECK)
def create_check(call: Call) -> Answer:
    for key in ("name", "type", "target", "regions", "enabled"):
        if key not in call.body:
            raise _invalid(key, "is required")
    check = {"id": str(uuid.uuid4()), **call.body, "alerts": {}}
    _validate(check)
    _begin(call.cloud, check)
    call.cloud.state["uptime_checks"][check["id"]] = check
    return 201, {"check": _render(check)}


@route("GET", "/v2/uptime/checks/{check}")
def get_check(call: Call) -> Answer:
    return 200, {"check": _render(_check(call))}


@route("PUT", "/v2/uptime/checks/{check}", body=_CHECK)
def update_check(call: Call) -> Answer:
    """What is left out stays as it is."""
    check = _check(call)
    _validate({**check, **call.body})
    before = _render(check)
    check.update(call.body)
    if any(before[key] != check[key] for key in ("type", "target", "regions", "enabled")):
        _begin(call.cloud, check)
    return 200, {"check": _render(check)}


@route("DELETE", "/v2/uptime/checks/{check}")
def delete_check(call: Call) -> Answer:
    """Its alerts go with it."""
    id = _check(call)["id"]
    del call.cloud.state["uptime_checks"][id]
    alerting.forget(call.cloud, f"uptime:{id}:")
    return 204, None


@route("GET", "/v2/uptime/checks/{check}/state")
def get_state(call: Call) -> Answer:
    check, cloud = _check(call), call.cloud
    regions = {
        region: {
            "status": state["status"],
            "status_changed_at": iso(state["since"]),
            "thirty_day_uptime_percentage": _uptime(state, cloud.now()),
        }
        for region, state in check["states"].items()
    }
    ended = [
        (outage["ended"], region, outage)
        for region, state in check["states"].items()
        for outage in state["outages"]
        if outage["ended"] is not None
    ]
    shown: dict[str, Any] = {"regions": regions}
    if ended:
        _, region, outage = max(ended, key=lambda entry: entry[0])
        shown["previous_outage"] = {
            "region": region,
            "started_at": iso(outage["started"]),
            "ended_at": iso(outage["ended"]),
            "duration_seconds": round(outage["ended"] - outage["started"]),
        }
    return 200, {"state": shown}


def _uptime(state: dict[str, Any], now: float) -> float:
    """Percentage of the last thirty days, or of the check's life if that is shorter, without outages."""
    begun = max(state["begun"], now - THIRTY_DAYS)
    if now <= begun:
        return 100.0
    lost = sum(max(0.0, (outage["ended"] or now) - max(outage["started"], begun)) for outage in state["outages"])
    return round(100 * (1 - lost / (now - begun)), 2)


# -- alerts ----------------------------------------------------------------------------------------------------------


def _alert(call: Call, check: dict[str, Any]) -> dict[str, Any]:
    alert: dict[str, Any] | None = check["alerts"].get(call.params["alert"])
    if alert is None:
        raise not_found("alert not found")
    return alert


def _accepted(call: Call, check: dict[str, Any]) -> dict[str, Any]:
    body = call.body
    for key in ("name", "type", "notifications", "period"):
        if not body.get(key):
            raise _invalid(key, "is required")
    if body["type"] not in _ALERT_KINDS:
        raise _invalid("type", f"'{body['type']}' is none of {', '.join(_ALERT_KINDS)}")
    if body["period"] not in alerting.WINDOWS:
        raise _invalid("period", f"'{body['period']}' is none of {', '.join(alerting.WINDOWS)}")
    if body["type"] in ("latency", "ssl_expiry"):
        if body.get("threshold", 0) <= 0:
            raise _invalid("threshold", f"{body['type']} needs one above zero")
        if body.get("comparison") not in ("greater_than", "less_than"):
            raise _invalid("comparison", "greater_than or less_than is required")
    elif body.get("comparison", "less_than") not in ("greater_than", "less_than"):
        raise _invalid("comparison", f"'{body['comparison']}' is neither greater_than nor less_than")
    if body["type"] == "ssl_expiry" and check["type"] != "https":
        raise _invalid("type", f"ssl_expiry is for https checks, this is a check of {check['type']}")
    if (found := alerting.problem(body["notifications"])) is not None:
        place, text = found
        raise _invalid(f"notifications.{place}", text)
    return body


@route("GET", "/v2/uptime/checks/{check}/alerts")
def list_alerts(call: Call) -> Answer:
    return call.page("alerts", _check(call)["alerts"].values())


@route("POST", "/v2/uptime/checks/{check}/alerts", body=_ALERT)
def create_alert(call: Call) -> Answer:
    check = _check(call)
    alert = {"id": str(uuid.uuid4()), **_accepted(call, check)}
    check["alerts"][alert["id"]] = alert
    return 201, {"alert": alert}


@route("GET", "/v2/uptime/checks/{check}/alerts/{alert}")
def get_alert(call: Call) -> Answer:
    return 200, {"alert": _alert(call, _check(call))}


@route("PUT", "/v2/uptime/checks/{check}/alerts/{alert}", body=_ALERT)
def replace_alert(call: Call) -> Answer:
    check = _check(call)
    id = _alert(call, check)["id"]
    check["alerts"][id] = {"id": id, **_accepted(call, check)}
    alerting.forget(call.cloud, f"uptime:{check['id']}:{id}")
    return 200, {"alert": check["alerts"][id]}


@route("DELETE", "/v2/uptime/checks/{check}/alerts/{alert}")
def delete_alert(call: Call) -> Answer:
    check = _check(call)
    id = _alert(call, check)["id"]
    del check["alerts"][id]
    alerting.forget(call.cloud, f"uptime:{check['id']}:{id}")
    return 204, None


# -- evaluation ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sight:
    """What one region saw of a target. `latency` in milliseconds, `certificate_days` until its certificate expires."""

    up: bool
    latency: float | None = None
    certificate_days: float | None = None
    reason: str = ""  # why it is down


def observe(cloud: Cloud, check_id: str, sights: dict[str, Sight]) -> None:
    """Take in what the regions of a check saw now, and ring its alerts."""
    check = cloud.state["uptime_checks"].get(check_id)
    if check is None or not check["enabled"]:
        return
    sights = {region: sight for region, sight in sights.items() if region in check["states"]}
    for region, sight in sights.items():
        _note(check["states"][region], "UP" if sight.up else "DOWN", cloud.now())
    for alert in check["alerts"].values():
        if (finding := _finding(check, alert, sights)) is not None:
            holds, text = finding
            key, subject = f"uptime:{check['id']}:{alert['id']}", f"{check['name']}: {alert['name']}"
            words = f"{check['target']}: {text}"
            alerting.judge(cloud, key, holds, alert["period"], alert["notifications"], subject, words)


def _note(state: dict[str, Any], status: str, now: float) -> None:
    if state["status"] == status:
        return
    if status == "DOWN":
        state["outages"].append({"started": now, "ended": None})
    elif state["status"] == "DOWN":
        state["outages"][-1]["ended"] = now
    state["outages"] = [outage for outage in state["outages"] if (outage["ended"] or now) > now - THIRTY_DAYS]
    state.update(status=status, since=now)


def _finding(check: dict[str, Any], alert: dict[str, Any], sights: dict[str, Sight]) -> tuple[bool, str] | None:
    """Whether the condition of an alert holds, and how to say it; None when nothing is known of it."""
    down = [region for region, state in check["states"].items() if state["status"] == "DOWN"]
    reason = next((f" ({sight.reason})" for sight in sights.values() if sight.reason), "")
    match alert["type"]:
        case "down":
            return bool(down), f"down in {', '.join(down)}{reason}" if down else "up again"
        case "down_global":
            everywhere = len(down) == len(check["states"])
            return everywhere, f"down everywhere{reason}" if everywhere else "up again"
        case "latency":
            latencies = [sight.latency for sight in sights.values() if sight.up and sight.latency is not None]
            if not latencies:
                return None
            mean = sum(latencies) / len(latencies)
            return _beyond(alert, mean), f"answers in {mean:.0f} ms, the threshold is {alert['threshold']} ms"
        case _:
            days = [sight.certificate_days for sight in sights.values() if sight.certificate_days is not None]
            if not days:
                return None
            text = f"its certificate expires in {min(days):.0f} days, the threshold is {alert['threshold']}"
            return _beyond(alert, min(days)), text


def _beyond(alert: dict[str, Any], value: float) -> bool:
    threshold: int = alert["threshold"]
    return value > threshold if alert["comparison"] == "greater_than" else value < threshold
