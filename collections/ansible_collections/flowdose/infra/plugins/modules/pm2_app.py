#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pm2_app: one application under pm2."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pm2_app
short_description: Run a Node.js application under pm2 from a given directory
description:
  - Keeps one application of a running pm2 daemon in cluster mode, and proves that its processes are the ones asked for.
  - pm2 calls a process online that has not opened its port, keeps the directory and the settings of the first start,
    and reports success when a reload broke the application. So this module looks at C(/proc/PID/cwd) and at the port
    itself.
  - A changed directory (a switched symbolic link) is a reload, which keeps a worker serving; changed settings are a new
    start.
  - Runs as the user of the daemon, never as root, and never starts a daemon, which would be outside of its service.
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
options:
  name:
    description: Name of the application in pm2.
    type: str
    required: true
  directory:
    description:
      - Working directory. May be, or lie below, a symbolic link; the processes must run in what it points to.
    type: path
    required: true
  script:
    description: The JavaScript file to run, relative to O(directory).
    type: str
    required: true
  args:
    description: Arguments of the script.
    type: list
    elements: str
    default: []
  env:
    description:
      - Environment variables of the processes. pm2 writes them to disk and shows them to whoever asks, so nothing
        secret.
    type: dict
    default: {}
  port:
    description: TCP port on 127.0.0.1 that the application opens when it is ready.
    type: int
    required: true
  instances:
    description: Number of processes.
    type: int
    default: 1
  timeout:
    description: Seconds that a start or a reload may take until O(port) answers.
    type: int
    default: 120
  ecosystem:
    description: Where to write the configuration for pm2, outside of anything that is replaced by a release.
    type: path
    required: true
  node:
    description: The node binary.
    type: path
    default: /opt/node/bin/node
  pm2:
    description: The directory of the pm2 package.
    type: path
    default: /opt/pm2/lib/node_modules/pm2
  pm2_home:
    description: The directory of the daemon's state; by default C(.pm2) in the user's home.
    type: path
    default: ~/.pm2
attributes:
  check_mode:
    support: full
    description: Says whether the application would be started or reloaded, and changes nothing.
"""

EXAMPLES = r"""
- name: Run the backend from the current release
  flowdose.infra.pm2_app:
    name: medusa-backend
    directory: /srv/flowdose/backend/current/.medusa/server
    script: ../../node_modules/@medusajs/cli/cli.js
    args: [start, --host, 127.0.0.1, --port, "9000"]
    env:
      NODE_ENV: production
    port: 9000
    ecosystem: /srv/flowdose/backend/ecosystem.config.json
  become: true
  become_user: flowdose
"""

RETURN = r"""
action:
  description: What was, or in check mode would be, done - V(none), V(reload) or V(start).
  returned: always
  type: str
  sample: reload
reason:
  description: Why, in words.
  returned: always
  type: str
  sample: runs in /srv/flowdose/backend/releases/1
directory:
  description: Where the processes run, links resolved.
  returned: always
  type: str
  sample: /srv/flowdose/backend/releases/2
pids:
  description: The processes.
  returned: when not in check mode
  type: list
  elements: int
"""

import hashlib
import json
import os
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

MARK = (
    "FLOWDOSE_PM2_SETTINGS"  # environment variable that carries the digest of the settings a process was started with
)


class Pm2Error(Exception):
    """pm2 did not do what it was asked for. The text is for the person who reads it."""


class Pm2:
    """The command line of pm2, talking to the user's running daemon."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._home = Path(module.params["pm2_home"])
        node = module.params["node"]
        self._command = [node, os.path.join(module.params["pm2"], "bin", "pm2")]
        # pm2 hands the caller's environment on to what it starts: give it as little as possible
        self._environment = {
            "PATH": f"{os.path.dirname(node)}:/usr/bin:/bin",
            "HOME": str(Path.home()),
            "PM2_HOME": str(self._home),
            "LANG": "C.UTF-8",
        }

    @property
    def dump(self) -> Path:
        return self._home / "dump.pm2"

    def require_daemon(self) -> None:
        """Raises Pm2Error when no daemon runs: any pm2 command would then start one outside of the service."""
        try:
            pid = int((self._home / "pm2.pid").read_text().strip())
            os.kill(pid, 0)
        except (OSError, ValueError):
            raise Pm2Error(
                f"no pm2 daemon runs for {self._home}; start its service"
                " (systemctl status pm2-flowdose says why it does not run)"
            ) from None

    def run(self, *arguments: str) -> str:
        command = [
            "/usr/bin/env",
            "-i",
            *(f"{key}={value}" for key, value in self._environment.items()),
            *self._command,
        ]
        rc, out, err = self._module.run_command([*command, *arguments], cwd=str(self._home))
        if rc != 0:
            raise Pm2Error(f"pm2 {' '.join(arguments)} failed with rc {rc}: {(err or out).strip()[-1500:]}")
        return out

    def processes(self, name: str) -> list[dict[str, Any]]:
        """pm2's view of the processes called `name`: keys pid, status, mark."""
        out = self.run("jlist")
        for line in out.splitlines():  # notices may stand before the list
            if line.startswith("["):
                try:
                    entries = json.loads(line)
                except ValueError:
                    continue
                return [
                    {
                        "pid": int(entry.get("pid") or 0),
                        "status": entry["pm2_env"].get("status", "unknown"),
                        "mark": entry["pm2_env"].get(MARK, ""),
                    }
                    for entry in entries
                    if entry.get("name") == name
                ]
        raise Pm2Error(f"pm2 jlist gave no list: {out.strip()[-500:]}")


