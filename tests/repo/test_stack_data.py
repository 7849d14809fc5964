# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be declared for an environment reaches the module: data, task file and module name the same lists."""

from __future__ import annotations

import re

import yaml
from ansible_collections.flowdose.infra.plugins.module_utils.stack import KINDS, STACK_OPTIONS, validated
from stages import ROOT


def test_every_kind_is_passed_on_and_has_a_default() -> None:
    (task,) = yaml.safe_load((ROOT / "playbooks/tasks/stack.yml").read_text())
    options = task["flowdose.infra.stack"]
    data = yaml.safe_load((ROOT / "group_vars/all/infrastructure.yml").read_text())
    for kind in KINDS:
        assert options.get(kind.plural) == f"{{{{ flowdose_{kind.plural} }}}}"
        assert f"flowdose_{kind.plural}" in data
    assert options.keys() <= STACK_OPTIONS.keys()


def test_the_examples_of_declarations_are_valid() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/operations/provision.md").read_text(), re.S)
    kinds = {f"flowdose_{kind.plural}": kind for kind in KINDS}
    lists = yaml.safe_load(example)
    assert lists
    for variable, items in lists.items():
        for item in items:
            validated(kinds[variable], item)
