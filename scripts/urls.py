# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print where the development environment's shop is: `store=`, `admin=`, `api=` (URLs) and `ca=` (file), one a line.

The values are those the playbooks use: Ansible renders them from the inventory's group_vars.
"""

from __future__ import annotations

import json
import subprocess

from stages import ROOT, StageFailed, environment, main, say, tool

# The static part of the inventory is enough, and needs no cloud that answers.
INVENTORY = "inventories/development/groups.yml"
KEYS = ("store", "admin", "api", "ca")


def variables(template: str) -> dict[str, str]:
    """The JSON object that a Jinja template gives on the development environment's controller."""
    command = [tool("ansible"), "-i", INVENTORY, "localhost", "--one-line", "-m", "ansible.builtin.debug"]
    env = environment({"ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_FORCE_COLOR": "0"})
    answer = subprocess.run(
        [*command, "-a", json.dumps({"msg": template})], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    try:
        if answer.returncode:
            raise ValueError
        found: dict[str, str] = json.loads(answer.stdout[answer.stdout.index("{") :])["msg"]
    except (ValueError, LookupError):
        said = (answer.stderr + answer.stdout).strip()
        raise StageFailed(f"Ansible could not tell the addresses from {INVENTORY}:\n{said}") from None
    return found


def addresses() -> dict[str, str]:
    """The shop's addresses, the file of the authority behind their certificates, and who may log in to the admin."""
    return variables(
        "{{ {'store': 'https://' ~ flowdose_hosts.store ~ '/',"
        " 'admin': 'https://' ~ flowdose_hosts.admin ~ '/app',"
        " 'api': 'https://' ~ flowdose_hosts.api,"
        " 'ca': flowdose_ca_file, 'admin_email': flowdose_admin_email,"
        " 'admin_password_file': flowdose_admin_password_file} }}"
    )


def body() -> None:
    found = addresses()
    for key in KEYS:
        say(f"{key}={found[key]}")


if __name__ == "__main__":
    main(body)
