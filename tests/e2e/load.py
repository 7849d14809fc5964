# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Visitors of a shop, in a process of their own, until it is told to end (SIGTERM).

    python load.py CA_FILE REPORT < targets.json

Standard input: [{"url", "method", "headers", "body", "rate": requests a second, "keep_alive": bool}, ...]. Then REPORT
is written: {"seconds", "failures": [{"second", "url", "keep_alive", "what"}], "targets": [{"method", "url",
"keep_alive", "requests", "slowest"}]}.
A failure is what a visitor would notice: no connection, a connection that breaks, half an answer, a status from 500 on.
"""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

WORKERS = 4  # of each target: how many of its requests may be under way at once
PATIENCE = 60.0  # seconds


class Load:
    def __init__(self, targets: list[dict[str, Any]]) -> None:
        self.targets = [{**target, "requests": 0, "slowest": 0.0} for target in targets]
        self.failures: list[dict[str, Any]] = []
        self.started = time.monotonic()
        self.ended = asyncio.Event()

    async def run(self, trusted: ssl.SSLContext) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.ended.set)
        async with asyncio.TaskGroup() as group:
            for target in self.targets:
                for _ in range(WORKERS):
                    group.create_task(self.visit(target, trusted))

    async def visit(self, target: dict[str, Any], trusted: ssl.SSLContext) -> None:
        connector = aiohttp.TCPConnector(ssl=trusted, force_close=not target["keep_alive"])
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(PATIENCE)) as session:
            # Not aiohttp's second try on a connection that the server has closed: visitors' programs do not have it.
            session._retry_connection = False
            while not self.ended.is_set():
                began = time.monotonic()
                await self.ask(target, session)
                taken = time.monotonic() - began
                target["requests"] += 1
                target["slowest"] = max(target["slowest"], taken)
                await asyncio.sleep(max(0.0, WORKERS / target["rate"] - taken))

    async def ask(self, target: dict[str, Any], session: aiohttp.ClientSession) -> None:
        try:
            async with session.request(
                target["method"],
                target["url"],
                headers=target["headers"],
                json=target.get("body"),
                allow_redirects=False,
            ) as answer:
                await answer.read()
                if answer.status >= 500:
                    self.fail(target, f"status {answer.status}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.fail(target, f"{type(error).__name__}: {error}")

    def fail(self, target: dict[str, Any], what: str) -> None:
        second = round(time.monotonic() - self.started, 2)
        self.failures.append({"second": second, "url": target["url"], "keep_alive": target["keep_alive"], "what": what})

    def report(self) -> dict[str, Any]:
        told = ("method", "url", "keep_alive", "requests", "slowest")
        return {
            "seconds": time.monotonic() - self.started,
            "failures": self.failures,
            "targets": [{key: target[key] for key in told} for target in self.targets],
        }


def main() -> None:
    ca_file, report = sys.argv[1:]
    load = Load(json.load(sys.stdin))
    asyncio.run(load.run(ssl.create_default_context(cafile=ca_file)))
    Path(report).write_text(json.dumps(load.report()))


if __name__ == "__main__":
    main()
