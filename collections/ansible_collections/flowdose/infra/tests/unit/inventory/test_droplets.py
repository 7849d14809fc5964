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
from ansible.inventory.data import InventoryData
from ansible_collections.flowdose.infra.plugins.inventory.droplets import VARIABLES, InventoryModule

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
            "ANSIBLE_INVENTORY_ENABLED": "flowdose.infra.droplets,yaml",
        }
        environment |= {name: value for name, value in options.items() if name.isupper()}
        config = {"plugin": "flowdose.infra.droplets", "tag": "flowdose-test"}
        config |= {name: value for name, value in options.items() if not name.isupper() and name != "sources"}
        folder = tmp_path / "inventory"
        folder.mkdir(exist_ok=True)
        (folder / "droplets.yml").write_text(yaml.safe_dump(config))
        sources = [f"--inventory={source}" for source in (*options.get("sources", ()), folder)]
        command = [sys.executable, "-m", "ansible", "inventory", *sources, "--list"]
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
    found = hosts(inventory(tag="", connect_with="private"))
    assert "other" in found
    assert all(host["ansible_host"] == host["do_private_ipv4"] for host in found.values())


def test_groups_by_tag_and_region(inventory: Inventory, droplets: dict[str, list[int]]) -> None:
    first, second = (f"twin-{number}" for number in droplets["twin"])
    every = sorted(["backend-1", "store-1", first, second])
    assert groups(inventory(group_by=["region", "tag"], tag_groups=["Backend"])) == {
        "Backend": ["backend-1", second],  # as the file calls it, whatever case the tag is written in
        "region_fra1": every,
        "tag_Store_Front": ["store-1"],
        "tag_backend": ["backend-1", second],
        "tag_flowdose_test": every,
    }


def test_what_is_off(inventory: Inventory) -> None:
    assert "off" not in hosts(inventory())
    found = hosts(inventory(include_off=True))
    assert (found["off"]["do_status"], found["backend-1"]["do_status"]) == ("off", "active")


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


def test_a_cached_inventory_is_the_fresh_one(inventory: Inventory, cloud: Any, tmp_path: Path) -> None:
    """To the letter, warnings and all, as it was written to a file and read by another process."""
    cache = tmp_path / "cache"
    options: dict[str, Any] = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(cache)}
    options |= {"tag_groups": ["backend"], "group_by": ["tag"], "compose": {"same": "do_tags"}}
    without = inventory(**(options | {"cache": False}))
    asked = len(cloud.requests)
    fresh = inventory(**options)
    assert len(cloud.requests) == asked + 1
    cached = inventory(**options)
    assert len(cloud.requests) == asked + 1
    assert fresh.stdout == cached.stdout == without.stdout
    assert fresh.stderr == cached.stderr
    assert "twin" in cached.stderr

    (file,) = cache.iterdir()
    kept = json.loads(file.read_text())
    rows = kept if isinstance(kept, list) else json.loads(kept["__payload__"])
    assert {type(value) for row in rows for value in row.values()} == {int, str, list}
    assert "__ansible" not in file.read_text()
    assert cloud.token not in file.name + file.read_text()


def test_what_the_cache_does_not_answer(inventory: Inventory, cloud: Any, tmp_path: Path) -> None:
    options = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    assert "backend-1" in hosts(inventory(**options))
    asked = len(cloud.requests)
    assert set(hosts(inventory(**options, tag="flowdose-other"))) == {"other"}  # another question
    assert inventory(**options, DIGITALOCEAN_TOKEN="another").returncode != 0  # another account
    hosts(inventory(**options, ANSIBLE_INVENTORY_CACHE="False"))  # the file's word counts, and it says so
    assert len(cloud.requests) == asked + 2
    hosts(inventory(**(options | {"cache": False})))
    assert len(cloud.requests) == asked + 3


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


def test_of_several_sources_the_error_names_the_one(inventory: Inventory, tmp_path: Path) -> None:
    (tmp_path / "more.yml").write_text("all: {hosts: {another: {a: 1}}}")
    sources = [tmp_path / "more.yml"]
    assert {"another", "backend-1"} <= set(json.loads(inventory(sources=sources).stdout)["_meta"]["hostvars"])
    result = inventory(sources=sources, DIGITALOCEAN_TOKEN="wrong-token")
    assert result.returncode != 0
    told = " ".join(result.stderr.split())
    assert f"{tmp_path}/inventory/droplets.yml" in told
    assert "The token was refused" in told
    assert "more.yml" not in told


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = InventoryModule()
    monkeypatch.setattr(made, "display", Warnings())
    return made


class Warnings(list[str]):
    warning = list.append


@pytest.mark.parametrize(
    ("droplets", "expected"),
    [
        ([("a", 1), ("b", 2)], ["a", "b"]),
        ([("a", 1), ("a", 2)], ["a-1", "a-2"]),
        ([("a", 1), ("a", 2), ("a-2", 3)], ["a-1", "a-2-2", "a-2"]),
        ([("a", 1), ("a", 2), ("a-1", 3), ("a-1", 4)], ["a-1-1", "a-2", "a-1-3", "a-1-4"]),
    ],
)
def test_host_names_are_distinct(plugin: Any, droplets: list[tuple[str, int]], expected: list[str]) -> None:
    found = plugin._host_names([{"name": name, "id": id} for name, id in droplets])
    assert found == expected
    names = [name for name, id in droplets]
    twice = {name for name in names if names.count(name) > 1}
    assert len(plugin.display) == len(twice)
    for name in twice:
        assert any(f"droplets of the name {name}, with the ids " in warning for warning in plugin.display)


def test_a_droplet_without_the_address_is_left_out(plugin: Any) -> None:
    """As those are that were made without a public network."""
    facts = dict.fromkeys(VARIABLES) | {"name": "inside", "id": 7, "status": "active", "tags": ["backend"]}
    options = {"tag_groups": ["backend"], "group_by": [], "include_off": False}
    options |= {"compose": {}, "groups": {}, "keyed_groups": [], "strict": False}
    for connect_with, hosts_expected in (("public", {}), ("private", {"inside": "10.1.2.3"})):
        plugin._options = options | {"connect_with": connect_with}
        plugin.inventory = InventoryData()
        plugin._populate([facts | {"public_ipv4": None, "private_ipv4": "10.1.2.3"}])
        found = {name: host.vars["ansible_host"] for name, host in plugin.inventory.hosts.items()}
        assert found == hosts_expected
    (warning,) = plugin.display
    assert warning == "Droplet inside (id 7, status active) has no public IPv4 address; it is left out."
