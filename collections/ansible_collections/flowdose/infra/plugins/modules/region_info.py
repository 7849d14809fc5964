#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: region_info
short_description: Look up regions
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the regions.
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
- name: All regions
  flowdose.infra.region_info: {}
  register: found
"""

RETURN = r"""
regions:
  description: Those that were found, an empty list when there is none.
  returned: success
  type: list
  elements: dict
  contains:
    slug:
      description: What the options C(region) take.
      returned: always
      type: str
      sample: fra1
    name:
      description: Its name.
      returned: always
      type: str
      sample: Frankfurt 1
    available:
      description: Whether it takes new resources.
      returned: always
      type: bool
    features:
      description: What there is beside droplets.
      returned: always
      type: list
      elements: str
    sizes:
      description: Slugs of the sizes of droplets it has.
      returned: always
      type: list
      elements: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.catalog import Region
from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info


def main() -> None:
    run_info(Region, key="slug")


if __name__ == "__main__":
    main()
