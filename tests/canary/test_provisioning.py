# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan and provision an environment as talkatively as Ansible can, then look for its secrets in all it has written."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from canary.canary import Run, watched
from localcloud.testing import RunningCloud, running_cloud
from module_examples.world import certificate_files
from stages import ROOT, environment, tool

from localcloud import testing

SPACES_SECRET = "canary/spaces+secret0key1of2fortytwo3characters"
MARKERS = {
    "Spaces access key": "DOCANARYACCESSKEY001",
    "Spaces secret key": SPACES_SECRET,
    "master key": "canaryMasterKeyOfSixtyFourLettersAndDigits0123456789012345678901",
    "admin password": "canaryAdminPassword24Let",
}
LOUD = ["-vvv", "--diff", "--limit", "controller"]
TREE = ("playbooks", "group_vars", "collections", "examples")


@dataclass
class Controller:
    """A repository of its own, as far as a run writes into it: everything lands in `folder`."""

    folder: Path
    cloud: RunningCloud

    def play(self, playbook: str, *arguments: str, **variables: Any) -> Run:
        command = [tool("ansible-playbook"), f"playbooks/{playbook}.yml", "-i", "inventories/canary", *LOUD, *arguments]
        data = {**self.declared(), **variables}
        (self.folder / "variables.json").write_text(json.dumps(data))
        home = self.folder / "home"
        settings = {
            "HOME": str(home),
            "TMPDIR": str(self.folder / "tmp"),
            "LOCALCLOUD_STATE": str(self.folder / ".localcloud"),
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            "ANSIBLE_LOG_PATH": str(self.folder / "ansible.log"),
            "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(self.folder / "facts"),
            "ANSIBLE_INVENTORY_CACHE": "true",
            "ANSIBLE_NOCOLOR": "1",
        }
        return watched([*command, "-e", "@variables.json"], cwd=self.folder, env=environment(settings), timeout=300)

    def declared(self) -> dict[str, Any]:
        """What group_vars/development does not declare, or cannot have without machines; no secret is in it."""
        return {
            "flowdose_api_url": self.cloud.endpoint,
            "flowdose_spaces_endpoint": self.cloud.endpoint,  # takes connections, and refuses
            "flowdose_spaces_buckets": [],
            "flowdose_projects": [],
            "flowdose_database_users": [{"cluster": "postgres-development", "name": "reader"}],
            "flowdose_certificates": [
                {
                    "name": "own",
                    "private_key": self.content_of("shop.key"),
                    "leaf_certificate": self.content_of("shop.pem"),
                    "certificate_chain": self.content_of("chain.pem"),
                }
            ],
            "flowdose_spaces_keys": [
                {
                    **{"name": "shop", "grants": [{"permission": "fullaccess"}]},
                    "secret_file": str(self.folder / ".flowdose/development/spaces_key.json"),
                }
            ],
        }

    def content_of(self, name: str) -> str:
        return "{{ lookup('ansible.builtin.file', '" + str(self.folder / ".flowdose/development" / name) + "') }}"

    def secrets(self) -> dict[str, str]:
        """Those that were given, and those that the cloud made."""
        state = self.cloud.state
        made = {"token": self.cloud.token, **MARKERS}
        for cluster in state["databases"].values():
            for user, secret in passwords(cluster).items():
                made[f"password of {user} of {cluster['name']}"] = secret
        made |= {f"secret of Spaces key {key['name']}": key["secret_key"] for key in state["spaces_keys"].values()}
        for name in ("id_ed25519", "shop.key"):
            path = self.folder / ".flowdose/development" / name
            if path.exists():  # a run that failed may not have come to it
                made[f"a line of {name}"] = path.read_text().splitlines()[2]
        return made

    def kept(self) -> list[Path]:
        """Files that are there to hold a secret; that nobody else can read them is checked too."""
        development = self.folder / ".flowdose/development"
        files = [
            development / name for name in ("master_key", "admin_password", "id_ed25519", "shop.key", "spaces_key.json")
        ]
        return [*files, self.folder / ".localcloud/credentials.json"]

    def leaks(self, run: Run) -> list[str]:
        return run.leaks(self.secrets(), places=[self.folder], allowed=self.kept())


