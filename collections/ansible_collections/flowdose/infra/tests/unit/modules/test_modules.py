# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules and the stack as Ansible runs them, with their options, results and messages."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.flowdose.infra.plugins.module_utils import resource as engine
from ansible_collections.flowdose.infra.plugins.module_utils.stack import KINDS, STACK_OPTIONS

COLLECTION = Path(__file__).parents[3]
COLLECTIONS = COLLECTION.parents[2]
MODULES = "ansible_collections.flowdose.infra.plugins.modules"
DROPLET = {"name": "one", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
POSTGRES = {"name": "pg-one", "engine": "pg", "version": "15", "size": "db-s-1vcpu-1gb", "region": "fra1"}


def test_a_module_from_check_to_absent(run_module: Any, account: Any) -> None:
    predicted = run_module("droplet", check=True, **DROPLET)
    assert (predicted["changed"], predicted["droplet"]["size"], predicted["droplet"]["id"]) == (
        True,
        "s-1vcpu-1gb",
        None,
    )
    assert predicted["diff"]["after"]["image"] == "debian-13-x64"
    assert account.written() == []
    created = run_module("droplet", **DROPLET)
    assert created["changed"]
    assert created["droplet"]["public_ipv4"]
    assert created["droplet"].keys() == predicted["droplet"].keys()
    again = run_module("droplet", **DROPLET)
    assert (again["changed"], again["droplet"]) == (False, created["droplet"])
    assert run_module("droplet", check=True, **DROPLET)["changed"] is False
    gone = run_module("droplet", name="one", state="absent")
    assert gone["changed"]
    assert "droplet" not in gone


def test_a_failure_says_all_there_is(run_module: Any, account: Any) -> None:
    account.server.fault("GET /v2/vpcs", status=403, count=9)
    failed = run_module("vpc", name="net", region="fra1")
    assert failed["failed"]
    assert "Could not list the VPCs: HTTP 403" in failed["msg"]
    assert failed["error"]["attempted"] == "list the VPCs"
    assert failed["error"]["status"] == 403
    assert "scopes" in failed["error"]["hint"]
    assert account.server.token not in json.dumps(failed)


def test_wrong_options_never_reach_the_api(run_module: Any, account: Any) -> None:
    assert "value of type must be one of" in run_module("domain_record", domain="example.test", type="AAA")["msg"]
    assert "Unsupported parameters" in run_module("droplet", name="one", siez="x")["msg"]
    assert account.server.requests == []


def test_database_cluster_info(run_module: Any, account: Any) -> None:
    run_module("database_cluster", **POSTGRES)
    answer = run_module("database_cluster_info", name="pg-one")
    assert answer["changed"] is False
    (cluster,) = answer["clusters"]
    assert cluster["private_connection"]["password"]
    assert cluster["ca_certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert "no database cluster named other" in run_module("database_cluster_info", name="other")["msg"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_kind_has_a_module_in_the_action_group(kind: type[engine.Resource]) -> None:
    module = importlib.import_module(f"{MODULES}.{kind.kind}")
    assert callable(module.main)
    groups = yaml.safe_load((COLLECTION / "meta" / "runtime.yml").read_text())["action_groups"]
    assert kind.kind in groups["all"]
    assert kind.plural in STACK_OPTIONS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_declarations_are_consistent(kind: type[engine.Resource]) -> None:
    """Every key that is compared is an option, and one that can be changed is not also immutable."""
    assert kind.updates.keys() | kind.immutable.keys() <= kind.options.keys()
    assert not kind.updates.keys() & kind.immutable.keys()
    assert kind.later <= kind.updates.keys()
    assert kind.references.keys() <= kind.options.keys()
    assert set(kind.updates.values()) <= set(engine.IMPACTS)


@pytest.fixture
def playbook(scaled: Any, tmp_path: Path) -> Any:
    """Run a play with one stack task by `ansible-playbook`, access given by the action group's defaults."""
    right = {"token": scaled.server.token, "api_url": scaled.server.endpoint, "ca_file": str(scaled.server.ca_file)}

    def run(
        *arguments: str, access: dict[str, str] | None = None, tasks: Sequence[dict[str, Any]] = (), **data: Any
    ) -> tuple[int, str]:
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": sys.executable},
            "module_defaults": {"group/flowdose.infra.all": right if access is None else access},
            "tasks": [
                {"name": "Make it so", "flowdose.infra.stack": {"environment": "test", **data}, "register": "made"},
                {"ansible.builtin.debug": {"var": "made"}, "when": "made is defined"},
                *tasks,
            ],
        }
        file = tmp_path / "play.yml"
        file.write_text(json.dumps([play]))
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("DIGITALOCEAN_", "SPACES_"))}
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", file, *arguments],
            env={**clean, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_NOCOLOR": "1"},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    return run


def test_a_module_in_a_process_of_its_own(playbook: Any, scaled: Any) -> None:
    """Shipped as Ansible ships it: with all that it imports."""
    tasks = [
        {
            "flowdose.infra.project": {
                "name": "shop",
                "purpose": "Web Application",
                "resources": ["domain:example.test"],
            }
        },
        {"flowdose.infra.database_cluster_info": {}},
    ]
    status, output = playbook("-v", tasks=tasks, domains=[{"name": "example.test"}])
    assert status == 0, output
    assert '"purpose": "Web Application"' in output
    assert '"clusters": []' in output


def test_the_stack_in_a_playbook(playbook: Any, scaled: Any) -> None:
    data = {"droplets": [DROPLET], "domains": [{"name": "example.test"}]}
    status, output = playbook("--check", "--diff", **data)
    assert status == 0, output
    assert "Plan for test: 2 to create" in output
    assert "+++ after: droplet one" in output
    assert scaled.written() == []

    status, output = playbook(**data)
    assert status == 0, output
    assert "created: droplet one" in output
    assert "changed=1" in output
    assert '"public_ipv4": "10.' in output

    before = len(scaled.server.requests)
    status, output = playbook(**data)
    assert status == 0, output
    assert "changed=0" in output
    assert "Plan for" not in output, "nothing to say when there is nothing to do"
    assert scaled.written(before) == []
    assert scaled.server.token not in output


def test_the_stack_refuses_in_a_playbook(playbook: Any, scaled: Any) -> None:
    status, output = playbook(droplets=[DROPLET | {"size": "s-1vcpu-1bg"}, {"name": "x_y"}])
    assert status == 2
    assert "droplets[1] (x_y): the name of a droplet is a host name" in output
    status, output = playbook(droplets=[DROPLET | {"size": "s-1vcpu-1bg"}])
    assert status == 2
    assert "droplets[0] (one): size s-1vcpu-1bg does not exist" in output
    assert "Did you mean s-1vcpu-1gb" in output
    assert "Traceback" not in output
    status, output = playbook(access={}, droplets=[DROPLET])
    assert status == 2
    assert "No DigitalOcean token was given" in output
    assert scaled.written() == []
