#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_lock
short_description: Have one run at a time change what is deployed
version_added: "0.1.0"
description:
  - Takes a lock that lies on the host, so that it holds for everybody who deploys there, from wherever. Fails when
    another run has it, and says whose it is, since when and what for.
  - The lock is freed when the run ends, however it does. For that, the callback P(flowdose.infra.deploy_lock#callback)
    must be enabled.
  - A lock that nobody freed, because the controller went away, is broken on purpose only, with O(break_lock). A lock of
    a run on this very controller that has certainly ended is taken over, with a warning.
  - A run that has the lock may ask for it again.
options:
  purpose:
    description: What the run does, for others who want to deploy meanwhile.
    type: str
    required: true
  who:
    description: Who does it. P(flowdose.infra.who#lookup) tells.
    type: str
    required: true
  break_lock:
    description:
      - The id of a lock to break, which the refusal names. Another lock than that stays whole.
      - Make sure that its run has ended, or two of them will change the same files.
    type: str
  path:
    description: Where the lock lies, a directory. The folder that it is in is made when it is missing.
    type: path
    default: /var/lib/flowdose/deploy.lock
  run:
    description: Which run takes the lock. The action plugin fills this in.
    type: dict
attributes:
  check_mode:
    description: Takes no lock, and warns when one is held.
    support: full
  diff_mode:
    description: A lock is no state of the host, and never a change.
    support: none
author: The FlowDose infrastructure developers (@flowdose)
"""

EXAMPLES = r"""
- name: Have no other run deploy meanwhile
  flowdose.infra.deploy_lock:
    purpose: deploys backend 3f2a9c01d7be
    who: "{{ lookup('flowdose.infra.who') }}"
  delegate_to: "{{ groups['backend'] | first }}"
  run_once: true
  become: true
"""

RETURN = r"""
lock:
  description: The lock that is held. V(none) in check mode when there is none.
  returned: always
  type: dict
  sample:
    id: 4b1f09c2
    who: anna@laptop
    since: "2026-11-23T02:40:00Z"
    purpose: deploys backend 3f2a9c01d7be
    host: laptop
"""

from datetime import UTC, datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flowdose.infra.plugins.module_utils.deploy_lock import PATH, free, look, take


def main() -> None:
    """Whether the lock that it returns is the run's own is for the action plugin to see, which knows what to say."""
    module = AnsibleModule(
        argument_spec={
            "purpose": {"type": "str", "required": True},
            "who": {"type": "str", "required": True},
            "break_lock": {"type": "str"},
            "path": {"type": "path", "default": PATH},
            "run": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    options = module.params
    path = Path(options["path"])
    now = datetime.now(UTC)
    lock = {
        "who": options["who"],
        "since": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "purpose": options["purpose"],
        **options["run"],
    }
    try:
        if module.check_mode:
            held = look(path)
        else:
            if options["break_lock"]:
                free(path, options["break_lock"])
            held = take(path, lock)
    except OSError as error:
        module.fail_json(msg=f"could not take the lock {path}: {error}")
    module.exit_json(changed=False, lock=held, now=now.strftime("%Y-%m-%dT%H:%M:%SZ"))


if __name__ == "__main__":
    main()
