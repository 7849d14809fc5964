#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_info
short_description: Look at what is deployed on a host
version_added: "0.1.0"
description:
  - Reads which releases of which applications are there, which of them serves, what pm2 says of its processes, who has
    the lock of deploys, and the end of the log.
  - Reads files and asks a pm2 that runs, so that it also works when the shop does not. What cannot be read is said in
    RV(problems), and never fails.
extends_documentation_fragment:
  - flowdose.infra.attributes.info
options:
  root:
    description: The folder of the applications.
    type: path
    default: /srv/flowdose
  user:
    description: Whose pm2 runs them.
    type: str
    default: flowdose
  lock:
    description: The lock, as of M(flowdose.infra.deploy_lock).
    type: path
    default: /var/lib/flowdose/deploy.lock
  log:
    description: The log, as of M(flowdose.infra.deploy_log).
    type: path
    default: /var/log/flowdose/deploys.jsonl
  entries:
    description: How many entries of the log to read, from its end.
    type: int
    default: 20
  node:
    description: The node binary.
    type: path
    default: /opt/node/bin/node
  pm2:
    description: The directory of the pm2 package.
    type: path
    default: /opt/pm2/lib/node_modules/pm2
author: The FlowDose infrastructure developers (@flowdose)
"""

EXAMPLES = r"""
- name: Look at what is deployed
  flowdose.infra.deploy_info:
  become: true
  register: deployed
"""

RETURN = r"""
apps:
  description: The applications.
  returned: always
  type: list
  elements: dict
  contains:
    app:
      description: Its name.
      type: str
      sample: backend
    current:
      description: The release that was switched to last; empty when there was none.
      type: str
    since:
      description: When that was.
      type: str
      sample: "2026-11-23T02:40:00Z"
    releases:
      description:
        - The releases that are there, the newest first. Each is what its manifest says, such as C(made_at), C(made_by),
          C(commit) and C(subject), with C(id), C(complete), and C(taken_back), which is empty or says when, by whom and
          for which release.
      type: list
      elements: dict
    processes:
      description: What pm2 keeps of it, each with C(name), C(port), C(state), C(listens), C(restarts),
        C(since), C(release), C(directory), and whether it C(serves).
      type: list
      elements: dict
lock:
  description: The lock that is held, if one is.
  returned: always
  type: dict
log:
  description: The last entries, the oldest first.
  returned: always
  type: list
  elements: dict
now:
  description: The time on the host.
  returned: always
  type: str
problems:
  description: What could not be read, and why.
  returned: always
  type: list
  elements: str
