# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The handlers, one file per resource. Importing this package registers them all."""

from __future__ import annotations

from localcloud.api import (
    account,
    databases,
    domains,
    droplets,
    firewalls,
    projects,
    spaces_keys,
    ssh_keys,
    tags,
    vpcs,
)

__all__ = [
    "account",
    "databases",
    "domains",
    "droplets",
    "firewalls",
    "projects",
    "spaces_keys",
    "ssh_keys",
    "tags",
    "vpcs",
]
