#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_info
short_description: Look up cloud firewalls
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the firewalls of the account with their rules.
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
- name: Rules of one firewall
  flowdose.infra.firewall_info:
    name: backend-staging
  register: found
"""

RETURN = r"""
firewalls:
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
    tags:
      description: Tags whose droplets it protects.
      returned: always
      type: list
      elements: str
    droplet_ids:
      description: Ids of the droplets it is attached to by name.
      returned: always
      type: list
      elements: int
    inbound_rules:
      description: What may come in, in the form of the option.
      returned: always
      type: list
      elements: dict
    outbound_rules:
      description: What may go out, in the form of the option.
      returned: always
      type: list
      elements: dict
"""

from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info
from ansible_collections.flowdose.infra.plugins.module_utils.resources.firewall import Firewall


def main() -> None:
    run_info(Firewall)


if __name__ == "__main__":
    main()
