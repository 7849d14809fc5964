# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole environment at once, against the API."""

from __future__ import annotations

import collections
import copy
import time
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import CloudError
from ansible_collections.flowdose.infra.plugins.module_utils.resources.droplet import Droplet
from ansible_collections.flowdose.infra.plugins.module_utils.resources.firewall import Firewall
from ansible_collections.flowdose.infra.plugins.module_utils.resources.vpc import Vpc
from ansible_collections.flowdose.infra.plugins.module_utils.stack import Stack, StackError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGfQ2Cz1Hf1mZpZ1m8q0b8m9w5u8WmYkq5Qh1f5m3e5L"
PLACE = {"region": "fra1", "vpc": "net"}
DROPLET = {**PLACE, "size": "s-2vcpu-4gb", "image": "debian-13-x64", "ssh_keys": ["key"]}
DATABASE = {**PLACE, "size": "db-s-1vcpu-1gb", "trusted_sources": [{"type": "tag", "value": "test-backend"}]}
ENVIRONMENT: dict[str, list[dict[str, Any]]] = {
    "ssh_keys": [{"name": "key", "public_key": KEY}],
    "vpcs": [{"name": "net", "region": "fra1", "ip_range": "10.20.0.0/20"}],
    "droplets": [
        {"name": "backend", **DROPLET, "tags": ["backend", "test-backend"]},
        {"name": "storefront", **DROPLET, "tags": ["storefront"]},
    ],
    "firewalls": [
        {"name": "web", "tags": ["test-backend"], "inbound_rules": [{"ports": "443", "addresses": ["0.0.0.0/0"]}]},
    ],
    "database_clusters": [
        {"name": "postgres", "engine": "pg", "version": "15", **DATABASE, "databases": ["shop"], "users": ["medusa"]},
        {"name": "valkey", "engine": "redis", **DATABASE, "eviction_policy": "noeviction"},
    ],
    "domains": [{"name": "example.test"}],
    "domain_records": [
        {"domain": "example.test", "type": "A", "name": "api", "droplet": "backend"},
        {"domain": "example.test", "type": "A", "name": "@", "droplet": "storefront"},
    ],
    "projects": [
        {"name": "shop", "purpose": "Web Application", "resources": ["droplet:backend", "database_cluster:postgres"]}
    ],
}
LONGEST_CHAIN = 300  # seconds: PostgreSQL, then its database and user


def stack(account: Any, **changes: Any) -> Stack:
    return Stack(account.cloud(), "test", {**copy.deepcopy(ENVIRONMENT), **copy.deepcopy(changes)})


def run(account: Any, say: Any = lambda line: None, **changes: Any) -> Stack:
    made = stack(account, **changes)
    made.check()
    made.plan()
    made.apply(say)
    return made


def actions(made: Stack) -> dict[str, int]:
    return dict(collections.Counter(entry.action for entry in made.entries))


def refusal(account: Any, **changes: Any) -> str:
    """What is said to data that cannot be; nothing may have been written."""
    with pytest.raises(CloudError) as caught:
        run(account, **changes)
    assert account.written() == []
    return str(caught.value)


def test_a_fresh_environment_takes_as_long_as_its_longest_chain(unhurried: Any) -> None:
    unhurried.speed = 15.0  # slower, so that the time our own work takes beside other tests counts less
    start = unhurried.server.clock.now()
    lines: list[str] = []
    made = run(unhurried, lines.append)
    # One after the other it would be more than twice that; tests/bench measures it, with nothing beside it.
    assert unhurried.server.clock.now() - start <= 1.1 * LONGEST_CHAIN
    assert actions(made) == {"create": 11}
    assert "created: database cluster postgres" in "\n".join(lines)
    assert any("waiting for:" in line and "postgres  creating, " in line for line in lines)
    assert any("typically 5 min" in line for line in lines)
    assert len(lines) < 40, "not a flood"

    before, start = len(unhurried.server.requests), time.monotonic()
    again = run(unhurried)
    assert time.monotonic() - start < 1
    assert actions(again) == {"none": 11}
    assert again.results(False) == made.results(False), "one shape, created or found"
    asked = unhurried.asked(before)
    assert unhurried.written(before) == []
    assert max(collections.Counter(asked).values()) == 1, f"nothing is asked twice: {asked}"
    shown = str(made.results(False)) + str([entry.as_dict() for entry in made.entries]) + "\n".join(lines)
    passwords = [user["password"] for cluster in databases(unhurried) for user in cluster["users"]]
    assert passwords
    assert not any(password in shown for password in passwords)


