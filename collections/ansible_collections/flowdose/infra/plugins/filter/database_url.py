# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: database_url
short_description: Build the URL of a managed database, with verified TLS
version_added: "0.1.0"
description:
  - Builds the URL from its parts with each one percent-encoded, so that a password may hold C(/), C(@), C(#) or C(%).
  - For PostgreSQL the URL says C(sslmode=verify-full) and names the CA file, the one form in which node-postgres
    checks the server's certificate without help from the process environment.
  - For Valkey it is a C(rediss) URL. Its clients take a private CA from C(NODE_EXTRA_CA_CERTS).
positional: _input, engine
options:
  _input:
    description:
      - The connection, with C(host), C(port), C(user), C(password) and C(database), as
        M(flowdose.infra.database_cluster_info) returns it.
    type: dict
    required: true
  engine:
    description: The engine of the cluster.
    type: str
    choices: [pg, valkey, redis]
    required: true
  ca_file:
    description: Path of the cluster's CA certificate on the host that connects. Required for V(pg).
    type: path
  database:
    description: Takes the place of the connection's database. For V(valkey), the number of the logical database.
    type: str
  user:
    description: Takes the place of the connection's user.
    type: str
  password:
    description: Takes the place of the connection's password.
    type: str
author: The FlowDose infrastructure developers (@flowdose)
"""

EXAMPLES = r"""
- name: Set the backend's databases
  ansible.builtin.set_fact:
    medusa_database_url: >-
      {{ postgres.private_connection
         | flowdose.infra.database_url('pg', ca_file='/etc/flowdose/postgres-ca.pem', database='medusa') }}
    medusa_redis_url: "{{ valkey.private_connection | flowdose.infra.database_url('valkey') }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The URL.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.flowdose.infra.plugins.module_utils import secret


def database_url(connection: Mapping[str, Any], engine: str, **parts: str | None) -> str:
    if not isinstance(connection, Mapping):
        raise AnsibleFilterError("database_url: expected a dictionary with host, port, user, password and database")
    try:
        return secret.database_url(connection, engine, **parts)
    except secret.SecretError as error:
        raise AnsibleFilterError(f"database_url: {error}") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"database_url": database_url}
