#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: spaces_key
short_description: Access keys of Spaces
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates a key, changes what it may do, or deletes it.
  - The API tells the secret of a key only once. It goes into O(secret_file), and is never returned.
  - Should the answer with the secret get lost, the key is of no use to anybody; it is deleted, and another one made.
  - Names of keys need not be unique, but here two of one name are an error.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
options:
  name:
    description: Name of the key.
    type: str
    required: true
  grants:
    description:
      - All that the key may do. Required when it does not exist yet.
      - A key with full access cannot become a limited one, nor the other way round.
      - A bucket with a bucket policy cannot have limited keys.
    type: list
    elements: dict
    suboptions:
      bucket:
        description: Name of the bucket; none for V(fullaccess).
        type: str
        default: ''
      permission:
        description: What it may do with it.
        type: str
        choices: [read, readwrite, fullaccess]
        required: true
  secret_file:
    description:
      - File for the key and its secret, on the host where the module runs (for M(flowdose.infra.stack) the controller).
        Required when the key does not exist yet.
      - It is JSON with C(name), C(access_key) and C(secret_key), readable by its owner only. A key that exists while
        the file does not hold its secret is an error.
      - With O(state=absent) it is deleted together with the key.
    type: path
"""

EXAMPLES = r"""
- name: A key for the pictures of the shop
  flowdose.infra.spaces_key:
    name: shop-staging
    grants:
      - {bucket: staging-flowdose-bucket, permission: readwrite}
    secret_file: .flowdose/staging/spaces_key.json

- name: What the application needs
  ansible.builtin.set_fact:
    spaces_key: "{{ lookup('ansible.builtin.file', '.flowdose/staging/spaces_key.json') | from_json }}"
  no_log: true
"""

RETURN = r"""
spaces_key:
  description: The key, without its secret; in check mode as it would be. Not returned for O(state=absent).
  returned: success
  type: dict
  contains:
    id:
      description: The access key.
      returned: always
      type: str
    name:
      description: Its name.
      returned: always
      type: str
      sample: shop-staging
    access_key:
      description: The access key, which is not secret.
      returned: always
      type: str
      sample: DO00ZQL7T3XXXXXXXXXX
    grants:
      description: What it may do; C(bucket) and C(permission).
      returned: always
      type: list
      elements: dict
    created_at:
      description: When it was made.
      returned: always
      type: str
    secret_file:
      description: The file with its secret.
      returned: when O(secret_file) is given
      type: str
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.spaces_key import SpacesKey


def main() -> None:
    run(SpacesKey)


if __name__ == "__main__":
    main()
