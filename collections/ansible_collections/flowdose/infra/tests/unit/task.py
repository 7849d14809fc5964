# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one module as a task of a playbook: packed, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

COLLECTIONS = Path(__file__).parents[5]

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  vars_files: [options.yml] # not here: Ansible quotes these lines beside an error
  tasks:
    - flowdose.infra.{module}: {arguments}
      register: result
      # a failure is a result here: it is written below, and each test asserts on it
      ignore_errors: true
    - ansible.builtin.copy:
        content: "{{{{ result | to_json }}}}"
        dest: result.json
      check_mode: false
"""


def run_task(module: str, options: dict[str, Any], folder: Path, *flags: str) -> tuple[dict[str, Any], str]:
    """Run `flowdose.infra.<module>` on localhost; its result, and all that ansible-playbook printed.

    `folder` is the current directory, out of reach of the project's ansible.cfg. Braces in texts stay as they are.
    """
    (folder / "options.yml").write_text("".join(f"v_{name}: {_literal(value)}\n" for name, value in options.items()))
    arguments = json.dumps({name: "{{ v_" + name + " }}" for name in options})
    (folder / "play.yml").write_text(PLAYBOOK.format(module=module, arguments=arguments))
    (folder / "result.json").unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "play.yml", *flags],
        cwd=folder,
        env=os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return json.loads((folder / "result.json").read_text()), done.stdout


def _literal(value: object) -> str:
    return f"!unsafe {json.dumps(value)}" if isinstance(value, str) else json.dumps(value)
