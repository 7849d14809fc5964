#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: volume
short_description: Block storage
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates a volume, makes it larger, attaches it to a droplet or detaches it, or deletes it.
  - A volume is known by its name, and by its region where it is given.
  - A volume is never replaced by a difference. It cannot be made smaller, and its file system is made only once.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
  - flowdose.infra.resource.protected
options:
  name:
    description: Name of the volume; lower case letters, digits and hyphens.
    type: str
    required: true
  region:
    description: Slug of the region. Required when it does not exist yet.
    type: str
  size_gigabytes:
    description:
      - Size in GiB. Required when it does not exist yet. It can be made larger, not smaller.
      - The file system on it is not made larger by that.
    type: int
  description:
    description: Free text. Cannot be changed.
    type: str
  filesystem_type:
    description: File system that is made on it when it is created. Cannot be changed.
    type: str
    choices: [ext4, xfs]
  filesystem_label:
    description: Label of that file system, 16 characters at most for V(ext4), 12 for V(xfs). Cannot be changed.
    type: str
  snapshot_id:
    description: Id of the snapshot that it is made from. Used when it is created, and not compared later.
    type: str
  droplet:
    description: Name of the droplet, of the same region, that it is attached to; with an empty string to none.
    type: str
  tags:
    description: All tags it shall have. Other tags are taken off.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: A disk for uploads
  flowdose.infra.volume:
    name: uploads-staging
    region: fra1
    size_gigabytes: 20
    filesystem_type: ext4
    droplet: backend-staging
"""

RETURN = r"""
volume:
  description: The volume; in check mode as it would be. Not returned for O(state=absent).
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
    droplet:
      description: Name of the droplet it is attached to.
      returned: when O(droplet) is given
      type: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.volume import Volume


def main() -> None:
    run(Volume)


if __name__ == "__main__":
    main()
