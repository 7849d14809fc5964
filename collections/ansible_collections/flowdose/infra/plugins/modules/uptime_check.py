#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: uptime_check
short_description: Checks from outside
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates an uptime check with its alerts, changes both in place, or deletes them.
  - The alerts are exactly those given; one is known by its name. Alerts are left alone when the option is not given.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
options:
  name:
    description: Name of the check.
    type: str
    required: true
  type:
    description: How it looks. Required when it does not exist yet.
    type: str
    choices: [ping, http, https]
  target:
    description: Address for V(http) and V(https), host name or IP address for V(ping). Required when it does not exist
      yet.
    type: str
  regions:
    description: All regions from which it looks. Required when it does not exist yet.
    type: list
    elements: str
    choices: [us_east, us_west, eu_west, se_asia]
  enabled:
    description: Whether it looks. V(true) for a new one when not given.
    type: bool
  alerts:
    description: All its alerts.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the alert, one of a kind in the check.
        type: str
        required: true
      type:
        description:
          - What is wrong. V(down) in one region, V(down_global) in all of them.
          - V(ssl_expiry) goes with checks of type V(https).
        type: str
        choices: [latency, down, down_global, ssl_expiry]
        required: true
      threshold:
        description: Milliseconds for V(latency), days for V(ssl_expiry), and required for them; the others have none.
        type: int
      comparison:
        description: On which side of the threshold something is wrong; V(greater_than) for V(latency) and V(less_than)
          for V(ssl_expiry) when not given.
        type: str
        choices: [greater_than, less_than]
      period:
        description: How long it must be so.
        type: str
        choices: [2m, 3m, 5m, 10m, 15m, 30m, 1h]
        default: 2m
      notifications:
        description: Who is told; at least one address or channel.
        type: dict
        required: true
        suboptions:
          email:
            description: Addresses; each must belong to somebody of the account's team and be verified.
            type: list
            elements: str
            default: []
          slack:
            description: Slack channels.
            type: list
            elements: dict
            default: []
            suboptions:
              channel:
                description: Name of the channel, such as V(#shop).
                type: str
                required: true
              url:
                description: Address of the web hook. Whoever has it can write to the channel, so it is never shown.
                type: str
                required: true
"""

EXAMPLES = r"""
- name: Whether the shop can be reached
  flowdose.infra.uptime_check:
    name: shop-staging
    type: https
    target: https://staging.example.com/
    regions: [eu_west, us_east]
    alerts:
      - name: shop-staging is down
        type: down_global
        period: 2m
        notifications:
          email: [ops@example.com]
      - name: the certificate of shop-staging ends soon
        type: ssl_expiry
        threshold: 14
        notifications:
          email: [ops@example.com]
"""

RETURN = r"""
uptime_check:
  description: The check, web hooks hidden; in check mode as it would be. Not returned for O(state=absent).
  returned: success
  type: dict
  contains:
    id:
      description: Its UUID.
      returned: always
      type: str
    name:
      description: Its name.
      returned: always
      type: str
      sample: shop-staging
    type:
      description: How it looks.
      returned: always
      type: str
      sample: https
    target:
      description: What it looks at.
      returned: always
      type: str
      sample: https://staging.example.com/
    regions:
      description: From where it looks.
      returned: always
      type: list
      elements: str
    enabled:
      description: Whether it looks.
      returned: always
      type: bool
    alerts:
      description: Its alerts, with the keys of the option.
      returned: when O(alerts) is given
      type: list
      elements: dict
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.uptime_check import UptimeCheck


def main() -> None:
    run(UptimeCheck)


if __name__ == "__main__":
    main()
