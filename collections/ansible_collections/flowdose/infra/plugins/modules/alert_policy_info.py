#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alert_policy_info
short_description: Look up alerts about metrics
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the alert policies of the account, without the addresses of web hooks.
extends_documentation_fragment:
  - flowdose.infra.attributes.info
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
options:
  name:
    description: Only those of this name, which the API calls description.
    type: str
"""

EXAMPLES = r"""
- name: All alert policies
  flowdose.infra.alert_policy_info: {}
  register: found
"""

RETURN = r"""
alert_policies:
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
      description: Its name, the API's description.
      returned: always
      type: str
      sample: backend-staging CPU
    type:
      description: The metric.
      returned: always
      type: str
      sample: v1/insights/droplet/cpu
    compare:
      description: On which side of the value something is wrong.
      returned: always
      type: str
      sample: GreaterThan
    value:
      description: The value.
      returned: always
      type: float
      sample: 85.0
    window:
      description: How long it must be so.
      returned: always
      type: str
      sample: 10m
    entity_ids:
      description: Ids of what it looks after.
      returned: always
      type: list
      elements: str
    tags:
      description: Tags of what it looks after.
      returned: always
      type: list
      elements: str
    alerts:
      description: Who is told; C(email) and C(slack).
      returned: always
      type: dict
    enabled:
      description: Whether it is in force.
      returned: always
      type: bool
"""

from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info
from ansible_collections.flowdose.infra.plugins.module_utils.resources.alert_policy import AlertPolicy


def main() -> None:
    run_info(AlertPolicy)


if __name__ == "__main__":
    main()
