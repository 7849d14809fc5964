# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations of the API that the collection uses, read from its source."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from functools import cache

import pydo
from contract.openapi import contract
from stages import COLLECTION

_OPERATION = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")


@dataclass
class Use:
    """`request` is METHOD and path as in the specification, "" when the specification has no such operation."""

    request: str
    files: set[str] = field(default_factory=set)


@cache
def used_operations() -> dict[str, Use]:
    """By their name in pydo, such as `droplets.create`."""
    client = pydo.Client("none")
    by_name = {_snake_case(id): request for id, request in contract().operations().items()}
    found: dict[str, Use] = {}
    for path in sorted((COLLECTION / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
                continue
            if not _OPERATION.fullmatch(node.value):
                continue
            group, name = node.value.split(".")
            if hasattr(getattr(client, group, None), name):
                use = found.setdefault(node.value, Use(by_name.get(f"{group}_{name}", "")))
                use.files.add(path.name)
    return found


def _snake_case(operation_id: str) -> str:
    """The specification's `sshKeys_list` is `ssh_keys_list` in pydo, and `reservedIPs_list` `reserved_ips_list`."""
    return re.sub(r"(?<=[a-z0-9])[A-Z]+", lambda match: f"_{match[0].lower()}", operation_id)
