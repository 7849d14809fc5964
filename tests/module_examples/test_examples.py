# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples in each module's documentation, run as a person who copies them would.

Every module that is there is tested: a new one without examples that run fails here. On a cloud that has what they
refer to, each task runs in check mode, for real, and once more: check mode tells the truth, and the second run changes
nothing.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flowdose.infra.plugins.module_utils.spaces import Spaces
from faults.s3 import S3
from localcloud.alerting import ACCOUNT_EMAIL
from localcloud.testing import RunningCloud, running_cloud
from module_examples.world import NEEDS, files, make
from stages import COLLECTION, ROOT, environment, tool

PREFIX = "flowdose.infra."
MODULES = sorted(path.stem for path in (COLLECTION / "plugins/modules").glob("*.py"))

# What cannot run without more than an API; only the options are checked, and where the module itself is run is said.
NEED_MORE = {
    "deploy_info": "a droplet that was deployed to: test_deploy_info.py, and the end-to-end tests",
    "deploy_lock": "a host in the group backend: test_deploy_lock.py, and the end-to-end tests",
    "deploy_log": "to write a line each time, which no second run spares: test_deploy_log.py",
    "medusa_admin_user": "a Medusa backend on this machine: test_medusa_admin_user.py, and the end-to-end tests",
    "medusa_publishable_key": "a Medusa backend: test_medusa.py, and the end-to-end tests",
    "pm2_app": "pm2 on this machine: test_pm2_app.py, and the end-to-end tests",
    "readiness": "a shop: test_readiness.py, and the end-to-end tests",
    "release_info": "a droplet that was deployed to: test_release_info.py, and the end-to-end tests",
}
RUNNABLE = [module for module in MODULES if module not in (*NEED_MORE, "spaces_bucket")]

# Cloud seconds that pass with each request: a database that takes 300 is there after a few looks.
AUTO_ADVANCE = 60.0
CHANGE_NOTHING = ("_info", "source_archive")  # a cache is not a state

# What an example names that only its reader has -> what takes its place.
SUBSTITUTES = {
    "ops@example.com": ACCOUNT_EMAIL,  # alerts go to verified addresses of the team only
    "https://git.example.com/flowdose/shop.git": '"{{ playbook_dir }}/shop"',
    "git@git.example.com:flowdose/shop.git": '"{{ playbook_dir }}/shop"',
    "~/shop/backend": '"{{ playbook_dir }}/shop/backend"',
    "~/.ssh/shop_deploy_key": '"{{ playbook_dir }}/.flowdose/staging/id_ed25519"',
    '"{{ candidate.pid }}"': "4711",  # a number only when it is templated
}
# Of the tasks that are not ours, those that leave this machine alone.
HARMLESS = {"ansible.builtin.debug", "ansible.builtin.set_fact", "ansible.builtin.assert"}


@cache
def documentation(module: str) -> dict[str, str]:
    """DOCUMENTATION, EXAMPLES and RETURN of a module, as they stand there."""
    tree = ast.parse((COLLECTION / f"plugins/modules/{module}.py").read_text())
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def examples(module: str) -> list[dict[str, Any]]:
    text = documentation(module).get("EXAMPLES", "")
    for theirs, ours in SUBSTITUTES.items():
        text = text.replace(theirs, ours)
    return yaml.safe_load(text) or []


def returned(module: str) -> dict[str, Any]:
    """What a module says it returns whenever it succeeds."""
    described = yaml.safe_load(documentation(module)["RETURN"])
    return {key: value for key, value in described.items() if value["returned"] in ("always", "success")}


def documented_facts(module: str) -> list[str]:
    """That each thing returned is not empty, and has the keys that are documented: those, and no others."""
    that = []
    for key, described in returned(module).items():
        contains = described.get("contains")
        if not contains:
            continue
        if described["type"] == "list":
            that.append(f"__done.{key} | length > 0")
        facts = f"__done.{key}[0]" if described["type"] == "list" else f"__done.{key}"
        always = sorted(name for name, value in contains.items() if value["returned"] == "always")
        that.append(f"{facts}.keys() | difference({sorted(contains)}) | length == 0")
        that.append(f"{always} | difference({facts}.keys()) | length == 0")
    return that


@pytest.mark.parametrize("module", MODULES)
def test_examples_are_tasks_of_the_module(module: str) -> None:
    tasks = examples(module)
    assert tasks, f"{module} has no examples"
    assert all(task.get("name") for task in tasks)
    assert any(PREFIX + module in task for task in tasks)


def test_the_exceptions_exist() -> None:
    assert NEED_MORE.keys() | NEEDS.keys() <= set(MODULES)
    assert not NEED_MORE.keys() & NEEDS.keys()
    named = " ".join(path.name for path in (COLLECTION / "tests/unit").rglob("test_*.py"))
    for reason in NEED_MORE.values():
        assert all(word.rstrip(",") in named for word in reason.split() if word.startswith("test_")), reason


