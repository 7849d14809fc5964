# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is deployed, and how it is, as lines of text for a terminal.

It is read when something is wrong, so nothing is required to be there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .deploy_lock import told

LOG_LINES = 20


def report(hosts: dict[str, Any], readiness: dict[str, Any], migrations: dict[str, Any]) -> list[str]:
    """All of it, the most urgent first.

    `hosts` has the result of `deploy_info` by host's name, or what Ansible said instead; `readiness` is that module's
    result, `migrations` what the role backend read as pending, or a `problem`.
    """
    reached = {name: result for name, result in hosts.items() if "apps" in result}
    sections = [
        summary(hosts, reached, readiness, migrations),
        *(section for name, result in hosts.items() for section in host(name, result)),
        ["The log", *(log(reached) or ["  nothing was logged"])],
    ]
    return [line.rstrip() for lines in sections for line in [*lines, ""]][:-1]


def summary(
    hosts: dict[str, Any], reached: dict[str, Any], readiness: dict[str, Any], migrations: dict[str, Any]
) -> list[str]:
    rows = [("lock", lock(hosts, reached))]
    checks = readiness.get("checks", [])
    failed = [check for check in checks if not check["ok"]]
    fine = f"{len(checks) - len(failed)} of {len(checks)} checks from outside succeeded"
    rows.append(("health", fine if checks else f"not known: {said(readiness)}"))
    rows += [("", f"FAILED {check['name']}, {check['target']}: {check['detail']}") for check in failed]
    certificates = [check for check in checks if check["name"] == "certificate"]
    rows += [("certificate", f"{check['target']}: {check['detail']}") for check in certificates]
    rows.append(("migrations", pending(migrations)))
    return table(rows, indent="")


def lock(hosts: dict[str, Any], reached: dict[str, Any]) -> str:
    held = [told(result["lock"], result["now"]) for result in reached.values() if result["lock"]]
    return held[0] if held else "free" if reached else "not known" if hosts else "none: there is no droplet"


def pending(migrations: dict[str, Any]) -> str:
    problem = migrations.get("problem") or migrations.get("error")
    if problem or not migrations:
        return f"not known: {problem or 'no release of the backend serves'}"
    return "; ".join(migrations["message"]) or "none is pending for the release that serves"


def host(name: str, result: dict[str, Any]) -> list[list[str]]:
    """A section for each application."""
    if "apps" not in result:
        return [[f"{name}: not reached. {said(result)}"]]
    sections = []
    for app in result["apps"]:
        since = f"{app['current']} since {app['since']}" if app["current"] else "nothing was ever switched to"
        processes = [process(entry, app["current"]) for entry in app["processes"]]
        title = f"{app['app']} on {name}: {since}"
        sections.append([title, *table(processes or [("no process runs",)]), *table(list(releases(app)))])
    sections = sections or [[f"{name}: no application"]]
    sections[-1] += [f"  not read: {problem}" for problem in result["problems"]]
    return sections


def releases(app: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for release in app["releases"]:
        back = release["taken_back"]
        note = "unfinished" if not release["complete"] else ""
        if back:
            note = f"taken back {back.get('time', '')} by {back.get('who', '')} for {back.get('for', '')}"
        source = release.get("commit") or release.get("source") or ""
        yield (
            "current" if release["id"] == app["current"] else "",
            release["id"],
            release.get("made_at") or "",
            release.get("made_by") or "",
            f"{source[:12]} {release.get('subject') or ''}".strip(),
            note,
        )


def process(entry: dict[str, Any], current: str) -> tuple[str, ...]:
    return (
        "serves" if entry["serves"] else "runs beside",
        entry["release"] if entry["release"] != current else "",
        f"{entry['name']} on port {entry['port']}",
        entry["state"] if entry["listens"] else f"{entry['state']}, but its port is closed",
        f"since {entry['since']}",
        f"{entry['restarts']} restarts",
    )


def log(reached: dict[str, Any]) -> list[str]:
    """The last entries of all hosts. What was done for several of them is in the log of each."""
    entries: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for name, result in reached.items():
        for entry in result["log"]:
            key = repr({**entry, "detail": None})
            entries.setdefault(key, (entry, []))[1].append(name)
    rows = [
        (
            str(entry.get("time")),
            str(entry.get("outcome")),
            str(entry.get("event")),
            str(entry.get("app")),
            str(entry.get("release")),
            ", ".join(names),
            str(entry.get("who")),
            " ".join(str((entry.get("detail") or {}).get("failed") or "").split())[:200],
        )
        for entry, names in entries.values()
    ]
    return table(sorted(rows)[-LOG_LINES:])


def table(rows: Sequence[tuple[str, ...]], indent: str = "  ") -> list[str]:
    """Rows of equal length as lines, without columns that are empty."""
    columns = [column for column in zip(*rows, strict=True) if any(column)]
    widths = [max(map(len, column)) for column in columns]
    return [
        indent + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in zip(*columns, strict=True)
    ]


def said(result: dict[str, Any]) -> str:
    return " ".join(str(result.get("msg") or "Nothing was read.").split())[:300]
