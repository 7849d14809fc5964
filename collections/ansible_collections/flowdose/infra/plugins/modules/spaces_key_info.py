#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: spaces_key_info
short_description: Look up access keys of Spaces
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the keys of the account, never their secrets.
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
- name: What each key may do
  flowdose.infra.spaces_key_info: {}
  register: found
"""

RETURN = r"""
spaces_keys:
  description: Those that were found, an empty list when there is none.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The access key.
      returned: always
      type: str
    name:
      description: Its name.
      returned: always
      type: str
      sample: shop-staging
    access_key:
      description: The access key, which is not secret.
      returned: always
      type: str
      sample: DO00ZQL7T3XXXXXXXXXX
    grants:
      description: What it may do; C(bucket) and C(permission).
      returned: always
      type: list
      elements: dict
    created_at:
      description: When it was made.
      returned: always
      type: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info
from ansible_collections.flowdose.infra.plugins.module_utils.resources.spaces_key import SpacesKey


def main() -> None:
    run_info(SpacesKey)


if __name__ == "__main__":
    main()
