# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render environment files for the parsers of Medusa and Next.js.

Medusa reads `.env` with dotenv 16 and dotenv-expand 11, Next.js with its own copies in `@next/env`. Both parse in two
steps that know nothing of each other: the line (quotes taken off, nothing unescaped), then the expansion of `$NAME`,
which happens inside single quotes too. tests/dotenv proves this file against those parsers.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping

CONSUMERS = ("medusa", "next")

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# dotenv takes this one as the key of an encrypted file.
RESERVED_NAMES = {"DOTENV_KEY"}
# @next/env takes what every JavaScript object has for a variable that is already set, and dotenv cannot store
# __proto__.
RESERVED_NAMES |= {"constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString"}
RESERVED_NAMES |= {"toString", "valueOf", "__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__"}
RESERVED_NAMES |= {"__lookupSetter__"}


class DotenvError(ValueError):
    """A variable that no environment file can carry. The text names the key, never the value."""


def normalise(variables: Mapping[str, object]) -> dict[str, str]:
    """Return what the process shall see, by name: None left out, booleans as true/false, integers decimal.

    Raises DotenvError for a name that is no variable name and for any other type. A float is refused because YAML has
    already changed what was written: `1.10` arrives as 1.1.
    """
    texts: dict[str, str] = {}
    for name, value in variables.items():
        if not isinstance(name, str) or not NAME.match(name) or name in RESERVED_NAMES:
            raise DotenvError(f"{name!r} cannot be the name of an environment variable")
        if value is None:
            continue
        if isinstance(value, bool):
            texts[name] = "true" if value else "false"
        elif isinstance(value, int):
            texts[name] = str(value)
        elif isinstance(value, str):
            texts[name] = _checked(name, str(value))
        else:
            raise DotenvError(f"{name}: expected text, an integer or a boolean, not {_kind(value)}; write it in quotes")
    return dict(sorted(texts.items()))


def render(variables: Mapping[str, object], consumer: str) -> str:
    """Return the text of an environment file, one variable after the other, sorted by name.

    `consumer` is one of CONSUMERS. Raises DotenvError, naming the key, for a value that the consumer cannot read back
    exactly.
    """
    if consumer not in CONSUMERS:
        raise DotenvError(f"unknown consumer {consumer!r}: expected one of {', '.join(CONSUMERS)}")
    texts = normalise(variables)
    return "".join(f"{name}={_quote(name, _escape(name, text, consumer))}\n" for name, text in texts.items())


def digests(variables: Mapping[str, object], nonce: str) -> dict[str, str]:
    """Return HMAC-SHA256(nonce, value) in hexadecimal by name, for the variables that `render` writes.

    With a random nonce of 16 characters or more that is thrown away afterwards, the digests of short values cannot be
    looked up, so they may be shown and compared where the values may not.
    """
    if len(nonce) < 16:
        raise DotenvError("the nonce must have at least 16 characters")
    key = nonce.encode()
    texts = normalise(variables)
    return {name: hmac.new(key, text.encode(), hashlib.sha256).hexdigest() for name, text in texts.items()}


def _checked(name: str, text: str) -> str:
    if "\0" in text:
        raise DotenvError(f"{name}: contains a NUL character, which no environment variable can hold")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DotenvError(f"{name}: contains half of a surrogate pair, which is not valid Unicode") from None
    return text


def _kind(value: object) -> str:
    if isinstance(value, float):
        return "a float"
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, (list, tuple)) else "another type"


def _escape(name: str, text: str, consumer: str) -> str:
    """Protect `$` from expansion; both parsers turn `\\$` into `$` in their last step."""
    if consumer == "medusa" and "\\$" in text:
        # That last step also runs on values that are already in the process environment, so each further loadEnv, as
        # in the children of `medusa db:migrate`, would take one more backslash away.
        raise DotenvError(
            f"{name}: a backslash directly before a dollar sign does not survive Medusa's reading of .env"
        )
    return text.replace("$", "\\$")


def _quote(name: str, text: str) -> str:
    """Put `text` between quotes that the line parser takes off without touching what is inside."""
    if "\r" not in text:
        for quote in "'`":
            if quote not in text:
                return _closed(quote, text)
    # Only double quotes can write a carriage return; in exchange they rewrite any \n and \r that stands in the value.
    if '"' not in text and "\\n" not in text and "\\r" not in text:
        return _closed('"', text.replace("\r", "\\r"))
    # On one line without a comment sign the parser falls back to "everything up to the end", then strips the outer
    # quotes.
    if not re.search("[#\n\r\u2028\u2029]", text):
        return _closed("'", text, guard=True)
    raise DotenvError(
        f"{name}: no quoting of an environment file can carry this mixture of quotes with line breaks or '#'; "
        "remove one of ' \" ` from the value"
    )


def _closed(quote: str, text: str, guard: bool = False) -> str:
    """A closing quote after a backslash counts as escaped, and the search goes on to the next quote, in whatever line.

    A comment that holds that next quote, followed by something, makes the parser step back to the right one.
    """
    comment = f" #{quote}." if guard or text.endswith("\\") else ""
    return f"{quote}{text}{quote}{comment}"
