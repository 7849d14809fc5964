# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules can do beside their work."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and says what would change without changing it.
    support: full
  diff_mode:
    description: Returns details on what has changed (or would change in C(check_mode)) when in diff mode.
    support: full
  idempotent:
    description: Running it twice in a row, without anything else changing, changes nothing the second time.
    support: full
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode); it changes nothing in any mode.
    support: full
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: N/A
  idempotent:
    description: Running it twice in a row, without anything else changing, gives the same.
    support: full
"""

    ACTION_GROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/flowdose.infra.all) in C(module_defaults) to set the options for access once.
    support: full
    membership:
      - flowdose.infra.all
"""
