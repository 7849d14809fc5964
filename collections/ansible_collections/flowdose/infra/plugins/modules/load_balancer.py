#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: load_balancer
short_description: Load balancers
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates a load balancer and waits until it has an address, changes what can be changed in place, or deletes it.
  - What is not given stays as it is, although the API replaces all settings at once.
  - Certificates are named, not numbered, because the id of one of Let's Encrypt changes when it is renewed.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
options:
  name:
    description: Name of the load balancer, unique in the account.
    type: str
    required: true
  region:
    description: Slug of the region. Required when it does not exist yet. Cannot be changed.
    type: str
  vpc:
    description: Name of the VPC, of which its droplets must be members; the default one of the region when not given.
      Cannot be changed.
    type: str
  type:
    description: V(REGIONAL_NETWORK) passes TCP and UDP on as they are. Cannot be changed.
    type: str
    choices: [REGIONAL, REGIONAL_NETWORK]
  network:
    description: Whether it has an address in the internet, or in the VPC only. Cannot be changed.
    type: str
    choices: [EXTERNAL, INTERNAL]
  network_stack:
    description: Whether it has an IPv6 address too. Cannot be changed.
    type: str
    choices: [IPV4, DUALSTACK]
  size:
    description: Its size in the older form, where there is no O(size_unit). Excludes O(size_unit).
    type: str
    choices: [lb-small, lb-medium, lb-large]
  size_unit:
    description: Its number of nodes, 1 to 100. Changed once per hour at most, and not in its first hour.
    type: int
  droplets:
    description: Names of all droplets it passes requests on to, ten at most. Excludes O(tag).
    type: list
    elements: str
  tag:
    description: It passes requests on to all droplets with this tag. Excludes O(droplets).
    type: str
  forwarding_rules:
    description: All rules for what it passes on. Required when it does not exist yet.
    type: list
    elements: dict
    suboptions:
      entry_protocol:
        description: The protocol that visitors speak. V(https), V(http2) and V(http3) need
          O(forwarding_rules[].certificate) or O(forwarding_rules[].tls_passthrough).
        type: str
        required: true
        choices: [http, https, http2, http3, tcp, udp]
      entry_port:
        description: The port that visitors connect to.
        type: int
        required: true
      target_protocol:
        description: The protocol that droplets speak.
        type: str
        required: true
        choices: [http, https, http2, tcp, udp]
      target_port:
        description: The port of the droplets.
        type: int
        required: true
      certificate:
        description: Name of the certificate with which TLS ends here.
        type: str
      tls_passthrough:
        description: Whether the droplets end TLS.
        type: bool
        default: false
  health_check:
    description: How it finds out which droplets work. What is not named in it is left as it is.
    type: dict
    suboptions:
      protocol:
        description: How droplets are asked.
        type: str
        choices: [http, https, tcp]
      port:
        description: On which port.
        type: int
      path:
        description: For which path, with V(http) and V(https).
        type: str
      check_interval_seconds:
        description: How often, 3 to 300.
        type: int
      response_timeout_seconds:
        description: How long an answer may take, 3 to 300.
        type: int
      healthy_threshold:
        description: Good answers in a row until a droplet gets requests again, 2 to 10.
        type: int
      unhealthy_threshold:
        description: Bad answers in a row until it gets none any more, 2 to 10.
        type: int
  sticky_sessions:
    description: Whether a visitor stays with one droplet.
    type: dict
    suboptions:
      type:
        description: V(cookies) needs O(sticky_sessions.cookie_name) and O(sticky_sessions.cookie_ttl_seconds).
        type: str
        required: true
        choices: [cookies, none]
      cookie_name:
        description: Name of the cookie, 2 to 40 characters.
        type: str
      cookie_ttl_seconds:
        description: Seconds for which it is valid.
        type: int
  firewall:
    description: Whom it lets in.
    type: dict
    suboptions:
      allow:
        description: Addresses and networks that are let in; everybody when empty.
        type: list
        elements: str
        default: []
      deny:
        description: Addresses and networks that are not.
        type: list
        elements: str
        default: []
  redirect_http_to_https:
    description: Whether port 80 is redirected to port 443, for which there must be a rule.
    type: bool
  enable_proxy_protocol:
    description: Whether droplets are told the visitor's address by the PROXY protocol, which they must understand.
    type: bool
  enable_backend_keepalive:
    description: Whether connections to droplets are used again.
    type: bool
  disable_lets_encrypt_dns_records:
    description: Whether no DNS records are made for the names of its Let's Encrypt certificates.
    type: bool
  http_idle_timeout_seconds:
    description: Seconds after which an idle connection ends, 30 to 600.
    type: int
  tls_cipher_policy:
    description: Which cipher suites it offers.
    type: str
    choices: [DEFAULT, STRONG]
"""

EXAMPLES = r"""
- name: TLS ends at the load balancer, the storefronts listen on port 8000
  flowdose.infra.load_balancer:
    name: storefront-staging
    region: fra1
    vpc: flowdose-staging
    tag: storefront
    forwarding_rules:
      - {entry_protocol: http, entry_port: 80, target_protocol: http, target_port: 8000}
      - {entry_protocol: https, entry_port: 443, target_protocol: http, target_port: 8000, certificate: shop-staging}
    health_check: {protocol: http, port: 8000, path: /}
    redirect_http_to_https: true
  register: made

- name: Its address
  ansible.builtin.debug:
    var: made.load_balancer.ip
"""

RETURN = r"""
load_balancer:
  description: The load balancer; in check mode as it would be. Not returned for O(state=absent).
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
    vpc:
      description: Name of its VPC.
      returned: when O(vpc) is given
      type: str
    droplets:
      description: Names of its droplets, null when a tag chooses them.
      returned: when O(droplets) is given
      type: list
      elements: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.load_balancer import LoadBalancer


def main() -> None:
    run(LoadBalancer)


if __name__ == "__main__":
    main()
