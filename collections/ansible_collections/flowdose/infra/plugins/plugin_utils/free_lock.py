# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for the end of a run, and then frees its lock: `python free_lock.py DESCRIPTOR`, started by the action plugin.

DESCRIPTOR is of a stream that ends with the run. How the host is reached comes as JSON on the standard input, where
nobody sees it. Says "ready" when it is, and closes its output.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from typing import Any

from ansible.errors import AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import become_loader, connection_loader, init_plugin_loader

PATIENCE = 600.0  # seconds in which a network or a host may come back
PAUSE = 3.0


def main() -> None:
    job = json.load(sys.stdin)
    init_plugin_loader()
    run = socket.socket(fileno=int(sys.argv[1]))
    connect(job)
    print("ready", flush=True)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())
    while run.recv(1):
        pass
    deadline = time.monotonic() + PATIENCE
    while not freed(job) and time.monotonic() < deadline:
        time.sleep(PAUSE)


def connect(job: dict[str, Any]) -> tuple[ConnectionBase, str]:
    """Ansible's own way to the host, and the command as it wants it. Talks to nobody."""
    connection = connection_loader.get(job["connection"], PlayContext())
    connection.set_options(direct=job["options"])
    command = job["command"]
    if job["become"]:
        become = become_loader.get(job["become"])
        become.set_options(direct=job["become_options"])
        connection.set_become_plugin(become)
        command = become.build_become_command(command, connection._shell)
    return connection, command


def freed(job: dict[str, Any]) -> bool:
    connection, command = connect(job)
    try:
        status, _output, _errors = connection.exec_command(command)
        connection.close()
    except AnsibleError:
        return False
    return bool(status == 0)


if __name__ == "__main__":
    main()
