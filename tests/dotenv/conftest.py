# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parsers that Medusa and Next.js read their environment files with, in one long-lived node process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from node_packages import NODE, install

HERE = Path(__file__).parent

Read = Callable[[str, str], list[dict[str, str]]]


@pytest.fixture(scope="session")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    """Ask with (consumer, text of .env); the answer is what process.env held after each load of that file."""
    install(HERE)
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
