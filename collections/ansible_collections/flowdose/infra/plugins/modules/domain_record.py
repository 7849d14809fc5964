#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: domain_record
short_description: Records of DNS zones
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates a record, changes its data and time to live in place, or deletes it.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
options:
  domain:
    description: Name of the zone.
    type: str
    required: true
  type:
    description: Type of the record.
    type: str
    choices: [A, AAAA, CAA, CNAME, MX, NS, SRV, TXT]
    required: true
  name:
    description: Name within the zone, V(@) for the zone itself. With a dot at the end it is absolute, and must lie
      in the zone.
    type: str
    default: '@'
  data:
    description: Address, host name or text. Host names are always absolute; a dot at the end does not matter.
    type: str
  droplet:
    description: Name of a droplet whose public address is the O(data) of an V(A) record.
    type: str
  load_balancer:
    description: Name of a load balancer whose address is the O(data) of an V(A) record.
    type: str
  reserved_ip:
    description: Name of a droplet whose reserved IP is the O(data) of an V(A) record.
    type: str
  ttl:
    description: Time to live in seconds, at least 30. All records of the same name and type share it.
    type: int
  priority:
    description: Priority of an V(MX) or V(SRV) record.
    type: int
  port:
    description: Port of an V(SRV) record.
    type: int
  weight:
    description: Weight of an V(SRV) record.
    type: int
  flags:
    description: Flags of a V(CAA) record.
    type: int
  tag:
    description: Tag of a V(CAA) record, V(issue), V(issuewild) or V(iodef).
    type: str
  exclusive:
    description:
      - Whether this is the only record of its name and type, which then is changed when its data differ.
      - If not, a record with other data is another record, and is left alone.
      - V(true) for V(A), V(AAAA) and V(CNAME) when not given, else V(false).
    type: bool
"""

EXAMPLES = r"""
- name: The API's name leads to the backend
  flowdose.infra.domain_record:
    domain: example.com
    type: A
    name: api-staging
    droplet: backend-staging
    ttl: 300
"""

RETURN = r"""
domain_record:
  description: The record; in check mode as it would be. Not returned for O(state=absent).
  returned: success
  type: dict
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
      sample: 203.0.113.7
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

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.domain_record import DomainRecord


def main() -> None:
    run(DomainRecord)


if __name__ == "__main__":
    main()
