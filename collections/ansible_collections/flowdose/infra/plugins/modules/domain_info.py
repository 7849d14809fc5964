#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: domain_info
short_description: Look up DNS zones
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the zones of the account.
extends_documentation_fragment:
  - flowdose.infra.attributes.info
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
options:
  name:
    description: Only the zone of this name.
    type: str
"""

EXAMPLES = r"""
- name: Whether the zone is there
  flowdose.infra.domain_info:
    name: example.com
  register: found
"""

RETURN = r"""
domains:
  description: Those that were found, an empty list when there is none.
  returned: success
  type: list
  elements: dict
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

from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info
from ansible_collections.flowdose.infra.plugins.module_utils.resources.domain import Domain


def main() -> None:
    run_info(Domain)


if __name__ == "__main__":
    main()
