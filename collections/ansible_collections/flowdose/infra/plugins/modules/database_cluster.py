#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: database_cluster
short_description: Managed PostgreSQL and Valkey
version_added: 0.1.0
author: The FlowDose infrastructure developers (@flowdose)
description:
  - Creates a cluster with its databases, users and trusted sources, waits until it is online, and changes what can
    be changed in place.
  - A cluster is never replaced by a difference. Databases and users are added, never removed.
  - Passwords are not returned. M(flowdose.infra.database_cluster_info) reads them when they are needed.
extends_documentation_fragment:
  - flowdose.infra.attributes
  - flowdose.infra.attributes.action_group
  - flowdose.infra.digitalocean
  - flowdose.infra.resource
  - flowdose.infra.resource.protected
options:
  name:
    description: Name of the cluster, unique in the account.
    type: str
    required: true
  engine:
    description:
      - The engine. Required when it does not exist yet.
      - V(redis) means V(valkey), its successor at DigitalOcean; V(postgres) and V(postgresql) mean V(pg).
    type: str
    choices: [pg, postgres, postgresql, valkey, redis]
  version:
    description:
      - Major version; the API's default when not given. V(15) and V(15.4) are the same.
      - A higher one upgrades the cluster, for which there is no way back; take a backup first. A lower one is an error.
    type: str
  size:
    description: Slug of the size. Required when it does not exist yet. A larger one resizes the cluster, which ends
      its connections; a smaller one is an error.
    type: str
  region:
    description: Slug of the region. Required when it does not exist yet.
    type: str
  num_nodes:
    description: Number of nodes, 1 for a new cluster when not given; those beyond the first stand by.
    type: int
  storage_size_mib:
    description: Storage in MiB, in all (PostgreSQL only); what comes with the size when not given. It cannot become
      smaller.
    type: int
  vpc:
    description: Name of the VPC; the default one of the region when not given.
    type: str
  databases:
    description: Databases it shall have (PostgreSQL only). Others are left alone.
    type: list
    elements: str
  users:
    description: Users it shall have (PostgreSQL only). Others are left alone.
    type: list
    elements: str
  trusted_sources:
    description:
      - All that may connect; the order does not matter, and others are taken out.
      - An empty list lets everybody connect.
    type: list
    elements: dict
    suboptions:
      type:
        description: What O(trusted_sources[].value) is.
        type: str
        choices: [tag, ip_addr, droplet]
        required: true
      value:
        description: A tag, an IPv4 address or network, or the name of a droplet.
        type: str
        required: true
  eviction_policy:
    description: What Valkey does when its memory is full. Queues need V(noeviction).
    type: str
    choices: [noeviction, allkeys_lru, allkeys_random, volatile_lru, volatile_random, volatile_ttl]
  maintenance_window:
    description: When the provider may install updates.
    type: dict
    suboptions:
      day:
        description: Day of the week.
        type: str
        choices: [monday, tuesday, wednesday, thursday, friday, saturday, sunday]
        required: true
      hour:
        description: Time of the day in UTC, such as V(03:00).
        type: str
        required: true
  config:
    description:
      - Settings of the engine, by the names of the API, such as C(work_mem) or C(valkey_timeout).
      - Settings that are not given are left alone. Some are read at the start only; the plan says when changing one
        restarts the cluster.
    type: dict
  tags:
    description: All tags it shall have. Other tags are taken off.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: PostgreSQL for the backend alone
  flowdose.infra.database_cluster:
    name: postgres-staging
    engine: pg
    version: "15"
    size: db-s-1vcpu-2gb
    region: fra1
    vpc: flowdose-staging
    databases: [flowdose_staging]
    trusted_sources:
      - {type: tag, value: backend}
"""

RETURN = r"""
database_cluster:
  description: The database cluster, without any password; in check mode as it would be. Not returned for
    O(state=absent).
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
      description: V(creating), V(online), V(resizing) and the like.
      returned: always
      type: str
      sample: online
    engine:
      description: V(pg) or V(valkey).
      returned: always
      type: str
    version:
      description: Major version.
      returned: always
      type: str
      sample: "15"
    semantic_version:
      description: Full version.
      returned: always
      type: str
      sample: "15.14"
    region:
      description: Slug of its region.
      returned: always
      type: str
      sample: fra1
    size:
      description: Slug of its size.
      returned: always
      type: str
      sample: db-s-1vcpu-2gb
    num_nodes:
      description: Number of nodes.
      returned: always
      type: int
      sample: 1
    storage_size_mib:
      description: Storage in MiB; none for V(valkey).
      returned: always
      type: int
      sample: 30720
    vpc_uuid:
      description: UUID of its VPC.
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
      sample: 25060
    databases:
      description: Its databases.
      returned: always
      type: list
      elements: str
    users:
      description: Names of its users.
      returned: always
      type: list
      elements: str
    maintenance_window:
      description: When updates may be installed; C(day) and C(hour) (UTC).
      returned: always
      type: dict
      sample: {day: sunday, hour: "03:00:00"}
    tags:
      description: Its tags.
      returned: always
      type: list
      elements: str
    vpc:
      description: Name of its VPC.
      returned: when O(vpc) is given
      type: str
    trusted_sources:
      description: All that may connect.
      returned: when O(trusted_sources) is given
      type: list
      elements: dict
    eviction_policy:
      description: What Valkey does when its memory is full.
      returned: when O(eviction_policy) is given
      type: str
    config:
      description: The settings that are declared.
      returned: when O(config) is given
      type: dict
"""

from ansible_collections.flowdose.infra.plugins.module_utils.resource import run
from ansible_collections.flowdose.infra.plugins.module_utils.resources.database_cluster import DatabaseCluster


def main() -> None:
    run(DatabaseCluster)


if __name__ == "__main__":
    main()
