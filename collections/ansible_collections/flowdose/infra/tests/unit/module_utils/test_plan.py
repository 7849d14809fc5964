# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as something to read, to keep and to approve."""

from __future__ import annotations

import copy
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.applied import Applied
from ansible_collections.flowdose.infra.plugins.module_utils.client import CloudError
from ansible_collections.flowdose.infra.plugins.module_utils.plan import Plan
from ansible_collections.flowdose.infra.plugins.module_utils.resource import PlanEntry
from ansible_collections.flowdose.infra.plugins.module_utils.resources.droplet import Droplet
from ansible_collections.flowdose.infra.plugins.module_utils.stack import Stack

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGfQ2Cz1Hf1mZpZ1m8q0b8m9w5u8WmYkq5Qh1f5m3e5L"
SECRET = "canary-4f1c77"
Data = dict[str, Any]
DATA: Data = {
    "ssh_keys": [{"name": "key", "public_key": KEY}],
    "vpcs": [{"name": "net", "region": "fra1", "ip_range": "10.20.0.0/20"}],
    "droplets": [
        {
            "name": "backend",
            "region": "fra1",
            "size": "s-2vcpu-4gb",
            "image": "debian-13-x64",
            "vpc": "net",
            "ssh_keys": ["key"],
            "tags": ["backend", "web"],
            "user_data": f"#!/bin/sh\necho {SECRET}",
        }
    ],
    "firewalls": [
        {
            "name": "wall",
            "tags": ["web"],
            "inbound_rules": [
                {"ports": "80", "addresses": ["0.0.0.0/0", "::/0"]},
                {"ports": "443", "addresses": ["0.0.0.0/0", "::/0"]},
            ],
        }
    ],
    "domains": [{"name": "example.test"}],
    "domain_records": [{"domain": "example.test", "type": "A", "name": "api", "droplet": "backend", "ttl": 300}],
}


@pytest.fixture
def planned(account: Any, tmp_path: Path) -> Callable[..., tuple[Stack, Plan]]:
    """Plan DATA, with changes; `change` edits a copy of it."""

    def run(change: Callable[[Data], Any] = lambda data: None, **options: Any) -> tuple[Stack, Plan]:
        data = copy.deepcopy(DATA)
        change(data)
        client = options.pop("client", account.client)
        cloud = account.cloud()
        cloud._make_client = client
        options = {"applied_file": str(tmp_path / "applied.json"), **options}
        stack = Stack(cloud, "test", {**data, **options})
        stack.check()
        stack.plan()
        return stack, stack.document()

    return run


@pytest.fixture
def applied(planned: Any, account: Any) -> Any:
    """The environment as declared, by an earlier run."""
    stack, _plan = planned()
    stack.apply()
    account.server.clock.advance(120)
    return planned


def rows(plan: Plan) -> dict[str, dict[str, Any]]:
    return {f"{row['kind']} {row['name']}": row for row in plan.as_dict()["resources"]}


def resize(data: Data) -> None:
    data["droplets"][0]["size"] = "s-4vcpu-8gb"


