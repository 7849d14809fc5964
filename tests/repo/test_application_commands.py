# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that the roles make for applications of other package managers and other versions of Medusa."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from stages import COLLECTION

OLD_HELP = "--execute-all-links  everything --execute-safe-links  only safe actions"
NEW_HELP = f"{OLD_HELP} --execute-safe-search  only safe actions"


def evaluate(role: str, expressions: dict[str, str], variables: dict[str, Any]) -> dict[str, Any]:
    """The values of `expressions` with the defaults and variables of a role."""
    loader = DataLoader()
    known: dict[str, Any] = {}
    for kind in ("defaults", "vars"):
        known |= loader.load_from_file(str(COLLECTION / "roles" / role / kind / "main.yml"), trusted_as_template=True)
    templar = Templar(loader, variables=known | variables)
    return {name: templar.template(trust_as_template(text)) for name, text in expressions.items()}


def kernel(memory: int, swap: int) -> dict[str, Any]:
    """What module setup says of a host, in MiB."""
    return {"ansible_facts": {"ansible_memtotal_mb": memory, "ansible_swaptotal_mb": swap}}


def release(manager: str, version: str | None, **changed: Any) -> dict[str, Any]:
    source = {
        "id": "0",
        "lockfile": {"name": "x", "sha256": "0"},
        "dependencies": "0",
        "archive": "/cache/0.tar.gz",
        "package_manager": {"name": manager, "version": version},
    }
    names = {name: f"{{{{ __release_{name} }}}}" for name in ("install_command", "dependencies", "id")}
    variables = {
        "release_app": "backend",
        "__release_memory": kernel(3919, 0),
        "release_source": source,
        "release_env_consumer": "medusa",
        # as tasks/stage.yml remembers them
        "__release_digests": {
            name: trust_as_template(f"{{{{ __release_{name}_digest }}}}") for name in ("build", "configuration")
        },
        **changed,
    }
    names |= {"build": "{{ release_build_command }}", "environment": "{{ __release_environment }}"}
    return evaluate("release", names, variables)


@pytest.mark.parametrize(
    ("manager", "version", "install", "build", "tool"),
    [
        ("yarn", "4.5.0", "yarn install --immutable", "yarn run build", "/opt/yarn-4.5.0/bin"),
        ("yarn", "3.8.7", "yarn install --immutable", "yarn run build", "/opt/yarn-3.8.7/bin"),
        ("yarn", "1.22.22", "yarn install --frozen-lockfile", "yarn run build", "/opt/yarn-1.22.22/bin"),
        ("pnpm", "10.11.1", "pnpm install --frozen-lockfile", "pnpm run build", "/opt/pnpm-10.11.1/bin"),
        ("npm", None, "npm ci --include=dev", "npm run build", "/opt/node/bin"),
    ],
)
def test_each_package_manager_is_spoken_to_in_its_own_way(
    manager: str, version: str | None, install: str, build: str, tool: str
) -> None:
    values = release(manager, version)
    assert values["install_command"].startswith(install)
    assert values["build"] == build
    assert values["environment"]["PATH"].split(":")[0] == tool
    # yarn 4 alone knows the setting, and needs it: its threads take more memory than a small droplet has
    assert ("YARN_TASK_POOL_MODE" in values["environment"]) == (manager == "yarn" and str(version).startswith("4."))


def test_an_install_command_of_ones_own_makes_other_dependencies() -> None:
    locked = release("yarn", "4.5.0")
    unlocked = release("yarn", "4.5.0", release_install_command="yarn install --no-immutable")
    assert unlocked["install_command"] == "yarn install --no-immutable"
    assert unlocked["dependencies"] != locked["dependencies"]
    assert unlocked["id"] != locked["id"]


@pytest.mark.parametrize(
    ("said", "configured", "everything", "command"),
    [
        (OLD_HELP, "", False, "medusa db:migrate --execute-safe-links"),
        (OLD_HELP, "", True, "medusa db:migrate --execute-all-links"),
        (NEW_HELP, "", False, "medusa db:migrate --execute-safe-links --execute-safe-search"),
        (NEW_HELP, "yarn migrate", True, "yarn migrate"),
    ],
)
def test_migrations_get_the_options_that_their_medusa_knows(
    said: str, configured: str, everything: bool, command: str
) -> None:
    variables = {
        "backend_pending": {"everything": everything},
        "backend_migrate_command": configured,
        "__backend_help": {"stdout": said},
        "backend_source": {"package_manager": {"name": "yarn", "version": "4.5.0"}},
    }
    assert evaluate("backend", {"migrate": "{{ __backend_migrate_command }}"}, variables) == {"migrate": command}


@pytest.mark.parametrize(
    ("size", "memory", "swap", "heap"),
    [
        (4096, 3919, 0, 2048),
        (8192, 7941, 0, 4096),
        (2048, 1967, 2048, 1536),  # what a size of 2 GiB gets: swap counts half
        (2048, 1967, 8192, 1536),
        (2048, 1967, 0, 1200),  # with less, Medusa's admin is not built
        (2048, 24105, 0, 1200),  # a container sees the memory of its host
        (0, 3919, 0, 2116),
    ],
)
def test_the_heap_follows_from_memory_and_swap(size: int, memory: int, swap: int, heap: int) -> None:
    values = release("npm", None, release_memory_mib=size, __release_memory=kernel(memory, swap))
    assert values["environment"]["NODE_OPTIONS"] == f"--max-old-space-size={heap}"


@pytest.mark.parametrize(
    ("said", "memory"),
    [
        ("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", True),
        ("error Command failed with exit code 137.", True),
        (" ELIFECYCLE  Command failed with exit code 134.", True),
        ("Next.js build worker exited with code: null and signal: SIGKILL", True),
        ("Finished with result: oom-kill", True),
        ("Next.js build worker exited with code: 1 and signal: null", False),
        ("error Command failed with exit code 1.", False),
    ],
)
def test_lack_of_memory_is_known_by_what_is_said(said: str, memory: bool) -> None:
    """Each is what a package manager or a builder says when its child was ended."""
    search = {"told": "{{ said is search(__release_out_of_memory) }}"}
    assert evaluate("release", search, {"said": said})["told"] is memory


@pytest.mark.parametrize(("swap", "missing"), [(0, 512), (2048, -1536)])
def test_the_refusal_says_how_much_is_missing(swap: int, missing: int) -> None:
    """A backend on a size of 2 GiB."""
    tasks = DataLoader().load_from_file(str(COLLECTION / "roles/release/tasks/memory.yml"), trusted_as_template=True)
    refusal = tasks[-1]
    variables = refusal["vars"] | {
        "release_app": "backend",
        "release_required_memory_mib": 2560,
        "release_memory_mib": 2048,
        "inventory_hostname": "backend-staging",
        "__release_memory": kernel(1967, swap),
    }
    asked = {"message": refusal["ansible.builtin.assert"]["fail_msg"], "missing": "{{ __release_missing_mib | int }}"}
    values = evaluate("release", asked, variables)
    assert values["missing"] == missing
    assert f"has 2048 and {swap} MiB, {missing} MiB too little" in values["message"]
