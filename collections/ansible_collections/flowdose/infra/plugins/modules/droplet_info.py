#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: droplet_info
short_description: Look up droplets
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the droplets of the account, or those of one name or with one tag.
extends_documentation_fragment:
  - flowdose.infra.attributes.info
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
options:
  name:
    description: Only those of this name.
    type: str
  tag:
    description: Only those with this tag.
    type: str
"""

EXAMPLES = r"""
- name: Droplets that serve the backend
  flowdose.infra.droplet_info:
    tag: backend
  register: found

- name: Show their addresses
  ansible.builtin.debug:
    msg: "{{ found.droplets | map(attribute='public_ipv4') | join(' ') }}"
"""

RETURN = r"""
droplets:
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
    status:
      description: V(new), V(active), V(off) or V(archive).
      returned: always
      type: str
      sample: active
    locked:
      description: Whether an action is going on.
      returned: always
      type: bool
    powered:
      description: Whether it runs.
      returned: always
      type: bool
    region:
      description: Slug of its region.
      returned: always
      type: str
      sample: fra1
    size:
      description: Slug of its size.
      returned: always
      type: str
      sample: s-2vcpu-4gb
    image:
      description: Slug or id of its image.
      returned: always
      type: str
      sample: debian-13-x64
    vpc_uuid:
      description: UUID of its VPC.
      returned: always
      type: str
    public_ipv4:
      description: Its public address.
      returned: always
      type: str
      sample: "203.0.113.7"
    private_ipv4:
      description: Its address in the VPC.
      returned: always
      type: str
      sample: "10.20.0.2"
    tags:
      description: Its tags.
      returned: always
      type: list
      elements: str
    monitoring:
      description: Whether the metrics agent is installed.
      returned: always
      type: bool
    backups:
      description: Whether backups are made.
      returned: always
      type: bool
    ipv6:
      description: Whether it has an IPv6 address.
      returned: always
      type: bool
    memory:
      description: Its memory in MiB.
      returned: always
      type: int
      sample: 4096
    vcpus:
      description: Its number of virtual CPUs.
      returned: always
      type: int
      sample: 2
    disk:
      description: Its disk in GB.
      returned: always
      type: int
      sample: 80
"""

from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info
from ansible_collections.flowdose.infra.plugins.module_utils.resources.droplet import Droplet


def main() -> None:
    run_info(Droplet)


if __name__ == "__main__":
    main()