@pytest.fixture(scope="module")
def server() -> Any:
    with running_cloud(auto_advance=AUTO_ADVANCE) as running:
        yield running


@pytest.mark.parametrize("module", RUNNABLE)
def test_examples_run(module: str, server: RunningCloud, tmp_path: Path) -> None:
    server.reset()
    files(tmp_path)
    make(server, NEEDS.get(module, []), tmp_path)
    tasks = [step for task in examples(module) for step in steps(task, module)]
    output = play(tasks, server, tmp_path)
    assert server.token not in output


def steps(task: dict[str, Any], module: str) -> list[dict[str, Any]]:
    """A task of the examples in check mode, for real and once more, with what must be true of the results."""
    if not any(key.startswith(PREFIX) for key in task):
        return [task] if task.keys() & HARMLESS else []
    name, kept = task["name"], task.get("register", "result_of_the_example")
    that = ["__foreseen.changed == __done.changed", "not __again.changed"]
    that.append("not __done.changed" if module.endswith(CHANGE_NOTHING) else "__done.changed")
    if (task.get(PREFIX + module) or {}).get("state") != "absent":
        that += [f"__done.{key} is defined" for key in returned(module)]
        that += documented_facts(module)
    plain = {key: value for key, value in task.items() if key not in ("register", "no_log")}
    return [
        {**plain, "name": f"In check mode: {name}", "register": "__foreseen", "check_mode": True},
        {**plain, "name": f"For real: {name}", "register": "__done"},
        {**plain, "name": f"Once more: {name}", "register": "__again"},
        {
            "name": f"What they said: {name}",
            "ansible.builtin.assert": {"that": that, "fail_msg": "{{ [__foreseen, __done, __again] | to_nice_json }}"},
        },
        {"name": "Keep the result", "ansible.builtin.set_fact": {kept: "{{ __done }}"}},
    ]


def play(tasks: list[dict[str, Any]], server: RunningCloud, folder: Path) -> str:
    access = {"token": server.token, "api_url": server.endpoint, "ca_file": str(server.ca_file)}
    book = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": tool("python")},
        "module_defaults": {"group/flowdose.infra.all": access},
        "tasks": tasks,
    }
    (folder / "play.yml").write_text(json.dumps([book]))
    clean = {key: "" for key in os.environ if key.startswith(("DIGITALOCEAN_", "SPACES_"))}
    done = subprocess.run(
        [tool("ansible-playbook"), "-i", "localhost,", "play.yml"],
        cwd=folder,
        env=environment(clean | {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_NOCOLOR": "1"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_examples_of_the_bucket_run(
    server: RunningCloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, because that is where boto3 can be given an S3; a real one is part of the end-to-end tests."""
    s3 = S3()
    monkeypatch.setattr(Spaces, "from_options", staticmethod(lambda options: s3.spaces))
    module = importlib.import_module("ansible_collections.flowdose.infra.plugins.modules.spaces_bucket")
    access = {"token": server.token, "api_url": server.endpoint, "ca_file": str(server.ca_file)}
    for task in examples("spaces_bucket"):
        said = []
        for check_mode in (True, False, False):
            arguments = {**access, **task[PREFIX + "spaces_bucket"], "_ansible_check_mode": check_mode}
            with patch_module_args(arguments), pytest.raises(SystemExit):
                module.main()
            answer = json.loads(capsys.readouterr().out)
            assert "failed" not in answer, answer
            said.append(answer["changed"])
        assert said == [True, True, False]
    assert s3.buckets


class Specification(Exception):
    """What a module hands to AnsibleModule."""


@pytest.mark.parametrize("module", NEED_MORE)
def test_options_of_examples_are_accepted(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the module's own argument specification, for those whose examples need more than an API."""

    def capture(*arguments: Any, **options: Any) -> None:
        raise Specification(arguments, options)

    code = importlib.import_module(f"ansible_collections.flowdose.infra.plugins.modules.{module}")
    where = code if hasattr(code, "AnsibleModule") else importlib.import_module(code.run.__module__)
    monkeypatch.setattr(where, "AnsibleModule", capture)
    with pytest.raises(Specification) as caught:
        code.main()
    arguments, options = caught.value.args
    specification = arguments[0] if arguments else options.pop("argument_spec")
    rules = {key: value for key, value in options.items() if key.startswith(("mutually_", "required_"))}
    for task in examples(module):
        if PREFIX + module in task:
            result = ArgumentSpecValidator(specification, **rules).validate(task[PREFIX + module] or {})
            assert result.error_messages == []
