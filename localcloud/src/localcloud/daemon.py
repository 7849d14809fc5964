# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server process: started by `localcloud up`, ended by `localcloud down`; resumes its state after a kill.

Files in the state directory:
    ca.pem, ca-key.pem                    the cloud's authority; database-ca*.pem that of the clusters
    credentials.json          (0600)      tokens and the Spaces key
    state.json, requests.jsonl (0600)     what there is, what was asked
    server.lock                           held while the process lives; says its pid and options
    stages, server.log                    how the start went; what went wrong since
    machines/                             disks and data of the machines
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import logging
import os
import secrets
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from localcloud.clock import Clock
from localcloud.cloud import (
    SPACES_ENDPOINT,
    SPACES_REGION,
    Cloud,
    Config,
    cloud_authority,
    database_authority,
    server_certificate,
)
from localcloud.machines import MachineError, Machines
from localcloud.server import Server
from localcloud.store import RequestLog, Store
from localcloud.tls import write_private

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
# What `down` removes: secrets first, last the lock, which says that the rest may be there.
FILES = (
    *("credentials.json", "state.json", "ca-key.pem", "database-ca-key.pem", "server-key.pem", "requests.jsonl"),
    *("ca.pem", "database-ca.pem", "server.pem", "machines", "stages", "server.log", "server.lock"),
)
READY = "ready"
FAILED = "failed: "
# A real droplet's id is never given twice. Neither is ours, even after `down`: clients pin host keys by it.
_IDS_EPOCH = 1_767_225_600  # 2026-01-01


@dataclass(frozen=True)
class Options:
    port: int
    speed: float
    api_only: bool


class ServerLock:
    """`server.lock`: held for the life of a server, so that nobody has to guess from a pid whether it lives."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "server.lock"
        self._file: IO[str] | None = None

    def take(self, options: Options) -> None:
        """Hold the lock until this process ends; BlockingIOError when another one does."""
        self._file = self.path.open("a+")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._file.truncate(0)
        self._file.write(json.dumps({"pid": os.getpid(), **asdict(options)}))
        self._file.flush()

    def is_held(self) -> bool:
        if not self.path.exists():
            return False
        with self.path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def holder(self) -> dict[str, Any]:
        """pid and options of the server that holds it, or held it last; empty when there was none."""
        try:
            content = json.loads(self.path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


class Stages:
    """How the start goes, for the person who waits: one line for each stage, the last one READY or FAILED."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "stages"

    def clear(self) -> None:
        self.path.write_text("")

    def report(self, text: str) -> None:
        logger.info("start: %s", text)
        with self.path.open("a") as file:
            file.write(text.replace("\n", " ") + "\n")

    def read(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


def load_credentials(directory: Path) -> dict[str, Any]:
    path = directory / "credentials.json"
    if path.exists():
        credentials: dict[str, Any] = json.loads(path.read_text())
        return credentials
    return {"token": _new_token(), "read_only_token": _new_token()}


def _new_token() -> str:
    return "dop_v1_" + secrets.token_hex(32)


def _machines(directory: Path) -> Machines:
    # Imported here: API-only mode must work where nothing of the machines' needs is installed.
    from localcloud.podman import PodmanMachines

    return PodmanMachines(directory)


async def serve(directory: Path, options: Options, stages: Stages) -> None:
    """Run until told to stop; leaves nothing on the host when stopped by `localcloud down`."""
    task = asyncio.current_task()
    if task is not None:
        # Ends the server and leaves its machines, as a kill does: the next `up` takes them over.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    store = Store(directory / "state.json")
    machines = None if options.api_only else _machines(directory)
    credentials = load_credentials(directory)
    cloud = Cloud(
        store,
        Clock(options.speed, start=max(time.time(), store.state["time"] or 0)),
        cloud_authority(directory),
        database_authority(directory),
        Config(first_droplet_id=520_000_000 + int(time.time()) - _IDS_EPOCH, has_machines=machines is not None),
        machines,
    )
    _write_credentials(directory, credentials, cloud)
    log = RequestLog(directory / "requests.jsonl")
    server = Server(cloud, log, credentials["token"], credentials["read_only_token"])
    certificate = server_certificate(
        cloud_authority(directory), ["localhost", "api.localcloud.test"], [HOST], directory
    )
    if machines is not None:
        await asyncio.to_thread(machines.start, stages.report)
        resumed = sum(len(cloud.state[kind]) for kind in ("droplets", "databases", "load_balancers"))
        if resumed:
            stages.report(f"bringing back {resumed} machines")
        cloud.resume()
        await cloud.queues.drain()
    await server.start(HOST, options.port, certificate)
    cloud.changed()
    stages.report(READY)
    try:
        await server.stopping.wait()
    finally:
        await server.stop()
    if machines is not None and server.remove_machines:
        await asyncio.to_thread(machines.stop)


def _write_credentials(directory: Path, credentials: dict[str, Any], cloud: Cloud) -> None:
    key = next(iter(cloud.state["spaces_keys"].values()), None)
    is_new = cloud.state["time"] is None  # nothing was saved before this start
    if key is None or ("spaces" in credentials and not is_new):
        return  # somebody may have deleted the key that is named there: another one does not take its place
    credentials["spaces"] = {
        "endpoint": SPACES_ENDPOINT,
        "region": SPACES_REGION,
        "access_key": key["access_key"],
        "secret_key": key["secret_key"],
    }
    write_private(directory / "credentials.json", json.dumps(credentials, indent=2) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="localcloud.daemon", description="The server behind `localcloud up`.")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--speed", type=float, required=True)
    parser.add_argument("--api-only", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    options = Options(arguments.port, arguments.speed, arguments.api_only)
    stages = Stages(arguments.state)
    lock = ServerLock(arguments.state)
    try:
        lock.take(options)
    except BlockingIOError:
        logger.error("a server runs from %s already", arguments.state)
        return 1
    stages.clear()
    try:
        asyncio.run(serve(arguments.state, options, stages))
    except (KeyboardInterrupt, asyncio.CancelledError):
        stages.report(f"{FAILED}stopped")
        return 0
    except (MachineError, OSError, ValueError) as error:
        logger.exception("the start failed")
        stages.report(f"{FAILED}{error}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
