#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: size_info
short_description: Look up sizes of droplets
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists what sizes of droplets there are, with prices.
  - Sizes of database clusters are others; a wrong one is refused with those that come near.
extends_documentation_fragment:
  - flowdose.infra.attributes.info
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
options:
  slug:
    description: Only the one of this slug.
    type: str
"""

EXAMPLES = r"""
- name: What a size costs
  flowdose.infra.size_info:
    slug: s-1vcpu-2gb
  register: found
"""

RETURN = r"""
sizes:
  description: Those that were found, an empty list when there is none.
  returned: success
  type: list
  elements: dict
  contains:
    slug:
      description: What the option C(size) of M(flowdose.infra.droplet) takes.
      returned: always
      type: str
      sample: s-1vcpu-2gb
    description:
      description: Its family.
      returned: always
      type: str
      sample: Basic
    available:
      description: Whether new droplets can have it.
      returned: always
      type: bool
    memory:
      description: Memory in MiB.
      returned: always
      type: int
      sample: 2048
    vcpus:
      description: Number of processors.
      returned: always
      type: int
      sample: 1
    disk:
      description: Disk in GiB.
      returned: always
      type: int
      sample: 50
    transfer:
      description: Outgoing traffic that is included, in TB a month.
      returned: always
      type: float
      sample: 2.0
    price_monthly:
      description: US dollars a month.
      returned: always
      type: float
      sample: 12.0
    price_hourly:
      description: US dollars an hour.
      returned: always
      type: float
      sample: 0.018
    regions:
      description: Slugs of the regions that have it.
      returned: always
      type: list
      elements: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.catalog import Size
from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info


def main() -> None:
    run_info(Size, key="slug")


if __name__ == "__main__":
    main()
