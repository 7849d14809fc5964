#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: reserved_ip_info
short_description: Look up reserved IPs
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the reserved IPs of the account.
extends_documentation_fragment:
  - flowdose.infra.attributes.info
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
options:
  name:
    description: Only the one of the droplet of this name.
    type: str
"""

EXAMPLES = r"""
- name: Those that are paid for and not used
  flowdose.infra.reserved_ip_info: {}
  register: found

- name: Show them
  ansible.builtin.debug:
    msg: "{{ found.reserved_ips | selectattr('droplet', 'none') | map(attribute='ip') }}"
"""

RETURN = r"""
reserved_ips:
  description: Those that were found, an empty list when there is none.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The address.
      returned: always
      type: str
      sample: 203.0.113.30
    name:
      description: Name of the droplet it is assigned to, else the address.
      returned: always
      type: str
    ip:
      description: The address.
      returned: always
      type: str
      sample: 203.0.113.30
    region:
      description: Slug of its region.
      returned: always
      type: str
      sample: fra1
    droplet:
      description: Name of the droplet it is assigned to, null when there is none.
      returned: always
      type: str
    droplet_id:
      description: Id of that droplet.
      returned: always
      type: int
      sample: 512189
    locked:
      description: Whether it is just being assigned.
      returned: always
      type: bool
    project_id:
      description: UUID of its project.
      returned: always
      type: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info
from ansible_collections.flowdose.infra.plugins.module_utils.resources.reserved_ip import ReservedIp


def main() -> None:
    run_info(ReservedIp)


if __name__ == "__main__":
    main()
