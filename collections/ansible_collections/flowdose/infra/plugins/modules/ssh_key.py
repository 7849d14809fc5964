#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_key
short_description: SSH keys that new droplets let in
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Adds a public key to the account, renames or deletes it.
  - An account has every key only once. The same key under another name is renamed.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
options:
  name:
    description: Name of the key.
    type: str
    required: true
  public_key:
    description:
      - The key in OpenSSH's one-line form. Required when it does not exist yet.
      - It cannot be changed.
    type: str
"""

EXAMPLES = r"""
- name: Let the deployment key in
  flowdose.infra.ssh_key:
    name: flowdose-development
    public_key: "{{ lookup('ansible.builtin.file', '.flowdose/development/id_ed25519.pub') }}"
"""

RETURN = r"""
ssh_key:
  description: The SSH key; in check mode as it would be. Not returned for O(state=absent).
  returned: success
  type: dict
  contains:
    id:
      description: Its number.
      returned: always
      type: int
      sample: 512189
    name:
      description: Its name.
      returned: always
      type: str
    fingerprint:
      description: MD5 of the key, as the API knows it by.
      returned: always
      type: str
      sample: "3b:16:bf:e4:8b:00:8b:b8:59:8c:a9:d3:f0:19:45:fa"
    public_key:
      description: The key.
      returned: always
      type: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.ssh_key import SshKey


def main() -> None:
    run(SshKey)


if __name__ == "__main__":
    main()
