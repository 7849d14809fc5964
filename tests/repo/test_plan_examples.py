# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/operations/plan.md shows what playbooks/plan.yml makes today, with a token that can only read."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from example_plan import PAGE, PICTURES, examples, updated
from stages import ROOT

REFRESH = "run .venv/bin/python scripts/example_plan.py, look at the result, and commit it"


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    return examples()


def test_the_page_is_current(found: dict[str, str]) -> None:
    assert PAGE.read_text() == updated(PAGE.read_text(), found), REFRESH


def test_the_pictures_are_current(found: dict[str, str]) -> None:
    drawn = {name: text for name, text in found.items() if name.endswith(".svg")}
    assert len(drawn) == 2
    assert {name: (PICTURES / name).read_text() for name in drawn} == drawn, REFRESH


def test_the_readme_shows_lines_of_that_page() -> None:
    section = (ROOT / "README.md").read_text().partition("## Changing a shop that runs")[2].partition("\n## ")[0]
    shown = [line.split() for line in section.splitlines() if line.startswith("    ")]
    assert shown
    lines = [line.split() for line in PAGE.read_text().splitlines()]
    assert [line for line in shown if line not in lines] == []


def test_every_key_of_the_json_is_documented(found: dict[str, str]) -> None:
    plan: dict[str, Any] = json.loads(found["json"])
    documented = set(re.findall(r"`(\w+)`", PAGE.read_text()))
    keys = {*plan, *(key for row in plan["resources"] for key in row)}
    keys |= {key for row in plan["resources"] for change in row["changes"] for key in change}
    assert plan["version"] == 1
    assert keys - documented == set()
