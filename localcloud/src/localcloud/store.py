# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the cloud: plain dicts, and a file that survives a kill at any moment."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import IO, Any

from localcloud.tls import write_private

FORMAT = 2


def empty_state() -> dict[str, Any]:
    """Collections by id. Integer ids are written as strings, because JSON keys are."""
    return {
        "format": FORMAT,
        "time": None,  # cloud time of the last save
        "next_id": {},  # kind -> next integer id
        "next_address": {},  # network -> offset of the next address to try
        "ssh_keys": {},
        "tags": {},  # lower-case name -> name as first written
        "projects": {},
        "project_resources": {},  # urn -> {project_id, assigned_at}
        "vpcs": {},
        "vpc_leavers": {},  # urn -> {vpc_id, name, created_at, certificates}: deleted, not yet deregistered
        "droplets": {},
        "actions": {},
        "firewalls": {},
        "databases": {},
        "load_balancers": {},
        "certificates": {},
        "reserved_ips": {},
        "volumes": {},
        "domains": {},  # name -> {"records": {id: record}}
        "spaces_keys": {},
        "alert_policies": {},
        "uptime_checks": {},  # with their alerts, and what each region saw
        "alerting": {},  # key of an alert -> {since, triggered}: its condition holds
        "notifications": [],  # sent, or to be sent
        "timers": [],  # what will happen: {at, name, args, queue}
        "machines": [],  # "droplet:7" and the like: what stands on the host
    }


class Store:
    """`state`, saved to `path` (0600) when one is given. Not thread-safe: the event loop owns it."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.state = empty_state()
        if path is not None and path.exists():
            loaded = json.loads(path.read_text())
            if loaded.get("format") != FORMAT:
                written = loaded.get("format")
                raise ValueError(
                    f"{path} is of another version of localcloud (format {written}): `localcloud down` removes it with "
                    "all that is in that cloud, and the next start begins anew"
                )
            self.state.update(loaded)

    def save(self) -> None:
        """Write the state whole: a start after a kill sees the old one or the new one. (A power cut may lose it.)"""
        if self.path is not None:
            text = json.dumps(self.state, separators=(",", ":"))
            write_private(self.path, text, durable=False)

    def clear(self) -> None:
        self.state = empty_state()

    def next_id(self, kind: str, first: int) -> int:
        number = int(self.state["next_id"].get(kind, first))
        self.state["next_id"][kind] = number + 1
        return number


class RequestLog:
    """What was asked and answered: JSON lines in `path` (0600: answers hold passwords), else in memory."""

    def __init__(self, path: Path | None = None) -> None:
        self.entries: deque[dict[str, Any]] = deque()
        self._path = path
        self._file: IO[str] | None = None
        if path is not None:
            self._open(path, "a")

    def _open(self, path: Path, mode: str) -> None:
        path.touch(0o600, exist_ok=True)
        path.chmod(0o600)
        self._file = path.open(mode, encoding="utf-8")

    def append(self, entry: dict[str, Any]) -> None:
        if self._file is None:
            self.entries.append(entry)
        else:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()

    def clear(self) -> None:
        self.entries.clear()
        if self._file is not None and self._path is not None:
            self._file.close()
            self._open(self._path, "w")
