# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account of the collection's own tests: a cloud in this process, on a clock that only waiting moves."""

from __future__ import annotations

from ansible_collections.flowdose.infra.tests.unit.conftest import account, server  # noqa: F401
