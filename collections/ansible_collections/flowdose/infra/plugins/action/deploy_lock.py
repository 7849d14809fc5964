# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`flowdose.infra.deploy_lock`: the part on the controller, where it is known whether a run has ended."""

from __future__ import annotations

import json
import secrets
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, Literal, cast

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.flowdose.infra.plugins.callback import deploy_lock as callback
from ansible_collections.flowdose.infra.plugins.module_utils.deploy_lock import PATH, told

PATIENCE = 10.0  # seconds for a lock that is just being freed
FREE_LOCK = Path(__file__).parents[1] / "plugin_utils" / "free_lock.py"

Lock = dict[str, Any]
Life = Literal["runs", "ends", "ended", "elsewhere"]


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        run = callback.current
        if run is None:
            return {
                "failed": True,
                "msg": "A lock needs the callback that frees it. In ansible.cfg, under [defaults]:"
                " callbacks_enabled = flowdose.infra.deploy_lock",
            }
        mine: Lock = {
            "id": secrets.token_hex(4),
            "host": socket.gethostname(),
            "machine": machine(),
            "processes": [process(run.pid)],
        }
        if self._task.check_mode:
            answer = self._ask(mine, task_vars)
            held = answer.get("lock")
            if held and not of_one_run(held, mine):
                answer["warnings"] = [refusal(held, answer["now"])]
            return answer
        watcher = self._watch(run, mine["id"])
        mine["processes"].append(process(watcher.pid))
        try:
            answer = self._take(mine, task_vars)
        except AnsibleConnectionFailure:
            watcher.kill()
            raise
        if answer.get("lock", {}).get("id") != mine["id"]:
            watcher.kill()
            return answer
        said = cast(IO[bytes], watcher.stdout).read().decode(errors="replace").strip()
        if said != "ready":
            self._low_level_execute_command(self._free_command(mine["id"]))
            return {"failed": True, "msg": f"Nothing could be started that frees the lock at the end: {said}"}
        return answer

    def _take(self, mine: Lock, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Ask until it is taken, or held by somebody who does not let go of it."""
        asked_to_break = self._task.args.get("break_lock")
        breaks = asked_to_break
        warnings: list[str] = []
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self._ask(mine, task_vars, break_lock=breaks)
            held = answer.get("lock")
            if held is None or held["id"] == mine["id"] or of_one_run(held, mine):
                return {**answer, "warnings": warnings} if warnings else answer
            life = life_of(held)
            if life == "ended" and time.monotonic() < deadline:
                breaks = held["id"]
                warnings = [f"Took over the lock of a run that ended without freeing it: {told(held, answer['now'])}."]
            elif life == "ends" and time.monotonic() < deadline:
                time.sleep(0.5)
            else:
                wrong = f"There is no lock {asked_to_break}, and none was broken. " if asked_to_break else ""
                # without the rest: a failed task prints its whole result, and nobody would find why
                return {"failed": True, "msg": wrong + refusal(held, answer["now"])}

    def _ask(self, mine: Lock, task_vars: dict[str, Any] | None, **options: Any) -> dict[str, Any]:
        arguments = {**self._task.args, **options, "run": mine}
        answer: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
        return answer

    def _watch(self, run: callback.Run, identity: str) -> subprocess.Popen[bytes]:
        """Start the process that frees the lock when the run has ended. It reaches the host as this task does."""
        become = self._connection.become
        needless = become and self.get_become_option("become_user") == self._get_remote_user()
        if needless and not C.BECOME_ALLOW_SAME_USER:
            become = None
        job = {
            "connection": self._connection.ansible_name,
            "options": self._connection.get_options(),
            "become": become and become.ansible_name,
            "become_options": become and become.get_options(),
            "command": self._free_command(identity),
        }
        descriptor = run.watched.fileno()
        watcher = subprocess.Popen(
            [sys.executable, str(FREE_LOCK), str(descriptor)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[descriptor],
            start_new_session=True,  # no key on the terminal, and no end of a worker, reaches it
        )
        with cast(IO[bytes], watcher.stdin) as stdin:
            stdin.write(json.dumps(job).encode())
        return watcher

    def _free_command(self, identity: str) -> str:
        path = self._task.args.get("path", PATH)
        file = shlex.quote(f"{path}/{identity}")
        return f"rm -f {file}; rmdir {shlex.quote(path)} 2>/dev/null; test ! -e {file}"


def machine() -> dict[str, str]:
    """What tells whether process numbers are of this machine, since its last start. Empty where there is no /proc."""
    return {
        "id": read("/etc/machine-id"),
        "boot": read("/proc/sys/kernel/random/boot_id"),
        "processes": namespace(),
    }


def namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def process(pid: int) -> dict[str, Any]:
    """Its number, and when it was started, in ticks since the machine was: numbers are given again."""
    fields = stat(pid)
    return {"pid": pid, "started": fields[19] if fields else ""}


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; none when it has ended, waited for or not."""
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return [] if fields[:1] in ([], ["Z"], ["X"]) else fields


def of_one_run(held: Lock, mine: Lock) -> bool:
    same = held.get("machine") == mine["machine"] and held["processes"][0] == mine["processes"][0]
    return same and mine["processes"][0]["started"] != ""


def life_of(lock: Lock) -> Life:
    """Whether the run that took a lock still runs, as far as this machine can know."""
    here, there = machine(), lock.get("machine", {})
    if there.get("boot") != here["boot"]:
        # the machine was started anew since, or it is another one
        same = there.get("id") == here["id"] != "" and lock.get("host") == socket.gethostname()
        return "ended" if same and here["boot"] else "elsewhere"
    if here["boot"] == "" or there.get("processes") != here["processes"]:
        return "elsewhere"  # such as another container
    alive = [process(entry["pid"]) == entry and entry["started"] != "" for entry in lock["processes"]]
    if alive[0]:
        return "runs"
    return "ends" if any(alive) else "ended"


def refusal(lock: Lock, now: str) -> str:
    """What to do about a lock that is held."""
    pid = lock["processes"][0]["pid"] if "processes" in lock else "of ansible-playbook"
    advice = {
        "runs": f"It runs on this machine (ps -p {pid}). Wait for it.",
        "ends": "It was ended, but its last task still runs on this machine. Wait for that, which frees the lock.",
        "ended": "It ended without freeing the lock, which the next run takes over.",
        "elsewhere": f"Look on {lock.get('host', 'the machine that took it')} whether it still runs (ps -p {pid}), and"
        f" wait for it. Only when it has certainly ended, break its lock: -e flowdose_break_lock={lock['id']}",
    }[life_of(lock)]
    return f"Another run has the lock of this environment: {told(lock, now)}. {advice}"
