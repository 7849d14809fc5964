# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an alert rings, and whom it tells: shared by alert policies and uptime checks."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from localcloud.clock import iso
from localcloud.cloud import Cloud

ACCOUNT_EMAIL = "ops@localcloud.test"  # the team's only verified address
KEPT_NOTIFICATIONS = 1000
WINDOWS = {"2m": 120, "3m": 180, "5m": 300, "10m": 600, "15m": 900, "30m": 1800, "1h": 3600}  # seconds
NOTIFICATIONS = {"email": [str], "slack": [{"channel": str, "url": str}]}


def problem(notifications: dict[str, Any]) -> tuple[str, str] | None:
    """What is wrong with where to send an alert, as (place, text)."""
    for key in ("email", "slack"):
        if key not in notifications:
            return key, "is required, be it empty"
    for index, email in enumerate(notifications["email"]):
        if email.lower() != ACCOUNT_EMAIL:
            return f"email[{index}]", f"invalid email '{email}'"
    for index, hook in enumerate(notifications["slack"]):
        if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", hook.get("url", "")):
            return f"slack[{index}].url", "invalid url"
        if not hook.get("channel"):
            return f"slack[{index}].channel", "is required"
    if not notifications["email"] and not notifications["slack"]:
        return "email", "at least one email or slack destination is required"
    return None


def judge(
    cloud: Cloud, key: str, holds: bool, window: str, destinations: dict[str, Any], subject: str, text: str
) -> None:
    """Note that the condition of alert `key` holds now, or does not.

    It rings once the condition has held without a break for the `window`, and tells as soon as it no longer does.
    """
    watched, now = cloud.state["alerting"], cloud.now()
    if not holds:
        before = watched.pop(key, None)
        if before is not None and before["triggered"]:
            _notify(cloud, destinations, "resolved", subject, text)
        return
    watch = watched.setdefault(key, {"since": now, "triggered": False})
    if not watch["triggered"] and now - watch["since"] >= WINDOWS[window]:
        watch.update(triggered=True, subject=subject, text=text)
        _notify(cloud, destinations, "triggered", subject, text)


def ringing(cloud: Cloud) -> list[dict[str, Any]]:
    """What has rung and is not over."""
    return [
        {"since": iso(watch["since"]), "subject": watch["subject"], "text": watch["text"]}
        for watch in cloud.state["alerting"].values()
        if watch["triggered"]
    ]


def forget(cloud: Cloud, prefix: str, besides: Collection[str] = ()) -> None:
    """The alert, or what it looked after, was changed, switched off or deleted: it tells nobody that it is over."""
    for key in [key for key in cloud.state["alerting"] if key.startswith(prefix) and key not in besides]:
        del cloud.state["alerting"][key]


def _notify(cloud: Cloud, destinations: dict[str, Any], outcome: str, subject: str, text: str) -> None:
    """Write one e-mail to each address, which goes no further than `localcloud notifications`, and queue what goes to
    Slack: `watch.Watch.deliver` posts it."""
    sent = cloud.state["notifications"]
    common = {"time": iso(cloud.now()), "outcome": outcome, "subject": f"[{outcome}] {subject}", "text": text}
    for email in destinations["email"]:
        sent.append({"kind": "email", "to": email, **common, "delivery": "written"})
    for hook in destinations["slack"]:
        sent.append({"kind": "slack", "to": hook["channel"], "url": hook["url"], **common, "delivery": "queued"})
    del sent[:-KEPT_NOTIFICATIONS]
