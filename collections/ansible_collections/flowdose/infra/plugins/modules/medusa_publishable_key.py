#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: medusa_publishable_key
short_description: Get the publishable key by which a storefront asks a Medusa backend
version_added: "0.1.0"
description:
  - Logs in as an admin user, and takes the oldest publishable key that is not revoked and is linked to a sales channel,
    whatever its title. A key without a sales channel sells nothing.
  - When there is none, makes one and links it to the store's default sales channel.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.medusa
options:
  title:
    description: The title of a key that is made. Among several usable keys, one with this title goes first.
    type: str
    default: Storefront
attributes:
  diff_mode:
    support: none
author: The FlowDose infrastructure developers (@flowdose)
"""

EXAMPLES = r"""
- name: Read the key for the storefront
  flowdose.infra.medusa_publishable_key:
    url: http://127.0.0.1:9000
    email: admin@example.com
    password: "{{ vault_medusa_admin_password }}"
  register: backend_key
"""

RETURN = r"""
token:
  description: The key. It is public, every visitor's browser gets it. Empty in check mode when one would be made.
  returned: success
  type: str
  sample: pk_0123456789abcdef
title:
  description: The key's title.
  returned: success
  type: str
sales_channels:
  description: The names of the sales channels that it sells from.
  returned: success
  type: list
  elements: str
regions:
  description: >-
    How many regions the shop has; without one a storefront has nothing to show. 0 in check mode when nobody can log in
    yet.
  returned: success
  type: int
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flowdose.infra.plugins.module_utils.medusa import ARGUMENTS, Medusa, MedusaError


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS | {"title": {"type": "str", "default": "Storefront"}}, supports_check_mode=True
    )
    options = module.params
    medusa = Medusa(options["url"], options["ca_file"], options["timeout"])
    try:
        if medusa.login(options["email"], options["password"]):
            key = medusa.find_publishable_key(options["title"])
            regions = len(medusa.list_all("list the regions", "/admin/regions?fields=id", "regions"))
        elif module.check_mode:
            key, regions = None, 0  # the task before would have made the user
        else:
            raise MedusaError(f"{medusa.url} refused the password of {options['email']}, or has no such admin user")
        changed = key is None
        if key is None and not module.check_mode:
            key = create(medusa, options["title"])
    except MedusaError as error:
        module.fail_json(msg=str(error))
    key = key or {"token": "", "title": options["title"]}
    channels = [channel["name"] for channel in key.get("sales_channels") or []]
    module.exit_json(changed=changed, token=key["token"], title=key["title"], sales_channels=channels, regions=regions)


def create(medusa: Medusa, title: str) -> dict[str, Any]:
    stores = medusa.list_all("read the store", "/admin/stores", "stores")
    channels = medusa.list_all("list the sales channels", "/admin/sales-channels?is_disabled=false", "sales_channels")
    default = stores[0].get("default_sales_channel_id") if stores else None
    channel = next((channel for channel in channels if channel["id"] == default), channels[0] if channels else None)
    if channel is None:
        raise MedusaError(f"{medusa.url} has no sales channel that a publishable key could sell from: create one")
    made = medusa.call("create a publishable key", "POST", "/admin/api-keys", {"title": title, "type": "publishable"})[
        "api_key"
    ]
    path = f"/admin/api-keys/{made['id']}/sales-channels"
    medusa.call(f"link the key to the sales channel {channel['name']}", "POST", path, {"add": [channel["id"]]})
    return {**made, "sales_channels": [channel]}


if __name__ == "__main__":
    main()