"""

import json
import os
import pwd
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flowdose.infra.plugins.module_utils import deploy_lock, deploy_log
from ansible_collections.flowdose.infra.plugins.module_utils.releases import MANIFEST, current, read, taken_back


class Unreadable(Exception):
    """Something is not as it should be. The text is for the person who reads it."""


class Host:
    """What is deployed here. What cannot be read is left out, and said in `problems`."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._options = module.params
        self.problems: list[str] = []

    def attempt(self, what: str, read: Callable[[], Any], instead: Any) -> Any:
        try:
            return read()
        except (OSError, ValueError, KeyError, Unreadable) as error:
            self.problems.append(f"{what}: {error}")
            return instead

    def apps(self) -> list[dict[str, Any]]:
        processes = self.attempt("pm2", self.processes, [])
        homes = sorted(folder.parent for folder in Path(self._options["root"]).glob("*/releases"))
        return [self.app(home, processes) for home in homes]

    def app(self, home: Path, processes: list[dict[str, Any]]) -> dict[str, Any]:
        link = home / "current"
        marks = self.attempt("what was taken back", lambda: taken_back(home), {})
        found = [self.release(folder, marks) for folder in (home / "releases").iterdir()]
        return {
            "app": home.name,
            "current": current(home),
            "since": iso(link.lstat().st_mtime) if link.is_symlink() else "",
            "releases": sorted(found, key=lambda entry: str(entry.get("made_at", "")), reverse=True),
            "processes": [
                {
                    **entry,
                    "release": Path(entry["directory"]).relative_to(home / "releases").parts[0],
                    "serves": entry["port"] == self.serving_port(entry["name"], processes),
                }
                for entry in processes
                if Path(entry["directory"]).is_relative_to(home / "releases")
            ],
        }

    def serving_port(self, name: str, processes: list[dict[str, Any]]) -> int:
        """The port that the proxy asks: the second of a name when there is a mark of it, else the first."""
        marks = [path.name.rpartition("-")[2] for path in (Path(self._options["root"]) / "serving").glob(f"{name}-*")]
        return int(marks[0]) if marks else min(entry["port"] for entry in processes if entry["name"] == name)

    def release(self, folder: Path, marks: dict[str, dict[str, Any]]) -> dict[str, Any]:
        manifest = folder / MANIFEST
        said = self.attempt("a release", lambda: read(manifest), {}) if manifest.exists() else {}
        # a mark names the release, or its build, which is the beginning that it has in common with others
        named = [mark for mark in marks if f"{folder.name}-".startswith(f"{mark}-")]
        back = marks[named[0]] if named else {}
        return {**said, "id": folder.name, "complete": manifest.exists(), "taken_back": back}

    def processes(self) -> list[dict[str, Any]]:
        """All that pm2 keeps. Asks only a daemon that runs: pm2 would start one, outside of its service."""
        user = pwd.getpwnam(self._options["user"])
        home = Path(user.pw_dir) / ".pm2"
        try:
            os.kill(int((home / "pm2.pid").read_text()), 0)
        except (OSError, ValueError):
            raise Unreadable("no daemon runs (systemctl status pm2-flowdose says why)") from None
        node = self._options["node"]
        environment = {"PATH": f"{os.path.dirname(node)}:/usr/bin:/bin", "HOME": user.pw_dir, "PM2_HOME": str(home)}
        become = [] if user.pw_uid == os.getuid() else ["runuser", "-u", user.pw_name, "--"]
        command = [*become, "env", "-i"]
        command += [f"{name}={value}" for name, value in environment.items()]
        command += ["timeout", "20", node, f"{self._options['pm2']}/bin/pm2", "jlist"]
        status, out, errors = self._module.run_command(command, cwd=user.pw_dir)
        listed = [line for line in out.splitlines() if line.startswith("[")]  # notices may stand before
        if status != 0 or not listed:
            raise Unreadable(f"jlist ended with {status}: {(errors or out).strip()[-500:]}")
        return [process(entry) for entry in json.loads(listed[-1])]


def process(entry: dict[str, Any]) -> dict[str, Any]:
    settings = entry["pm2_env"]
    port = int(settings.get("PORT") or 0)
    return {
        "name": entry["name"],
        "port": port,
        "state": settings.get("status", "unknown"),
        "listens": listens(port),
        "restarts": settings.get("restart_time", 0),
        "since": iso(settings.get("pm_uptime", 0) / 1000),
        "directory": settings.get("pm_cwd", ""),
    }


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
    except OSError:
        return False
    return True


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/srv/flowdose"},
            "user": {"type": "str", "default": "flowdose"},
            "lock": {"type": "path", "default": deploy_lock.PATH},
            "log": {"type": "path", "default": deploy_log.PATH},
            "entries": {"type": "int", "default": 20},
            "node": {"type": "path", "default": "/opt/node/bin/node"},
            "pm2": {"type": "path", "default": "/opt/pm2/lib/node_modules/pm2"},
        },
        supports_check_mode=True,
    )
    options = module.params
    host = Host(module)
    apps = host.attempt(options["root"], host.apps, [])
    lock = host.attempt(options["lock"], lambda: deploy_lock.look(Path(options["lock"])), None)
    log = host.attempt(options["log"], lambda: deploy_log.last_entries(Path(options["log"]), options["entries"]), [])
    now = iso(datetime.now(UTC).timestamp())
    module.exit_json(changed=False, apps=apps, lock=lock, log=log, now=now, problems=host.problems)


if __name__ == "__main__":
    main()
