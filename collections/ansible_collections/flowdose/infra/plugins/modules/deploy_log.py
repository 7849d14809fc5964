#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_log
short_description: Log what was done to an application
version_added: "0.1.0"
description:
  - Adds one line, a JSON object, to a log on the host, and returns when it is on the disk. Writers at the same time do
    it no harm, nor does a line that a power cut left unfinished.
  - Where the host's file system can, the file gets the attribute C(a) of C(ansible.builtin.file), with which even root
    only adds to it. Containers usually cannot.
  - The file and its folder are root's, C(0640) and C(0750), and made when they are missing.
  - Whoever may read the log reads O(detail), so nothing secret.
options:
  event:
    description: What was done.
    type: str
    choices: [deploy, rollback, migrate]
    required: true
  app:
    description: To which application.
    type: str
    required: true
  release:
    description: The release that it was done with.
    type: str
    required: true
  previous:
    description: The release that served before; empty when there was none, or when it is the same.
    type: str
    default: ""
  outcome:
    description: How it ended.
    type: str
    choices: [ok, failed]
    required: true
  detail:
    description: What else is worth knowing, for example the reason of a failure.
    type: dict
    default: {}
  who:
    description: Who did it. P(flowdose.infra.who#lookup) tells.
    type: str
    required: true
  path:
    description: The log.
    type: path
    default: /var/log/flowdose/deploys.jsonl
attributes:
  check_mode:
    description: Says what would be logged, and logs nothing.
    support: full
  diff_mode:
    description: Shows the line.
    support: full
notes:
  - Every call is a change. Call it when something was done.
author: The FlowDose infrastructure developers (@flowdose)
"""

EXAMPLES = r"""
- name: Log that the release serves
  flowdose.infra.deploy_log:
    event: deploy
    app: backend
    release: 3f2a9c01d7be-8d1f0a2b3c4d
    previous: 91b4c0ffee12-8d1f0a2b3c4d
    outcome: ok
    detail: {commit: 3f2a9c01d7be5b0c6a1d, seconds: 74}
    who: "{{ lookup('flowdose.infra.who') }}"
  become: true
"""

RETURN = r"""
entry:
  description: What was, or in check mode would be, logged.
  returned: always
  type: dict
  sample:
    time: "2026-11-23T02:40:00Z"
    who: anna@laptop
    event: deploy
    app: backend
    release: 3f2a9c01d7be-8d1f0a2b3c4d
    previous: 91b4c0ffee12-8d1f0a2b3c4d
    outcome: ok
    detail: {}
append_only:
  description: Whether the host lets nobody change what was logged.
  returned: unless in check mode
  type: bool
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flowdose.infra.plugins.module_utils.deploy_log import PATH, append


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "event": {"type": "str", "choices": ["deploy", "rollback", "migrate"], "required": True},
            "app": {"type": "str", "required": True},
            "release": {"type": "str", "required": True},
            "previous": {"type": "str", "default": ""},
            "outcome": {"type": "str", "choices": ["ok", "failed"], "required": True},
            "detail": {"type": "dict", "default": {}},
            "who": {"type": "str", "required": True},
            "path": {"type": "path", "default": PATH},
        },
        supports_check_mode=True,
    )
    options = dict(module.params)
    path = Path(options.pop("path"))
    entry = {"time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "who": options.pop("who"), **options}
    diff = {"before": "", "after": json.dumps(entry) + "\n", "after_header": str(path)}
    if module.check_mode:
        module.exit_json(changed=True, entry=entry, diff=diff)
    try:
        append(path, entry)
    except OSError as error:
        module.fail_json(msg=f"could not log {options['event']} of {options['app']} in {path}: {error}", entry=entry)
    module.exit_json(changed=True, entry=entry, diff=diff, append_only=append_only(module, path))


def append_only(module: AnsibleModule, path: Path) -> bool:
    """Have the file refuse everything but more lines, where file system and privileges allow that."""
    chattr = module.get_bin_path("chattr")
    return chattr is not None and module.run_command([chattr, "+a", str(path)])[0] == 0


if __name__ == "__main__":
    main()