class TestWhy:
    def test_what_was_never_made_is_new(self, planned: Any) -> None:
        _stack, plan = planned()
        assert {row["why"] for row in rows(plan).values()} == {"new"}

    def test_changed_data_and_drift_are_told_apart_by_key(self, applied: Any, account: Any) -> None:
        droplet = account.client().list_all("list", "droplets.list", "droplets")[0]
        body = {"resources": [{"resource_id": str(droplet["id"]), "resource_type": "droplet"}]}
        account.client().call("untag", "tags.unassign_resources", "web", body=body)
        _stack, plan = applied(resize)
        row = rows(plan)["droplet backend"]
        assert row["why"] == "configuration changed, drift"
        assert {change["key"]: change["why"] for change in row["changes"]} == {
            "size": "configuration changed",
            "tags": "drift",
        }
        text = plan.as_text(100)
        assert "    size: s-2vcpu-4gb -> s-4vcpu-8gb (configuration changed)\n" in text
        assert "    tags: + web (drift)\n" in text

    def test_what_somebody_deleted_is_drift(self, applied: Any, account: Any) -> None:
        record = account.client().list_all("list", "domains.list_records", "domain_records", "example.test")[-1]
        account.client().call("delete", "domains.delete_record", "example.test", record["id"])
        _stack, plan = applied()
        assert rows(plan)["domain_record api.example.test A"]["why"] == "drift"

    def test_a_record_follows_its_droplet(self, applied: Any, account: Any) -> None:
        """Its data is declared by the name of a droplet: another address is drift, another droplet is not."""
        record = account.client().list_all("list", "domains.list_records", "domain_records", "example.test")[-1]
        body = {"type": "A", "data": "192.0.2.7"}
        account.client().call("update", "domains.update_record", "example.test", record["id"], body=body)
        assert rows(applied()[1])["domain_record api.example.test A"]["why"] == "drift"

        def elsewhere(data: Data) -> None:
            del data["domain_records"][0]["droplet"]
            data["domain_records"][0]["data"] = "192.0.2.8"

        assert rows(applied(elsewhere)[1])["domain_record api.example.test A"]["why"] == "configuration changed"

    def test_without_the_file_it_is_not_known(self, applied: Any) -> None:
        _stack, plan = applied(resize, applied_file=None)
        assert rows(plan)["droplet backend"]["why"] == "not known"

    def test_the_file_holds_no_value_and_is_the_owners(self, applied: Any, tmp_path: Path) -> None:
        file = tmp_path / "applied.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        text = file.read_text()
        assert not any(value in text for value in (SECRET, "s-2vcpu-4gb", "fra1", KEY))
        assert "user_data" in json.loads(text)["resources"]["droplet:backend"]

    def test_a_secret_is_not_even_digested(self, account: Any, tmp_path: Path) -> None:
        """Who steals the file has its key too, and could guess a weak secret."""
        path = str(tmp_path / "applied.json")
        digests = []
        for secret in (SECRET, "another"):
            applied = Applied(path)
            resource = account.resource(Droplet, name="one", user_data=secret)
            applied.save([resource], [resource])
            digests.append(json.loads(Path(path).read_text())["resources"])
        assert digests[0] == digests[1]

    def test_a_secret_within_a_value(self, account: Any, tmp_path: Path) -> None:
        """That it differs is said, not what it is, nor whose doing it was."""

        def plan(secret: str) -> tuple[Stack, Plan]:
            receivers = {"slack": [{"channel": "#ops", "url": f"https://hooks.slack.com/services/{secret}"}]}
            policy = {"name": "load", "type": "v1/insights/droplet/load_1", "value": 4, "alerts": receivers}
            options = {"applied_file": str(tmp_path / "applied.json")}
            stack = Stack(account.cloud(), "test", {"alert_policies": [policy], **options})
            stack.check()
            stack.plan()
            return stack, stack.document()

        stack, _plan = plan(SECRET)
        stack.apply()
        _stack, same = plan(SECRET)
        assert rows(same)["alert_policy load"]["action"] == "none"
        _stack, other = plan("another")
        assert rows(other)["alert_policy load"]["why"] == "not known"
        assert "    alerts: a secret in it differs\n" in other.as_text(100)
        assert other.hash != same.hash
        assert not any(secret in other.as_json() + other.as_text(100) for secret in (SECRET, "another"))

    def test_a_failure_keeps_what_was_declared_before(self, applied: Any, account: Any) -> None:
        account.server.fault("POST /v2/droplets/*/actions", status=422, count=100)
        stack, _plan = applied(resize)
        with pytest.raises(CloudError):
            stack.apply()
        account.server.clear_faults()
        assert rows(applied(resize)[1])["droplet backend"]["why"] == "configuration changed"

    def test_a_file_that_cannot_be_written_is_said_and_no_failure(self, planned: Any, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        data = {"droplets": [], "domain_records": []}
        stack, _plan = planned(lambda given: given.update(data), applied_file=f"{tmp_path}/file/in")
        said: list[str] = []
        stack.apply(said.append)
        assert any("file/in cannot be written: " in line for line in said)

    def test_a_file_that_cannot_be_read_is_an_error(self, planned: Any, account: Any, tmp_path: Path) -> None:
        (tmp_path / "applied.json").write_text("{")
        with pytest.raises(CloudError, match=r"(?s)applied_file .*applied.json cannot be read.*Delete it"):
            planned()
        assert account.asked() == []


class TestCosts:
    def test_of_what_is_made(self, planned: Any) -> None:
        def backups(data: Data) -> None:
            data["droplets"].append({**data["droplets"][0], "name": "other", "size": "s-1vcpu-1gb", "backups": True})
            data["database_clusters"] = [
                {"name": "postgres", "engine": "pg", "size": "db-s-1vcpu-1gb", "region": "fra1"}
            ]

        _stack, plan = planned(backups)
        assert rows(plan)["droplet backend"]["monthly_cost"] == {
            "before": None,
            "after": {"known": 24.0, "unknown": []},
        }
        assert plan.as_dict()["monthly_cost"] == {
            "before": {"known": 0.0, "unknown": []},
            "after": {"known": 30.0, "unknown": ["backups of droplet other", "database cluster postgres"]},
        }
        said = " ".join(plan.as_text(100).split())
        assert "Monthly cost of all of it in USD: 0.00 before, 30.00 + ? after." in said
        assert "Without a price in the API: backups of droplet other, database cluster postgres." in said

    def test_of_a_resize_and_a_deletion(self, applied: Any) -> None:
        def change(data: Data) -> None:
            resize(data)
            data["domain_records"] = [{"domain": "example.test", "type": "A", "name": "api", "state": "absent"}]

        _stack, plan = applied(change)
        money = {name: row["monthly_cost"] for name, row in rows(plan).items()}
        assert money["droplet backend"]["before"] == {"known": 24.0, "unknown": []}
        assert money["droplet backend"]["after"] == {"known": 48.0, "unknown": []}
        assert money["domain_record api.example.test A"]["after"] is None
        assert "~ update droplet backend" in plan.as_text(100)
        assert "power-off, ~2 min   24.00  48.00" in plan.as_text(100)

    def test_sizes_that_may_not_be_read_are_unknown(self, applied: Any, account: Any) -> None:
        account.server.fault("GET /v2/sizes", status=403, count=99)
        _stack, plan = applied()
        assert plan.as_dict()["monthly_cost"]["after"] == {"known": 0.0, "unknown": ["droplet backend"]}


CHANGES_OF_DATA: dict[str, Callable[[Data], Any]] = {
    "a size": resize,
    "a tag more": lambda data: data["droplets"][0]["tags"].append("new"),
    "a key that is given": lambda data: data["vpcs"][0].update(description="mine"),
    "a rule less": lambda data: data["firewalls"][0]["inbound_rules"].pop(),
    "a ttl": lambda data: data["domain_records"][0].update(ttl=600),
    "one resource less": lambda data: data["domain_records"].pop(),
    "one that shall go": lambda data: data["domain_records"][0].update(state="absent"),
    "prune": lambda data: data.update(prune=True),
}
OTHER_ORDERS: dict[str, Callable[[Data], Any]] = {
    "tags": lambda data: data["droplets"][0]["tags"].reverse(),
    "rules": lambda data: data["firewalls"][0]["inbound_rules"].reverse(),
    "addresses": lambda data: data["firewalls"][0]["inbound_rules"][0]["addresses"].reverse(),
    "lists": lambda data: data.update(reversed(list(data.items()))),
}


def untag(account: Any) -> None:
    droplet = account.client().list_all("list", "droplets.list", "droplets")[0]
    body = {"resources": [{"resource_id": str(droplet["id"]), "resource_type": "droplet"}]}
    account.client().call("untag", "tags.unassign_resources", "web", body=body)


def enable_ipv6(account: Any) -> None:
    droplet = account.client().list_all("list", "droplets.list", "droplets")[0]
    account.client().call("enable", "droplet_actions.post", droplet["id"], body={"type": "enable_ipv6"})
    account.server.clock.advance(120)


def open_a_port(account: Any) -> None:
    wall = account.client().list_all("list", "firewalls.list", "firewalls")[0]
    rule = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"]}}
    account.client().call("open", "firewalls.add_rules", wall["id"], body={"inbound_rules": [rule]})


def add_a_stray(account: Any) -> None:
    body = {
        "name": "stray",
        "region": "fra1",
        "size": "s-1vcpu-1gb",
        "image": "debian-13-x64",
        "tags": ["flowdose-test"],
    }
    account.client().call("create", "droplets.create", body=body)


def replace_a_record(account: Any) -> None:
    """By one that looks the same: another resource all the same."""
    record = account.client().list_all("list", "domains.list_records", "domain_records", "example.test")[-1]
    account.client().call("delete", "domains.delete_record", "example.test", record["id"])
    body = {key: record[key] for key in ("type", "name", "data", "ttl")}
    account.client().call("create", "domains.create_record", "example.test", body=body)


class TestHash:
    @pytest.mark.parametrize("change", CHANGES_OF_DATA.values(), ids=CHANGES_OF_DATA)
    def test_other_data_other_hash(self, applied: Any, change: Any) -> None:
        assert applied(change)[1].hash != applied()[1].hash

    @pytest.mark.parametrize("drift", [untag, enable_ipv6, open_a_port, add_a_stray, replace_a_record])
    def test_another_world_another_hash(self, applied: Any, account: Any, drift: Any) -> None:
        before = applied()[1].hash
        drift(account)
        assert applied()[1].hash != before

    @pytest.mark.parametrize("change", OTHER_ORDERS.values(), ids=OTHER_ORDERS)
    def test_order_does_not_matter(self, applied: Any, change: Any) -> None:
        assert applied(change)[1].hash == applied()[1].hash

    def test_the_same_for_everybody(self, applied: Any, account: Any, tmp_path: Path) -> None:
        """Another controller that can only read, later; on the way a plan of it was kept and came back."""
        _stack, plan = applied(resize)
        account.server.clock.advance(86_400)

        def reader() -> Any:
            return account.client(token=account.server.read_only_token)

        _stack, other = applied(resize, client=reader, applied_file=str(tmp_path / "other.json"))
        assert other.hash == plan.hash
        assert json.loads(other.as_json())["hash"] == plan.hash

    def test_while_it_is_being_made(self, planned: Any, account: Any) -> None:
        """States and addresses that come with time are not part of it."""
        body = {key: DATA["droplets"][0][key] for key in ("name", "region", "size", "image", "tags")}
        planned(lambda data: data.update(droplets=[], domain_records=[]))[0].apply()
        account.client().call("create", "droplets.create", body=body)

        def small(data: dict[str, Any]) -> None:
            data["droplets"][0].pop("vpc")
            data.update(domain_records=[])

        young = planned(small)[1].hash
        account.server.clock.advance(600)
        assert planned(small)[1].hash == young

    def test_a_secret_changes_nothing(self, planned: Any) -> None:
        """It would have to be in the hash, where it could be guessed."""
        other = planned(lambda data: data["droplets"][0].update(user_data="another"))[1]
        assert other.hash == planned()[1].hash


class TestApproval:
    def test_the_plan_that_was_approved(self, planned: Any, tmp_path: Path) -> None:
        _stack, plan = planned()
        plan.require(plan.hash, str(tmp_path), 100)

    def test_only_the_difference_is_told(self, applied: Any, account: Any, tmp_path: Path) -> None:
        _stack, approved = applied()
        approved.save(str(tmp_path / "plan"))
        untag(account)
        add_a_stray(account)
        _stack, plan = applied(lambda data: (resize(data), data.update(domain_records=[])))
        with pytest.raises(CloudError) as caught:
            plan.require(approved.hash, str(tmp_path / "plan"), 100)
        message = str(caught.value)
        assert f"the plan is not the one that was approved ({approved.hash}), its hash is {plan.hash}" in message
        differences = [line for line in message.splitlines() if line.startswith("- ")]
        assert differences == [
            "- droplet backend: tags is backend,flowdose-test, was backend,flowdose-test,web",
            "- droplet backend: size is declared as s-4vcpu-8gb, was s-2vcpu-4gb",
            "- droplet backend: action is update, was none",
            "- domain record api.example.test A is no longer part of the plan",
            "- droplet stray is new in the plan (unmanaged)",
        ]
        assert "VPC" not in message

    def test_what_came_to_be_and_what_went(self, planned: Any, account: Any, tmp_path: Path) -> None:
        _stack, approved = planned()
        approved.save(str(tmp_path))
        account.client().call("create", "domains.create", body={"name": "example.test"})
        with pytest.raises(CloudError, match=r"- domain example.test: exists by now\n"):
            planned()[1].require(approved.hash, str(tmp_path), 100)

    @pytest.mark.parametrize("kept", ["nothing", "another plan", "no JSON"])
    def test_without_the_approved_plan_the_present_one_is_shown(self, planned: Any, tmp_path: Path, kept: str) -> None:
        if kept == "another plan":
            planned(resize)[1].save(str(tmp_path / "plan"))
        elif kept == "no JSON":
            (tmp_path / "plan").mkdir()
            (tmp_path / "plan/plan.json").write_text("{")
        with pytest.raises(
            CloudError, match=r"(?s)was approved \(0123\).*The plan is now:\nPlan for test: 6 to create"
        ):
            planned()[1].require("0123", str(tmp_path / "plan"), 100)


class TestForms:
    def test_the_table_fits(self, applied: Any, account: Any) -> None:
        add_a_stray(account)
        long = "a-name-that-nobody-would-choose." * 4 + "example.test"
        record = {"domain": "example.test", "type": "TXT", "name": long, "data": "x" * 300}
        _stack, plan = applied(lambda data: (resize(data), data["domain_records"].append(record)))
        for columns, width in ((80, 100), (100, 100), (200, 160)):
            assert max(len(line) for line in plan.as_text(columns).splitlines()) <= width
        first, head, *lines = plan.as_text(100).splitlines()
        assert first == "Plan for test: 1 to create, 1 to update, 0 to delete, 5 unchanged, 1 unmanaged"
        assert head.split() == ["why", "impact", "before", "after"]
        assert any(line.startswith("? unmanaged droplet stray") and "left alone" in line for line in lines)

    def test_long_reasons_are_cut_in_the_table_only(self) -> None:
        entry = PlanEntry("droplet", "stray", "unmanaged", why="has the tag flowdose-production too, " * 3)
        plan = Plan.of("test", {}, [], [entry], Applied(None), {})
        assert max(len(line) for line in plan.as_text(100).splitlines()) <= 100
        assert "has the tag" in plan.as_text(100)
        assert plan.as_markdown().count("flowdose-production") == 3

    def test_no_secret_in_any_form(self, planned: Any, tmp_path: Path) -> None:
        stack, plan = planned()
        plan.save(str(tmp_path / "plan"))
        files = {file.name: file.read_text() for file in (tmp_path / "plan").iterdir()}
        assert files.keys() == {"plan.json", "plan.md", "topology.mmd", "topology.svg"}
        shown = [*files.values(), plan.as_text(100), str([entry.as_dict() for entry in stack.entries])]
        assert not any(SECRET in text for text in shown)
        assert rows(plan)["droplet backend"]["desired"]["user_data"] == "VALUE_HIDDEN"

    def test_json_is_the_same_each_time(self, planned: Any) -> None:
        assert planned()[1].as_json() == planned()[1].as_json()

    def test_markdown_keeps_its_table(self, account: Any) -> None:
        entry = PlanEntry("droplet", "a|b`<script>`\n*c*", "unmanaged")
        plan = Plan.of("test", {}, [], [entry], Applied(None), {})
        (line,) = [line for line in plan.as_markdown().splitlines() if line.startswith("| unmanaged")]
        assert line.startswith("| unmanaged | droplet **a\\|b\\`\\<script\\>\\`\N{REPLACEMENT CHARACTER}\\*c\\***<br>")
        assert line.replace("\\|", "").count("|") == 7

    def test_pictures_are_well_formed_whatever_the_names(self, account: Any) -> None:
        names = ["<b>\"&'", "end", "a]b[c", "\x00\x1b", "ü" * 200, "graph TD; x-->y"]
        entries = [PlanEntry("droplet", name, "unmanaged") for name in names]
        plan = Plan.of("test", {}, [], entries, Applied(None), {})
        svg_text = plan.as_svg()
        svg = ElementTree.fromstring(svg_text)  # noqa: S314, our own text
        texts = {"".join(element.itertext()) for element in svg.iter("{http://www.w3.org/2000/svg}text")}
        assert "? <b>\"&'" in texts
        mermaid = plan.as_mermaid()
        assert all(line.count('"') in (0, 2) for line in mermaid.splitlines())
        assert "graph TD;" not in mermaid
        assert "\x1b" not in svg_text + mermaid + plan.as_text(100) + plan.as_markdown()

    def test_the_picture_shows_how_a_request_goes(self, applied: Any) -> None:
        def change(data: Data) -> None:
            resize(data)
            source = {"type": "tag", "value": "web"}
            data["database_clusters"] = [
                {
                    "name": "postgres",
                    "engine": "pg",
                    "size": "db-s-1vcpu-1gb",
                    "region": "fra1",
                    "vpc": "net",
                    "trusted_sources": [source],
                }
            ]

        mermaid = applied(change)[1].as_mermaid()
        ids = {
            line.split('"')[1].partition("<br>")[0]: line.split("[")[0].strip().removeprefix("subgraph ")
            for line in mermaid.splitlines()
            if '["' in line
        }
        arrows = {tuple(line.strip().split(" --> ")) for line in mermaid.splitlines() if " --> " in line}
        assert arrows == {
            ("internet", ids["DNS example.test"]),
            (ids["api"], ids["~ backend"]),
            (ids["~ backend"], ids["+ postgres"]),
        }
        assert "firewall wall" in ids
        assert ">in: tcp 80, 443</text>" in applied(change)[1].as_svg()
        svg = ElementTree.fromstring(applied(change)[1].as_svg())  # noqa: S314
        styles = [element.get("class") for element in svg.iter() if element.tag.endswith("rect")]
        assert styles.count("update") == 2  # the droplet, and its colour in the legend
        assert styles.count("create") == 2
        assert len([element for element in svg.iter() if element.get("class") == "edge"]) == 3
