#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: medusa_admin_user
short_description: Make sure that an admin user can log in to a Medusa backend
version_added: "0.1.0"
description:
  - Logs in through the HTTP API of the running backend. When that works, nothing is to be done.
  - Otherwise creates the user, or gives it this password, with C(medusa exec) in the backend's own folder. The password
    travels by standard input and appears in no list of processes.
  - Runs on the backend's host, as the user that the backend runs as (C(become_user)).
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.medusa
options:
  directory:
    description: The folder that the backend runs in, with its C(medusa-config.js) and C(.env).
    type: path
    default: /srv/flowdose/backend/current/.medusa/server
  node:
    description: The Node.js to run C(medusa exec) with.
    type: path
    default: /opt/node/bin/node
attributes:
  diff_mode:
    support: none
notes:
  - Tested with Medusa 2.21; uses only what Medusa has had since 2.5.
author: The FlowDose infrastructure developers (@flowdose)
"""

EXAMPLES = r"""
- name: Make the admin user
  flowdose.infra.medusa_admin_user:
    url: http://127.0.0.1:9000
    email: admin@example.com
    password: "{{ vault_medusa_admin_password }}"
  become: true
  become_user: flowdose
"""

RETURN = r"""
email:
  description: The user's address.
  returned: success
  type: str
"""

import json
import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flowdose.infra.plugins.module_utils.medusa import (
    ADMIN_USER_SCRIPT,
    ARGUMENTS,
    Medusa,
    MedusaError,
)

CLI = "node_modules/@medusajs/cli/cli.js"


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS
        | {
            "directory": {"type": "path", "default": "/srv/flowdose/backend/current/.medusa/server"},
            "node": {"type": "path", "default": "/opt/node/bin/node"},
        },
        supports_check_mode=True,
    )
    options = module.params
    medusa = Medusa(options["url"], options["ca_file"], options["timeout"])
    try:
        changed = not medusa.login(options["email"], options["password"])
        if changed and not module.check_mode:
            create(module)
            if not medusa.login(options["email"], options["password"]):
                raise MedusaError(
                    f"the user {options['email']} was made with the database of {options['directory']}, but cannot "
                    f"log in at {medusa.url}: is that another backend?"
                )
    except MedusaError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, email=options["email"])


def create(module: AnsibleModule) -> None:
    """Create the user, or set its password, with the application's own modules."""
    options = module.params
    # Of the folder itself, not of the link to it: Node looks for packages beside the real one.
    directory = Path(os.path.realpath(options["directory"]))
    cli = next((folder / CLI for folder in (directory, *directory.parents) if (folder / CLI).is_file()), None)
    if cli is None:
        raise MedusaError(f"{options['directory']} is no folder of a Medusa backend: no {CLI} in it or above it")
    script = Path(module.tmpdir) / "admin_user.cjs"
    script.write_text(ADMIN_USER_SCRIPT)
    user = json.dumps({"email": options["email"], "password": options["password"]})
    status, output, errors = module.run_command(
        [options["node"], str(cli), "exec", str(script)],
        cwd=str(directory),
        data=user,
        binary_data=True,
        environ_update={"NODE_ENV": os.environ.get("NODE_ENV", "production")},
    )
    if status != 0:
        lines = [line[:300] for line in (output + errors).splitlines() if line.strip()]  # stacks come as one line
        raise MedusaError(
            f"could not create the user {options['email']}: `medusa exec` in {directory} ended with status {status}:\n"
            + "\n".join(lines[-15:])
        )


if __name__ == "__main__":
    main()