def databases(account: Any) -> list[dict[str, Any]]:
    return account.client().call("list", "databases.list_clusters")["databases"]


def test_a_plan_writes_nothing(account: Any) -> None:
    made = stack(account)
    made.check()
    assert {entry.action for entry in made.plan()} == {"create"}
    assert account.written() == []
    assert made.results(check_mode=True)["droplet"]["backend"]["size"] == "s-2vcpu-4gb"


def test_the_tag_of_the_environment(scaled: Any) -> None:
    small: dict[str, list[dict[str, Any]]] = {key: [] for key in ENVIRONMENT} | {
        "vpcs": ENVIRONMENT["vpcs"],
        "ssh_keys": ENVIRONMENT["ssh_keys"],
    }
    made = run(scaled, **small | {"droplets": ENVIRONMENT["droplets"]})
    assert made.results(False)["droplet"]["backend"]["tags"] == ["backend", "flowdose-test", "test-backend"]
    other = stack(scaled, **small)
    other.check()
    other.plan()
    unmanaged = [(entry.kind, entry.name) for entry in other.entries if entry.action == "unmanaged"]
    assert unmanaged == [("droplet", "backend"), ("droplet", "storefront")] or unmanaged == [
        ("droplet", "storefront"),
        ("droplet", "backend"),
    ]
    before = len(scaled.server.requests)
    other.apply()
    assert scaled.written(before) == []


