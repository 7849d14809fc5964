# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

# pytest names localcloud/tests/x.py "localcloud.tests.x" and would take the folder for the package: be there first.
import localcloud  # noqa: F401

# Whatever a test with a cloud is about, what it asks and what it is answered keeps DigitalOcean's specification.
pytest_plugins = ["contract.recorder"]
