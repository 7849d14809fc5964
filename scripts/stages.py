# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scripts share: where things are, and stages that say what they wait for and how long it took.

Standard library only: `bootstrap.py` runs before anything is installed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
COLLECTION = ROOT / "collections/ansible_collections/flowdose/infra"


# The name of what is done beside something else, which stands before each of its lines.
lane: ContextVar[str] = ContextVar("lane", default="")
_running: set[subprocess.Popen[str]] = set()
_ending = threading.Event()


class StageFailed(Exception):
    """A stage could not do its work; the text is what the person at the terminal reads."""


def say(text: str = "") -> None:
    """Print at once, also into a pipe: a person or a log is waiting for it."""
    prefix = f"{lane.get()} | " if lane.get() else ""
    # Written in one piece, so that no other lane's line gets between.
    sys.stdout.write("".join(f"{prefix}{line}\n" for line in text.split("\n")))
    sys.stdout.flush()


@contextmanager
def stage(name: str, waits_for: str) -> Iterator[None]:
    """Announce a stage, and say how it ended and how many seconds it took."""
    say(f"\n==> {name}: {waits_for}")
    started = time.monotonic()
    try:
        yield
    except BaseException:
        say(f"==> {name}: FAILED after {time.monotonic() - started:.0f} s")
        raise
    say(f"==> {name}: done in {time.monotonic() - started:.0f} s")


def tool(name: str) -> str:
    """The path of a command of the virtual environment."""
    return str(VENV / "bin" / name)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The process environment of the project's own commands: its tools first on PATH, its own settings only."""
    env = dict(os.environ)
    env["PATH"] = f"{VENV / 'bin'}:{env.get('PATH', '')}"
    env["VIRTUAL_ENV"] = str(VENV)
    env.pop("ANSIBLE_CONFIG", None)  # the repository's is found, because commands run in its root
    env["PYTHONUNBUFFERED"] = "1"
    env.setdefault("LC_ALL", "C.UTF-8")  # ansible refuses to start under a locale that is not UTF-8
    env.update(extra or {})
    return env


def run(
    command: Sequence[str],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    quiet: bool = False,
) -> None:
    """Run a command, without stdin, in a process group of its own; raise `StageFailed` when it fails or takes too long.

    `timeout` is in seconds. `quiet` shows the output only when the command fails.
    """
    if _ending.is_set() and threading.current_thread() is not threading.main_thread():
        raise StageFailed("interrupted")
    piped = quiet or lane.get() != ""
    process = subprocess.Popen(
        list(command),
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if piped else None,
        stderr=subprocess.STDOUT if piped else None,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    _running.add(process)
    output: list[str] = []

    def read() -> None:
        for line in process.stdout or ():
            if quiet:
                output.append(line)
            else:
                say(line.rstrip("\n"))

    reader = threading.Thread(target=copy_context().run, args=(read,), daemon=True)
    reader.start()
    shown = " ".join(command)
    try:
        process.wait(timeout=timeout)
    except subprocess.TimeoutExpired:
        _end(process)
        raise StageFailed(f"`{shown}` did not end within {timeout:.0f} s and was stopped.") from None
    except BaseException:
        _end(process)
        raise
    finally:
        _running.discard(process)
        reader.join(timeout=5)  # a daemon that the command has left may hold its output open
    if process.returncode:
        if output:
            say("".join(output).rstrip())
        raise StageFailed(f"`{shown}` ended with {process.returncode}.")


def end_all() -> None:
    """Stop all that `run` is running, in whatever thread. Only the main one may run more, to clean up."""
    _ending.set()
    for process in list(_running):
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Stop a command and what it started: first politely, so that it can clean up."""
    for number, patience in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=patience)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _terminated(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(f"signal {number}")


def main(body: Callable[[], None]) -> None:
    """Run a script's body; failures become one clear message and exit status 1, a signal the usual 130."""
    signal.signal(signal.SIGTERM, _terminated)
    # A shell has what it runs in the background ignore it, which all that is started from here would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        body()
    except StageFailed as error:
        say(f"\nERROR: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("\nInterrupted.")
        sys.exit(130)
