#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: TLS certificates of load balancers
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Has a certificate issued by Let's Encrypt, or uploads one of your own, waits until it can be used; or deletes it.
  - A certificate cannot be changed, because load balancers hold it by its id. To replace one, declare the new one under
    another name, name that one in O(flowdose.infra.load_balancer#module:forwarding_rules), and the old one with
    O(state=absent).
  - Deleting waits for up to five minutes until no load balancer uses it any more.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
options:
  name:
    description: Name of the certificate, unique in the account.
    type: str
    required: true
  type:
    description: Follows from the other options when it is not given.
    type: str
    choices: [custom, lets_encrypt]
  dns_names:
    description: Names for which Let's Encrypt issues it, and renews it. Their zones must be domains of this account.
    type: list
    elements: str
  private_key:
    description: Private key in PEM form, without a passphrase. Used when it is created, and never shown or compared.
    type: str
  leaf_certificate:
    description: Your own certificate in PEM form. Compared by its fingerprint.
    type: str
  certificate_chain:
    description: The certificates of its issuers in PEM form. Used when it is created, and not compared later.
    type: str
"""

EXAMPLES = r"""
- name: A certificate of Let's Encrypt
  flowdose.infra.certificate:
    name: shop-staging
    dns_names: [staging.example.com, api-staging.example.com]

- name: One of your own
  flowdose.infra.certificate:
    name: shop-2026-11
    private_key: "{{ lookup('ansible.builtin.file', 'shop.key') }}"
    leaf_certificate: "{{ lookup('ansible.builtin.file', 'shop.pem') }}"
    certificate_chain: "{{ lookup('ansible.builtin.file', 'chain.pem') }}"
"""

RETURN = r"""
certificate:
  description: The certificate; in check mode as it would be. Not returned for O(state=absent).
  returned: success
  type: dict
  contains:
    id:
      description: Its UUID. That of one of Let's Encrypt changes when it is renewed.
      returned: always
      type: str
      sample: 9cc10173-e9ea-4176-9dbc-a4cee4c4ff30
    name:
      description: Its name.
      returned: always
      type: str
    type:
      description: V(custom) or V(lets_encrypt).
      returned: always
      type: str
      sample: lets_encrypt
    status:
      description: V(pending), V(verified) or V(error).
      returned: always
      type: str
      sample: verified
    dns_names:
      description: The names it is valid for.
      returned: always
      type: list
      elements: str
    not_after:
      description: When it expires.
      returned: always
      type: str
      sample: "2027-02-22T00:23:00Z"
    sha1_fingerprint:
      description: SHA-1 of the certificate in hex digits.
      returned: always
      type: str
      sample: dfcc9f57d86bf58e321c2c6c31c7a971be244ac7
    leaf_certificate:
      description: Its fingerprint, as it is compared.
      returned: when O(leaf_certificate) is given
      type: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.certificate import Certificate


def main() -> None:
    run(Certificate)


if __name__ == "__main__":
    main()
