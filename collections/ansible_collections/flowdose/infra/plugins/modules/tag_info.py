#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tag_info
short_description: Look up tags
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the tags of the account, and how many resources carry each.
extends_documentation_fragment:
  - flowdose.infra.attributes.info
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
options:
  name:
    description: Only the one of this name, in its own capitals.
    type: str
"""

EXAMPLES = r"""
- name: Whether anything still carries the tag
  flowdose.infra.tag_info:
    name: backend
  register: found
"""

RETURN = r"""
tags:
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
      description: Its name, with the capitals it was first written with.
      returned: always
      type: str
      sample: backend
    resources:
      description: How many resources carry it.
      returned: always
      type: int
      sample: 3
    droplets:
      description: How many of them are droplets.
      returned: always
      type: int
    databases:
      description: How many of them are database clusters.
      returned: always
      type: int
    volumes:
      description: How many of them are volumes.
      returned: always
      type: int
    volume_snapshots:
      description: How many of them are snapshots of volumes.
      returned: always
      type: int
    images:
      description: How many of them are images.
      returned: always
      type: int
"""

from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info
from ansible_collections.flowdose.infra.plugins.module_utils.resources.tag import Tag


def main() -> None:
    run_info(Tag)


if __name__ == "__main__":
    main()
