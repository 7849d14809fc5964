#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall
short_description: Cloud firewalls
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates a firewall, makes its rules and what it is attached to as declared, or deletes it.
  - Best attached by tag; by name it takes ten droplets at most.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
options:
  name:
    description: Name of the firewall, unique in the account.
    type: str
    required: true
  tags:
    description: All tags whose droplets it protects, five at most. Tags that do not exist are created.
    type: list
    elements: str
  droplets:
    description: Names of all droplets it protects beside those of O(tags).
    type: list
    elements: str

  inbound_rules:
    description:
      - All rules for what may come in.
      - Nothing else comes in.
    type: list
    elements: dict
    suboptions:
      protocol:
        description: The protocol.
        type: str
        choices: [tcp, udp, icmp]
        default: tcp
      ports:
        description: A port, a range such as V(8000-9000), or V(all). Not used with O(inbound_rules[].protocol=icmp).
        type: str
        default: all
      addresses:
        description: Addresses and networks, IPv4 or IPv6.
        type: list
        elements: str
        default: []
      tags:
        description: Tags whose droplets are meant.
        type: list
        elements: str
        default: []
      droplets:
        description: Names of droplets.
        type: list
        elements: str
        default: []
      load_balancers:
        description: Names of load balancers.
        type: list
        elements: str
        default: []

  outbound_rules:
    description:
      - All rules for what may go out.
      - Nothing else goes out, also not to the name servers.
    type: list
    elements: dict
    suboptions:
      protocol:
        description: The protocol.
        type: str
        choices: [tcp, udp, icmp]
        default: tcp
      ports:
        description: A port, a range such as V(8000-9000), or V(all). Not used with O(outbound_rules[].protocol=icmp).
        type: str
        default: all
      addresses:
        description: Addresses and networks, IPv4 or IPv6.
        type: list
        elements: str
        default: []
      tags:
        description: Tags whose droplets are meant.
        type: list
        elements: str
        default: []
      droplets:
        description: Names of droplets.
        type: list
        elements: str
        default: []
      load_balancers:
        description: Names of load balancers.
        type: list
        elements: str
        default: []
"""

EXAMPLES = r"""
- name: The web from everywhere, SSH from the office
  flowdose.infra.firewall:
    name: storefront-staging
    tags: [storefront]
    inbound_rules:
      - {ports: "80", addresses: ["0.0.0.0/0", "::/0"]}
      - {ports: "443", addresses: ["0.0.0.0/0", "::/0"]}
      - {ports: "22", addresses: ["198.51.100.0/24"]}
    outbound_rules:
      - {protocol: tcp, addresses: ["0.0.0.0/0", "::/0"]}
      - {protocol: udp, addresses: ["0.0.0.0/0", "::/0"]}
"""

RETURN = r"""
firewall:
  description: The firewall; in check mode as it would be. Not returned for O(state=absent).
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
    tags:
      description: Tags whose droplets it protects.
      returned: always
      type: list
      elements: str
    droplet_ids:
      description: Ids of the droplets it is attached to by name.
      returned: always
      type: list
      elements: int
    inbound_rules:
      description: What may come in, in the form of the option.
      returned: always
      type: list
      elements: dict
    outbound_rules:
      description: What may go out, in the form of the option.
      returned: always
      type: list
      elements: dict
    droplets:
      description: Names of the droplets it is attached to by name.
      returned: when O(droplets) is given
      type: list
      elements: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.firewall import Firewall


def main() -> None:
    run(Firewall)


if __name__ == "__main__":
    main()
