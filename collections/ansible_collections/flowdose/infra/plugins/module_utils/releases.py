# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The releases in an application's folder on a host, as role `release` leaves them. Raises ValueError and OSError."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

MANIFEST, LAST_SWITCH, TAKEN_BACK = ".release.json", "previous.json", "taken-back-"


def read(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ValueError that names the file, when there is none in it."""
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is no JSON file: {error}. Remove it, if nobody knows what it said") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} has no JSON object. Remove it, if nobody knows what it said")
    return found


def releases(home: Path) -> list[dict[str, Any]]:
    manifests = sorted(home.glob(f"releases/*/{MANIFEST}"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [read(path) for path in manifests]


def current(home: Path) -> str:
    try:
        return Path(os.readlink(home / "current")).name
    except FileNotFoundError:
        return ""


def last_switch(home: Path) -> dict[str, Any]:
    path = home / LAST_SWITCH
    return read(path) if path.exists() else {}


def taken_back(home: Path) -> dict[str, dict[str, Any]]:
    return {path.stem.removeprefix(TAKEN_BACK): read(path) for path in sorted(home.glob(f"{TAKEN_BACK}*.json"))}
