#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pm2_app: one application under pm2, replaced without a gap."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pm2_app
short_description: Run a Node.js application under pm2, and replace it without losing a request
description:
  - An application has two ports. The process on one of them serves; a new release is started on the other, proved there
    by whoever asked for it, and then made the one that serves.
  - Which one serves is told by a file, which the proxy looks for at each request, so that the switch is one moment, and
    the proxy need not be reloaded. The process that served finishes what it is answering and ends.
  - pm2 calls a process online that has not opened its port, and a port may be another's. So this module looks for the
    port among the files that the process has open.
  - Runs as the user of the daemon, never as root, and never starts a daemon, which would be outside of its service.
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
options:
  name:
    description: Name of the application in pm2. While one release replaces another, two processes have it.
    type: str
    required: true
  state:
    description:
      - V(candidate) has a process run as described, beside the one that serves unless that is it. Where none serves, it
        takes its place.
      - V(serving) makes that process the one that serves, and ends all others of this name.
      - V(withdrawn) ends all processes of this name but the one that serves, and those in O(directory), if given, even
        if one of them serves.
    type: str
    choices: [candidate, serving, withdrawn]
    required: true
  directory:
    description:
      - Working directory. Symbolic links are resolved, so that the process stays in what they point to now.
      - Required unless O(state=withdrawn).
    type: path
  script:
    description:
      - The JavaScript file to run, relative to O(directory), or to the nearest folder above it where it is, as Node.js
        looks for packages.
      - Required unless O(state=withdrawn).
    type: str
  args:
    description: Arguments of the script. C(PORT) as a whole argument stands for the port.
    type: list
    elements: str
    default: []
  env:
    description:
      - Environment variables of the process, beside C(PORT), and those of Node.js that the daemon's service sets. pm2
        writes them to disk and shows them to whoever asks, so nothing secret.
    type: dict
    default: {}
  ports:
    description:
      - The two TCP ports on 127.0.0.1. The first serves unless the file of the second exists.
    type: list
    elements: int
    required: true
  marks:
    description:
      - Directory of the file that says that the second port serves, called C(NAME-PORT). The proxy must be allowed to
        read it.
    type: path
    required: true
  pid:
    description:
      - With O(state=serving), the process that was proved. When another one runs by now, because it ended and was
        started again, none is made to serve.
    type: int
  timeout:
    description:
      - Seconds that a start may take until the port is open. A process that has ended twice by then is not waited for.
    type: int
    default: 120
  drain:
    description: Seconds that a process which no longer serves may take to finish what it is answering.
    type: int
    default: 30
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
    description: Says what would be started, switched or ended, and changes nothing.
"""

EXAMPLES = r"""
- name: Start a release of the backend beside the one that serves
  flowdose.infra.pm2_app:
    state: candidate
    name: medusa-backend
    directory: /srv/flowdose/backend/releases/2/.medusa/server
    script: node_modules/@medusajs/cli/cli.js
    args: [start, --host, 127.0.0.1, --port, PORT]
    ports: [9000, 9001]
    marks: /srv/flowdose/serving
  register: candidate
  become: true
  become_user: flowdose

- name: Prove it
  ansible.builtin.uri:
    url: "http://127.0.0.1:{{ candidate.port }}/health"

- name: Make it serve
  flowdose.infra.pm2_app:
    state: serving
    name: medusa-backend
    directory: /srv/flowdose/backend/releases/2/.medusa/server
    script: node_modules/@medusajs/cli/cli.js
    args: [start, --host, 127.0.0.1, --port, PORT]
    ports: [9000, 9001]
    marks: /srv/flowdose/serving
    pid: "{{ candidate.pid }}"
  become: true
  become_user: flowdose
"""

RETURN = r"""
port:
  description: The port of the process that was asked for; with O(state=withdrawn), the one that serves.
  returned: always
  type: int
  sample: 9001
serves:
  description: Whether that is the port that serves.
  returned: always
  type: bool
reason:
  description: What was, or in check mode would be, done, and why; empty when nothing.
  returned: always
  type: str
  sample: started, because /srv/flowdose/backend/releases/1 runs
directory:
  description: Where the process runs, links resolved.
  returned: unless O(state=withdrawn)
  type: str
  sample: /srv/flowdose/backend/releases/2
log:
  description: The last lines of what was ended had written.
  returned: with O(state=withdrawn)
  type: str
