# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: env_digests
short_description: Digests by which two sides compare environment variables without showing them
version_added: "0.1.0"
description:
  - Gives the HMAC-SHA256 of each value that P(flowdose.infra.dotenv#filter) would write, with the nonce as key.
  - The host computes the same over what the application's own parser read from the file. Equal digests prove the
    file, and neither side showed a value.
positional: _input, nonce
options:
  _input:
    description: The variables, as for P(flowdose.infra.dotenv#filter).
    type: dict
    required: true
  nonce:
    description:
      - A random text of 16 characters or more, new each time, so that the digests of short values cannot be looked
        up.
    type: str
    required: true
seealso:
  - plugin: flowdose.infra.dotenv
    plugin_type: filter
author: The FlowDose infrastructure developers (@flowdose)
"""

EXAMPLES = r"""
- name: Draw a nonce for this comparison
  ansible.builtin.set_fact:
    env_nonce: "{{ lookup('ansible.builtin.password', '/dev/null', length=32) }}"

- name: Compute what the host must report
  ansible.builtin.set_fact:
    env_expected: "{{ medusa_backend_env | flowdose.infra.env_digests(env_nonce) }}"
"""

RETURN = r"""
_value:
  description: Hexadecimal digests by name of variable. Those that are V(none) are left out.
  type: dict
  sample:
    PORT: 1f0b4a6f6a6f6b2d3a0f0e5ad1c1b7c1f6f64d7f4f3a9b0d7f0e2c7a54c8d9e0
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.flowdose.infra.plugins.module_utils.dotenv import DotenvError, digests


def env_digests(variables: Mapping[str, Any], nonce: str) -> dict[str, str]:
    if not isinstance(variables, Mapping):
        raise AnsibleFilterError("env_digests: expected a dictionary of environment variables")
    try:
        return digests(variables, nonce)
    except DotenvError as error:
        raise AnsibleFilterError(f"env_digests: {error}") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"env_digests": env_digests}
