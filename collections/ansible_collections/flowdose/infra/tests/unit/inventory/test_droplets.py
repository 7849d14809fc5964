# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin as `ansible-inventory` runs it, against localcloud without machines."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydo
import pytest
import yaml

testing = pytest.importorskip("localcloud.testing", reason="the package localcloud is not installed")

COLLECTIONS = Path(__file__).parents[6]
Inventory = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Any]:
    with testing.running_cloud() as running:
        yield running


@pytest.fixture(scope="module")
def droplets(cloud: Any) -> dict[str, list[int]]:
    """The ids by name of what a small environment and its neighbour have."""
    client = pydo.Client(cloud.token, endpoint=cloud.endpoint, connection_verify=str(cloud.ca_file))
    ids: dict[str, list[int]] = {}
    for name, tags in (
        ("backend-1", ["flowdose-test", "backend"]),
        ("store-1", ["flowdose-test", "Store-Front"]),
        ("twin", ["flowdose-test"]),
        ("twin", ["flowdose-test", "backend"]),
        ("other", ["flowdose-other", "backend"]),
        ("off", ["flowdose-test", "backend"]),
    ):
        body = {"name": name, "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64", "tags": tags}
        ids.setdefault(name, []).append(client.droplets.create(body=body)["droplet"]["id"])
    cloud.clock.advance(600)
    client.droplet_actions.post(ids["off"][0], body={"type": "power_off"})
    cloud.clock.advance(60)
    return ids