pid:
  description: The process.
  returned: unless O(state=withdrawn) or in check mode
  type: int
"""

import hashlib
import json
import os
import pwd
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

# Environment variable that carries the digest of the settings a process was started with.
MARK = "FLOWDOSE_PM2_SETTINGS"
# A process that ended so often while it should start will go on like that.
HOPELESS = 2
LISTENING = "0A"  # in the column "st" of /proc/net/tcp


class Pm2Error(Exception):
    """pm2 did not do what it was asked for. The text is for the person who reads it."""


@dataclass(frozen=True)
class Process:
    """One that pm2 keeps; `id` is pm2's number of it, which no other ever has."""

    id: int
    pid: int
    status: str
    mark: str
    port: int
    directory: str
    restarts: int  # since it was started; pm2 starts again what ended

    @property
    def online(self) -> bool:
        return self.status == "online" and self.pid > 0 and owns(self.pid, self.port)


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

    def log(self, name: str, port: int) -> Path:
        return self._home / "logs" / f"{name}-{port}.log"

    def daemon(self) -> int:
        """Its process id. Raises Pm2Error when none runs: a pm2 command would then start one outside of the service."""
        try:
            pid = int((self._home / "pm2.pid").read_text().strip())
            os.kill(pid, 0)
        except (OSError, ValueError):
            raise Pm2Error(
                f"no pm2 daemon runs for {self._home}; start its service"
                " (systemctl status pm2-flowdose says why it does not run)"
            ) from None
        return pid

    def run(self, *arguments: str, directory: str = "", env: dict[str, str] | None = None) -> str:
        environment = {**self._environment, **(env or {})}
        command = ["/usr/bin/env", "-i", *(f"{key}={value}" for key, value in environment.items()), *self._command]
        rc, out, err = self._module.run_command([*command, *arguments], cwd=directory or str(self._home))
        if rc != 0:
            raise Pm2Error(f"pm2 {arguments[0]} failed with rc {rc}: {(err or out).strip()[-1500:]}")
        return out

    def processes(self, name: str) -> list[Process]:
        out = self.run("jlist")
        for line in out.splitlines():  # notices may stand before the list
            if line.startswith("["):
                try:
                    entries = json.loads(line)
                except ValueError:
                    continue
                return [process(entry) for entry in entries if entry.get("name") == name]
        raise Pm2Error(f"pm2 jlist gave no list: {out.strip()[-500:]}")


def process(entry: dict[str, Any]) -> Process:
    """What pm2's list says of one."""
    settings = entry["pm2_env"]
    pid = int(entry.get("pid") or 0)
    return Process(
        id=int(entry["pm_id"]),
        pid=pid,
        status=settings.get("status", "unknown"),
        mark=settings.get(MARK, ""),
        port=int(settings.get("PORT") or 0),
        directory=settings.get("pm_cwd", ""),
        restarts=int(settings.get("restart_time") or 0),
    )


def environment(params: dict[str, Any], port: int, inherited: dict[str, str]) -> dict[str, str]:
    """The variables of a process on `port`; one of them is a digest of all that it is started with."""
    variables = {**inherited, **{str(key): str(value) for key, value in params["env"].items()}, "PORT": str(port)}
    described = [params["name"], params["directory"], params["script"], params["args"], params["drain"], variables]
    return {**variables, MARK: hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]}


def variables_of(pid: int) -> dict[str, str]:
    """Those of Node.js that a process has, such as the authorities that it trusts."""
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return {name: value for name, _equals, value in (pair.partition("=") for pair in pairs) if name.startswith("NODE_")}


def listeners(port: int) -> dict[str, int]:
    """The sockets that listen on a TCP port, whatever the address: inode -> user id."""
    found = {}
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            field = line.split()
            if field[3] == LISTENING and int(field[1].rpartition(":")[2], 16) == port:
                found[field[9]] = int(field[7])
    return found


def owns(pid: int, port: int) -> bool:
    """Whether a process has that port open itself: an answer may be anybody's."""
    return not {f"socket:[{inode}]" for inode in listeners(port)}.isdisjoint(open_files(pid))


def open_files(pid: int) -> Iterator[str]:
    """What a process has open, while it may open and close more; nothing when it has ended, or is another user's."""
    folder = f"/proc/{pid}/fd"
    try:
        numbers = os.listdir(folder)
    except OSError:
        return
    for number in numbers:
        try:
            yield os.readlink(f"{folder}/{number}")
        except OSError:
            continue  # was closed meanwhile


