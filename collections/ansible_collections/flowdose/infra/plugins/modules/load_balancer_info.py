#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: load_balancer_info
short_description: Look up load balancers
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the load balancers of the account.
extends_documentation_fragment:
  - flowdose.infra.attributes.info
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
options:
  name:
    description: Only the one of this name.
    type: str
"""

EXAMPLES = r"""
- name: The address of a load balancer
  flowdose.infra.load_balancer_info:
    name: storefront-staging
  register: found
"""

RETURN = r"""
load_balancers:
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
    status:
      description: V(new), V(active) or V(errored).
      returned: always
      type: str
      sample: active
    ip:
      description: Its address; null until it is active.
      returned: always
      type: str
      sample: 203.0.113.20
    ipv6:
      description: Its IPv6 address, null without one.
      returned: always
      type: str
    region:
      description: Slug of its region.
      returned: always
      type: str
      sample: fra1
    vpc_uuid:
      description: UUID of its VPC.
      returned: always
      type: str
    project_id:
      description: UUID of its project.
      returned: always
      type: str
    droplet_ids:
      description: Ids of the droplets it passes requests on to, also of those that a tag chooses.
      returned: always
      type: list
      elements: int
    tag:
      description: The tag that chooses its droplets, null when they are chosen by name.
      returned: always
      type: str
    type:
      description: V(REGIONAL) or V(REGIONAL_NETWORK).
      returned: always
      type: str
    network:
      description: V(EXTERNAL) or V(INTERNAL).
      returned: always
      type: str
    network_stack:
      description: V(IPV4) or V(DUALSTACK).
      returned: always
      type: str
    size:
      description: Its size in the older form.
      returned: always
      type: str
    size_unit:
      description: Its number of nodes.
      returned: always
      type: int
      sample: 1
    forwarding_rules:
      description: What it passes on, in the form of the option; C(certificate) is an id where names were not looked up.
      returned: always
      type: list
      elements: dict
    health_check:
      description: How it finds out which droplets work.
      returned: always
      type: dict
    sticky_sessions:
      description: Whether a visitor stays with one droplet.
      returned: always
      type: dict
    firewall:
      description: Whom it lets in, C(allow) and C(deny).
      returned: always
      type: dict
    redirect_http_to_https:
      description: Whether port 80 is redirected to port 443.
      returned: always
      type: bool
    enable_proxy_protocol:
      description: Whether droplets are told the address of the visitor by the PROXY protocol.
      returned: always
      type: bool
    enable_backend_keepalive:
      description: Whether connections to droplets are used again.
      returned: always
      type: bool
    disable_lets_encrypt_dns_records:
      description: Whether no DNS records are made for names of its certificates.
      returned: always
      type: bool
    http_idle_timeout_seconds:
      description: Seconds after which an idle connection ends.
      returned: always
      type: int
      sample: 60
    tls_cipher_policy:
      description: V(DEFAULT) or V(STRONG).
      returned: always
      type: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info
from ansible_collections.flowdose.infra.plugins.module_utils.resources.load_balancer import LoadBalancer


def main() -> None:
    run_info(LoadBalancer)


if __name__ == "__main__":
    main()
