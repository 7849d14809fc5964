#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vpc
short_description: Private networks
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates a VPC, changes its description, or deletes it when nothing is in it any more.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
options:
  name:
    description: Name of the VPC, unique in the account.
    type: str
    required: true
  region:
    description:
      - Slug of the region. Required when it does not exist yet.
      - It cannot be changed.
    type: str
  ip_range:
    description:
      - Private IPv4 range between C(/16) and C(/28) that overlaps no other VPC of the account; the API chooses a
        C(/20) when not given.
      - It cannot be changed.
    type: str
  description:
    description: Free text, 255 characters at most.
    type: str
  default:
    description:
      - Whether what names no VPC is put into this one, in its region. It can be made so, which takes it from another.
      - The first VPC of a region is its default by itself, and a default one cannot be deleted.
    type: bool
"""

EXAMPLES = r"""
- name: One private network for the environment
  flowdose.infra.vpc:
    name: flowdose-staging
    region: fra1
    ip_range: 10.20.0.0/20
"""

RETURN = r"""
vpc:
  description: The VPC; in check mode as it would be. Not returned for O(state=absent).
  returned: success
  type: dict
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

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.vpc import Vpc


def main() -> None:
    run(Vpc)


if __name__ == "__main__":
    main()
