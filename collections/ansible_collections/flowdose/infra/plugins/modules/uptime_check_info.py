#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: uptime_check_info
short_description: Look up checks from outside
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the uptime checks of the account, without their alerts.
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
- name: What is looked at
  flowdose.infra.uptime_check_info: {}
  register: found
"""

RETURN = r"""
uptime_checks:
  description: Those that were found, an empty list when there is none.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its UUID.
      returned: always
      type: str
    name:
      description: Its name.
      returned: always
      type: str
      sample: shop-staging
    type:
      description: How it looks.
      returned: always
      type: str
      sample: https
    target:
      description: What it looks at.
      returned: always
      type: str
      sample: https://staging.example.com/
    regions:
      description: From where it looks.
      returned: always
      type: list
      elements: str
    enabled:
      description: Whether it looks.
      returned: always
      type: bool
"""

from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info
from ansible_collections.flowdose.infra.plugins.module_utils.resources.uptime_check import UptimeCheck


def main() -> None:
    run_info(UptimeCheck)


if __name__ == "__main__":
    main()
