#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: connection_pool
short_description: Connection pools of PostgreSQL clusters
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates a pool (PgBouncer) in front of a database, changes it in place, or deletes it.
  - All pools and direct connections of a cluster share its limit of connections.
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
    description: Name of the pool, which stands in the place of the database's name when connecting; 3 to 60 characters.
    type: str
    required: true
  mode:
    description:
      - When a connection goes back to the pool. Required when it does not exist yet.
      - Prepared statements and other things that belong to a session need V(session).
      - A change ends the connections of the pool.
    type: str
    choices: [session, transaction, statement]
  size:
    description: Connections to the database. Required when it does not exist yet.
    type: int
  db:
    description: Name of the database. Required when it does not exist yet. A change ends the connections of the pool.
    type: str
  user:
    description: Name of the user that connects to the database; whoever connects to the pool when not given.
    type: str
"""

EXAMPLES = r"""
- name: Many clients, few connections
  flowdose.infra.connection_pool:
    cluster: postgres-staging
    name: shop-pool
    mode: transaction
    size: 10
    db: flowdose_staging
    user: doadmin
"""

RETURN = r"""
connection_pool:
  description: The pool, without any password; in check mode as it would be. Not returned for O(state=absent).
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
      sample: shop-pool
    cluster:
      description: Name of its cluster.
      returned: always
      type: str
      sample: postgres-staging
    mode:
      description: When a connection goes back to the pool.
      returned: always
      type: str
      sample: transaction
    size:
      description: Connections to the database.
      returned: always
      type: int
      sample: 10
    db:
      description: Name of its database.
      returned: always
      type: str
    user:
      description: Name of the user that connects.
      returned: always
      type: str
    host:
      description: Host name for connections from the internet.
      returned: always
      type: str
    private_host:
      description: Host name for connections from the VPC.
      returned: always
      type: str
    port:
      description: Port.
      returned: always
      type: int
      sample: 25061
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.connection_pool import ConnectionPool


def main() -> None:
    run(ConnectionPool)


if __name__ == "__main__":
    main()
