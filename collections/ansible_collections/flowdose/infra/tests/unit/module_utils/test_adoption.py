# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment that somebody made by hand, in names of their own, becomes ours."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.adoption import Adoption, words
from ansible_collections.flowdose.infra.plugins.module_utils.resources.domain_record import DomainRecord
from ansible_collections.flowdose.infra.plugins.module_utils.resources.droplet import Droplet
from ansible_collections.flowdose.infra.plugins.module_utils.stack import Stack, StackError

SIZES = {"region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
DECLARED: dict[str, Any] = {
    "vpcs": [{"name": "flowdose-one", "region": "fra1", "ip_range": "10.20.0.0/20"}],
    "droplets": [
        {"name": "backend-one", **SIZES, "vpc": "flowdose-one", "tags": ["backend"]},
        {"name": "storefront-one", **SIZES, "vpc": "flowdose-one"},
        {"name": "worker-one", **SIZES},
    ],
    "database_clusters": [
        {"name": "postgres-one", "engine": "pg", "version": "15", "size": "db-s-1vcpu-1gb", "region": "fra1"}
    ],
    "domains": [{"name": "example.test"}],
    "domain_records": [
        {"domain": "example.test", "type": "A", "name": "api", "droplet": "backend-one"},
        {"domain": "example.test", "type": "TXT", "name": "new", "data": "to be made"},
    ],
}


@pytest.fixture
def handmade(account: Any) -> Any:
    """What was clicked together: three droplets, a database, a network, a zone with records of others."""
    client = account.client()
    other = {"name": "office", "region": "fra1", "ip_range": "10.99.0.0/20"}
    client.call("make", "vpcs.create", body=other)
    body = {"name": "my-network", "region": "fra1", "ip_range": "10.20.0.0/20"}
    vpc = client.call("make", "vpcs.create", body=body)["vpc"]["id"]
    account.ids = {"network": vpc}
    for name in ("medusa-api", "web-1", "jumphost"):
        made = client.call("make", "droplets.create", body={"name": name, **SIZES, "vpc_uuid": vpc})["droplet"]
        account.ids[name] = made["id"]
    cluster = {"name": "db-pg", "engine": "pg", "version": "15", "num_nodes": 1, **SIZES, "size": "db-s-1vcpu-1gb"}
    del cluster["image"]
    account.ids["db-pg"] = client.call("make", "databases.create_cluster", body=cluster)["database"]["id"]
    client.call("make", "domains.create", body={"name": "example.test"})
    account.server.clock.advance(600)
    address = account.cloud().find(Droplet, "medusa-api")["public_ipv4"]
    for record in (
        {"type": "A", "name": "api", "data": address, "ttl": 60},
        {"type": "MX", "name": "@", "data": "mail.example.org.", "priority": 10},
        {"type": "TXT", "name": "@", "data": "v=spf1 -all"},
    ):
        client.call("make", "domains.create_record", "example.test", body=record)
    account.since = len(account.server.requests)
    return account


def planned(account: Any, data: dict[str, Any] | None = None, kind: type[Stack] = Adoption, **options: Any) -> Any:
    made = kind(account.cloud(), "one", {**copy.deepcopy(DECLARED if data is None else data), **options})
    made.check()
    made.plan()
    return made


def test_what_is_there_is_shown_and_nothing_is_changed(handmade: Any) -> None:
    made = planned(handmade)
    made.approve(check_mode=True)
    made.apply()
    found = {
        f"{kind}:{name}": (match["certainty"], [item["name"] for item in match["found"]])
        for kind, matches in made.results(True).items()
        for name, match in matches.items()
    }
    assert found == {
        "vpc:flowdose-one": ("likely", ["my-network"]),
        "droplet:backend-one": ("likely", ["medusa-api"]),
        "droplet:storefront-one": ("likely", ["web-1"]),
        "droplet:worker-one": ("none", []),
        "database_cluster:postgres-one": ("likely", ["db-pg"]),
        "domain:example.test": ("certain", ["example.test"]),
        "domain_record:api.example.test A": ("certain", ["api"]),
        "domain_record:new.example.test TXT to be made": ("none", []),
    }
    matches, differences, *advice = made.remarks
    assert "by role postgres, same version, same size; cannot be renamed: put name: db-pg into the data" in matches
    assert differences.startswith("What a later run would change, if the likely ones are right:")
    assert "~ droplet backend-one: name: medusa-api -> backend-one, tags: [] -> " in differences
    assert "~ droplet storefront-one: name: web-1 -> storefront-one" in differences
    assert f'    "droplet:backend-one": "{handmade.ids["medusa-api"]}"' in advice
    assert handmade.written(handmade.since) == []


def told(account: Any) -> dict[str, str]:
    """What a person makes of the likely ones, some by name and some by id."""
    return {
        "vpc:flowdose-one": "my-network",
        "droplet:backend-one": str(account.ids["medusa-api"]),
        "droplet:storefront-one": "web-1",
        "droplet:worker-one": "jumphost",
    }


# A database cannot be renamed, so that the data are given the name it has.
RENAMED = {
    **DECLARED,
    "database_clusters": [{**DECLARED["database_clusters"][0], "name": "db-pg"}],
}


def changes(made: Any) -> dict[str, dict[str, tuple[Any, Any]]]:
    return {
        f"{entry.kind}:{entry.name}": {change.key: (change.before, change.after) for change in entry.changes}
        for entry in made.entries
        if entry.action == "update"
    }


def test_adopting_changes_tags_only_and_the_next_plan_shows_what_really_differs(handmade: Any) -> None:
    made = planned(handmade, RENAMED, adopt=told(handmade))
    assert made.remarks[-1].startswith("What a later run would change:")
    assert "~ droplet backend-one: name: medusa-api -> backend-one, tags:" in made.remarks[-1]
    made.approve(check_mode=False)
    made.apply()
    assert sorted(handmade.written(handmade.since)) == ["POST /v2/tags"] + 4 * ["POST /v2/tags/flowdose-one/resources"]
    again = planned(handmade, RENAMED, adopt=told(handmade), prune=True)
    assert again.entries == [], "there is nothing left to adopt, and nothing else is looked for"

    later = planned(handmade, RENAMED, kind=Stack, adopt=told(handmade))
    assert changes(later) == {
        "vpc:flowdose-one": {"name": ("my-network", "flowdose-one")},
        "droplet:backend-one": {
            "name": ("medusa-api", "backend-one"),
            "tags": (["flowdose-one"], ["backend", "flowdose-one"]),
        },
        "droplet:storefront-one": {"name": ("web-1", "storefront-one")},
        "droplet:worker-one": {"name": ("jumphost", "worker-one")},
    }
    created = [(entry.kind, entry.name) for entry in later.entries if entry.action == "create"]
    assert created == [("domain_record", "new.example.test TXT to be made")]
    assert later.unmanaged == []
    later.apply()
    # From now on they are known by their names, with and without what was told.
    for options in ({}, {"adopt": told(handmade)}):
        clean = planned(handmade, RENAMED, kind=Stack, **options)
        assert {entry.action for entry in clean.entries} == {"none"}
    droplet = handmade.cloud().find(Droplet, "backend-one")
    assert (droplet["id"], droplet["tags"]) == (handmade.ids["medusa-api"], ["backend", "flowdose-one"])
    records = {(facts["type"], facts["data"]) for facts in handmade.cloud().all(DomainRecord, "example.test")}
    assert {("MX", "mail.example.org"), ("TXT", "v=spf1 -all")} <= records


def test_a_key_is_known_by_its_fingerprint(handmade: Any) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGfQ2Cz1Hf1mZpZ1m8q0b8m9w5u8WmYkq5Qh1f5m3e5L"
    handmade.client().call("make", "ssh_keys.create", body={"name": "laptop", "public_key": key})
    made = planned(handmade, {"ssh_keys": [{"name": "flowdose-one", "public_key": key}]})
    (match,) = made.matches
    assert (match.certainty, match.how, match.names) == ("certain", "fingerprint", "laptop")
    assert "will be renamed" in made.remarks[0]
    assert "~ SSH key flowdose-one: name: laptop -> flowdose-one" in made.remarks[1]


def test_what_is_tagged_and_not_declared_is_told_and_not_pruned(handmade: Any) -> None:
    handmade.client().call("make", "droplets.create", body={"name": "old", **SIZES, "tags": ["flowdose-one"]})
    handmade.server.clock.advance(60)
    since = len(handmade.server.requests)
    made = planned(handmade, prune=True)
    assert [(entry.name, entry.action) for entry in made.entries] == [("old", "unmanaged")]
    made.apply()
    assert handmade.written(since) == []


def test_two_of_one_name(handmade: Any) -> None:
    """Both ids are told, and one of them can be chosen."""
    ids = [handmade.ids["web-1"]]
    body = {"name": "web-1", **SIZES}
    ids.append(handmade.client().call("make", "droplets.create", body=body)["droplet"]["id"])
    handmade.server.clock.advance(60)
    data = {"droplets": [{"name": "web-1", **SIZES}]}
    before = len(handmade.server.requests)
    with pytest.raises(StackError) as caught:
        planned(handmade, data).approve(check_mode=False)
    message = str(caught.value)
    assert "droplets[0] (web-1): 2 resources may be droplet web-1 (name):" in message
    assert all(f"- {id}: called web-1, region fra1, size s-1vcpu-1gb" in message for id in ids)
    assert f'-e \'{{"flowdose_adopt": {{"droplet:web-1": "{ids[0]}"}}}}\'' in message
    assert handmade.written(before) == []
    (match,) = planned(handmade, data, adopt={"droplet:web-1": str(ids[1])}).matches
    assert (match.certainty, match.ids, match.how) == ("certain", str(ids[1]), "as told")
    (entry,) = planned(handmade, data, kind=Stack, adopt={"droplet:web-1": str(ids[1])}).entries
    assert [change.key for change in entry.changes] == ["tags"]


def test_two_that_are_equally_likely(handmade: Any) -> None:
    handmade.client().call("make", "droplets.create", body={"name": "shop", **SIZES})
    handmade.server.clock.advance(60)
    made = planned(handmade, {"droplets": [{"name": "storefront-one", **SIZES}]})
    (match,) = made.matches
    assert (match.certainty, match.names) == ("ambiguous", "web-1, shop")
    with pytest.raises(StackError, match=r"2 resources may be droplet storefront-one"):
        made.approve(check_mode=True)


def test_what_is_of_another_environment_is_not_taken(handmade: Any) -> None:
    body = {"name": "backend-one", **SIZES, "tags": ["flowdose-two"]}
    handmade.client().call("make", "droplets.create", body=body)
    handmade.server.clock.advance(60)
    with pytest.raises(StackError, match=r"belongs to another environment: it has the tag flowdose-two"):
        planned(handmade, {"droplets": [{"name": "backend-one", **SIZES}]}).approve(check_mode=False)


def test_a_difference_that_cannot_be_mended_is_shown(handmade: Any) -> None:
    made = planned(handmade, {"droplets": [{"name": "web-1", **SIZES, "region": "ams3"}]})
    assert "! droplet web-1:" in made.remarks[1]
    assert "region is fra1, not ams3, and cannot be changed" in made.remarks[1]


@pytest.mark.parametrize(
    ("adopt", "message"),
    [
        ({"droplet:bakend-one": "web-1"}, r"(?s)adopt: droplet:bakend-one.*Did you mean droplet:backend-one"),
        ({"domain:example.test": "example.com"}, r"a domain is known by its name alone"),
        ({"droplet:backend-one": "web-1", "droplet:worker-one": "web-1"}, r"web-1 is adopted as two"),
        ({"droplet:backend-one": "web-2"}, r"(?s)there is no droplet with the name or id web-2.*web-1"),
    ],
)
@pytest.mark.parametrize("kind", [Adoption, Stack])
def test_what_was_told_must_be_right(handmade: Any, kind: type[Stack], adopt: dict[str, str], message: str) -> None:
    with pytest.raises(StackError, match=message):
        planned(handmade, kind=kind, adopt=adopt)
    assert handmade.written(handmade.since) == []


def test_a_database_keeps_its_name(handmade: Any) -> None:
    """Told to be the declared one, it is not taken before the data call it what it is called."""
    adopt = {"database_cluster:postgres-one": "db-pg"}
    made = planned(handmade, adopt=adopt)
    assert "cannot be renamed: put name: db-pg into the data" in made.remarks[0]
    assert [entry for entry in made.entries if entry.changed] == []
    with pytest.raises(
        StackError, match=r"(?s)it is called db-pg, and a database cluster cannot be renamed.*name: db-pg"
    ):
        planned(handmade, kind=Stack, adopt=adopt)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("backend-staging", "medusa-api-2", True),
        ("storefront-staging", "www", True),
        ("postgres-staging", "shop-db", True),
        ("valkey-staging", "Redis", True),
        ("backend-staging", "web", False),
        ("flowdose-staging", "other-staging", False),
    ],
)
def test_words_for_the_same_role(one: str, other: str, same: bool) -> None:
    assert bool(words(one) & words(other)) is same
