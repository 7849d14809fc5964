# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: status_report
short_description: Show what is deployed, and how it is
version_added: "0.1.0"
description:
  - Puts together, for a terminal, what was read on the hosts and from outside. What could not be read is said.
positional: _input, readiness, migrations
options:
  _input:
    description: By host's name, the result of M(flowdose.infra.deploy_info) there, or of its failure.
    type: dict
    required: true
  readiness:
    description: The result of M(flowdose.infra.readiness), or of its failure.
    type: dict
    required: true
  migrations:
    description:
      - What the release that serves would change in the database, as read by the role C(backend), or C(problem) with
        the reason why that is not known.
    type: dict
    required: true
author: The FlowDose infrastructure developers (@flowdose)
"""

EXAMPLES = r"""
- name: Show what is deployed
  ansible.builtin.debug:
    msg: "{{ deployed | flowdose.infra.status_report(shop, backend_pending) | join('\n') }}"
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.flowdose.infra.plugins.module_utils.status import report


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"status_report": report}