def require_free(port: int) -> None:
    for owner in listeners(port).values():
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = str(owner)
        raise Pm2Error(
            f"port {port} is taken by a process of user {name} that is none of pm2's; what serves is untouched."
            f" `ss -ltnp sport = :{port}` names it"
        )


class Application:
    """The processes of one name, of which one serves."""

    def __init__(self, pm2: Pm2, params: dict[str, Any], inherited: dict[str, str]) -> None:
        self.pm2 = pm2
        self.params = params
        self.name: str = params["name"]
        self.inherited = inherited
        self.mark = Path(params["marks"]) / f"{self.name}-{params['ports'][1]}"

    @property
    def serving_port(self) -> int:
        ports: list[int] = self.params["ports"]
        return ports[1] if self.mark.exists() else ports[0]

    def processes(self) -> list[Process]:
        return self.pm2.processes(self.name)

    def wanted(self, processes: list[Process]) -> Process | None:
        """The one that is as described and runs; of two, the one that serves."""
        found = [
            entry
            for entry in processes
            if entry.online and entry.mark == environment(self.params, entry.port, self.inherited)[MARK]
        ]
        return next((entry for entry in found if entry.port == self.serving_port), found[0] if found else None)

    def free_port(self, processes: list[Process]) -> int:
        """The port for a new process: the one that does not serve, but if nothing does, the one that should."""
        serving = self.serving_port
        if any(entry.port == serving and entry.online for entry in processes):
            return next(port for port in self.params["ports"] if port != serving)
        return serving

    def why_start(self, processes: list[Process]) -> str:
        serving = [entry for entry in processes if entry.port == self.serving_port]
        if not serving:
            return "none runs"
        if not serving[0].online:
            return f"the one that should serve is {serving[0].status} without its port"
        if serving[0].directory != self.params["directory"]:
            return f"{serving[0].directory} runs"
        return "the one that runs was started with other settings"

    def start(self, port: int) -> Process:
        """Start a process on that port; returns when it has opened it."""
        self.end([entry for entry in self.processes() if entry.port == port])
        require_free(port)
        log = self.pm2.log(self.name, port)
        log.parent.mkdir(exist_ok=True)
        written = log.stat().st_size if log.exists() else 0
        arguments = [str(port) if argument == "PORT" else argument for argument in self.params["args"]]
        options = {
            "--name": self.name,
            "--output": str(log),
            "--error": str(log),
            "--kill-timeout": str(self.params["drain"] * 1000),
            "--exp-backoff-restart-delay": "500",
        }
        # From the command line, because an ecosystem file can hold only one process of a name.
        self.pm2.run(
            *("start", self.params["script"], "--force", "--merge-logs"),
            *(word for option in options.items() for word in option),
            # Without arguments, pm2 would take what stands before the dashes for one, and look for an ecosystem file.
            *(["--", *arguments] if arguments else []),
            directory=self.params["directory"],
            env=environment(self.params, port, self.inherited),
        )
        deadline = time.monotonic() + self.params["timeout"]
        while True:
            started = [entry for entry in self.processes() if entry.port == port]
            if started and started[0].online:
                return started[0]
            why = ""
            if started and started[0].restarts >= HOPELESS:
                why = f"ended {started[0].restarts} times before it opened port {port}"
            elif time.monotonic() > deadline:
                why = f"did not open port {port} within {self.params['timeout']} s"
            if why:
                said = last_words(log, written)
                self.end(started)
                raise Pm2Error(
                    f"{self.name} {why} in {self.params['directory']}; it was ended again. Its last words:\n{said}"
                )
            time.sleep(0.5)

    def serve(self, port: int) -> None:
        """From now on, requests go to that port."""
        if port == self.params["ports"][0]:
            self.mark.unlink(missing_ok=True)
        else:
            self.mark.touch(mode=0o644)

    def end(self, processes: list[Process]) -> None:
        """End processes, each of which may first finish what it is answering."""
        for entry in processes:
            self.pm2.run("delete", str(entry.id))


def last_words(log: Path, since: int, lines: int = 25) -> str:
    """What was written to a log after its first `since` bytes."""
    if not log.exists():
        return "none"
    with log.open("rb") as file:
        file.seek(since if since <= log.stat().st_size else 0)
        return "\n".join(file.read().decode(errors="replace").strip().splitlines()[-lines:])[-4000:] or "none"