@pytest.fixture
def inventory(cloud: Any, droplets: dict[str, list[int]], tmp_path: Path) -> Inventory:
    """Run ansible-inventory on a file with these options; environment variables in capitals."""

    def run(**options: Any) -> subprocess.CompletedProcess[str]:
        access = {
            "DIGITALOCEAN_TOKEN": cloud.token,
            "DIGITALOCEAN_API_URL": cloud.endpoint,
            "DIGITALOCEAN_CA_FILE": str(cloud.ca_file),
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")} | access
        environment |= {
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
            "ANSIBLE_INVENTORY_ENABLED": "flowdose.infra.droplets",
        }
        environment |= {name: value for name, value in options.items() if name.isupper()}
        config = {"plugin": "flowdose.infra.droplets", "tag": "flowdose-test"}
        config |= {name: value for name, value in options.items() if not name.isupper()}
        folder = tmp_path / "inventory"
        folder.mkdir(exist_ok=True)
        (folder / "droplets.yml").write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "ansible", "inventory", "-i", str(folder), "--list"]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def hosts(result: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    assert result.returncode == 0, result.stderr
    return unmarked(json.loads(result.stdout)["_meta"]["hostvars"])


def unmarked(value: Any) -> Any:
    """Without the marks by which ansible-inventory, depending on its settings, tells data from templates."""
    if isinstance(value, dict):
        return value.get("__ansible_unsafe") or {key: unmarked(item) for key, item in value.items()}
    return [unmarked(item) for item in value] if isinstance(value, list) else value


def groups(result: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    assert result.returncode == 0, result.stderr
    return {name: sorted(group["hosts"]) for name, group in json.loads(result.stdout).items() if "hosts" in group}


def test_hosts_variables_and_groups(inventory: Inventory, droplets: dict[str, list[int]]) -> None:
    result = inventory(tag_groups=["backend", "store-front", "worker"])
    first, second = (f"twin-{number}" for number in droplets["twin"])
    found = hosts(result)
    assert set(found) == {"backend-1", "store-1", first, second}
    assert "2 droplets of the name twin" in result.stderr
    assert groups(result) == {
        "backend": ["backend-1", second],
        "store_front": ["store-1"],
        "ungrouped": [first],
    }
    backend = found["backend-1"]
    addresses = {"do_public_ipv4": backend["do_public_ipv4"], "do_private_ipv4": backend["do_private_ipv4"]}
    backend.pop("ansible_local", None)  # ansible-inventory itself may add it
    assert backend == addresses | {
        "ansible_host": addresses["do_public_ipv4"],
        "do_id": droplets["backend-1"][0],
        "do_name": "backend-1",
        "do_status": "active",
        "do_region": "fra1",
        "do_size": "s-1vcpu-1gb",
        "do_image": "debian-13-x64",
        "do_memory": 1024,
        "do_vcpus": 1,
        "do_vpc_uuid": backend["do_vpc_uuid"],
        "do_tags": ["backend", "flowdose-test"],
    }


def test_without_tag_and_with_private_addresses(inventory: Inventory) -> None:
    found = hosts(inventory(tag="", connect_with="private_ipv4"))
    assert "other" in found
    assert all(host["ansible_host"] == host["do_private_ipv4"] for host in found.values())


def test_what_the_user_composes(inventory: Inventory) -> None:
    result = inventory(
        compose={"ssh_alias": "'droplet-' ~ do_id"},
        keyed_groups=[{"key": "do_region", "prefix": "region"}],
        groups={"small": "do_memory < 2048"},
    )
    backend = hosts(result)["backend-1"]
    assert backend["ssh_alias"] == f"droplet-{backend['do_id']}"
    assert set(groups(result)) == {"region_fra1", "small"}
    broken = inventory(compose={"x": "nothing"}, strict=True)
    assert broken.returncode != 0
    assert "Could not set x for host" in broken.stderr


def test_an_environment_without_droplets_is_valid(inventory: Inventory) -> None:
    assert hosts(inventory(tag="flowdose-new", tag_groups=["backend"])) == {}


def test_templates_and_a_relative_ca_file(inventory: Inventory, cloud: Any, tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(json.dumps({"token": cloud.token}))
    shutil.copy(cloud.ca_file, tmp_path / "ca.pem")
    lookup = "lookup('ansible.builtin.file', inventory_dir ~ '/../credentials.json') | from_json"
    result = inventory(
        DIGITALOCEAN_TOKEN="",
        DIGITALOCEAN_CA_FILE="",
        token="{{ (" + lookup + ").token }}",
        ca_file="../ca.pem",
        tag="{{ 'flowdose-' ~ 'test' }}",
    )
    assert "backend-1" in hosts(result)


def test_cache_keeps_plain_data(inventory: Inventory, cloud: Any, tmp_path: Path) -> None:
    options = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    first = hosts(inventory(**options))
    asked = len(cloud.requests)
    assert hosts(inventory(**options)) == first
    assert len(cloud.requests) == asked
    assert "other" in hosts(inventory(**options, tag="flowdose-other"))  # another question is not answered by the cache


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        ({"DIGITALOCEAN_TOKEN": ""}, ["No DigitalOcean token was given", "DIGITALOCEAN_TOKEN"]),
        ({"DIGITALOCEAN_TOKEN": "wrong-token"}, ["HTTP 401 unauthorized", "The token was refused"]),
        ({"DIGITALOCEAN_API_URL": "https://127.0.0.1:1"}, ["https://127.0.0.1:1 cannot be reached"]),
        ({"DIGITALOCEAN_CA_FILE": ""}, ["is not signed by an authority that is trusted here", "Set `ca_file`"]),
        ({"ca_file": "no.pem"}, ["inventory/no.pem cannot be read"]),
        (
            {"token": "{{ lookup('ansible.builtin.file', 'no.json') }}"},
            ["The option token of the inventory cannot be read", "is localcloud up?"],
        ),
        ({"connect_with": "ipv6"}, ["connect_with"]),
    ],
)
def test_errors_say_what_to_do(inventory: Inventory, options: dict[str, str], messages: list[str]) -> None:
    result = inventory(**options)
    assert result.returncode != 0
    output = " ".join(result.stderr.split())
    for message in messages:
        assert message in output
    assert "wrong-token" not in output
    assert "Traceback" not in output
