# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: deploy_lock
type: aggregate
short_description: Free the lock of deploys when the run ends
version_added: "0.1.0"
description:
  - What M(flowdose.infra.deploy_lock) took is freed when C(ansible-playbook) ends, however it does. It waits for that
    as its last act.
  - It prints nothing, unless the host of the lock cannot be reached any more.
requirements:
  - C(callbacks_enabled) in C(ansible.cfg) names it.
author: The FlowDose infrastructure developers (@flowdose)
"""

import atexit
import os
import socket
import sys

from ansible.plugins.callback import CallbackBase

PATIENCE = 15.0  # seconds; who frees the lock keeps trying for longer


class Run:
    """One run of ansible-playbook, and a stream that ends when it does.

    ansible-playbook and the workers that it forks hold one end. So the stream of the other, `watched`, ends when the
    last of them has ended, whatever ended it: no worker goes on with a task when the lock is free.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._held, self.watched = socket.socketpair()
        atexit.register(self.end)

    def end(self) -> None:
        if os.getpid() != self.pid:
            return  # a worker
        self.watched.close()
        self._held.shutdown(socket.SHUT_WR)
        self._held.settimeout(PATIENCE)
        try:
            self._held.recv(1)  # ends at once when nobody has the other end: nothing was locked
        except (OSError, KeyboardInterrupt):
            print("The lock is not free yet: its host does not answer. Trying on for 10 minutes.", file=sys.stderr)


# What the action plugin looks for; forked with ansible-playbook.
current: Run | None = None


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "flowdose.infra.deploy_lock"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        global current
        current = Run()
