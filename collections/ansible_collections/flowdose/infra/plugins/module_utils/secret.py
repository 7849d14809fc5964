# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets and the URLs that carry them, as pure functions."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import quote

MASTER_KEY_LENGTH = 32


class SecretError(ValueError):
    """An input that no secret can be made from. The text never holds the input."""


def derive_secret(master_key: object, name: str, version: int = 1) -> str:
    """Return 43 characters of `[A-Za-z0-9_-]`: 256 bits of HKDF-SHA256 that depend on all three arguments.

    Raises SecretError when the master key is missing or shorter than 32 characters, or the name is empty.
    """
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if not isinstance(master_key, str) or not master_key.strip():
        raise SecretError("the master key is empty: set flowdose_master_key (`openssl rand -hex 32` makes one)")
    if len(master_key) < MASTER_KEY_LENGTH:
        raise SecretError(
            f"the master key has {len(master_key)} characters and needs {MASTER_KEY_LENGTH} or more; "
            "make one with `openssl rand -hex 32`"
        )
    if not name:
        raise SecretError("the name of the secret to derive is empty")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise SecretError(f"the version of the secret {name!r} must be an integer from 1 on")
    info = f"flowdose.infra {name} v{version}".encode()
    raw = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(master_key.encode())
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def database_url(
    connection: Mapping[str, object],
    engine: str,
    ca_file: str | None = None,
    database: str | None = None,
    user: str | None = None,
    password: str | None = None,
) -> str:
    """Return the URL of a managed database, every part percent-encoded, TLS always on.

    `connection` is `{host, port, user, password, database}` as database_cluster_info gives it; the other arguments
    take the place of its parts. `engine` is pg, or valkey (also redis). PostgreSQL needs `ca_file`, the path of the
    cluster's CA on the host that
    connects: in node-postgres only `verify-full` with that file checks the certificate. Valkey's clients take the CA
    from
    the process environment (NODE_EXTRA_CA_CERTS), not from the URL. Raises SecretError, naming the missing part.
    """
    schemes = {"pg": "postgresql", "valkey": "rediss", "redis": "rediss"}
    if engine not in schemes:
        raise SecretError(f"database_url knows the engines {', '.join(schemes)}, not {engine!r}")
    host = str(connection.get("host") or "")
    user = user or str(connection.get("user") or "")
    password = password or str(connection.get("password") or "")
    database = database or str(connection.get("database") or "")
    if not connection.get("port"):
        raise SecretError("the connection of the database has no port")
    port = int(str(connection["port"]))
    required = {"host": host, "user": user, "password": password}
    if engine == "pg":
        required |= {"database": database, "ca_file": ca_file or ""}
    for part, value in required.items():
        if not value:
            raise SecretError(f"the connection of the {engine} database has no {part}")
    url = f"{schemes[engine]}://{_encode(user)}:{_encode(password)}@{host}:{port}"
    if engine == "pg":
        return f"{url}/{_encode(database)}?sslmode=verify-full&sslrootcert={_encode(ca_file or '')}"
    return f"{url}/{_encode(database)}" if database else url


def _encode(text: str) -> str:
    return quote(text, safe="")
