# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What destroy and adopt say before they do anything, and that they do what they said.

The environment is staging, with an API-only cloud in DigitalOcean's place, made by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from localcloud.testing import RunningCloud, running_cloud
from messages.conftest import Controller
from stages import tool

TAG = {"tags": ["flowdose-staging"]}
DROPLET = {"name": "backend-staging", "region": "fra1", "size": "s-2vcpu-4gb", "image": "debian-13-x64"}
CLUSTER = {"name": "postgres-staging", "engine": "pg", "num_nodes": 1, "size": "db-s-1vcpu-2gb", "region": "fra1"}
Playbook = Callable[..., tuple[int, str]]


@pytest.fixture
def cloud() -> Iterator[RunningCloud]:
    """Its time passes with what it is asked, so that what is deleted is gone some time."""
    with running_cloud(auto_advance=5.0) as running:
        yield running


@pytest.fixture
def account(cloud: RunningCloud) -> Callable[..., Any]:
    """Make something by hand, as METHOD PATH does."""

    def call(method: str, path: str, **body: Any) -> Any:
        answer = requests.request(
            method,
            f"{cloud.endpoint}/v2/{path}",
            json=body or None,
            headers={"Authorization": f"Bearer {cloud.token}"},
            verify=str(cloud.ca_file),
            timeout=10,
        )
        assert answer.ok, answer.text
        return answer.json()

    return call


@pytest.fixture
def playbook(cloud: RunningCloud, controller: Controller, tmp_path: Path) -> Playbook:
    """Run one for staging, with some variables; exit status and output."""
    data = {
        "flowdose_api_url": cloud.endpoint,
        "flowdose_ca_file": str(cloud.ca_file),
        "flowdose_files": str(tmp_path / "controller"),
        # The API-only cloud has no object storage.
        "flowdose_spaces_buckets": [],
        "flowdose_projects": [],
    }

    def run(name: str, *arguments: str, **variables: Any) -> tuple[int, str]:
        file = tmp_path / "data.json"
        file.write_text(json.dumps(data | variables))
        command = (f"playbooks/{name}.yml", "-i", "inventories/staging", "-e", f"@{file}", *arguments)
        status, output = controller.run(tool("ansible-playbook"), *command)
        assert "Traceback" not in output
        return status, output

    return run


def written(cloud: RunningCloud) -> list[str]:
    return [f"{entry['method']} {entry['path']}" for entry in cloud.requests if entry["method"] != "GET"]


@pytest.fixture
def staging(account: Callable[..., Any], cloud: RunningCloud) -> Callable[..., Any]:
    """A droplet and a database that carry its tag, and a droplet of another environment."""
    account("POST", "droplets", **DROPLET, **TAG)
    account("POST", "databases", **CLUSTER, **TAG)
    account("POST", "droplets", **{**DROPLET, "name": "backend-production"}, tags=["flowdose-production"])
    cloud.clock.advance(900)
    return account


@pytest.mark.parametrize(
    ("confirm", "said"),
    [
        (["-e", "confirm=production"], "confirmed was 'production'"),
        ([], "nobody confirmed its name"),
        (["-e", "confirm="], "nobody confirmed its name"),
    ],
)
def test_destroy_without_the_right_name(
    playbook: Playbook, staging: Any, cloud: RunningCloud, confirm: list[str], said: str
) -> None:
    before = written(cloud)
    status, output = playbook("destroy", *confirm, flowdose_unprotected=["database_cluster:postgres-staging"])
    assert status != 0
    assert f"staging was not taken down: {said}" in output
    assert "-e confirm=staging" in output
    assert "droplet backend-staging" in output, "the list comes first"
    assert written(cloud) == before


def test_destroy_what_is_protected(playbook: Playbook, staging: Any, cloud: RunningCloud) -> None:
    before = written(cloud)
    status, output = playbook("destroy", "-e", "confirm=staging")
    assert status != 0
    assert "database_clusters[0] (postgres-staging): it holds data and is protected" in output
    assert '-e \'{"flowdose_unprotected": ["database_cluster:postgres-staging"]}\'' in output
    assert "droplet backend-staging" in output
    assert written(cloud) == before


def test_destroy(playbook: Playbook, staging: Any, cloud: RunningCloud, tmp_path: Path) -> None:
    files = tmp_path / "controller"
    files.mkdir()
    for name in ("known_hosts", "applied.json", "id_ed25519"):
        (files / name).touch()
    named = {"flowdose_unprotected": ["database_cluster:postgres-staging"]}
    before = written(cloud)
    status, output = playbook("destroy", "--check", **named)
    assert (status, written(cloud)) == (0, before)
    assert "delete droplet backend-staging" in output
    assert (files / "known_hosts").exists()

    status, output = playbook("destroy", "-e", "confirm=staging", **named)
    assert status == 0, output
    assert output.count("Plan for staging:") == 1
    assert "deleted: database cluster postgres-staging" in output
    assert [droplet["name"] for droplet in staging("GET", "droplets")["droplets"]] == ["backend-production"]
    assert staging("GET", "databases")["databases"] == []
    assert [tag["name"] for tag in staging("GET", "tags")["tags"]] == ["flowdose-production"]
    assert [file.name for file in files.iterdir()] == ["id_ed25519"]

    before = written(cloud)
    status, output = playbook("destroy")
    assert status == 0, "without a question"
    assert "Of staging there is nothing left to take down." in output
    assert "changed=0" in output
    assert written(cloud) == before


def test_adopt_what_is_not_clear(playbook: Playbook, staging: Any, cloud: RunningCloud) -> None:
    ids = [droplet["id"] for droplet in staging("GET", "droplets")["droplets"] if droplet["tags"] == TAG["tags"]]
    ids.append(staging("POST", "droplets", **DROPLET)["droplet"]["id"])
    cloud.clock.advance(60)
    before = written(cloud)
    status, output = playbook("adopt", "-e", "flowdose_adopt_apply=true")
    assert status != 0
    assert "flowdose_droplets" not in output
    assert "droplets[0] (backend-staging): 2 resources may be droplet backend-staging (name):" in output
    assert all(f"- {id}: called backend-staging" in output for id in ids)
    assert "Matches:" in output
    assert written(cloud) == before


def test_adopt(playbook: Playbook, account: Any, cloud: RunningCloud) -> None:
    droplet = account("POST", "droplets", **DROPLET)["droplet"]["id"]
    other = account("POST", "droplets", **{**DROPLET, "name": "shop-web"})["droplet"]["id"]
    cloud.clock.advance(60)
    before = written(cloud)
    status, output = playbook("adopt")
    assert status == 0, output
    assert f'"droplet:storefront-staging": "{other}"' in output
    assert "changed=0" in output
    assert written(cloud) == before
    for check in (["--check"], []):
        status, output = playbook("adopt", *check, "-e", "flowdose_adopt_apply=true")
        assert status == 0, output
        assert written(cloud) == before or not check
    assert f"adopted: droplet backend-staging ({droplet})" in output
    assert "changed=1" in output
    assert written(cloud)[len(before) :] == ["POST /v2/tags", "POST /v2/tags/flowdose-staging/resources"]
    status, output = playbook("adopt", "-e", "flowdose_adopt_apply=true")
    assert "changed=0" in output
