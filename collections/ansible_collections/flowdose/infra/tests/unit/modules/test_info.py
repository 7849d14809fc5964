# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking things up: what the info modules find, and that their documentation says what they return."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.flowdose.infra.plugins.module_utils.info import select
from ansible_collections.flowdose.infra.plugins.module_utils.resources.droplet import Droplet

COLLECTION = Path(__file__).parents[3]
MODULES = "ansible_collections.flowdose.infra.plugins.modules"
# database_cluster_info reads more than the list, and is tested with the other modules
GENERIC = sorted(
    file.stem for file in (COLLECTION / "plugins" / "modules").glob("*_info.py") if "run_info(" in file.read_text()
)
DROPLET = {"name": "one", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}


def test_by_name_and_tag(run_module: Any) -> None:
    run_module("droplet", **DROPLET, tags=["Backend"])
    run_module("droplet", **DROPLET | {"name": "two"})
    assert [found["name"] for found in run_module("droplet_info")["droplets"]] == ["one", "two"]
    assert [found["name"] for found in run_module("droplet_info", name="two")["droplets"]] == ["two"]
    assert [found["name"] for found in run_module("droplet_info", tag="backend")["droplets"]] == ["one"]
    assert run_module("droplet_info", name="two", tag="backend")["droplets"] == []
    created = run_module("droplet", **DROPLET)["droplet"]
    assert run_module("droplet_info", name="one")["droplets"] == [created], "one shape, here and from the module"


def test_all_pages(run_module: Any, account: Any) -> None:
    run_module("domain", name="example.test")
    client = account.client()
    for number in range(205):
        body = {"type": "A", "name": f"host-{number}", "data": "203.0.113.1"}
        client.call("create a record", "domains.create_record", "example.test", body=body)
    found = run_module("domain_record_info", domain="example.test")["domain_records"]
    assert {f"host-{number}" for number in range(205)} <= {record["name"] for record in found}


def test_records_of_a_zone(run_module: Any) -> None:
    run_module("domain", name="example.test")
    run_module("domain_record", domain="example.test", type="A", name="www", data="203.0.113.1")
    (record,) = run_module("domain_record_info", domain="example.test", name="www")["domain_records"]
    assert (record["type"], record["data"]) == ("A", "203.0.113.1")
    assert {r["type"] for r in run_module("domain_record_info", domain="example.test", name="@")["domain_records"]} == {
        "NS",
        "SOA",
    }
    assert run_module("domain_record_info", domain="other.test")["domain_records"] == []
    assert "missing required arguments: domain" in run_module("domain_record_info")["msg"]


def test_what_is_offered(run_module: Any) -> None:
    (size,) = run_module("size_info", slug="s-1vcpu-2gb")["sizes"]
    assert (size["memory"], size["price_monthly"]) == (2048, 12.0)
    assert "fra1" in [region["slug"] for region in run_module("region_info")["regions"]]
    (image,) = run_module("image_info", slug="debian-13-x64")["images"]
    assert image["distribution"] == "Debian"


def test_secrets_are_not_listed(run_module: Any, account: Any) -> None:
    hook = "https://hooks.slack.test/not-for-everybody"
    receivers = {"slack": [{"channel": "#ops", "url": hook}]}
    run_module("alert_policy", name="CPU", type="v1/insights/droplet/cpu", value=80, alerts=receivers)
    (policy,) = run_module("alert_policy_info", name="CPU")["alert_policies"]
    assert policy["alerts"]["slack"] == [{"channel": "#ops", "url": "VALUE_HIDDEN"}]
    body = {"name": "shop", "grants": [{"bucket": "", "permission": "fullaccess"}]}
    made = account.client().call("make a key", "spaces_key.create", body=body)["key"]
    (key,) = run_module("spaces_key_info", name="shop")["spaces_keys"]
    assert key["access_key"] == made["access_key"]
    assert made["secret_key"] not in str(key)


def test_a_failure(run_module: Any, account: Any) -> None:
    account.server.fault("GET /v2/vpcs", status=403, count=9)
    failed = run_module("vpc_info")
    assert failed["failed"]
    assert "Could not list the VPCs: HTTP 403" in failed["msg"]


@pytest.mark.parametrize("name", GENERIC)
def test_documented_is_what_is_there(name: str) -> None:
    """The facts that are documented are those that `flatten` makes, and the options those that are taken."""
    module = importlib.import_module(f"{MODULES}.{name}")
    source = (COLLECTION / "plugins" / "modules" / f"{name}.py").read_text()
    called = re.search(r"run_info\((\w+)", source)
    assert called
    kind = getattr(module, called[1])
    returned = yaml.safe_load(module.RETURN)
    assert list(returned) == [kind.plural]
    assert set(returned[kind.plural]["contains"]) == set(kind.flatten({}))
    groups = yaml.safe_load((COLLECTION / "meta" / "runtime.yml").read_text())["action_groups"]
    assert name in groups["all"]


@pytest.mark.parametrize("name", GENERIC)
def test_only_documented_options(name: str, run_module: Any) -> None:
    documented = yaml.safe_load(importlib.import_module(f"{MODULES}.{name}").DOCUMENTATION)["options"]
    needed = {option: "x" for option, about in documented.items() if about.get("required")}
    refused = run_module(name, nonsense=True, **needed)["msg"]
    supported = re.search(r"Supported parameters include: (.*)\.", refused)
    assert supported, refused
    assert {*documented, "api_url", "ca_file", "token"} == set(re.findall(r"\w+", supported[1]))


def test_tags_that_differ_in_case_only_are_the_same() -> None:
    facts = Droplet.flatten({"name": "one", "tags": ["Web"]})
    assert select([facts], "name", None, "web") == [facts]
    assert select([facts], "name", None, "db") == []
