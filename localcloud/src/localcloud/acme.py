# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates for the zones' names: Caddy as an ACME server whose root is the cloud's authority.

It really validates (HTTP-01 and TLS-ALPN-01, by the cloud's DNS) and keeps accounts over restarts.
"""

from __future__ import annotations

from localcloud.dns import CLOUD_ZONE

CONTAINER = "localcloud-acme"
HOST = f"acme.{CLOUD_ZONE}"

CADDYFILE = f"""{{
	admin off
	storage file_system /data
	skip_install_trust
	pki {{
		ca local {{
			name localcloud
			root {{
				cert /pki/ca.pem
				key /pki/ca-key.pem
			}}
		}}
	}}
}}

https://{HOST} {{
	tls internal
	acme_server
}}
"""


def command() -> list[str]:
    return ["caddy", "run", "--config", "/etc/caddy/acme", "--adapter", "caddyfile"]
