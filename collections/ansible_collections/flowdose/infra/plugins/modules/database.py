#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: database
short_description: Databases of PostgreSQL clusters
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates a database in a cluster, or deletes it with all that it holds.
  - The option C(databases) of M(flowdose.infra.database_cluster) creates them too; this module can delete them.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
  - flowdose.infra.resource.protected
options:
  cluster:
    description: Name of the database cluster.
    type: str
    required: true
  name:
    description: Name of the database.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: A database of its own for reports
  flowdose.infra.database:
    cluster: postgres-staging
    name: reports

- name: That is no longer needed
  flowdose.infra.database:
    cluster: postgres-staging
    name: reports
    state: absent
    protected: false
"""

RETURN = r"""
database:
  description: The database; in check mode as it would be. Not returned for O(state=absent).
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
      sample: reports
    cluster:
      description: Name of its cluster.
      returned: always
      type: str
      sample: postgres-staging
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.database import Database


def main() -> None:
    run(Database)


if __name__ == "__main__":
    main()
