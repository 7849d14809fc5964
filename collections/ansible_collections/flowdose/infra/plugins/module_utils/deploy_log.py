# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of what was done to the applications of a host: one JSON object per line, only ever added to."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

PATH = "/var/log/flowdose/deploys.jsonl"


def append(path: Path, entry: dict[str, Any]) -> None:
    """Add one line, which is on the disk when this returns. Raises OSError.

    A power cut may have left half a line: that keeps its line, and this one begins the next.
    """
    new_folder = not path.parent.exists()
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    new_file = not path.exists()
    # never truncated, nor written elsewhere: a file with the attribute `a` refuses all but this
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o640)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = os.fstat(file).st_size
        torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
        line = (b"\n" if torn else b"") + (json.dumps(entry) + "\n").encode()
        written = os.write(file, line)
        os.fsync(file)
    finally:
        os.close(file)
    if new_file:
        keep_name(path.parent)
    if new_folder:
        keep_name(path.parent.parent)
    if written < len(line):
        raise OSError(f"only {written} of {len(line)} bytes were written to {path}: is the disk full?")


def keep_name(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def last_entries(path: Path, count: int) -> list[dict[str, Any]]:
    """The last `count` entries, the oldest first; a line that a power cut left unfinished is none. Raises OSError."""
    if not path.exists():
        return []
    entries: list[dict[str, Any]] = []
    for line in reversed(path.read_bytes().splitlines()):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
        if len(entries) == count:
            break
    return entries[::-1]