def test_prune_deletes_what_is_not_declared_and_holds_no_data(scaled: Any) -> None:
    run(scaled)
    client = scaled.client()
    droplet = {"region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
    for name, tags in (("old", ["flowdose-test"]), ("shared", ["flowdose-test", "Flowdose-other"]), ("other", [])):
        client.call("make", "droplets.create", body={"name": name, **droplet, "tags": [*tags, "flowdose-test-backend"]})
    cluster = {"name": "old-pg", "engine": "pg", "num_nodes": 1, "size": "db-s-1vcpu-1gb", "region": "fra1"}
    client.call("make", "databases.create_cluster", body={**cluster, "tags": ["flowdose-test"]})
    client.call("make", "volumes.create", body={"name": "old", "region": "fra1", "size_gigabytes": 5, "tags": ["x"]})
    scaled.server.clock.advance(600)

    for prune, action in ((False, "unmanaged"), (True, "delete")):
        made = stack(scaled, prune=prune)
        made.check()
        made.plan()
        found = {f"{entry.kind}:{entry.name}": (entry.action, entry.why) for entry in made.entries}
        assert found["droplet:old"] == (action, "not declared" if prune else "")
        assert found["droplet:shared"] == ("unmanaged", "has the tag Flowdose-other too" if prune else "")
        assert found["database_cluster:old-pg"] == ("unmanaged", "holds data" if prune else "")
        assert not found.keys() & {"droplet:other", "volume:old"}
    before = len(scaled.server.requests)
    made.apply()
    ids = {facts["name"]: facts["id"] for facts in scaled.cloud().all(Droplet)}
    assert ids.keys() == {"backend", "storefront", "shared", "other"}
    (call,) = scaled.written(before)
    assert call.startswith("DELETE /v2/droplets/")


def test_what_is_pruned_goes_only_when_what_takes_its_place_is_there(scaled: Any) -> None:
    run(scaled)
    renamed = [{**droplet, "name": f"{droplet['name']}-2"} for droplet in ENVIRONMENT["droplets"]]
    records = [{**record, "droplet": f"{record['droplet']}-2"} for record in ENVIRONMENT["domain_records"]]
    changes = {"droplets": renamed, "domain_records": records, "projects": [], "prune": True}
    scaled.server.fault("PUT /v2/domains/*/records/*", status=422, message="no", count=10)
    with pytest.raises(StackError) as caught:
        run(scaled, **changes)
    assert "- droplet:backend: not tried, because what it needs failed" in str(caught.value)
    assert {facts["name"] for facts in scaled.cloud().all(Droplet)} >= {"backend", "storefront"}
    scaled.server.clear_faults()
    run(scaled, **changes)
    assert {facts["name"] for facts in scaled.cloud().all(Droplet)} == {"backend-2", "storefront-2"}


def test_many_droplets_share_the_looking(scaled: Any) -> None:
    """One list for all of them, else sixty would use up the rate limit by asking how they are."""
    scaled.speed = 20.0
    small: dict[str, list[dict[str, Any]]] = {key: [] for key in ENVIRONMENT}
    droplets = [
        {"name": f"web-{number}", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
        for number in range(60)
    ]
    start = scaled.server.clock.now()
    run(scaled, **small | {"droplets": droplets})
    assert scaled.server.clock.now() - start < 2 * 40
    asked = scaled.asked()
    assert len([call for call in asked if call.startswith("GET")]) < 100
    assert asked.count("POST /v2/droplets") == 60


def test_existing_resources_are_adopted_by_name(scaled: Any) -> None:
    body = {"name": "backend", "region": "fra1", "size": "s-2vcpu-4gb", "image": "debian-13-x64", "tags": ["mine"]}
    small: dict[str, list[dict[str, Any]]] = {key: [] for key in ENVIRONMENT}
    id = scaled.client().call("create", "droplets.create", body=body)["droplet"]["id"]
    declared = {"name": "backend", "region": "fra1", "size": "s-2vcpu-4gb", "image": "debian-13-x64"}
    made = run(scaled, **small | {"droplets": [declared]})
    facts = made.results(False)["droplet"]["backend"]
    assert (facts["id"], facts["tags"]) == (id, ["flowdose-test", "mine"])


def test_an_interrupted_run_is_finished_by_the_next(scaled: Any) -> None:
    """The first one ends while everything is still being made."""
    scaled.server.fault("GET /v2/d*/*", count=10_000, status=401)
    with pytest.raises(StackError):
        run(scaled)
    scaled.server.clear_faults()
    made = run(scaled)
    assert made.results(False)["database_cluster"]["postgres"]["databases"] == ["defaultdb", "shop"]
    assert made.results(False)["droplet"]["backend"]["status"] == "active"
    assert actions(run(scaled)) == {"none": 11}
    assert len(scaled.client().list_all("list", "droplets.list", "droplets")) == 2
    assert len(databases(scaled)) == 2


def test_the_longest_chain_begins_first(account: Any) -> None:
    """When there is more to begin than the API takes at once, nobody waits behind what is quick."""
    made = stack(account)
    made.check()
    made.plan()
    chains = {resource.name: seconds for resource, seconds in made._chains().items()}
    assert chains["net"] > chains["postgres"] > chains["valkey"] > chains["backend"] > chains["web"]
    assert chains["net"] > chains["key"], "which only droplets wait for"


def test_one_failure_does_not_stop_the_others(scaled: Any) -> None:
    scaled.server.fault("POST /v2/vpcs", status=422, message="no more VPCs", count=10)
    with pytest.raises(StackError) as caught:
        run(scaled)
    error = caught.value
    assert list(error.failures) == ["vpcs[0] (net)"]
    assert "Could not create VPC net: HTTP 422 unprocessable_entity: no more VPCs" in str(error)
    assert "droplets[0] (backend)" in error.skipped
    assert "- droplets[0] (backend): not tried, because what it needs failed" in str(error)
    (failure,) = error.as_result()["failures"]
    assert (failure["place"], failure["status"]) == ("vpcs[0] (net)", 422)
    assert failure["request_id"]
    written = scaled.written()
    assert "POST /v2/domains" in written
    assert "POST /v2/firewalls" in written
    assert "POST /v2/droplets" not in written


def test_a_mistake_of_ours_is_shown_when_the_others_have_finished(scaled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(resource: Any) -> Any:
        raise KeyError("firewall")

    monkeypatch.setattr(Firewall, "create", broken)
    with pytest.raises(KeyError):
        run(scaled)
    assert [cluster["status"] for cluster in databases(scaled)] == ["online", "online"]


@pytest.mark.parametrize(
    "fault",
    [
        {"call": "POST /v2/droplets", "status": 504, "effect": True, "count": 2},
        {"call": "POST /v2/databases", "reset": "after"},
        {"call": "POST /v2/domains/*/records", "status": 500, "effect": True},
        {"call": "GET /v2/*", "status": 502, "count": 15},
        {"call": "* /v2/*", "nth": 30, "status": 429, "retry_after": 10},
    ],
)
def test_a_bad_day_of_the_api(scaled: Any, fault: dict[str, Any]) -> None:
    scaled.server.fault(**fault)
    run(scaled)
    again = run(scaled)
    assert actions(again) == {"none": 11}
    assert len(scaled.client().list_all("list", "droplets.list", "droplets")) == 2
    assert len(databases(scaled)) == 2


def test_deleting_goes_the_other_way_round(scaled: Any) -> None:
    scaled.converge(Vpc, name="default", region="fra1", ip_range="10.99.0.0/20")
    run(scaled)
    absent = {
        key: [{**item, "state": "absent"} for item in items if key != "domains"] for key, items in ENVIRONMENT.items()
    }
    for cluster in absent["database_clusters"]:
        cluster["protected"] = False
    made = run(scaled, **absent)
    assert actions(made) == {"delete": 10}
    assert scaled.cloud().find(Vpc, "net") is None
    assert scaled.cloud().all(Droplet) == []


class TestRefusals:
    def test_an_environment_that_cannot_be_a_tag(self, account: Any) -> None:
        with pytest.raises(CloudError, match=r"environment 'my shop' cannot be part of a tag"):
            Stack(account.cloud(), "my shop", ENVIRONMENT).check()

    def test_deleting_what_is_protected(self, account: Any) -> None:
        domain = {"name": "example.test", "state": "absent"}
        cluster = {**ENVIRONMENT["database_clusters"][1], "state": "absent", "protected": True}
        message = refusal(account, domains=[domain], domain_records=[], database_clusters=[cluster], projects=[])
        assert "- domains[0] (example.test): domain example.test holds data and is protected" in message
        assert "- database_clusters[0] (valkey): " in message
        assert "set `protected: false` beside `state: absent`" in message
        assert account.asked() == [], "said without asking"

    @pytest.mark.parametrize(
        ("key", "change", "said"),
        [
            ("droplets", {"siize": "s-2vcpu-4gb"}, "unsupported key siize, did you mean size?"),
            ("droplets", {"colour": "red"}, "unsupported key colour, there are backup"),
            (
                "firewalls",
                {"inbound_rules": [{"ports": "22", "addresses": ["10.0.0.0/8"]}, {"prots": "22"}]},
                "unsupported key inbound_rules[1].prots, did you mean ports?",
            ),
            (
                "database_clusters",
                {"trusted_sources": [{"type": "tag", "values": "backend"}]},
                "unsupported key trusted_sources[0].values, did you mean value?; missing required arguments: value",
            ),
        ],
    )
    def test_unknown_keys(self, account: Any, key: str, change: dict[str, Any], said: str) -> None:
        items = copy.deepcopy(ENVIRONMENT[key])
        items[-1] |= change
        place = f"{key}[{len(items) - 1}] ({items[-1]['name']})"
        assert f"- {place}: {said}" in refusal(account, **{key: items})
        assert account.asked() == []

    def test_all_unknown_keys_at_once(self, account: Any) -> None:
        vpc = {**ENVIRONMENT["vpcs"][0], "regoin": "fra1", "describtion": "net"}
        message = refusal(account, vpcs=[vpc])
        assert "unsupported key regoin, did you mean region?; unsupported key describtion, did you mean" in message

    def test_what_waits_for_itself(self, account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """No reference of today's kinds can close a circle; one that could would not hang the run."""
        monkeypatch.setattr(Vpc, "dependencies", lambda resource: [(Droplet, "backend")])
        message = refusal(account)
        assert "VPC net" in message
        assert "droplet backend" in message
        assert "a cycle" in message
        assert account.asked() == []

    def test_a_token_that_only_reads(self, scaled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        scaled.server.clock.advance(3600)
        monkeypatch.setattr(scaled.server, "token", scaled.server.read_only_token)
        with pytest.raises(StackError) as caught:
            run(scaled)
        message = str(caught.value)
        assert "- vpcs[0] (net): Could not create VPC net: HTTP 403" in message
        assert message.count("The token is valid but not allowed to do this: it may be one that only reads") == 1
        assert "- droplets[0] (backend): not tried, because what it needs failed" in message
        assert scaled.client().list_all("list", "vpcs.list", "vpcs") == []

    def test_everything_wrong_is_said_at_once(self, account: Any) -> None:
        message = refusal(
            account,
            droplets=[{"name": "a_b"}, {"region": "fra1"}],
            vpcs=[{"name": "net", "region": "fra1", "ip_range": "10.0.0.0/8"}],
        )
        assert all(place in message for place in ("droplets[0] (a_b)", "droplets[1]", "vpcs[0] (net)"))

    def test_a_name_used_twice(self, account: Any) -> None:
        message = refusal(account, droplets=[ENVIRONMENT["droplets"][0], ENVIRONMENT["droplets"][0]], projects=[])
        assert "droplets[1] (backend): droplet backend is declared twice, first in droplets[0] (backend)" in message

    def test_a_record_twice(self, account: Any) -> None:
        record = {"domain": "example.test", "type": "A", "name": "api", "data": "192.0.2.1"}
        twin = {**record, "name": "api.example.test.", "data": "192.0.2.2"}
        assert "declared twice" in refusal(account, domain_records=[record, twin])

    def test_a_reference_to_nothing(self, account: Any) -> None:
        droplet = {**ENVIRONMENT["droplets"][0], "vpc": "nett"}
        message = refusal(account, droplets=[droplet, ENVIRONMENT["droplets"][1]])
        assert "- droplets[0] (backend): there is no VPC named nett\n  Did you mean net?" in message

    def test_a_reference_to_what_goes(self, account: Any) -> None:
        message = refusal(account, vpcs=[{"name": "net", "state": "absent"}])
        assert "it needs VPC net, which is declared state: absent" in message

    @pytest.mark.parametrize(
        ("key", "change", "message"),
        [
            ("droplets", {"size": "s-2vcpu-4bg"}, "size s-2vcpu-4bg does not exist\n  Did you mean s-2vcpu-4gb"),
            ("droplets", {"region": "fra2"}, "region fra2 does not exist"),
            ("droplets", {"image": "debian-13-x46"}, "image debian-13-x46 does not exist"),
            ("database_clusters", {"size": "db-s-9"}, "size db-s-9 does not exist for pg"),
            ("vpcs", {"region": "nowhere1"}, "region nowhere1 does not exist"),
        ],
    )
    def test_what_is_not_offered(self, account: Any, key: str, change: dict[str, str], message: str) -> None:
        items = copy.deepcopy(ENVIRONMENT[key])
        items[0] |= change
        said = refusal(account, **{key: items})
        assert message in said
        assert f"{key}[0] ({items[0]['name']})" in said
        assert "nothing was changed" in said

    def test_a_name_outside_the_zone(self, account: Any) -> None:
        record = {"domain": "example.test", "type": "A", "name": "api.example.org.", "data": "192.0.2.1"}
        message = refusal(account, domain_records=[record])
        assert "domain_records[0] (api.example.org.)" in message
        assert "is not in the zone example.test" in message

    def test_an_api_that_does_not_answer_is_said_once(self, account: Any) -> None:
        account.server.fault("* /v2/*", count=1000, status=401)
        assert refusal(account).count("HTTP 401") == 1
