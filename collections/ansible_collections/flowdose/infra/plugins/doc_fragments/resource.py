# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules for one resource have in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  state:
    description:
      - Whether the resource shall exist.
      - A difference never deletes or replaces anything; only V(absent) deletes.
    type: str
    choices: [present, absent]
    default: present
  timeout:
    description: Seconds to wait until the resource can be used.
    type: int
    default: 1800
"""

    PROTECTED = r"""
options:
  protected:
    description:
      - Whether it shall never be deleted, because of the data it holds.
      - While it is V(true), O(state=absent) is refused before anything is asked or changed.
    type: bool
    default: true
"""
