#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Look up images of droplets
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the images that the account can use, public ones and its own.
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
- name: The system of new droplets
  flowdose.infra.image_info:
    slug: debian-13-x64
  register: found
"""

RETURN = r"""
images:
  description: Those that were found, an empty list when there is none.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its number, which the option C(image) of M(flowdose.infra.droplet) takes too.
      returned: always
      type: int
    slug:
      description: What the option C(image) takes; an image of one's own has none.
      returned: always
      type: str
      sample: debian-13-x64
    name:
      description: Its name.
      returned: always
      type: str
      sample: 13 x64
    distribution:
      description: Its system.
      returned: always
      type: str
      sample: Debian
    type:
      description: V(base), V(snapshot), V(backup), V(custom) or V(admin).
      returned: always
      type: str
    public:
      description: Whether everybody can use it.
      returned: always
      type: bool
    status:
      description: V(available) when it can be used.
      returned: always
      type: str
    regions:
      description: Slugs of the regions that have it.
      returned: always
      type: list
      elements: str
    min_disk_size:
      description: Disk that it needs at least, in GiB.
      returned: always
      type: int
    size_gigabytes:
      description: Its own size in GiB.
      returned: always
      type: float
    created_at:
      description: When it was made.
      returned: always
      type: str
    tags:
      description: Its tags.
      returned: always
      type: list
      elements: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.catalog import Image
from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info


def main() -> None:
    run_info(Image, key="slug")


if __name__ == "__main__":
    main()
