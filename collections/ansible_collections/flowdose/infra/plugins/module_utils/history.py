# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases there are to go back to: plain data in, plain data out."""

from __future__ import annotations

from typing import Any


class NoWayBack(Exception):
    """There is nothing to go back to. The text is for the person who reads it at night."""


def rollback_targets(histories: list[dict[str, Any]], named: str = "") -> dict[str, str]:
    """What is to serve instead of what serves: application -> release.

    `histories` has of each host what release_info returned (`releases`, `current`, `last`, `taken_back`), and `app`.
    With `named`, the beginning of a release's id, each application that has such a release goes back to its newest one.
    Without, those that the last run switched go back to what served before.
    Raises NoWayBack.
    """
    by_app: dict[str, list[dict[str, Any]]] = {}
    for history in histories:
        by_app.setdefault(history["app"], []).append(history)
    for app, hosts in by_app.items():
        if len({host["current"] for host in hosts}) > 1:
            serving = ", ".join(sorted({host["current"] or "nothing" for host in hosts}))
            raise NoWayBack(f"the hosts of {app} do not serve the same release ({serving}): deploy, then go back")
    return by_name(by_app, named) if named else by_last_switch(by_app)


def by_name(by_app: dict[str, list[dict[str, Any]]], named: str) -> dict[str, str]:
    targets, serving = {}, []
    for app, hosts in by_app.items():
        fitting = [release for release in everywhere(hosts) if release.startswith(named)]
        if hosts[0]["current"] in fitting:
            serving.append(app)
        elif fitting:
            targets[app] = fitting[0]
    if not targets and serving:
        raise NoWayBack(f"{named} is what serves already ({', '.join(serving)})")
    if not targets:
        raise NoWayBack(f"no complete release begins with {named}. {listed(by_app)}")
    return targets


def by_last_switch(by_app: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    last = {app: hosts[0]["last"] for app, hosts in by_app.items() if hosts[0]["last"]}
    if not last:
        raise NoWayBack(f"no release has taken the place of another yet. {listed(by_app)}")
    newest = max(last.values(), key=lambda switch: switch["replaced_at"])
    targets = {}
    for app, switch in last.items():
        if switch is not newest and (not newest["run"] or switch["run"] != newest["run"]):
            continue
        target, hosts = switch["release"], by_app[app]
        if switch["replaced_by"] != hosts[0]["current"]:
            raise NoWayBack(f"{app} serves another release than the last switch made it: name one. {listed(by_app)}")
        if not target:
            continue  # it was the first one
        if any(target.startswith(name) for host in hosts for name in host["taken_back"]):
            raise NoWayBack(
                f"what {app} served before, {target}, was taken back itself: name another. {listed(by_app)}"
            )
        if target not in everywhere(hosts):
            raise NoWayBack(f"{target} of {app} is not kept any more: name another one. {listed(by_app)}")
        targets[app] = target
    if not targets:
        raise NoWayBack(f"what serves is the first release. {listed(by_app)}")
    return targets


def everywhere(hosts: list[dict[str, Any]]) -> list[str]:
    """The releases that all hosts have, in the order of the first one."""
    first, *others = [[release["id"] for release in host["releases"]] for host in hosts]
    return [release for release in first if all(release in other for other in others)]


def listed(by_app: dict[str, list[dict[str, Any]]]) -> str:
    """What a person can choose from."""
    lines = []
    for app, hosts in by_app.items():
        others = [release for release in everywhere(hosts) if release != hosts[0]["current"]]
        lines.append(f"{app}: {', '.join(others) or 'none'}")
    return f"Releases that are kept, the newest first: {'; '.join(lines)}. Choose with -e release=ID"
