# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.secret import SecretError, database_url, derive_secret
from hypothesis import given
from hypothesis import strategies as st

KEY = "0123456789abcdef0123456789abcdef"
CONNECTION = {"host": "db.example.com", "port": 25060, "user": "doadmin", "password": "p/@#%:? é", "database": "shop"}


def test_derived_secret_never_changes() -> None:
    """A change here would rotate every secret of every environment at the next run."""
    assert derive_secret(KEY, "jwt") == "lWelATIq7G0-2xFH9P9ccB-k15J5o4j4_Ld3dC1SOPs"


def test_derived_secrets_differ_by_key_name_and_version() -> None:
    secrets = {
        derive_secret(KEY, "jwt"),
        derive_secret(KEY, "jwt", 2),
        derive_secret(KEY, "cookie"),
        derive_secret(KEY + "x", "jwt"),
    }
    assert len(secrets) == 4
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) for secret in secrets)


@pytest.mark.parametrize(
    ("key", "name", "version", "message"),
    [
        (None, "jwt", 1, "the master key is empty: set flowdose_master_key"),
        ("   ", "jwt", 1, "the master key is empty"),
        ("changeme", "jwt", 1, "the master key has 8 characters and needs 32"),
        (KEY, "", 1, "name of the secret"),
        (KEY, "jwt", 0, "an integer from 1 on"),
        (KEY, "jwt", True, "an integer from 1 on"),
    ],
)
def test_refused_secrets(key: object, name: str, version: int, message: str) -> None:
    with pytest.raises(SecretError, match=message) as caught:
        derive_secret(key, name, version)
    assert "changeme" not in str(caught.value)


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_every_part_of_a_url_survives(user: str, password: str, database: str) -> None:
    connection = {"host": "h", "port": "25060", "user": user, "password": password, "database": database}
    url = urlsplit(database_url(connection, "pg", ca_file="/etc/flowdose/a b.pem"))
    assert (unquote(url.username or ""), unquote(url.password or "")) == (user, password)
    assert unquote(url.path.removeprefix("/")) == database
    assert parse_qs(url.query) == {"sslmode": ["verify-full"], "sslrootcert": ["/etc/flowdose/a b.pem"]}


def test_database_urls() -> None:
    assert (
        database_url(CONNECTION, "pg", ca_file="/etc/flowdose/pg.pem", database="medusa", user="medusa", password="x")
        == "postgresql://medusa:x@db.example.com:25060/medusa?sslmode=verify-full&sslrootcert=%2Fetc%2Fflowdose%2Fpg.pem"
    )
    valkey = {"host": "kv", "port": 25061, "user": "default", "password": "a+b", "database": ""}
    assert database_url(valkey, "valkey") == "rediss://default:a%2Bb@kv:25061"
    assert database_url(valkey, "redis", database="1") == "rediss://default:a%2Bb@kv:25061/1"


@pytest.mark.parametrize(
    ("change", "engine", "message"),
    [
        ({"host": None}, "pg", "no host"),
        ({"port": None}, "pg", "no port"),
        ({"password": ""}, "valkey", "no password"),
        ({}, "pg", "no ca_file"),
        ({}, "mysql", "knows the engines pg, valkey, redis"),
    ],
)
def test_refused_connections(change: dict[str, object], engine: str, message: str) -> None:
    with pytest.raises(SecretError, match=message):
        database_url(CONNECTION | change, engine)
