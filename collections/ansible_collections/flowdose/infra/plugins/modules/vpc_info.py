#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vpc_info
short_description: Look up private networks
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the VPCs of the account.
extends_documentation_fragment:
  - flowdose.infra.attributes.info
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
options:
  name:
    description: Only the one of this name.
    type: str
"""

EXAMPLES = r"""
- name: All private networks
  flowdose.infra.vpc_info: {}
  register: found
"""

RETURN = r"""
vpcs:
  description: Those that were found, an empty list when there is none.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its UUID.
      returned: always
      type: str
      sample: 9cc10173-e9ea-4176-9dbc-a4cee4c4ff30
    name:
      description: Its name.
      returned: always
      type: str
    region:
      description: Slug of its region.
      returned: always
      type: str
      sample: fra1
    ip_range:
      description: Its addresses.
      returned: always
      type: str
      sample: 10.20.0.0/20
    description:
      description: Free text.
      returned: always
      type: str
    default:
      description: Whether it is the default VPC of its region, which cannot be deleted.
      returned: always
      type: bool
"""

from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info
from ansible_collections.flowdose.infra.plugins.module_utils.resources.vpc import Vpc


def main() -> None:
    run_info(Vpc)


if __name__ == "__main__":
    main()
