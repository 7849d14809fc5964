# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the site playbook says to bad data of an environment, before it changes anything.

The environment is staging, with an API-only cloud in DigitalOcean's place.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from messages.conftest import MASTER_KEY, Controller
from stages import ROOT, tool

Site = Callable[..., str]


@pytest.fixture
def site(controller: Controller, data: dict[str, Any], tmp_path: Path) -> Site:
    """Run the site with some of the data changed (None: missing); returns what the refusal said."""

    def refused(*arguments: str, **changed: Any) -> str:
        given = {name: value for name, value in (data | changed).items() if value is not None}
        file = tmp_path / "data.json"
        file.write_text(json.dumps(given))
        message = controller.refused("playbooks/site.yml", "-i", "inventories/staging", "-e", f"@{file}", *arguments)
        assert MASTER_KEY not in message
        return message

    return refused


def test_no_token(site: Site, controller: Controller) -> None:
    del controller.variables["DIGITALOCEAN_TOKEN"]
    assert "DIGITALOCEAN_TOKEN" in site()


def test_wrong_token(site: Site, controller: Controller) -> None:
    controller.variables["DIGITALOCEAN_TOKEN"] = "dop_v1_" + "f" * 64
    message = site()
    assert "401" in message
    assert "token was refused" in message
    assert "f" * 64 not in message


def test_unreachable_api(site: Site, controller: Controller) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        controller.variables["DIGITALOCEAN_API_URL"] = f"https://{address}"
        message = site(flowdose_api_url=f"https://{address}")
    assert address in message
    assert "refused" in message


@pytest.mark.parametrize(
    ("variable", "value", "nearest"),
    [
        ("flowdose_backend_size", "s-2vcpu-4bg", "s-2vcpu-4gb"),
        ("flowdose_region", "fra2", "fra1"),
        ("flowdose_image", "debian-13-x46", "debian-13-x64"),
        ("flowdose_database_size", "db-s-1vcpu-2bg", "db-s-1vcpu-2gb"),
    ],
)
def test_unknown_slug(site: Site, variable: str, value: str, nearest: str) -> None:
    message = site(**{variable: value})
    assert value in message
    assert nearest in message


def test_no_master_key(site: Site) -> None:
    message = site(vault_flowdose_master_key=None)
    assert "vault_flowdose_master_key is missing" in message
    assert "group_vars/staging/vault.yml.example" in message


def test_no_vault_password(site: Site, tmp_path: Path) -> None:
    vault, password = tmp_path / "vault.yml", tmp_path / "password"
    vault.write_text(f"vault_flowdose_master_key: {MASTER_KEY}\n")
    password.write_text("secret")
    encrypt = [tool("ansible-vault"), "encrypt", "--vault-id", f"staging@{password}", str(vault)]
    subprocess.run(encrypt, cwd=ROOT, check=True, capture_output=True)
    assert "vault" in site("-e", f"@{vault}").lower()


def test_a_name_outside_the_zone(site: Site) -> None:
    hosts = {"store": "shop.example.com", "admin": "admin.flowdose.xyz", "api": "api.flowdose.xyz"}
    message = site(flowdose_hosts=hosts)
    assert "shop.example.com of flowdose_hosts is not in the zone flowdose.xyz" in message
    assert "admin.flowdose.xyz of" not in message


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("flowdose_backend_env_extra", "hunter\\$2", "a backslash directly before a dollar sign"),
        ("flowdose_storefront_env_extra", "hunter'`\"#", "no quoting of an environment file can carry"),
        ("flowdose_storefront_env_extra", 1.10, "expected text, an integer or a boolean, not a float"),
    ],
)
def test_a_value_that_no_environment_file_can_carry(site: Site, variable: str, value: Any, said: str) -> None:
    message = site(**{variable: {"KNOWN_LATER": "{{ flowdose_postgresql.id }}", "MY_VALUE": value}})
    assert f"MY_VALUE: {said}" in message
    assert "hunter" not in message


def test_a_droplet_name_used_twice(site: Site) -> None:
    droplet = {"name": "backend-staging", "region": "fra1", "size": "s-2vcpu-4gb", "image": "debian-13-x64"}
    message = site(flowdose_droplets=[droplet, droplet])
    assert "flowdose_droplets names a droplet twice: backend-staging" in message


def test_a_git_ref_that_does_not_exist(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for command in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    message = site(flowdose_source=f"file://{folder}", flowdose_ref="v9.9.9")
    assert "v9.9.9" in message
    assert f"file://{folder}" in message


def test_a_droplet_too_small_to_build_on(site: Site) -> None:
    message = site(flowdose_backend_size="s-1vcpu-1gb")
    assert "backend-staging (s-1vcpu-1gb): too small to build on" in message
    assert "flowdose_backend_size" in message


def test_a_package_manager_that_is_not_supported(site: Site, tmp_path: Path) -> None:
    for app in ("backend", "storefront"):
        (tmp_path / "shop" / app).mkdir(parents=True)
        (tmp_path / "shop" / app / "package.json").write_text('{"packageManager": "bun@1.3.0"}')
        (tmp_path / "shop" / app / "yarn.lock").write_text("# yarn lockfile v1\n")
    message = site(flowdose_source=str(tmp_path / "shop"))
    assert "asks for the package manager 'bun@1.3.0'; supported are yarn, npm and pnpm" in message


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"flowdose_backend_count": 0},
            "flowdose_backend_count is 0: a shop has one backend and one storefront at least",
        ),
        ({"flowdose_worker_count": "-1"}, "flowdose_worker_count is -1: "),
        ({"flowdose_storefront_count": "two"}, "flowdose_storefront_count is two: "),
        (
            {"flowdose_backend_count": 2, "flowdose_backend_balanced": False},
            "flowdose_backend_balanced is false, and of several droplets none but the first is visited",
        ),
        (
            {"flowdose_backend_count": 2, "flowdose_backend_env_extra": {"S3_BUCKET": "", "MINIO_BUCKET": ""}},
            "flowdose_backend_count is 2, and the backend's environment names no bucket (S3_BUCKET, MINIO_BUCKET)",
        ),
        (
            {"flowdose_worker_count": 1, "flowdose_backend_env_extra": {"REDIS_URL": ""}},
            "REDIS_URL is emptied by flowdose_backend_env_extra",
        ),
        (
            {
                "flowdose_storefront_count": 2,
                "flowdose_storefront_env_extra": {"NEXT_SERVER_ACTIONS_ENCRYPTION_KEY": ""},
            },
            "NEXT_SERVER_ACTIONS_ENCRYPTION_KEY is emptied",
        ),
    ],
)
def test_several_droplets_that_would_not_work_together(site: Site, wrong: dict[str, Any], said: str) -> None:
    assert said in site(**wrong)