def candidate(application: Application, check_mode: bool) -> dict[str, Any]:
    processes = application.processes()
    found = application.wanted(processes)
    if found is not None:
        return told(application, found.port, "", found)
    why = f"started, because {application.why_start(processes)}"
    port = application.free_port(processes)
    if check_mode:
        return told(application, port, why)
    return told(application, port, why, application.start(port))


def serving(application: Application, check_mode: bool) -> dict[str, Any]:
    processes = application.processes()
    found = application.wanted(processes)
    if found is None:
        if check_mode:  # nothing was started that could be found
            return told(application, application.free_port(processes), "")
        raise Pm2Error(f"none of the processes {application.name} is the one that is to serve: start a candidate first")
    proved = application.params["pid"]
    if proved is not None and proved != found.pid:
        raise Pm2Error(f"{application.name} ended, and was started again, while it was looked at (pid {proved})")
    done = []
    others = [entry for entry in processes if entry.id != found.id]
    if found.port != application.serving_port:
        done.append(f"switched from port {application.serving_port} to {found.port}")
    if others:
        done.append(f"ended {', '.join(entry.directory for entry in others)}")
    if not application.pm2.dump.exists():
        done.append("saved")
    if done and not check_mode:
        # With both: whatever happens from here on, a reboot brings back the one that serves.
        application.pm2.run("save", "--force")
        application.serve(found.port)
        application.end(others)
        application.pm2.run("save", "--force")
    return told(application, found.port, "; ".join(done), found)


def withdrawn(application: Application, check_mode: bool) -> dict[str, Any]:
    port = application.serving_port
    directory = application.params["directory"]
    withdrawn = [entry for entry in application.processes() if entry.port != port or entry.directory == directory]
    said = [last_words(application.pm2.log(application.name, entry.port), 0) for entry in withdrawn]
    if withdrawn and not check_mode:
        application.end(withdrawn)
        application.pm2.run("save", "--force")
    return {
        "changed": bool(withdrawn),
        "reason": "; ".join(f"ended {entry.directory}" for entry in withdrawn),
        "port": port,
        "serves": True,
        "log": "\n".join(said),
    }


def told(application: Application, port: int, reason: str, found: Process | None = None) -> dict[str, Any]:
    return {
        "changed": reason != "",
        "reason": reason,
        "port": port,
        "serves": port == application.serving_port,
        "directory": application.params["directory"],
        **({} if found is None else {"pid": found.pid}),
    }


def nearest(directory: str, script: str) -> str:
    """The path of `script` from `directory`: there, or in the nearest folder above it that has it."""
    folders = [Path(directory), *Path(directory).parents]
    found = next((folder / script for folder in folders if (folder / script).is_file()), Path(directory) / script)
    return os.path.relpath(found, directory)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["candidate", "serving", "withdrawn"], "required": True},
            "directory": {"type": "path"},
            "script": {"type": "str"},
            "args": {"type": "list", "elements": "str", "default": []},
            "env": {"type": "dict", "default": {}},
            "ports": {"type": "list", "elements": "int", "required": True},
            "marks": {"type": "path", "required": True},
            "pid": {"type": "int"},
            "timeout": {"type": "int", "default": 120},
            "drain": {"type": "int", "default": 30},
            "node": {"type": "path", "default": "/opt/node/bin/node"},
            "pm2": {"type": "path", "default": "/opt/pm2/lib/node_modules/pm2"},
            "pm2_home": {"type": "path", "default": "~/.pm2"},
        },
        required_if=[("state", "candidate", ("directory", "script")), ("state", "serving", ("directory", "script"))],
        supports_check_mode=True,
    )
    params = dict(module.params)
    if len(set(params["ports"])) != 2:
        module.fail_json(msg=f"ports: {params['ports']} are not two different ports")
    params["directory"] = os.path.realpath(params["directory"]) if params["directory"] else ""
    if params["script"]:
        params["script"] = nearest(params["directory"], params["script"])
    pm2 = Pm2(module)
    work = {"candidate": candidate, "serving": serving, "withdrawn": withdrawn}[params["state"]]
    try:
        application = Application(pm2, params, variables_of(pm2.daemon()))
        result = work(application, module.check_mode)
    except Pm2Error as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
