# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What everything that talks to the DigitalOcean API has in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  token:
    description:
      - DigitalOcean API token.
      - Taken from the environment variable E(DIGITALOCEAN_TOKEN) when not given.
    type: str
  api_url:
    description:
      - Address of the API; C(https) only.
      - Taken from the environment variable E(DIGITALOCEAN_API_URL) when not given.
    type: str
    default: https://api.digitalocean.com
  ca_file:
    description:
      - File with the certificate authority of the API (and of Spaces), when it is not a public one.
      - Taken from the environment variable E(DIGITALOCEAN_CA_FILE) when not given.
    type: path
requirements:
  - pydo >= 0.44
"""
