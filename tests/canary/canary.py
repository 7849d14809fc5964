# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch a run and look for secrets in everything it leaves: what it printed, files, the arguments of processes.

    run = watched(["ansible-playbook", ...], cwd=ROOT, env=...)
    assert run.leaks({"token": "dop_v1_..."}, places=[folder], allowed=[folder / "master_key"]) == []

A secret is found as it is, quoted for a URL, in JSON or for a shell, in base64 at any offset, and as a plain digest:
whoever has a digest can try passwords against it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

INTERVAL = 0.03  # seconds between two looks at the processes; what lives shorter may be missed
SHORTEST = 8  # characters; what is shorter is found by chance


@dataclass(frozen=True)
class Run:
    """A command that has ended. `arguments`: the command lines of all processes of the machine while it ran."""

    returncode: int
    output: str  # stdout and stderr
    seconds: float
    arguments: frozenset[bytes]

    def leaks(
        self, secrets: Mapping[str, str], *, places: Iterable[Path] = (), allowed: Iterable[Path] = ()
    ) -> list[str]:
        """Where each secret was found, as `NAME (how it was written) in WHERE`; never the secret itself.

        `places` are files and folders to search; `allowed` those among them that are there to keep the secret.
        """
        wanted = {(name, how): text for name, secret in secrets.items() for how, text in forms(name, secret).items()}
        found = _named(wanted, self.output.encode(), "the output")
        for command in self.arguments:
            leaks = _named(wanted, command.replace(b"\0", b" "), "the arguments of")
            found += [f"{leak} {_without_secrets(command, wanted)}" for leak in leaks]
        kept = {path.resolve() for path in allowed}
        for path in _files(places):
            if path.resolve() not in kept:
                with suppress(OSError):  # gone by now
                    found += _named(wanted, path.read_bytes(), str(path))
                found += _named(wanted, str(path).encode(), f"the name of {path.parent / '...'}")
        return sorted(set(found))


def forms(name: str, secret: str) -> dict[str, bytes]:
    """How the secret may be written: a description -> the bytes to look for."""
    if len(secret) < SHORTEST:
        raise ValueError(f"{name} has less than {SHORTEST} characters and would be found by chance")
    raw = secret.encode()
    written = {
        "as it is": raw,
        "in a URL": quote(secret, safe="").encode(),
        "in JSON": json.dumps(secret)[1:-1].encode(),
        "in JSON in JSON": json.dumps(json.dumps(secret)[1:-1])[1:-1].encode(),
        "in a shell's quotes": shlex.quote(secret).encode(),
    }
    for offset in range(3):
        # In base64 three bytes become four characters: what stands before moves them. The edges depend on neighbours.
        encoded = base64.b64encode(b"\0" * offset + raw)
        written[f"in base64, offset {offset}"] = encoded[(0, 2, 3)[offset] : len(encoded) // 4 * 4 - 4]
    for algorithm in ("md5", "sha1", "sha256", "sha512"):
        written[f"as its {algorithm}"] = hashlib.new(algorithm, raw, usedforsecurity=False).hexdigest().encode()
    return {how: text for how, text in written.items() if how == "as it is" or text != raw}


def watched(command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 600) -> Run:
    """Run a command to its end, and see the arguments of every process meanwhile. `timeout` is in seconds."""
    seen: set[bytes] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(INTERVAL):
            seen.update(command_lines())

    started = time.monotonic()
    watcher = threading.Thread(target=watch, name="canary", daemon=True)
    watcher.start()
    try:
        done = subprocess.run(
            list(command),
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    finally:
        stop.set()
        watcher.join()
    seconds = time.monotonic() - started
    return Run(done.returncode, done.stdout.decode(errors="replace"), seconds, frozenset(seen))


def command_lines() -> set[bytes]:
    """The arguments of all processes, as everybody on the machine can read them; those of containers too."""
    found = set()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):
                found.add(Path(entry.path, "cmdline").read_bytes())
    return found - {b""}


def _without_secrets(command: bytes, wanted: Mapping[tuple[str, str], bytes]) -> str:
    """The first arguments of a command line, up to the first that may hold a secret, to tell which process it was."""
    shown = []
    for argument in command.split(b"\0")[:6]:
        if len(argument) > 80 or any(form in argument for form in wanted.values()):
            break
        shown.append(argument.decode(errors="replace"))
    return " ".join([*shown, "..."])


def _named(wanted: Mapping[tuple[str, str], bytes], text: bytes, where: str) -> list[str]:
    return [f"{name} ({how}) in {where}" for (name, how), form in wanted.items() if form in text]


def _files(places: Iterable[Path]) -> Iterable[Path]:
    for place in places:
        if place.is_file():
            yield place
        for folder, _, names in os.walk(place):
            yield from (Path(folder, name) for name in names if Path(folder, name).is_file())
