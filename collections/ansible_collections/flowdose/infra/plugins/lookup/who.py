# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: who
short_description: Tell who runs Ansible
version_added: "0.1.0"
description:
  - Gives the user and the host that run Ansible, for logs. In GitHub Actions, gives who began the run, and its address.
  - With C(sudo), it is the user who called that. It is what the environment says, and proves nothing.
author: The FlowDose infrastructure developers (@flowdose)
"""

EXAMPLES = r"""
- name: Tell who deploys
  ansible.builtin.debug:
    msg: "{{ lookup('flowdose.infra.who') }}"
"""

RETURN = r"""
_raw:
  description: One text.
  type: list
  elements: str
  sample: [anna@laptop]
"""

import getpass
import os
import socket
from typing import Any

from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        return [who()]


def who() -> str:
    said = os.environ.get
    if said("GITHUB_ACTIONS") == "true":
        run = f"{said('GITHUB_SERVER_URL')}/{said('GITHUB_REPOSITORY')}/actions/runs/{said('GITHUB_RUN_ID')}"
        return f"{said('GITHUB_ACTOR')} ({run})"
    try:
        user = said("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
