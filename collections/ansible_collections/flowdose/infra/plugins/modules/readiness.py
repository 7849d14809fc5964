#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: readiness
short_description: Prove from outside that a shop can sell
version_added: "0.1.0"
description:
  - Looks at a shop as its visitors do, and says of each thing what it proves. Medusa's C(/health) is a constant and
    proves little.
  - It looks at TLS certificates, the redirect from HTTP, regions and a priced product by the publishable key, a
    product's image, CORS, the admin's page, an admin's session, the storefront's page, and ports that must not
    answer.
  - All checks run at once, each again until it succeeds or O(timeout) is over. Fails with a table of all checks when
    one of them fails.
  - Runs wherever visitors could be, usually on the controller.
extends_documentation_fragment:
  - flowdose.infra.attributes
options:
  store_url:
    description: Address of the storefront.
    type: str
    required: true
  admin_url:
    description: Address of the host that serves the admin under C(/app).
    type: str
    required: true
  api_url:
    description: Address of the backend's API.
    type: str
    required: true
  publishable_key:
    description:
      - The key that the storefront uses. Without it, O(admin_email) looks in the shop for one, as
        M(flowdose.infra.medusa_publishable_key) does.
    type: str
  admin_email:
    description: An admin user, to prove that a session can be opened and is kept. Without it, that is not checked.
    type: str
  admin_password:
    description: The password of O(admin_email).
    type: str
  store_health_path:
    description:
      - A route of the storefront that answers 200 when it is well. Without it, or with V(/), only the page is
        checked.
    type: str
  ca_file:
    description: A CA to trust beside those of the system.
    type: path
  certificate_days:
    description: Days that each certificate must still be valid.
    type: int
    default: 7
  closed_ports:
    description: Ports that must not answer from outside.
    type: list
    elements: int
    default: [8000, 8001, 9000, 9001]
  closed_hosts:
    description: Where O(closed_ports) are tried, for example the public addresses of the droplets. C(HOST:PORT) is
      about that port alone. Without it, the hosts of the three addresses.
    type: list
    elements: str
    default: []
  skip:
    description: Names of checks to leave out.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds until a check that does not succeed has failed.
    type: int
    default: 60
attributes:
  diff_mode:
    support: none
author: The FlowDose infrastructure developers (@flowdose)
"""

EXAMPLES = r"""
- name: Prove that the shop can sell
  flowdose.infra.readiness:
    store_url: https://shop.example.com
    admin_url: https://admin.example.com
    api_url: https://api.example.com
    admin_email: admin@example.com
    admin_password: "{{ vault_medusa_admin_password }}"
  register: shop

- name: Show what was proved
  ansible.builtin.debug:
    msg: "{{ shop.table }}"
"""

RETURN = r"""
checks:
  description: What was examined, in order.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the check; several may have the same one, for different targets.
      type: str
      sample: products
    target:
      description: What was asked.
      type: str
      sample: https://api.example.com/store/products
    proves:
      description: What a success proves.
      type: str
      sample: a product with a price comes out of the database
    ok:
      description: Whether it succeeded.
      type: bool
    detail:
      description: What was found, or what is wrong and what to do.
      type: str
    seconds:
      description: How long it took, all tries together.
      type: float
table:
  description: The same as lines of text.
  returned: always
  type: list
  elements: str
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flowdose.infra.plugins.module_utils.readiness import Shop, examine, table


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store_url": {"type": "str", "required": True},
            "admin_url": {"type": "str", "required": True},
            "api_url": {"type": "str", "required": True},
            "publishable_key": {"type": "str", "no_log": True},
            "admin_email": {"type": "str"},
            "admin_password": {"type": "str", "no_log": True},
            "store_health_path": {"type": "str"},
            "ca_file": {"type": "path"},
            "certificate_days": {"type": "int", "default": 7},
            "closed_ports": {"type": "list", "elements": "int", "default": [8000, 8001, 9000, 9001]},
            "closed_hosts": {"type": "list", "elements": "str", "default": []},
            "skip": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 60},
        },
        required_together=[("admin_email", "admin_password")],
        required_one_of=[("publishable_key", "admin_email")],
        supports_check_mode=True,
    )
    options = module.params
    urls = {name: options[name].rstrip("/") for name in ("store_url", "admin_url", "api_url")}
    for name, url in urls.items():
        if not url.startswith("https://"):
            module.fail_json(msg=f"{name} must be an https:// address, not {url!r}")
    shop = Shop(
        **urls,
        publishable_key=options["publishable_key"],
        admin_email=options["admin_email"],
        admin_password=options["admin_password"],
        health_path=options["store_health_path"],
        ca_file=options["ca_file"],
        certificate_days=options["certificate_days"],
        closed_ports=tuple(options["closed_ports"]),
        closed_hosts=tuple(options["closed_hosts"]),
    )
    checks = shop.checks()
    unknown = set(options["skip"]) - {check.name for check in checks}
    if unknown:
        module.fail_json(msg=f"skip names no check: {', '.join(sorted(unknown))}")
    results = examine([check for check in checks if check.name not in options["skip"]], options["timeout"])
    lines = table(results)
    failed = sum(not result.ok for result in results)
    facts = {"changed": False, "checks": [asdict(result) for result in results], "table": lines}
    if failed:
        summary = f"{failed} of {len(results)} checks failed: {urls['store_url']} is not ready to sell."
        module.fail_json(msg="\n".join([summary, *lines]), **facts)
    module.exit_json(**facts)


if __name__ == "__main__":
    main()
