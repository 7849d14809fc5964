#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: domain_record_info
short_description: Look up DNS records
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the records of a zone, those that DigitalOcean made itself included.
extends_documentation_fragment:
  - flowdose.infra.attributes.info
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
options:
  domain:
    description: Name of the zone. Of a zone that does not exist the list is empty.
    type: str
    required: true
  name:
    description: Only those of this name within the zone, V(@) for the zone itself.
    type: str
"""

EXAMPLES = r"""
- name: What api-staging.example.com points to
  flowdose.infra.domain_record_info:
    domain: example.com
    name: api-staging
  register: found
"""

RETURN = r"""
domain_records:
  description: Those that were found, an empty list when there is none.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its number.
      returned: always
      type: int
      sample: 512189
    type:
      description: Its type.
      returned: always
      type: str
      sample: A
    name:
      description: Its name within the zone.
      returned: always
      type: str
      sample: api-staging
    data:
      description: Its data, without a dot at the end.
      returned: always
      type: str
      sample: "203.0.113.7"
    ttl:
      description: Time to live in seconds.
      returned: always
      type: int
      sample: 300
    priority:
      description: Priority.
      returned: always
      type: int
    port:
      description: Port.
      returned: always
      type: int
    weight:
      description: Weight.
      returned: always
      type: int
    flags:
      description: Flags.
      returned: always
      type: int
    tag:
      description: Tag.
      returned: always
      type: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info
from ansible_collections.flowdose.infra.plugins.module_utils.resources.domain_record import DomainRecord


def main() -> None:
    run_info(DomainRecord, scope="domain")


if __name__ == "__main__":
    main()
