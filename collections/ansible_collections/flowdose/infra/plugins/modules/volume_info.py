#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_info
short_description: Look up volumes
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the volumes of the account.
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
- name: All volumes of an environment
  flowdose.infra.volume_info:
    tag: flowdose-staging
  register: found
"""

RETURN = r"""
volumes:
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
    region:
      description: Slug of its region.
      returned: always
      type: str
      sample: fra1
    size_gigabytes:
      description: Its size in GiB.
      returned: always
      type: int
      sample: 20
    description:
      description: Free text.
      returned: always
      type: str
    filesystem_type:
      description: Its file system, empty without one.
      returned: always
      type: str
      sample: ext4
    filesystem_label:
      description: The label of its file system, empty without one.
      returned: always
      type: str
    droplet_ids:
      description: The id of the droplet it is attached to, an empty list without one.
      returned: always
      type: list
      elements: int
    tags:
      description: Its tags.
      returned: always
      type: list
      elements: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info
from ansible_collections.flowdose.infra.plugins.module_utils.resources.volume import Volume


def main() -> None:
    run_info(Volume)


if __name__ == "__main__":
    main()
