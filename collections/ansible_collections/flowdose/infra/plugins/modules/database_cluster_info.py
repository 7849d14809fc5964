#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: database_cluster_info
short_description: How to connect to managed databases
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Reads the connections, users and certificate authority of database clusters.
  - The result contains passwords. Set C(no_log) on the task that registers it.
extends_documentation_fragment:
  - flowdose.infra.attributes.info
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
options:
  name:
    description: Name of the cluster. One that does not exist is an error. All clusters when not given.
    type: str
"""

EXAMPLES = r"""
- name: How to connect to the database
  flowdose.infra.database_cluster_info:
    name: postgres-staging
  register: found
  no_log: true

- name: Trust the certificate authority of the cluster
  ansible.builtin.copy:
    content: "{{ found.clusters[0].ca_certificate }}"
    dest: /etc/flowdose/postgres-ca.crt
    mode: "0644"
"""

RETURN = r"""
clusters:
  description: The clusters.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: UUID of the cluster.
      returned: always
      type: str
    name:
      description: Name of the cluster.
      returned: always
      type: str
    engine:
      description: V(pg) or V(valkey).
      returned: always
      type: str
    version:
      description: Major version.
      returned: always
      type: str
      sample: "15"
    status:
      description: V(online) when it can be used.
      returned: always
      type: str
    region:
      description: Slug of its region.
      returned: always
      type: str
    databases:
      description: Its databases.
      returned: always
      type: list
      elements: str
    tags:
      description: Its tags.
      returned: always
      type: list
      elements: str
    connection:
      description: How to connect from the internet; C(host), C(port), C(user), C(password), C(database), C(uri).
      returned: always
      type: dict
    private_connection:
      description: How to connect from the VPC, with the same keys.
      returned: always
      type: dict
    users:
      description: All users, each with C(name) and C(password).
      returned: always
      type: list
      elements: dict
    ca_certificate:
      description: The certificate authority that signs the certificates of its servers, in PEM form.
      returned: always
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flowdose.infra.plugins.module_utils.client import CLIENT_OPTIONS, Client, CloudError
from ansible_collections.flowdose.infra.plugins.module_utils.resources.database_cluster import read_connections


def main() -> None:
    module = AnsibleModule({**CLIENT_OPTIONS, "name": {"type": "str"}}, supports_check_mode=True)
    params = module.params
    try:
        client = Client(params["token"], api_url=params["api_url"], ca_file=params["ca_file"])
        clusters = read_connections(client, params["name"])
    except CloudError as error:
        module.fail_json(**error.as_result())
    else:
        module.exit_json(changed=False, clusters=clusters)


if __name__ == "__main__":
    main()