def passwords(cluster: dict[str, Any]) -> dict[str, str]:
    """Of the users of a cluster, as localcloud keeps them."""
    users = cluster["users"]
    return {user["name"]: user["password"] for user in (users.values() if isinstance(users, dict) else users)}


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Controller]:
    # One that no other test on this machine has, whose processes are seen as well.
    monkeypatch.setattr(testing, "TOKEN", "dop_v1_" + secrets.token_hex(32))
    with running_cloud(auto_advance=30) as cloud:
        for name in TREE:
            (tmp_path / name).symlink_to(ROOT / name)
        shutil.copy(ROOT / "ansible.cfg", tmp_path)
        inventory = tmp_path / "inventories/canary"
        inventory.mkdir(parents=True)
        (inventory / "group_vars").symlink_to(ROOT / "group_vars")
        shutil.copy(ROOT / "inventories/development/groups.yml", inventory)
        plugin = (ROOT / "inventories/development/droplets.yml").read_text()
        (inventory / "droplets.yml").write_text(plugin.replace("https://127.0.0.1:8443", cloud.endpoint))

        state, files = tmp_path / ".localcloud", tmp_path / ".flowdose/development"
        for folder in (state, files, tmp_path / "home", tmp_path / "tmp"):
            folder.mkdir(parents=True, mode=0o700)
        shutil.copy(cloud.ca_file, state / "ca.pem")
        certificate_files(files)
        spaces = {"access_key": MARKERS["Spaces access key"], "secret_key": SPACES_SECRET}
        credentials = {"token": cloud.token, "spaces": {**spaces, "endpoint": cloud.endpoint, "region": "fra1"}}
        for path, text in (
            (state / "credentials.json", json.dumps(credentials)),
            (files / "master_key", MARKERS["master key"]),
            (files / "admin_password", MARKERS["admin password"]),
        ):
            path.touch(mode=0o600)
            path.write_text(text)
        yield Controller(tmp_path, cloud)


def test_no_secret_in_what_provisioning_writes(controller: Controller) -> None:
    provisioned = controller.play("provision")
    assert provisioned.returncode == 0, provisioned.output[-5000:]
    assert controller.leaks(provisioned) == []
    assert {"password of doadmin of postgres-development", "password of reader of postgres-development"} <= set(
        controller.secrets()
    )
    for path in controller.kept():
        assert path.stat().st_mode & 0o077 == 0, f"others can read {path}"

    planned = controller.play("plan")
    assert planned.returncode == 0, planned.output[-5000:]
    assert controller.leaks(planned) == []
    assert (controller.folder / ".flowdose/development/plan").is_dir(), "the files of the plan were searched too"

    again = controller.play("provision", "--check")
    assert again.returncode == 0, again.output[-5000:]
    assert controller.leaks(again) == []


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("POST /v2/databases", {"status": 422, "message": "no"}),
        ("GET /v2/vpcs", {"status": 502, "count": 99}),
        ("POST /v2/droplets", {"reset": "before", "count": 99}),
    ],
)
def test_no_secret_in_what_a_failure_writes(controller: Controller, fault: str, options: dict[str, Any]) -> None:
    controller.cloud.fault(fault, **options)
    failed = controller.play("provision")
    assert failed.returncode != 0
    assert controller.leaks(failed) == []


@pytest.mark.bad_requests("S3's, which the API does not know")
def test_no_secret_in_what_spaces_refuses(controller: Controller) -> None:
    """Signed requests, and the errors that boto3 makes of their answers."""
    buckets = [{"name": "canary-bucket", "region": "fra1", "acl": "private"}]
    failed = controller.play("provision", flowdose_spaces_buckets=buckets)
    assert failed.returncode != 0
    assert "canary-bucket" in failed.output
    assert controller.leaks(failed) == []
