# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that talk to a Medusa backend have in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  url:
    description: Address of the running backend as seen from where the module runs, for example V(http://127.0.0.1:9000).
    type: str
    required: true
  email:
    description: The admin user's address.
    type: str
    required: true
  password:
    description: The admin user's password.
    type: str
    required: true
  ca_file:
    description: A CA to trust beside those of the system, for an O(url) with C(https).
    type: path
  timeout:
    description: Seconds to wait for one answer.
    type: int
    default: 30
"""
