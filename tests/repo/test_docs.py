# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation tells a person to type exists, and its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import run_tests
from localcloud.testing import running_cloud
from stages import COLLECTION, ROOT, environment, tool

PAGES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "localcloud/*.md", "collections/ansible_collections/flowdose/infra/*.md")
    for path in ROOT.glob(pattern)
)
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_exist(page: Path) -> None:
    text = (ROOT / page).read_text()
    targets = set(re.findall(r"(?:^|`|\s{4}|\$ )make ([a-z][a-z-]+)(?=$|[ `])", text, re.M))
    assert targets <= MAKE_TARGETS
    playbooks = set(re.findall(r"\bplaybooks/([a-z_-]+\.yml)", text))
    assert {name for name in playbooks if not (ROOT / "playbooks" / name).is_file()} == set()
    inventories = set(re.findall(r"-i (inventories/[a-z]+)", text))
    assert {name for name in inventories if not (ROOT / name).is_dir()} == set()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.S)
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (ROOT / page.parent / link).exists()] == []


def test_readme_starts_with_the_two_commands() -> None:
    """The first screen says what this is and what to type."""
    first_screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:40])
    assert "make demo" in first_screen
    assert "make test" in first_screen


def test_every_playbook_has_a_runbook() -> None:
    playbooks = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    assert playbooks
    assert playbooks == {path.stem for path in (ROOT / "docs/operations").glob("*.md")} - {"README"}


def test_the_stages_of_make_test_are_described() -> None:
    table = (ROOT / "docs/development.md").read_text().partition("| stage |")[2].partition("\n\n")[0]
    described = re.findall(r"^\| ([a-z ]+) \|", table, re.M)
    assert described == [check.name for check in run_tests.checks_of(run_tests.RUNS["full"])]


def test_the_collections_example_runs(tmp_path: Path) -> None:
    """Copied from its README, on an empty API-only cloud: a plan of all that it names."""
    example = re.findall(r"```yaml\n(.*?)```", (COLLECTION / "README.md").read_text(), re.S)[0]
    (tmp_path / "example.yml").write_text(example)
    with running_cloud() as cloud:
        access = {"DIGITALOCEAN_TOKEN": cloud.token, "DIGITALOCEAN_API_URL": cloud.endpoint}
        done = subprocess.run(
            [tool("ansible-playbook"), str(tmp_path / "example.yml"), "--check", "--diff"],
            cwd=ROOT,
            env=environment(access | {"DIGITALOCEAN_CA_FILE": str(cloud.ca_file)}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert {entry["method"] for entry in cloud.requests} == {"GET"}
    assert "changed=1" in done.stdout
    for name in ("shop", "backend-1", "backend"):
        assert re.search(rf"create.*\b{name}\b|\b{name}\b.*create", done.stdout)
