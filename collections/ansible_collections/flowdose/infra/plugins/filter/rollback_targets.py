# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: rollback_targets
short_description: Say which releases are to serve instead of those that serve
version_added: "0.1.0"
description:
  - Without a name, the applications that the last run switched go back to what served before.
  - With a name, every application goes back that has a release of it.
  - Where there is no way back, the result says why.
positional: _input, named
options:
  _input:
    description: The fact C(release_history) of role P(flowdose.infra.release#role), of each host.
    type: list
    elements: dict
    required: true
  named:
    description: The beginning of a release's id, such as that of a commit.
    type: str
    default: ''
author: The FlowDose infrastructure developers (@flowdose)
"""

EXAMPLES = r"""
- name: Choose
  ansible.builtin.set_fact:
    choice: "{{ ansible_play_hosts | map('extract', hostvars, 'release_history') | flowdose.infra.rollback_targets }}"
"""

RETURN = r"""
_value:
  description: C(targets), application -> id of the release; C(problem), why there is none, or empty.
  type: dict
  sample: {targets: {backend: 3f2a9c01d7be-0a1b2c3d4e-5f6a7b8c9d}, problem: ""}
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.flowdose.infra.plugins.module_utils import history


def rollback_targets(histories: list[dict[str, Any]], named: str = "") -> dict[str, Any]:
    try:
        return {"targets": history.rollback_targets(list(histories), named), "problem": ""}
    except history.NoWayBack as error:
        return {"targets": {}, "problem": str(error)}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"rollback_targets": rollback_targets}
