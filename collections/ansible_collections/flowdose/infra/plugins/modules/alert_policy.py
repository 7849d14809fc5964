#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alert_policy
short_description: Alerts about metrics
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates an alert policy, changes it in place, or deletes it.
  - Of droplets there are metrics only when they have the option C(monitoring).
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
options:
  name:
    description: What tells it from others, and what the mail says. The API calls it its description.
    type: str
    required: true
  type:
    description: The metric. Required when it does not exist yet.
    type: str
    choices:
      - v1/insights/droplet/load_1
      - v1/insights/droplet/load_5
      - v1/insights/droplet/load_15
      - v1/insights/droplet/memory_utilization_percent
      - v1/insights/droplet/disk_utilization_percent
      - v1/insights/droplet/cpu
      - v1/insights/droplet/disk_read
      - v1/insights/droplet/disk_write
      - v1/insights/droplet/public_outbound_bandwidth
      - v1/insights/droplet/public_inbound_bandwidth
      - v1/insights/droplet/private_outbound_bandwidth
      - v1/insights/droplet/private_inbound_bandwidth
      - v1/insights/lbaas/avg_cpu_utilization_percent
      - v1/insights/lbaas/connection_utilization_percent
      - v1/insights/lbaas/droplet_health
      - v1/insights/lbaas/tls_connections_per_second_utilization_percent
      - v1/insights/lbaas/increase_in_http_error_rate_percentage_5xx
      - v1/insights/lbaas/increase_in_http_error_rate_percentage_4xx
      - v1/insights/lbaas/increase_in_http_error_rate_count_5xx
      - v1/insights/lbaas/increase_in_http_error_rate_count_4xx
      - v1/insights/lbaas/high_http_request_response_time
      - v1/insights/lbaas/high_http_request_response_time_50p
      - v1/insights/lbaas/high_http_request_response_time_95p
      - v1/insights/lbaas/high_http_request_response_time_99p
      - v1/dbaas/alerts/load_15_alerts
      - v1/dbaas/alerts/memory_utilization_alerts
      - v1/dbaas/alerts/disk_utilization_alerts
      - v1/dbaas/alerts/cpu_alerts
  compare:
    description: On which side of O(value) something is wrong. V(GreaterThan) for a new one when not given.
    type: str
    choices: [GreaterThan, LessThan]
  value:
    description: Percent, a load, megabytes a second, milliseconds or a number, as O(type) has it. Required when it
      does not exist yet.
    type: float
  window:
    description: How long it must be so. V(5m) for a new one when not given.
    type: str
    choices: [5m, 10m, 30m, 1h]
  entities:
    description: Names of the droplets, load balancers or database clusters (which, says O(type)) it looks after.
    type: list
    elements: str
  tags:
    description:
      - Tags of what it looks after.
      - With neither names nor tags, it looks after all there are of the kind.
    type: list
    elements: str
  alerts:
    description: Who is told. Required when it does not exist yet; at least one address or channel.
    type: dict
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
  enabled:
    description: Whether it is in force. V(true) for a new one when not given.
    type: bool
"""

EXAMPLES = r"""
- name: The backend's processors have too much to do
  flowdose.infra.alert_policy:
    name: backend-staging CPU
    type: v1/insights/droplet/cpu
    value: 85
    window: 10m
    tags: [backend]
    alerts:
      email: [ops@example.com]
"""

RETURN = r"""
alert_policy:
  description: The policy, web hooks hidden; in check mode as it would be. Not returned for O(state=absent).
  returned: success
  type: dict
  contains:
    id:
      description: Its UUID.
      returned: always
      type: str
    name:
      description: Its name, the API's description.
      returned: always
      type: str
      sample: backend-staging CPU
    type:
      description: The metric.
      returned: always
      type: str
      sample: v1/insights/droplet/cpu
    compare:
      description: On which side of the value something is wrong.
      returned: always
      type: str
      sample: GreaterThan
    value:
      description: The value.
      returned: always
      type: float
      sample: 85.0
    window:
      description: How long it must be so.
      returned: always
      type: str
      sample: 10m
    entity_ids:
      description: Ids of what it looks after.
      returned: always
      type: list
      elements: str
    tags:
      description: Tags of what it looks after.
      returned: always
      type: list
      elements: str
    alerts:
      description: Who is told; C(email) and C(slack).
      returned: always
      type: dict
    enabled:
      description: Whether it is in force.
      returned: always
      type: bool
    entities:
      description: Names of what it looks after.
      returned: when O(entities) is given
      type: list
      elements: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.alert_policy import AlertPolicy


def main() -> None:
    run(AlertPolicy)


if __name__ == "__main__":
    main()
