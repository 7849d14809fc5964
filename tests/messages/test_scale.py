# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts are all it takes to scale a shop out, and back.

The data are staging's own, with an API-only cloud in DigitalOcean's place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import example_plan
import pytest
import requests
from localcloud.testing import RunningCloud, running_cloud
from messages.conftest import MASTER_KEY, Controller
from stages import tool

SCALED = {"flowdose_backend_count": 2, "flowdose_storefront_count": 2, "flowdose_worker_count": 1}
WORLD = {"addresses": ["0.0.0.0/0", "::/0"]}
KINDS = ("droplets", "firewalls", "load_balancers", "certificates")


@dataclass
class Shop:
    """The environment at the API, and the playbooks that make it."""

    cloud: RunningCloud
    data: dict[str, Any]
    folder: Path

    def play(self, **variables: Any) -> None:
        self._run(str(self.folder / "stack.yml"), variables)

    def plan(self, **variables: Any) -> dict[str, set[str]]:
        """What would be done: action -> kinds and names."""
        self._run("playbooks/plan.yml", variables)
        found: dict[str, set[str]] = {}
        for row in json.loads((self.folder / "plan/plan.json").read_text())["resources"]:
            found.setdefault(row["action"], set()).add(f"{row['kind']} {row['name']}")
        return found

    def _run(self, playbook: str, variables: dict[str, Any]) -> None:
        file = self.folder / "data.json"
        file.write_text(json.dumps(self.data | variables))
        command = (tool("ansible-playbook"), playbook, "-i", "inventories/staging/groups.yml", "-e", f"@{file}")
        status, output = Controller({"DIGITALOCEAN_TOKEN": self.cloud.token}).run(*command)
        assert status == 0, output

    def get(self, path: str) -> dict[str, Any]:
        answer = requests.get(
            f"{self.cloud.endpoint}/v2/{path}",
            headers={"Authorization": f"Bearer {self.cloud.token}"},
            verify=str(self.cloud.ca_file),
            timeout=10,
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def named(self, kind: str, path: str = "") -> dict[str, dict[str, Any]]:
        return {each["name"]: each for each in self.get(path or kind)[kind]}

    def all(self) -> dict[str, dict[str, dict[str, Any]]]:
        return {kind: self.named(kind) for kind in KINDS}

    def records(self) -> dict[str, str]:
        records = self.named("domain_records", "domains/flowdose.xyz/records?per_page=200")
        return {name: record["data"] for name, record in records.items() if record["type"] == "A"}

    def sources(self) -> list[set[str]]:
        return [{rule["value"] for rule in cluster["rules"]} for cluster in self.named("databases").values()]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    folder = tmp_path
    (folder / "stack.yml").write_text(
        example_plan.STACK_PLAY.format(tasks=example_plan.ROOT / "playbooks/tasks/stack.yml")
    )
    with running_cloud(auto_advance=30) as cloud, example_plan.spaces() as endpoint:
        example_plan.Spaces.buckets = ("staging-flowdose-bucket",)
        data = {
            "flowdose_api_url": cloud.endpoint,
            "flowdose_ca_file": str(cloud.ca_file),
            "flowdose_files": str(folder),
            "flowdose_spaces_endpoint": endpoint,
            "flowdose_ssh_public_key": example_plan.PUBLIC_KEY,
            "vault_flowdose_master_key": MASTER_KEY,
            "vault_flowdose_spaces_access_key": "key",
            "vault_flowdose_spaces_secret_key": "secret",
        }
        yield Shop(cloud, data, folder)


def inbound(firewall: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Port -> who may come to it."""
    return {rule["ports"]: rule["sources"] for rule in firewall["inbound_rules"]}


def check_one_of_each(shop: Shop) -> None:
    found = shop.all()
    assert set(found["droplets"]) == {"backend-staging", "storefront-staging"}
    assert set(found["firewalls"]) == {"flowdose-staging"}
    assert inbound(found["firewalls"]["flowdose-staging"]) == {"22": WORLD, "80": WORLD, "443": WORLD}
    assert found["load_balancers"] == found["certificates"] == {}
    assert shop.sources() == [{"flowdose-staging-backend"}] * 2
    assert shop.plan().keys() == {"none"}


def check_several(shop: Shop, before: dict[str, dict[str, Any]]) -> None:
    found = shop.all()
    more = {"backend-staging-2", "storefront-staging-2", "worker-staging"}
    assert set(found["droplets"]) == before.keys() | more
    assert {name: found["droplets"][name]["id"] for name in before} == {name: before[name]["id"] for name in before}
    assert {"worker", "flowdose-staging-worker"} <= set(found["droplets"]["worker-staging"]["tags"])

    balancers = found["load_balancers"]
    assert {balancer["status"] for balancer in balancers.values()} == {"active"}
    for kind, hosts in {
        "backend": ["admin-staging.flowdose.xyz", "api-staging.flowdose.xyz"],
        "storefront": ["staging.flowdose.xyz"],
    }.items():
        balancer = balancers[f"flowdose-staging-{kind}"]
        behind = {droplet["name"] for droplet in found["droplets"].values() if droplet["id"] in balancer["droplet_ids"]}
        assert behind == {f"{kind}-staging", f"{kind}-staging-2"}
        assert balancer["vpc_uuid"] == found["droplets"][f"{kind}-staging"]["vpc_uuid"]
        (secure,) = [rule for rule in balancer["forwarding_rules"] if rule["entry_port"] == 443]
        (certificate,) = [each for each in found["certificates"].values() if each["id"] == secure["certificate_id"]]
        assert (certificate["type"], certificate["dns_names"]) == ("lets_encrypt", hosts)
        assert balancer["redirect_http_to_https"]
        assert {record: address for record, address in shop.records().items() if f"{record}.flowdose.xyz" in hosts} == {
            host.removesuffix(".flowdose.xyz"): balancer["ip"] for host in hosts
        }

    ids = {balancer["id"] for balancer in balancers.values()}
    doors = inbound(found["firewalls"]["flowdose-staging"])
    assert doors.keys() == {"22", "80"}
    assert set(doors["80"].pop("load_balancer_uids")) == ids
    assert doors["80"] == {}
    assert inbound(found["firewalls"]["flowdose-staging-worker"]) == {"22": WORLD}
    assert found["firewalls"]["flowdose-staging-worker"]["tags"] == ["flowdose-staging-worker"]
    assert shop.sources() == [{"flowdose-staging-backend", "flowdose-staging-worker"}] * 2
    members = {f"do:loadbalancer:{id}" for id in ids}
    project = shop.named("projects")["FlowDose staging"]["id"]
    assert members <= {each["urn"] for each in shop.get(f"projects/{project}/resources?per_page=200")["resources"]}


def check_order(shop: Shop) -> None:
    """The droplets' own doors close, and the names are led elsewhere, when the load balancers have been made."""
    done = [f"{entry['method']} {re.sub('/[0-9a-f-]{30,}', '', entry['path'])}" for entry in shop.cloud.requests]
    made = max(index for index, call in enumerate(done) if call == "POST /v2/load_balancers")
    assert min(index for index, call in enumerate(done) if call == "PUT /v2/firewalls") > made
    assert min(index for index, call in enumerate(done) if call.startswith("PUT /v2/domains/")) > made


def check_one_kind_alone(shop: Shop) -> None:
    """The storefront stays open to the world, beside backends that are closed to it."""
    found = shop.all()
    assert set(found["load_balancers"]) == {"flowdose-staging-backend"}
    direct = found["firewalls"]["flowdose-staging-direct"]
    assert direct["tags"] == ["flowdose-staging-storefront"]
    assert inbound(direct) == {"80": WORLD, "443": WORLD}
    assert inbound(found["firewalls"]["flowdose-staging"]).keys() == {"22", "80"}
    networks = found["droplets"]["storefront-staging"]["networks"]["v4"]
    assert [shop.records()["staging"]] == [each["ip_address"] for each in networks if each["type"] == "public"]


def test_counts_are_all_it_takes(shop: Shop) -> None:
    shop.play()
    check_one_of_each(shop)
    before = shop.named("droplets")

    shop.cloud.requests.clear()
    shop.play(**SCALED)
    check_order(shop)
    check_several(shop, before)
    assert shop.plan(**SCALED).keys() == {"none"}

    shop.play(**SCALED | {"flowdose_storefront_count": 1})
    check_one_kind_alone(shop)

    # A load balancer may stay before a single droplet.
    left = {"droplet backend-staging-2", "droplet storefront-staging-2"}
    planned = shop.plan(flowdose_backend_balanced=True, flowdose_worker_count=1)
    assert planned.keys() == {"none", "unmanaged"}
    assert planned["unmanaged"] == left

    (certificate,) = shop.named("certificates")
    planned = shop.plan()
    assert planned["delete"] == {
        *("load_balancer flowdose-staging-backend", f"certificate {certificate}"),
        *("firewall flowdose-staging-direct", "firewall flowdose-staging-worker"),
    }
    assert planned["unmanaged"] == left | {"droplet worker-staging"}
    shop.play(flowdose_prune=True)
    check_one_of_each(shop)
