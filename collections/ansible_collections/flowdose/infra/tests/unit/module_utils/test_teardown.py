# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of an environment, with another one beside it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import Client, CloudError
from ansible_collections.flowdose.infra.plugins.module_utils.resources.domain_record import DomainRecord
from ansible_collections.flowdose.infra.plugins.module_utils.resources.droplet import Droplet
from ansible_collections.flowdose.infra.plugins.module_utils.resources.project import Project
from ansible_collections.flowdose.infra.plugins.module_utils.resources.reserved_ip import ReservedIp
from ansible_collections.flowdose.infra.plugins.module_utils.resources.vpc import Vpc
from ansible_collections.flowdose.infra.plugins.module_utils.stack import KINDS, Stack
from ansible_collections.flowdose.infra.plugins.module_utils.teardown import Teardown

KEYS = {
    "one": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGfQ2Cz1Hf1mZpZ1m8q0b8m9w5u8WmYkq5Qh1f5m3e5L",
    "two": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHfQ2Cz1Hf1mZpZ1m8q0b8m9w5u8WmYkq5Qh1f5m3e5L",
}
SIZES = {"region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
UNPROTECTED = ["database_cluster:postgres-one"]


def environment(name: str, number: int) -> dict[str, list[dict[str, Any]]]:
    tag, vpc = f"flowdose-{name}", f"net-{name}"
    return {
        "ssh_keys": [{"name": tag, "public_key": KEYS[name]}],
        "vpcs": [{"name": vpc, "region": "fra1", "ip_range": f"10.{number}.0.0/20"}],
        "droplets": [
            {"name": f"backend-{name}", **SIZES, "vpc": vpc, "ssh_keys": [tag], "tags": [f"{tag}-backend"]},
            {"name": f"storefront-{name}", **SIZES, "vpc": vpc, "ssh_keys": [tag]},
        ],
        "firewalls": [
            {"name": tag, "tags": [f"{tag}-backend"], "inbound_rules": [{"ports": "443", "addresses": ["0.0.0.0/0"]}]}
        ],
        "database_clusters": [
            {
                "name": f"postgres-{name}",
                "engine": "pg",
                "version": "15",
                "size": "db-s-1vcpu-1gb",
                "region": "fra1",
                "vpc": vpc,
                "trusted_sources": [{"type": "tag", "value": f"{tag}-backend"}],
            }
        ],
        "domains": [{"name": "example.test"}],
        "domain_records": [
            {"domain": "example.test", "type": "A", "name": f"api-{name}", "droplet": f"backend-{name}"},
            {"domain": "example.test", "type": "TXT", "name": name, "data": f"owner={name}"},
        ],
        "projects": [
            {
                "name": f"shop {name}",
                "purpose": "Web Application",
                "resources": [f"droplet:backend-{name}", f"database_cluster:postgres-{name}", "domain:example.test"],
            }
        ],
    }


ONE, TWO = environment("one", 20), environment("two", 30)


def converge(account: Any, name: str, data: dict[str, Any]) -> Stack:
    made = Stack(account.cloud(), name, copy.deepcopy(data))
    made.check()
    made.plan()
    made.apply()
    return made


def planned(account: Any, **options: Any) -> Teardown:
    made = Teardown(account.cloud(), "one", {**copy.deepcopy(ONE), "confirm": "one", **options})
    made.check()
    made.plan()
    return made


def destroy(account: Any, **options: Any) -> Teardown:
    made = planned(account, **{"unprotected": UNPROTECTED, **options})
    made.approve(check_mode=False)
    made.apply()
    return made


def shown(made: Stack, action: str) -> set[str]:
    return {f"{entry.kind}:{entry.name}" for entry in made.entries if entry.action == action}


def inventory(account: Any) -> dict[str, set[str]]:
    """What there is, by kind."""
    cloud = account.cloud()
    scopes = {"domain_record": "example.test"}
    kinds = [kind for kind in KINDS if kind.kind != "spaces_bucket" and "cluster" not in kind.identity]
    return {
        kind.kind: {f"{facts['name']} {facts['id']}" for facts in cloud.all(kind, scopes.get(kind.kind))}
        for kind in kinds
    }


@pytest.fixture
def both(scaled: Any) -> Any:
    """Two environments in one account, neither of whose networks is the region's default."""
    scaled.converge(Vpc, name="default", region="fra1", ip_range="10.99.0.0/20")
    converge(scaled, "two", TWO)
    scaled.others = inventory(scaled)
    converge(scaled, "one", ONE)
    return scaled


def test_an_address_that_was_taken_from_its_droplet_is_still_known(both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    address = {"reserved_ips": [{"droplet": "backend-one"}]}
    ip = both.converge(ReservedIp, droplet="backend-one").result()["ip"]
    others = both.client().call("make", "reserved_ips.create", body={"region": "fra1"})["reserved_ip"]["ip"]

    call = Client.call

    def interrupted(client: Client, attempted: str, operation: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if operation == "reserved_ips.delete":
            raise CloudError("this run was interrupted")
        return call(client, attempted, operation, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Client, "call", interrupted)
        with pytest.raises(CloudError, match="this run was interrupted"):
            destroy(both, **address)
    assert not both.cloud().find(ReservedIp, ip)["droplet_id"]

    made = destroy(both, **address)
    assert f"reserved_ip:{ip}" in shown(made, "delete")
    assert "project:shop one" in shown(made, "delete")
    assert [facts["ip"] for facts in both.cloud().all(ReservedIp)] == [others]
    assert f"reserved IP {others} has no droplet" in "\n".join(made.remarks)


def test_all_of_it_goes_and_nothing_else(both: Any) -> None:
    made = destroy(both)
    assert shown(made, "delete") == {
        "ssh_key:flowdose-one",
        "vpc:net-one",
        "droplet:backend-one",
        "droplet:storefront-one",
        "firewall:flowdose-one",
        "database_cluster:postgres-one",
        "domain_record:api-one.example.test A",
        "domain_record:one.example.test TXT owner=one",
        "project:shop one",
        "tag:flowdose-one",
        "tag:flowdose-one-backend",
    }
    assert shown(made, "keep") == {"domain:example.test"}
    assert inventory(both) == both.others
    before = len(both.server.requests)
    again = destroy(both, confirm=None)
    assert shown(again, "delete") == set(), "and nobody needs to say so"
    assert both.written(before) == []
    assert again.remarks[-1] == "Of one there is nothing left to take down."


def test_the_order(both: Any) -> None:
    """What needs something goes before it, and a firewall guards to the end."""
    before = len(both.server.requests)
    destroy(both)
    calls = [call for call in both.written(before) if call.startswith("DELETE")]
    path = "DELETE /v2/{}/".format

    def last(prefix: str) -> int:
        return max(index for index, call in enumerate(calls) if call.startswith(prefix))

    def first(prefix: str) -> int:
        return min(index for index, call in enumerate(calls) if call.startswith(prefix))

    assert last(path("domains")) < last(path("droplets")), "no record leads to a droplet that is gone"
    assert last(path("droplets")) < first(path("firewalls"))
    assert last(path("droplets")) < last(path("vpcs")), "the one that succeeds"
    assert last(path("databases")) < last(path("vpcs"))
    assert last(path("vpcs")) < first(path("tags"))
    assert last(path("projects")) > last(path("databases"))


def refused(account: Any, **options: Any) -> str:
    before = len(account.server.requests)
    with pytest.raises(CloudError) as caught:
        planned(account, **options).approve(check_mode=False)
    assert account.written(before) == []
    return str(caught.value)


def test_what_holds_data_must_be_named(both: Any) -> None:
    message = refused(both)
    assert "one was not taken down; nothing was changed." in message
    assert "database_clusters[0] (postgres-one): it holds data and is protected" in message
    assert """-e '{"flowdose_unprotected": ["database_cluster:postgres-one"]}'""" in message
    assert "domain" not in message.replace("domain_", ""), "the zone just stays"
    unprotected = copy.deepcopy(ONE)
    unprotected["database_clusters"][0]["protected"] = False
    planned(both, **unprotected).approve(check_mode=False)
    planned(both, unprotected=UNPROTECTED).approve(check_mode=False)


@pytest.mark.parametrize("confirm", [None, "", "two", "ONE", "one "])
def test_the_name_must_be_confirmed(both: Any, confirm: str | None) -> None:
    message = refused(both, unprotected=UNPROTECTED, confirm=confirm)
    assert ("confirmed was " in message) is bool(confirm)
    assert "-e confirm=one" in message
    check = planned(both, unprotected=UNPROTECTED, confirm=confirm)
    if confirm:
        with pytest.raises(CloudError):
            check.approve(check_mode=True)
    else:
        check.approve(check_mode=True)  # looking needs no confirmation


@pytest.mark.parametrize("name", ["postgres-one", "database_cluster:", "droplet:backend-one", "cluster:postgres-one"])
def test_names_that_are_none(account: Any, name: str) -> None:
    message = refused(account, unprotected=[name])
    assert f"unprotected: {name!r} is not of the form KIND:NAME" in message
    assert "database_cluster, " in message
    assert account.asked() == []


def test_what_carries_the_tag_goes_though_it_is_not_declared(both: Any) -> None:
    vpc = both.cloud().require(Vpc, "net-one")["id"]
    client = both.client()
    forgotten = {"name": "forgotten", **SIZES, "vpc_uuid": vpc, "tags": ["flowdose-one"]}
    client.call("make", "droplets.create", body=forgotten)
    old = {"name": "old-pg", "engine": "pg", "num_nodes": 1, "size": "db-s-1vcpu-1gb", "region": "fra1"}
    old |= {"private_network_uuid": vpc, "tags": ["flowdose-one"]}
    client.call("make", "databases.create_cluster", body=old)
    message = refused(both, unprotected=UNPROTECTED)
    assert "database_cluster:old-pg: it holds data and is protected" in message
    assert "postgres-one:" not in message
    made = destroy(both, unprotected=[*UNPROTECTED, "database_cluster:old-pg"])
    whys = {entry.name: entry.why for entry in made.entries}
    assert (whys["forgotten"], whys["old-pg"]) == ("not declared, but tagged",) * 2
    assert whys["backend-one"] == "the environment goes"
    assert inventory(both) == both.others


def test_what_belongs_to_others_stays_and_what_it_needs_too(both: Any) -> None:
    vpc = both.cloud().require(Vpc, "net-one")["id"]
    client = both.client()
    guest = {"name": "guest", **SIZES, "vpc_uuid": vpc, "tags": ["flowdose-one-backend"]}
    client.call("make", "droplets.create", body=guest)
    backend = both.cloud().require(Droplet, "backend-one")
    body = {"type": "A", "name": "www", "data": backend["public_ipv4"]}
    client.call("make", "domains.create_record", "example.test", body=body)
    made = destroy(both)
    assert {entry.name: entry.why for entry in made.entries if entry.action == "keep"} == {
        "example.test": "shared",
        "net-one": "used by others",
        "flowdose-one": "used by others",  # the firewall, by the tag that is the next
        "flowdose-one-backend": "used by others",
        "www.example.test A": "not declared",
    }
    said = "\n".join(made.remarks)
    assert "VPC net-one stays: droplet guest is in it, and does not belong to this environment" in said
    assert "firewall flowdose-one stays: it serves droplet guest too" in said
    assert f"leads to {backend['public_ipv4']} of droplet backend-one, which goes: delete it" in said
    left = inventory(both)
    assert {kind for kind in left if left[kind] != both.others[kind]} == {
        "droplet",
        "vpc",
        "firewall",
        "tag",
        "domain_record",
    }


def test_what_two_environments_have_in_common_stays(both: Any) -> None:
    body = {"resources": [{"resource_id": str(both.cloud().require(Droplet, "storefront-one")["id"])}]}
    body["resources"][0]["resource_type"] = "droplet"
    both.client().call("tag", "tags.assign_resources", "flowdose-two", body=body)
    made = destroy(both)
    assert {entry.name: entry.why for entry in made.entries if entry.action == "keep"} == {
        "storefront-one": "used by others",
        "net-one": "used by others",
        "flowdose-one": "used by others",  # the tag
        "example.test": "shared",
    }
    assert "droplet storefront-one stays: it carries the tag flowdose-two too" in "\n".join(made.remarks)


def test_what_only_has_the_name_stays(both: Any) -> None:
    """Without the tag nothing says that it is this environment's."""
    clusters = both.client().call("list", "databases.list_clusters")["databases"]
    (mine,) = [cluster for cluster in clusters if cluster["name"] == "postgres-one"]
    body = {"resources": [{"resource_id": mine["id"], "resource_type": "database"}]}
    both.client().call("untag", "tags.unassign_resources", "flowdose-one", body=body)
    made = destroy(both, unprotected=[])
    assert {entry.name: entry.why for entry in made.entries if entry.action == "keep"} == {
        "postgres-one": "not tagged",
        "net-one": "used by others",
        "example.test": "shared",
    }
    assert "it does not carry the tag flowdose-one" in "\n".join(made.remarks)


def test_a_zone_goes_when_it_is_named_and_nobody_else_has_a_record_in_it(both: Any) -> None:
    named = [*UNPROTECTED, "domain:example.test"]
    made = planned(both, unprotected=named)
    assert shown(made, "keep") == {"domain:example.test"}
    assert "records that do not belong to this environment: api-two A, two TXT" in "\n".join(made.remarks)
    for record in both.cloud().all(DomainRecord, "example.test"):
        if record["name"].endswith("two"):
            both.client().call("delete", "domains.delete_record", "example.test", record["id"])
    destroy(both, unprotected=named)
    assert inventory(both)["domain"] == set()


def test_the_default_network_stays(scaled: Any) -> None:
    data = {key: ONE[key] for key in ("vpcs",)}
    converge(scaled, "one", data)
    before = len(scaled.server.requests)
    for _turn in range(2):
        made = Teardown(scaled.cloud(), "one", {**copy.deepcopy(data), "confirm": "one"})
        made.check()
        made.plan()
        made.approve(check_mode=False)
        made.apply()
        assert [(entry.name, entry.action, entry.why) for entry in made.entries] == [
            ("net-one", "keep", "default network")
        ]
    assert scaled.written(before) == []


def test_a_project_of_several_environments_stays(both: Any) -> None:
    (project,) = [facts for facts in both.cloud().all(Project) if facts["name"] == "shop one"]
    other = both.cloud().require(Droplet, "backend-two")
    body = {"resources": [f"do:droplet:{other['id']}"]}
    both.client().call("move", "projects.assign_resources", project["id"], body=body)
    made = destroy(both)
    assert shown(made, "keep") == {"domain:example.test", "project:shop one"}
    assert "droplet backend-two is in it, and belongs to another environment" in "\n".join(made.remarks)


def test_a_project_hands_over_what_stays(both: Any) -> None:
    (project,) = [facts for facts in both.cloud().all(Project) if facts["name"] == "shop one"]
    destroy(both)
    client = both.client()
    assert client.find("look", "projects.get", project["id"]) is None
    (default,) = [facts for facts in both.cloud().all(Project) if facts["is_default"]]
    members = client.list_all("list", "projects.list_resources", "resources", default["id"])
    assert [member["urn"] for member in members if "domain" in member["urn"]] == ["do:domain:example.test"]