def settings(params: dict[str, Any]) -> dict[str, Any]:
    """The application's entry in the ecosystem file."""
    entry = {
        "name": params["name"],
        "cwd": params["directory"],
        "script": params["script"],
        "args": params["args"],
        "exec_mode": "cluster",
        "instances": params["instances"],
        # the default of 3 s ends the old worker long before the new one listens
        "listen_timeout": params["timeout"] * 1000,
        "kill_timeout": 10_000,
        "exp_backoff_restart_delay": 500,
        "env": {str(key): str(value) for key, value in params["env"].items()},
    }
    digest = hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()[:16]
    return {**entry, "env": {**entry["env"], MARK: digest}}


def working_directory(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def difference(processes: list[dict[str, Any]], wanted: dict[str, Any], directory: str) -> tuple[str, str]:
    """(action, reason) that brings `processes` to `wanted`, running in `directory`."""
    if not processes:
        return "start", "not running"
    if len(processes) != wanted["instances"]:
        return "start", f"{len(processes)} processes instead of {wanted['instances']}"
    for process in processes:
        if process["mark"] != wanted["env"][MARK]:
            return "start", "started with other settings"
        if process["status"] != "online" or not process["pid"]:
            return "start", f"is {process['status']}"
    for process in processes:
        actual = working_directory(process["pid"])
        if actual != directory:
            return "reload", f"runs in {actual or 'no directory'}"
    return "none", "runs as asked for"


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False


def silent(port: int) -> str:
    return f"online, but port {port} of 127.0.0.1 does not answer"


def write_ecosystem(path: Path, wanted: dict[str, Any]) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        json.dump({"apps": [wanted]}, file, indent=2)
        file.write("\n")
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)


def wait(pm2: Pm2, params: dict[str, Any], wanted: dict[str, Any], directory: str) -> str:
    """Wait until the processes are as wanted and the port answers; "" or what is still wrong after the timeout."""
    deadline = time.monotonic() + params["timeout"]
    while True:
        reason = difference(pm2.processes(params["name"]), wanted, directory)
        if reason[0] == "none" and listens(params["port"]):
            return ""
        if time.monotonic() > deadline:
            return (
                reason[1] if reason[0] != "none" else f"online, but port {params['port']} of 127.0.0.1 does not answer"
            )
        time.sleep(1)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "script": {"type": "str", "required": True},
            "args": {"type": "list", "elements": "str", "default": []},
            "env": {"type": "dict", "default": {}},
            "port": {"type": "int", "required": True},
            "instances": {"type": "int", "default": 1},
            "timeout": {"type": "int", "default": 120},
            "ecosystem": {"type": "path", "required": True},
            "node": {"type": "path", "default": "/opt/node/bin/node"},
            "pm2": {"type": "path", "default": "/opt/pm2/lib/node_modules/pm2"},
            "pm2_home": {"type": "path", "default": "~/.pm2"},
        },
        supports_check_mode=True,
    )
    params = module.params
    wanted = settings(params)
    directory = os.path.realpath(params["directory"])
    pm2 = Pm2(module)
    try:
        pm2.require_daemon()
        action, reason = difference(pm2.processes(params["name"]), wanted, directory)
        if action == "none" and not listens(params["port"]):
            action, reason = "start", silent(params["port"])
        result = {"changed": action != "none", "action": action, "reason": reason, "directory": directory}
        if module.check_mode:
            module.exit_json(**result)
        if action == "none":
            if not pm2.dump.exists():
                pm2.run("save", "--force")
                result["changed"] = True
        else:
            ecosystem = Path(params["ecosystem"])
            write_ecosystem(ecosystem, wanted)
            problem = ""
            if action == "reload":
                pm2.run("reload", str(ecosystem))
                problem = wait(pm2, params, wanted, directory)
                result["action"] = "start" if problem else "reload"
            if action == "start" or problem:
                if pm2.processes(params["name"]):
                    pm2.run("delete", params["name"])
                pm2.run("start", str(ecosystem))
                problem = wait(pm2, params, wanted, directory)
            if problem:
                raise Pm2Error(
                    f"{params['name']} did not come up in {directory} within {params['timeout']} s: {problem}."
                    f" Its last words:\n{last_lines(pm2, params['name'])}"
                )
            pm2.run("save", "--force")
        result["pids"] = [process["pid"] for process in pm2.processes(params["name"])]
    except Pm2Error as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


def last_lines(pm2: Pm2, name: str, lines: int = 25) -> str:
    try:
        return pm2.run("logs", name, "--nostream", "--raw", "--lines", str(lines)).strip()[-4000:]
    except Pm2Error as error:
        return str(error)


if __name__ == "__main__":
    main()
