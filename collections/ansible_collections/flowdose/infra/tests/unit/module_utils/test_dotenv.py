# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of rendering; that the parsers agree is proved by tests/dotenv with the parsers themselves."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.dotenv import DotenvError, digests, normalise, render


def test_sorted_and_typed() -> None:
    variables = {"PORT": 9000, "ADMIN": True, "WORKER": False, "LEFT_OUT": None, "EMPTY": ""}
    assert render(variables, "medusa") == "ADMIN='true'\nEMPTY=''\nPORT='9000'\nWORKER='false'\n"
    assert render(dict(reversed(variables.items())), "medusa") == render(variables, "medusa")


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain", "KEY='plain'"),
        ("a$b", "KEY='a\\$b'"),
        ("it's", "KEY=`it's`"),
        ("it's a `tick`", 'KEY="it\'s a `tick`"'),
        ("a\r\nb", 'KEY="a\\r\nb"'),
        ("end\\", "KEY='end\\' #'."),
        ("'`\"", "KEY=''`\"' #'."),
    ],
)
def test_quoting(value: str, line: str) -> None:
    assert render({"KEY": value}, "next") == f"{line}\n"


@pytest.mark.parametrize(
    ("value", "consumer", "message"),
    [
        ("secret '`\" #", "next", "KEY: no quoting"),
        ("secret '`\" \n", "next", "KEY: no quoting"),
        ("secret \\$", "medusa", "KEY: a backslash directly before a dollar sign"),
        ("secret \0", "next", "KEY: contains a NUL"),
        ("secret \ud800", "next", "KEY: contains half of a surrogate pair"),
        (1.1, "next", "KEY: expected text.*not a float"),
        (["secret"], "next", "KEY: expected text.*not a list"),
        ({"a": "secret"}, "next", "KEY: expected text.*not a mapping"),
        ("secret", "nuxt", "unknown consumer 'nuxt': expected one of medusa, next"),
    ],
)
def test_refusals_name_the_key_and_never_the_value(value: object, consumer: str, message: str) -> None:
    with pytest.raises(DotenvError, match=message) as caught:
        render({"OTHER": "x", "KEY": value}, consumer)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A\n", "É", "__proto__", "constructor", "DOTENV_KEY", 7])
def test_refused_names(name: str) -> None:
    with pytest.raises(DotenvError, match="cannot be the name of an environment variable"):
        normalise({name: "x"})


def test_digests() -> None:
    nonce = "0123456789abcdef"
    assert digests({"B": True, "A": None}, nonce) == {
        "B": hmac.new(nonce.encode(), b"true", hashlib.sha256).hexdigest()
    }
    assert digests({"B": "true"}, nonce[::-1]) != digests({"B": "true"}, nonce)
    with pytest.raises(DotenvError, match="at least 16 characters"):
        digests({}, "short")
