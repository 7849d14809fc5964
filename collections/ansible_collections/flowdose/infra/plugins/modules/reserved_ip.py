#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: reserved_ip
short_description: Addresses that can move between droplets
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Sees to it that a droplet has a reserved IP, moves one to another droplet, or releases it.
  - The API gives reserved IPs no name. One is known by the droplet it is assigned to, of which each has one at most, or
    by its address when O(ip) is given.
  - A reserved IP that is assigned to no droplet is never taken unless its address is given. It is charged for; see
    M(flowdose.infra.reserved_ip_info).
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
options:
  droplet:
    description: Name of the droplet that shall have the address. Required unless O(state=absent).
    type: str
  ip:
    description:
      - The address, when a certain one is meant. It must be reserved already; a new one cannot be chosen.
      - With it, a reserved IP is moved to O(droplet) from wherever it is.
    type: str
"""

EXAMPLES = r"""
- name: An address that outlives the droplet
  flowdose.infra.reserved_ip:
    droplet: backend-staging
  register: made

- name: The address moves to the new droplet
  flowdose.infra.reserved_ip:
    ip: "{{ made.reserved_ip.ip }}"
    droplet: backend-staging-2
"""

RETURN = r"""
reserved_ip:
  description: The reserved IP; in check mode as it would be. Not returned for O(state=absent).
  returned: success
  type: dict
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

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.reserved_ip import ReservedIp


def main() -> None:
    run(ReservedIp)


if __name__ == "__main__":
    main()
