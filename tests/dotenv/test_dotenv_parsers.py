# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the dotenv filter renders, the real parsers read back exactly, or it was refused naming the key."""

from __future__ import annotations

import random
import re
import string
from typing import TYPE_CHECKING

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.dotenv import CONSUMERS, DotenvError, normalise, render
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from .conftest import Read

# What the two steps of the parsers react to; plain random text would hardly ever put two of these side by side.
FRAGMENTS = [
    *"'\"`$#\\\n\r\t ={}()!%&;|~:-,.",
    *["a", "Z", "0", "é", "\u2028", "\u2029", "\ufeff", "\u00a0", "\U0001f600", "\x01", "\x7f"],
    *[
        "{{ lookup('env', 'HOME') }}",
        "{% raw %}",
        "${HOME}",
        "$HOME",
        "${KEY_A:-x}",
        "${X:-${Y:-$Z}}",
        "$(id)",
        "\\$",
        "\\n",
        "\\r",
        "\\'",
        " #",
        "KEY_B='x'",
    ],
]
VALUES = st.one_of(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join), st.text(max_size=30))
NAMES = st.sampled_from(["KEY_A", "KEY_B", "KEY_C", "lower", "_", "HOMER", "X", "Y"])
MAPS = st.dictionaries(NAMES, VALUES, max_size=6)

TORTURE = "p@ss$word#1 \"q\" 'x' \\n back\\\\slash ${HOME} % {{ 7 * 7 }}"


@pytest.mark.parametrize("consumer", CONSUMERS)
@given(variables=MAPS)
@settings(max_examples=800, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_exact_or_refused_by_name(consumer: str, variables: dict[str, str], read: Read) -> None:
    try:
        text = render(variables, consumer)
    except DotenvError as error:
        name = str(error).partition(":")[0]
        assert name in variables
        with pytest.raises(DotenvError):
            render({name: variables[name]}, consumer)
        return
    for seen in read(consumer, text):
        assert seen == normalise(variables)


@pytest.mark.parametrize("consumer", CONSUMERS)
@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "#",
        "\\",
        "a\\",
        "'",
        '"',
        "`",
        "\n",
        "\r\n",
        "$",
        "$$",
        "$HOME",
        "${HOME}",
        "${NO:-x}",
        "'\"`",
        "'a\"b`c\\",
        "it's #1",
        'say "#1"',
        "line one\nline 'two'\nline \"three\"",
        "-----BEGIN PRIVATE KEY-----\nabc=\n-----END PRIVATE KEY-----\n",
        "postgresql://u:p%40ss@db:25060/shop?sslmode=verify-full&sslrootcert=%2Fetc%2Fflowdose%2Fdb.pem",
        '{"a": "b\'s", "c": 1}',
        "{{ secret }} {% raw %}",
        "ключ 🔑 \u2028 x",
        TORTURE,
    ],
)
def test_exact(consumer: str, value: str, read: Read) -> None:
    variables = {"A": value, "B": "$A ${A} '", "C": "\\", "D": "", "E": "#", "F": "end"}
    for seen in read(consumer, render(variables, consumer)):
        assert seen == variables


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_passwords_are_hardly_ever_refused(consumer: str) -> None:
    """32 characters out of all that a keyboard has: the worst that a password generator makes."""
    generator = random.Random(2)
    alphabet = string.ascii_letters + string.digits + string.punctuation
    passwords = ["".join(generator.choices(alphabet, k=32)) for _ in range(5000)]
    refused = [password for password in passwords if _is_refused(password, consumer)]
    assert len(refused) < 0.02 * len(passwords)
    # And only for the reasons that the messages give.
    assert all(re.search(r"\\\$", text) or all(mark in text for mark in "#'`") for text in refused)


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_usual_passwords_are_never_refused(consumer: str) -> None:
    """What password managers, base64 and uuidgen make: and punctuation without quotes and backslashes."""
    generator = random.Random(3)
    alphabet = string.ascii_letters + string.digits + "!#$%&()*+,-./:;<=>?@[]^_{|}~"
    assert not any(_is_refused("".join(generator.choices(alphabet, k=64)), consumer) for _ in range(2000))


def _is_refused(value: str, consumer: str) -> bool:
    try:
        render({"PASSWORD": value}, consumer)
    except DotenvError:
        return True
    return False
