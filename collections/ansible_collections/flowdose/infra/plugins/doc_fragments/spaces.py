# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to reach Spaces."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  spaces_endpoint:
    description:
      - Address of the S3 API, C(https://REGION.digitaloceanspaces.com) when not given.
      - Taken from the environment variable E(SPACES_ENDPOINT) when not given.
    type: str
  spaces_access_key:
    description:
      - Access key of Spaces.
      - Taken from the environment variable E(SPACES_ACCESS_KEY_ID) when not given.
    type: str
  spaces_secret_key:
    description:
      - Secret key of Spaces.
      - Taken from the environment variable E(SPACES_SECRET_ACCESS_KEY) when not given.
    type: str
requirements:
  - boto3 >= 1.34
"""
