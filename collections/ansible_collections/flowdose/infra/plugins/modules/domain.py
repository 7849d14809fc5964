#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: domain
short_description: DNS zones
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Adds a domain to DigitalOcean's DNS, or deletes it with all its records.
  - A zone is often shared by several environments; records that are not declared are left alone.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
  - flowdose.infra.resource.protected
options:
  name:
    description: Name of the domain.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: The zone of the shop
  flowdose.infra.domain:
    name: example.com
"""

RETURN = r"""
domain:
  description: The domain; in check mode as it would be. Not returned for O(state=absent).
  returned: success
  type: dict
  contains:
    id:
      description: Its name.
      returned: always
      type: str
    name:
      description: Its name.
      returned: always
      type: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.domain import Domain


def main() -> None:
    run(Domain)


if __name__ == "__main__":
    main()
