#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tag
short_description: Tags
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates a tag, or deletes it, which takes it off all that carries it.
  - Tags come to be by themselves when something is given them; this is for those that must be there before.
  - Capitals do not make another tag.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
options:
  name:
    description: Name of the tag; letters, digits, colons, hyphens and underscores.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: What new droplets of the backend will carry
  flowdose.infra.tag:
    name: backend
"""

RETURN = r"""
tag:
  description: The tag; in check mode as it would be. Not returned for O(state=absent).
  returned: success
  type: dict
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

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.tag import Tag


def main() -> None:
    run(Tag)


if __name__ == "__main__":
    main()
