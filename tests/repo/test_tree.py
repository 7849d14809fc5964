# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about the tree that no linter knows."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = ROOT / "collections/ansible_collections/flowdose/infra"
ROLES = sorted(path.parent.parent.name for path in COLLECTION.glob("roles/*/meta/argument_specs.yml"))
ENVIRONMENTS = ("development", "staging", "production")

# Put together here, so that this file does not contain what it looks for.
REGISTRY_HOSTS = [
    ".".join(labels)
    for labels in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("snapshot", "debian", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
    )
]
MACHINE_PATH = re.compile(r"(^|[^\w.-])/(work|farm|root/\.pyenv|opt/pypi|opt/wheels)/")
UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error", r"\bfor " + r"now\b")))


@cache
def tracked() -> dict[str, str]:
    """Text of every file that is committed or about to be, by its path from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = {}
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if name and path.is_file() and not path.is_symlink():
            try:
                found[name] = path.read_text()
            except UnicodeDecodeError:
                continue  # an image
    return found


def lines_with(pattern: re.Pattern[str], names: str = "") -> list[str]:
    """`path:line: text` of every match; `names` is a pattern that the path must match."""
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in tracked().items()
        if re.search(names, name)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_package_registry_is_named() -> None:
    """Mirrors and closed networks work because tools are left to their own settings; lock files included."""
    assert lines_with(re.compile("|".join(map(re.escape, REGISTRY_HOSTS)))) == []


def test_no_path_of_a_developers_machine() -> None:
    assert lines_with(MACHINE_PATH) == []


def test_nothing_is_unfinished_by_its_own_word() -> None:
    assert lines_with(UNFINISHED, names=r"\.(py|yml|j2|sh|ts|tsx|js|mjs|toml)$|Makefile$") == []


def test_environments_differ_in_data_only() -> None:
    """No task asks which environment it runs in."""
    asks = re.compile(
        r"(flowdose_environment|\benv)\s*(==|!=|in\b|not in\b)|['\"](development|staging|production)['\"]"
    )
    found = lines_with(asks, names=r"^(playbooks|collections/.*/roles/.*/(tasks|handlers|templates))/.*\.(yml|j2)$")
    assert [line for line in found if "NODE_ENV" not in line] == []


def test_no_known_secret_and_no_unchecked_identity() -> None:
    weak = re.compile(
        r"[:=|] *['\"]?super"
        + r"secret|StrictHostKeyChecking[= ]no|host_key_checking *= *[Ff]alse|NODE_TLS_REJECT_"
        + "UNAUTHORIZED"
        r"|validate_certs: (false|no)|sslmode=no-verify|ignore_errors: (true|yes)"
    )
    assert (
        lines_with(
            weak, names=r"^(collections|playbooks|group_vars|inventories|examples|molecule)/(?!.*/tests/).*(?<!\.md)$"
        )
        == []
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_inventories_see_the_group_vars(environment: str) -> None:
    """Ansible loads group_vars beside the inventory only: each has a link to the one folder that holds them."""
    link = ROOT / "inventories" / environment / "group_vars"
    assert link.is_symlink()
    assert link.readlink() == Path("../../group_vars")
    assert (ROOT / "group_vars" / environment).is_dir()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_groups_of_an_inventory(environment: str) -> None:
    """localhost stands in `controller` explicitly, or it would not get the environment's variables."""
    groups = yaml.safe_load((ROOT / "inventories" / environment / "groups.yml").read_text())
    children = groups["all"]["children"][environment]["children"]
    assert {"controller", "backend", "storefront"} <= set(children)
    assert "localhost" in children["controller"]["hosts"]


def test_links_lead_somewhere() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    links = [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_symlink()]
    assert [str(link.relative_to(ROOT)) for link in links if not link.exists()] == []


def test_there_are_roles() -> None:
    """The tests below are one per role: none would pass silently."""
    assert {path.name for path in (COLLECTION / "roles").iterdir() if path.is_dir()} == set(ROLES)
    assert ROLES


@pytest.mark.parametrize("role", ROLES)
def test_defaults_agree_with_the_argument_spec(role: str) -> None:
    """Every default is documented with that value; every documented option is required or has its default."""
    folder = COLLECTION / "roles" / role
    specs = yaml.safe_load((folder / "meta/argument_specs.yml").read_text())["argument_specs"]
    options = {name: option for entry in specs.values() for name, option in (entry.get("options") or {}).items()}
    file = folder / "defaults/main.yml"
    defaults = (yaml.safe_load(file.read_text()) or {}) if file.exists() else {}
    optional = {name for name, option in options.items() if not option.get("required")}
    assert set(defaults) == optional
    assert all(name.startswith(f"{role}_") for name in options)
    documented = {name: options[name]["default"] for name in optional if "default" in options[name]}
    templated = {name for name, value in defaults.items() if "{{" in str(value)}
    assert {name: value for name, value in documented.items() if name not in templated} == {
        name: defaults[name] for name in documented if name not in templated
    }


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_documented_and_has_its_scenario(role: str) -> None:
    text = (COLLECTION / "roles" / role / "README.md").read_text()
    specs = yaml.safe_load((COLLECTION / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]
    named = {name for entry in specs.values() for name in entry.get("options") or {}}
    assert {name for name in named if name not in text} == set()
    assert (ROOT / "molecule" / role / "molecule.yml").is_file()


def test_the_action_group_names_every_module() -> None:
    """`module_defaults` for group/flowdose.infra.all reaches each module that takes a token."""
    runtime = yaml.safe_load((COLLECTION / "meta/runtime.yml").read_text())
    with_token = {
        path.stem
        for path in (COLLECTION / "plugins/modules").glob("*.py")
        if re.search(r"- flowdose\.infra\.(digitalocean|resource)\b", path.read_text())
    }
    assert with_token
    assert with_token <= set(runtime["action_groups"]["all"])


def test_makefile_targets_are_listed_by_help() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (.*)$", text, re.M)[0].split())
    described = set(re.findall(r"^([a-z-]+):.*## ", text, re.M))
    assert described == phony - {"cloud", "tools-dev", "cloud-dev"}
