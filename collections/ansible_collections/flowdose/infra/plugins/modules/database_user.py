#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: database_user
short_description: Users of PostgreSQL clusters
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates a user in a cluster, changes whether it may replicate, or deletes it.
  - The password is the API's choice, and not returned. M(flowdose.infra.database_cluster_info) reads it when needed.
  - The option C(users) of M(flowdose.infra.database_cluster) creates users too; this module can delete them.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
options:
  cluster:
    description: Name of the database cluster.
    type: str
    required: true
  name:
    description: Name of the user.
    type: str
    required: true
  allow_replication:
    description: Whether the user may start replication, also logical one. The API's default is no.
    type: bool
"""

EXAMPLES = r"""
- name: A user that copies data elsewhere
  flowdose.infra.database_user:
    cluster: postgres-staging
    name: replicator
    allow_replication: true
"""

RETURN = r"""
database_user:
  description: The user; in check mode as it would be. Not returned for O(state=absent).
  returned: success
  type: dict
  contains:
    id:
      description: Its name.
      returned: always
      type: str
    name:
      description: Its name.
      returned: always
      type: str
      sample: replicator
    cluster:
      description: Name of its cluster.
      returned: always
      type: str
      sample: postgres-staging
    role:
      description: V(primary) for the administrator that every cluster has, else V(normal).
      returned: always
      type: str
    allow_replication:
      description: Whether it may start replication.
      returned: always
      type: bool
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.database_user import DatabaseUser


def main() -> None:
    run(DatabaseUser)


if __name__ == "__main__":
    main()
