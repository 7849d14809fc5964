#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_key_info
short_description: Look up SSH keys
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the public keys of the account.
extends_documentation_fragment:
  - flowdose.infra.attributes.info
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
options:
  name:
    description: Only those of this name.
    type: str
"""

EXAMPLES = r"""
- name: The key of one environment
  flowdose.infra.ssh_key_info:
    name: flowdose-staging
  register: found
"""

RETURN = r"""
ssh_keys:
  description: Those that were found, an empty list when there is none.
  returned: success
  type: list
  elements: dict
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
      sample: 3b:16:bf:e4:8b:00:8b:b8:59:8c:a9:d3:f0:19:45:fa
    public_key:
      description: The key.
      returned: always
      type: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info
from ansible_collections.flowdose.infra.plugins.module_utils.resources.ssh_key import SshKey


def main() -> None:
    run_info(SshKey)


if __name__ == "__main__":
    main()
