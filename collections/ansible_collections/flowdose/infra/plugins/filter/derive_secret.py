# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: derive_secret
short_description: Derive a secret from the environment's master key
version_added: "0.1.0"
description:
  - Derives 256 bits with HKDF-SHA256 and writes them as 43 characters of C([A-Za-z0-9_-]), which no env file, URL or
    shell needs to quote.
  - The same master key, name and version always give the same secret, so nothing is stored. To rotate one secret,
    raise its version.
positional: _input, name
options:
  _input:
    description: The master key, 32 characters or more. C(openssl rand -hex 32) makes one.
    type: str
    required: true
  name:
    description: What the secret is for, such as V(jwt). Each name gives another secret.
    type: str
    required: true
  version:
    description: Raise it to rotate the secret.
    type: int
    default: 1
author: The FlowDose infrastructure developers (@flowdose)
"""

EXAMPLES = r"""
- name: Set the key that signs the backend's tokens
  ansible.builtin.set_fact:
    medusa_jwt_secret: "{{ flowdose_master_key | flowdose.infra.derive_secret('jwt', version=2) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The secret, 43 characters.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.flowdose.infra.plugins.module_utils import secret


def derive_secret(master_key: str, name: str, version: int = 1) -> str:
    try:
        return secret.derive_secret(master_key, name, version)
    except secret.SecretError as error:
        raise AnsibleFilterError(f"derive_secret: {error}") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"derive_secret": derive_secret}
