# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of deploys as it lies on its host: a directory, and in it one file that is called by the lock's id.

A prepared directory becomes the lock by being renamed, which the kernel refuses while there is one with a file in it.
So a lock is never seen half made, and it is freed by removing that file: whoever names another id removes nothing.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

PATH = "/var/lib/flowdose/deploy.lock"


def look(path: Path) -> dict[str, Any] | None:
    """The lock that is held: what `take` was given, with its `id`. Raises OSError."""
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        return None
    for name in names:
        try:
            return {**json.loads((path / name).read_text()), "id": name}
        except FileNotFoundError:
            continue  # was freed meanwhile
        except ValueError:
            return {"id": name}  # what a damaged disk left
    return None


def take(path: Path, lock: dict[str, Any]) -> dict[str, Any]:
    """Take the lock as described, or return the one that is held. Raises OSError."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    prepared = Path(tempfile.mkdtemp(prefix=f"{path.name}.", dir=path.parent))
    try:
        with (prepared / lock["id"]).open("w") as file:
            json.dump(lock, file)
            file.flush()
            os.fsync(file.fileno())
        while True:
            try:
                prepared.rename(path)
                return lock
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            held = look(path)
            if held is not None:
                return held
    finally:
        shutil.rmtree(prepared, ignore_errors=True)


def free(path: Path, identity: str) -> bool:
    """Free the lock if it has that id; returns whether it had. Raises OSError."""
    if identity in ("", ".", "..") or "/" in identity:
        return False
    try:
        (path / identity).unlink()
    except FileNotFoundError:
        return False
    return True


def told(lock: dict[str, Any], now: str) -> str:
    """A lock for people. `now` is the time on its host."""
    if "who" not in lock:
        return f"lock {lock['id']}, which cannot be read"
    minutes = (datetime.fromisoformat(now) - datetime.fromisoformat(lock["since"])).total_seconds() / 60
    return f"{lock['who']} {lock['purpose']}, since {lock['since']} ({minutes:.0f} minutes ago), lock {lock['id']}"
