#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_info
short_description: Look up TLS certificates
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Lists the certificates of load balancers in the account; never a private key.
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
- name: When a certificate expires
  flowdose.infra.certificate_info:
    name: shop-staging
  register: found
"""

RETURN = r"""
certificates:
  description: Those that were found, an empty list when there is none.
  returned: success
  type: list
  elements: dict
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
"""

from ansible_collections.flowdose.infra.plugins.module_utils.info import run_info
from ansible_collections.flowdose.infra.plugins.module_utils.resources.certificate import Certificate


def main() -> None:
    run_info(Certificate)


if __name__ == "__main__":
    main()
