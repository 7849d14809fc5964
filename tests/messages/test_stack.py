# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What provisioning says to bad input, before it changes anything."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from localcloud.testing import RunningCloud
from messages.conftest import Controller

DROPLET = {"name": "backend-test", "region": "fra1", "size": "s-2vcpu-4gb", "image": "debian-13-x64", "vpc": "test"}
VPC = {"name": "test", "region": "fra1", "ip_range": "10.20.0.0/20"}
Provision = Callable[..., str]


@pytest.fixture
def provision(controller: Controller, tmp_path: Path) -> Provision:
    """Provision one droplet in a VPC, with some of its keys changed; returns what the refusal said."""

    def refused(variables: dict[str, str] | None = None, **droplet: Any) -> str:
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [
                {"flowdose.infra.stack": {"environment": "test", "vpcs": [VPC], "droplets": [DROPLET | droplet]}}
            ],
        }
        file = tmp_path / "provision.yml"
        file.write_text(json.dumps([play]))
        controller.variables |= variables or {}
        return controller.refused(str(file))

    return refused


def test_no_token(provision: Provision, controller: Controller) -> None:
    del controller.variables["DIGITALOCEAN_TOKEN"]
    message = provision()
    assert "No DigitalOcean token was given" in message
    assert "DIGITALOCEAN_TOKEN" in message


def test_wrong_token(provision: Provision) -> None:
    message = provision({"DIGITALOCEAN_TOKEN": "dop_v1_" + "f" * 64})
    assert "401" in message
    assert "The token was refused" in message
    assert "request id" in message
    assert "f" * 64 not in message


def test_unreachable_api(provision: Provision) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        message = provision({"DIGITALOCEAN_API_URL": address})
    assert address.removeprefix("https://") in message
    assert "refused" in message


def test_an_api_with_another_certificate(provision: Provision) -> None:
    """Without localcloud's CA file its certificate is nobody's."""
    message = provision({"DIGITALOCEAN_CA_FILE": "/etc/ssl/certs/ca-certificates.crt"})
    assert "certificate" in message
    assert "DIGITALOCEAN_CA_FILE" in message


@pytest.mark.parametrize(
    ("key", "value", "nearest"),
    [
        ("size", "s-2vcpu-4bg", "s-2vcpu-4gb"),
        ("region", "fra2", "fra1"),
        ("image", "debian-13-x46", "debian-13-x64"),
    ],
)
def test_unknown_slug(provision: Provision, key: str, value: str, nearest: str) -> None:
    message = provision(**{key: value})
    assert f"{key} {value} does not exist" in message
    assert nearest in message, "the nearest one that exists"


def test_a_droplet_name_used_twice(provision: Provision, cloud: RunningCloud, controller: Controller) -> None:
    body = {"name": "backend-test", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
    ids = []
    for _ in range(2):
        answer = requests.post(
            f"{cloud.endpoint}/v2/droplets",
            json=body,
            headers={"Authorization": f"Bearer {cloud.token}"},
            verify=str(cloud.ca_file),
            timeout=10,
        )
        ids.append(str(answer.json()["droplet"]["id"]))
    cloud.clock.advance(120)
    written = len(cloud.requests)
    message = provision()
    assert "backend-test" in message
    assert all(name in message for name in ids), "both ids"
    assert [entry for entry in cloud.requests[written:] if entry["method"] != "GET"] == []
    cloud.reset()
