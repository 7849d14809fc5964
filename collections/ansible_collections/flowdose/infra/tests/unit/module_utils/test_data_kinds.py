# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags, what is in database clusters, Spaces keys, alert policies and uptime checks. What drifts: tests/drift."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import CloudError
from ansible_collections.flowdose.infra.plugins.module_utils.resource import Resource
from ansible_collections.flowdose.infra.plugins.module_utils.resources.alert_policy import AlertPolicy
from ansible_collections.flowdose.infra.plugins.module_utils.resources.connection_pool import ConnectionPool
from ansible_collections.flowdose.infra.plugins.module_utils.resources.database import Database
from ansible_collections.flowdose.infra.plugins.module_utils.resources.database_cluster import DatabaseCluster
from ansible_collections.flowdose.infra.plugins.module_utils.resources.database_user import DatabaseUser
from ansible_collections.flowdose.infra.plugins.module_utils.resources.droplet import Droplet
from ansible_collections.flowdose.infra.plugins.module_utils.resources.spaces_bucket import SpacesBucket
from ansible_collections.flowdose.infra.plugins.module_utils.resources.spaces_key import SpacesKey
from ansible_collections.flowdose.infra.plugins.module_utils.resources.tag import Tag
from ansible_collections.flowdose.infra.plugins.module_utils.resources.uptime_check import UptimeCheck
from ansible_collections.flowdose.infra.plugins.module_utils.stack import Stack, validated

EMAIL = "ops@localcloud.test"  # localcloud's team has this one
HOOK = "https://hooks.slack.test/services/not-for-everybody"
RECEIVERS = {"email": [EMAIL], "slack": [{"channel": "#ops", "url": HOOK}]}
PG = {"name": "pg-one", "engine": "pg", "version": "15", "size": "db-s-1vcpu-1gb", "region": "fra1"}
VALKEY = {"name": "cache", "engine": "valkey", "version": "8", "size": "db-s-1vcpu-1gb", "region": "fra1"}
KEY = {"name": "shop", "grants": [{"permission": "fullaccess"}], "secret_file": "key.json"}
POLICY = {"name": "CPU", "type": "v1/insights/droplet/cpu", "value": 80, "alerts": RECEIVERS}
DOWN = {"name": "down", "type": "down", "notifications": RECEIVERS}
CHECK = {"name": "shop", "type": "https", "target": "https://shop.test/", "regions": ["eu_west"], "alerts": [DOWN]}
POOL = {"cluster": "pg-one", "name": "pool", "mode": "session", "size": 3, "db": "defaultdb"}

# kind, how it is declared, whether it needs the cluster
LIFE: list[tuple[type[Resource], dict[str, Any]]] = [
    (Tag, {"name": "backend"}),
    (Database, {"cluster": "pg-one", "name": "reports"}),
    (DatabaseUser, {"cluster": "pg-one", "name": "replicator", "allow_replication": True}),
    (DatabaseUser, {"cluster": "pg-one", "name": "reader"}),
    (ConnectionPool, POOL),
    (SpacesKey, KEY),
    (AlertPolicy, POLICY),
    (AlertPolicy, {**POLICY, "type": "v1/dbaas/alerts/cpu_alerts", "entities": ["pg-one"], "window": "1h"}),
    (UptimeCheck, CHECK),
    (UptimeCheck, {"name": "host", "type": "ping", "target": "shop.test", "regions": ["us_east", "se_asia"]}),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("kind", "declared"), LIFE)
def test_life(account: Any, kind: type[Resource], declared: dict[str, Any]) -> None:
    account.converge(DatabaseCluster, **PG)
    before = len(account.server.requests)
    assert account.plan(kind, **declared).action == "create"
    assert account.written(before) == []
    created = account.converge(kind, **declared)
    found = account.resource(kind, **declared)
    found.plan()
    assert created.result() == found.result(), "one shape, created or found"
    assert HOOK not in str(created.result())
    unprotected = {"protected": False} if kind.stateful else {}
    gone = account.converge(kind, **declared | unprotected, state="absent")
    assert gone.entry.action == "delete"
    assert gone.entry.impact == ("irreversible" if kind in (Database, DatabaseUser, SpacesKey) else "none")


def test_sixty_of_each_beside_ours(account: Any) -> None:
    """More than a page of the API's own; ours is still found, and not made twice."""
    client = account.client()
    for number in range(60):
        client.call("make", "tags.create", body={"name": f"t{number}"})
        body = {"name": f"k{number}", "grants": [{"bucket": "", "permission": "fullaccess"}]}
        client.call("make", "spaces_key.create", body=body)
        check = {key: CHECK[key] for key in ("type", "target", "regions")} | {"name": f"c{number}", "enabled": True}
        client.call("make", "uptime.create_check", body=check)
        policy = account.resource(AlertPolicy, **POLICY | {"name": f"p{number}"})
        client.call("make", "monitoring.create_alert_policy", body=policy._body())
    for kind, declared in ((Tag, {"name": "backend"}), (SpacesKey, KEY), (AlertPolicy, POLICY), (UptimeCheck, CHECK)):
        account.converge(kind, **declared)
        # localcloud has a Spaces key of its own
        assert len([facts for facts in account.cloud().all(kind) if facts["name"] != "localcloud"]) == 61


# what is wrong with the data, and said before anything is asked
WRONG: list[tuple[type[Resource], dict[str, Any], str]] = [
    (Tag, {"name": "a b"}, "letters, digits"),
    (DatabaseCluster, {**PG, "name": "pg_one"}, "underscore"),
    (DatabaseCluster, {**PG, "maintenance_window": {"day": "someday", "hour": "3:00"}}, "must be one of: monday"),
    (
        DatabaseCluster,
        {**PG, "maintenance_window": {"day": "monday", "hour": "24:00"}},
        "time of the day such as 03:00",
    ),
    (DatabaseCluster, {**PG, "version": "latest"}, "not a number such as 15"),
    (DatabaseCluster, {**PG, "databases": ["1st"]}, "'1st' is no name for a database"),
    (DatabaseCluster, {**VALKEY, "users": ["a"]}, "cannot be made in a valkey cluster"),
    (DatabaseCluster, {**VALKEY, "storage_size_mib": 10240}, "goes with engine pg"),
    (DatabaseCluster, {**VALKEY, "config": {"valkey_maxmemory_policy": "noeviction"}}, "`eviction_policy` says"),
    (Database, {"cluster": "pg-one", "name": "a b"}, "no name for a database"),
    (DatabaseUser, {"cluster": "pg-one", "name": "x" * 64}, "63 at most"),
    (ConnectionPool, {**POOL, "name": "ab"}, "3 to 60"),
    (ConnectionPool, {**POOL, "size": 0}, "at least 1"),
    (ConnectionPool, {**POOL, "mode": "fast"}, "must be one of"),
    (SpacesKey, {**KEY, "grants": []}, "may do nothing"),
    (SpacesKey, {**KEY, "grants": [{"permission": "read"}]}, "for one bucket each"),
    (SpacesKey, {**KEY, "grants": [{"bucket": "b", "permission": "fullaccess"}]}, "for all buckets"),
    (
        SpacesKey,
        {**KEY, "grants": [{"permission": "fullaccess"}, {"bucket": "b", "permission": "read"}]},
        "no other grant",
    ),
    (
        SpacesKey,
        {**KEY, "grants": [{"bucket": "b", "permission": "read"}, {"bucket": "b", "permission": "readwrite"}]},
        "twice",
    ),
    (AlertPolicy, {**POLICY, "name": " "}, "must not be empty"),
    (AlertPolicy, {**POLICY, "value": 101}, "between 0 and 100"),
    (AlertPolicy, {**POLICY, "type": "v1/insights/droplet/load_1", "value": -1}, "between 0 and inf"),
    (AlertPolicy, {**POLICY, "type": "cpu"}, "must be one of"),
    (AlertPolicy, {**POLICY, "window": "2m"}, "must be one of: 5m"),
    (AlertPolicy, {**POLICY, "alerts": {}}, "names nobody"),
    (AlertPolicy, {**POLICY, "alerts": {"email": ["somebody"]}}, "not an e-mail address"),
    (AlertPolicy, {**POLICY, "alerts": {"slack": [{"channel": "#a", "url": "http://x/y"}]}}, "channel #a is not that"),
    (AlertPolicy, {"name": "x", "entities": ["web"]}, "entities needs `type`"),
    (UptimeCheck, {**CHECK, "regions": ["fra1"]}, "must be one or more of"),
    (UptimeCheck, {**CHECK, "regions": []}, "at least one of us_east"),
    (UptimeCheck, {**CHECK, "target": "shop.test"}, "no address for type https"),
    (UptimeCheck, {**CHECK, "target": "http://shop.test/"}, "no address for type https"),
    (UptimeCheck, {**CHECK, "type": "ping", "alerts": []}, "host name or an address"),
    (UptimeCheck, {**CHECK, "alerts": [DOWN, {**DOWN}]}, "down is there twice"),
    (UptimeCheck, {**CHECK, "alerts": [{**DOWN, "threshold": 3}]}, "has no threshold"),
    (UptimeCheck, {**CHECK, "alerts": [{**DOWN, "type": "latency"}]}, r"threshold of at least 1 \(milliseconds\)"),
    (UptimeCheck, {**CHECK, "alerts": [{**DOWN, "type": "ssl_expiry", "threshold": 0}]}, r"at least 1 \(days\)"),
    (UptimeCheck, {**CHECK, "alerts": [{**DOWN, "period": "4m"}]}, "must be one of: 2m"),
    (UptimeCheck, {**CHECK, "alerts": [{**DOWN, "notifications": {}}]}, "alert down names nobody"),
    (
        UptimeCheck,
        {"name": "a", "type": "ping", "target": "a.test", "regions": ["eu_west"]}
        | {"alerts": [{**DOWN, "type": "ssl_expiry", "threshold": 3}]},
        "sees no certificate",
    ),
]


@pytest.mark.parametrize(("kind", "declared", "message"), WRONG)
def test_wrong_data(account: Any, kind: type[Resource], declared: dict[str, Any], message: str) -> None:
    with pytest.raises(CloudError, match=message):
        kind(account.cloud(), validated(kind, declared))
    assert account.server.requests == []


class TestTag:
    def test_capitals_do_not_make_another(self, account: Any) -> None:
        first = account.converge(Tag, name="Backend").result()
        assert account.converge(Tag, name="backend").result() == first
        account.converge(Tag, name="BACKEND", state="absent")
        assert account.cloud().all(Tag) == []

    def test_what_has_it_in_capitals_never_goes_without_it(self, account: Any) -> None:
        """Whatever is found by its tag (firewalls, trusted sources) would be closed to it for that time."""
        droplet = {"name": "a", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
        account.converge(Droplet, **droplet, tags=["Backend", "old"])
        before = len(account.server.requests)
        account.converge(Droplet, **droplet, tags=["backend", "new"])
        touched = [call for call in account.written(before) if call.endswith("/resources")]
        assert touched == ["POST /v2/tags/new/resources", "DELETE /v2/tags/old/resources"]

    def test_it_says_how_much_carries_it(self, account: Any) -> None:
        account.converge(Droplet, name="a", region="fra1", size="s-1vcpu-1gb", image="debian-13-x64", tags=["web"])
        facts = account.converge(Tag, name="web").result()
        assert (facts["resources"], facts["droplets"], facts["databases"]) == (1, 1, 0)

    def test_that_of_the_environment_stays(self, account: Any) -> None:
        account.converge(Tag, name="flowdose-test")
        made = stack(account, tags=[{"name": "flowdose-test", "state": "absent"}])
        with pytest.raises(CloudError, match="says what belongs to this environment"):
            made.plan()


def stack(account: Any, **data: Any) -> Stack:
    made = Stack(account.cloud(spaces=lambda: pytest.fail("Spaces is not asked")), "test", data)
    made.check()
    return made


class TestInClusters:
    def test_all_at_once(self, scaled: Any) -> None:
        """A cluster with what is in it, of which some is declared twice; users of one cluster never in parallel."""
        data = {
            "database_clusters": [{**PG, "users": ["a", "b"], "databases": ["shop"]}],
            "databases": [{"cluster": "pg-one", "name": name} for name in ("shop", "reports")],
            "database_users": [
                {"cluster": "pg-one", "name": name, "allow_replication": True} for name in ("a", "c", "d", "e")
            ],
            "connection_pools": [{**POOL, "db": "shop", "user": "c"}],
        }
        made = stack(scaled, **data)
        made.plan()
        made.apply()
        users = made.results(check_mode=False)["database_user"]
        assert sorted(users) == ["pg-one/a", "pg-one/c", "pg-one/d", "pg-one/e"]
        assert all(facts["allow_replication"] for facts in users.values())
        again = stack(scaled, **data)
        assert {entry.action for entry in again.plan()} == {"none"}

    def test_clusters_do_not_share_names(self, account: Any) -> None:
        """What goes from one cluster may be needed in another."""
        data: dict[str, Any] = {
            "databases": [{"cluster": "pg-two", "name": "shop", "state": "absent", "protected": False}],
            "connection_pools": [{**POOL, "db": "shop"}],
        }
        stack(account, **data)
        data["databases"][0]["cluster"] = "pg-one"
        with pytest.raises(CloudError, match=r"connection_pools\[0\].*needs database pg-one/shop.*state: absent"):
            stack(account, **data)

    def test_what_every_cluster_has_stays(self, account: Any) -> None:
        account.converge(DatabaseCluster, **PG)
        with pytest.raises(CloudError, match="every cluster has"):
            account.plan(Database, cluster="pg-one", name="defaultdb", state="absent", protected=False)
        with pytest.raises(CloudError, match="administrator of the cluster"):
            account.plan(DatabaseUser, cluster="pg-one", name="doadmin", state="absent")

    def test_valkey_has_none(self, account: Any) -> None:
        with pytest.raises(CloudError, match=r"(?s)database_users\[0\].*cluster cache runs valkey"):
            stack(account, database_clusters=[VALKEY], database_users=[{"cluster": "cache", "name": "a"}])
        assert account.server.requests == []
        account.converge(DatabaseCluster, **VALKEY)
        with pytest.raises(CloudError, match="cluster cache runs valkey"):
            account.plan(Database, cluster="cache", name="a")

    def test_a_cluster_that_is_not_there(self, account: Any) -> None:
        account.converge(DatabaseCluster, **PG)
        with pytest.raises(CloudError, match=r"(?s)no database cluster named pg-two.*pg-one"):
            account.plan(DatabaseUser, cluster="pg-two", name="a")
        assert account.plan(DatabaseUser, cluster="pg-two", name="a", state="absent").action == "none"

    def test_a_cluster_that_is_being_changed_is_waited_for(self, account: Any) -> None:
        cluster = account.converge(DatabaseCluster, **PG).existing["id"]
        account.converge(DatabaseUser, cluster="pg-one", name="old")
        resize = {"size": "db-s-1vcpu-2gb", "num_nodes": 1}
        account.client().call("resize", "databases.update_cluster_size", cluster, body=resize)
        assert account.plan(DatabaseUser, cluster="pg-one", name="old", state="absent").action == "delete"
        account.converge(DatabaseUser, cluster="pg-one", name="new")
        assert account.cloud().find(DatabaseCluster, "pg-one")["status"] == "online"

    def test_an_answer_that_got_lost(self, account: Any) -> None:
        cluster = account.converge(DatabaseCluster, **PG).existing["id"]
        account.server.fault(f"POST /v2/databases/{cluster}/users", status=504, effect=True)
        account.converge(DatabaseUser, cluster="pg-one", name="a")
        assert account.cloud().find(DatabaseCluster, "pg-one")["users"] == ["a", "doadmin"]

    def test_passwords_are_nowhere(self, account: Any) -> None:
        account.converge(DatabaseCluster, **PG)
        user = account.converge(DatabaseUser, cluster="pg-one", name="a")
        pool = account.converge(ConnectionPool, **POOL, user="a")
        (raw,) = account.client().call("list", "databases.list_clusters")["databases"]
        for secret in (found["password"] for found in raw["users"]):
            assert secret not in f"{user.result()} {pool.result()} {user.entry} {pool.entry}"


class TestCluster:
    @pytest.mark.parametrize(
        ("change", "path"),
        [({"size": "db-s-1vcpu-2gb"}, "resize"), ({"version": "16"}, "upgrade")],
    )
    def test_a_change_whose_answer_got_lost(self, account: Any, change: dict[str, Any], path: str) -> None:
        """Sent again, it is refused, because it goes on already."""
        cluster = account.converge(DatabaseCluster, **PG).existing["id"]
        account.server.fault(f"PUT /v2/databases/{cluster}/{path}", status=504, effect=True)
        changed = account.converge(DatabaseCluster, **PG | change)
        assert changed.existing["status"] == "online"

    def test_all_changes_at_once(self, account: Any) -> None:
        account.converge(DatabaseCluster, **PG)
        account.converge(
            DatabaseCluster,
            **PG | {"size": "db-s-1vcpu-2gb", "num_nodes": 2, "version": "17", "databases": ["a"], "users": ["b"]},
            config={"work_mem": 8},
            maintenance_window={"day": "sunday", "hour": "3"},
            trusted_sources=[{"type": "ip_addr", "value": "192.0.2.1"}],
            tags=["x"],
        )

    def test_a_version_that_is_not_offered(self, account: Any) -> None:
        account.converge(DatabaseCluster, **PG)
        with pytest.raises(CloudError, match=r"(?s)not offered in version 99.*17"):
            account.plan(DatabaseCluster, **PG | {"version": "99"})

    def test_a_name_that_no_new_one_can_have(self, account: Any) -> None:
        with pytest.raises(CloudError, match="3 to 63 lower-case letters"):
            account.plan(DatabaseCluster, **PG | {"name": "PG"})

    def test_the_same_version(self, account: Any) -> None:
        account.converge(DatabaseCluster, **PG)
        assert account.plan(DatabaseCluster, **PG | {"version": "15.4"}).action == "none"


def keys_of(account: Any) -> list[str]:
    """The access keys with our name."""
    return [id for id, key in account.server.state["spaces_keys"].items() if key["name"] == "shop"]


class TestSpacesKey:
    def secret(self) -> dict[str, Any]:
        return json.loads(Path("key.json").read_text())

    def test_its_secret_is_in_the_file_and_nowhere_else(self, account: Any) -> None:
        made = account.converge(SpacesKey, **KEY)
        kept = self.secret()
        assert kept["access_key"] == made.existing["id"]
        assert stat.S_IMODE(os.stat("key.json").st_mode) == 0o600
        assert account.server.state["spaces_keys"][kept["access_key"]]["secret_key"] == kept["secret_key"]
        assert kept["secret_key"] not in f"{made.result()} {made.entry} {vars(made)}"
        account.converge(SpacesKey, **KEY, state="absent")
        assert not Path("key.json").exists()

    @pytest.mark.parametrize("fault", [{"status": 504, "effect": True}, {"status": 502}, {"reset": "after"}])
    def test_an_answer_that_got_lost(self, account: Any, fault: dict[str, Any]) -> None:
        account.server.fault("POST /v2/spaces/keys", **fault)
        account.converge(SpacesKey, **KEY)
        assert keys_of(account) == [self.secret()["access_key"]]

    def test_answers_that_go_on_getting_lost(self, account: Any) -> None:
        account.server.fault("POST /v2/spaces/keys", status=504, effect=True, count=9)
        resource = account.resource(SpacesKey, **KEY)
        resource.plan()
        with pytest.raises(CloudError, match="504"):
            resource.apply()
        assert keys_of(account) == [], "none that nobody can use is left"
        account.server.clear_faults()
        account.converge(SpacesKey, **KEY)

    def test_a_run_that_was_killed(self, account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        class Killed(BaseException):
            pass

        def killed(*arguments: Any) -> None:
            raise Killed

        resource = account.resource(SpacesKey, **KEY)
        resource.plan()
        keep = SpacesKey._keep
        with monkeypatch.context() as patched:
            patched.setattr(
                SpacesKey, "_keep", lambda self, key, secret: killed() if secret else keep(self, key, secret)
            )
            with pytest.raises(Killed):
                resource.apply()
        (lost,) = keys_of(account)
        again = account.resource(SpacesKey, name="shop", secret_file="key.json")
        assert [change.key for change in again.plan().changes] == ["secret_file"]
        again.apply()
        assert keys_of(account) == [self.secret()["access_key"]] != [lost]

    def test_one_that_was_made_elsewhere_is_left_alone(self, account: Any) -> None:
        account.converge(SpacesKey, **KEY)
        os.rename("key.json", "elsewhere.json")
        with pytest.raises(CloudError, match=r"(?s)the key exists \(DO.*secret is not in .*key.json.*Copy"):
            account.plan(SpacesKey, **KEY)

    def test_the_file_of_another_key(self, account: Any) -> None:
        account.converge(SpacesKey, **KEY)
        with pytest.raises(CloudError, match="holds the secret of key shop"):
            account.plan(SpacesKey, **KEY | {"name": "other"})
        Path("key.json").write_text("something else")
        with pytest.raises(CloudError, match="not written over"):
            account.plan(SpacesKey, **KEY | {"name": "other"})
        assert Path("key.json").read_text() == "something else"

    def test_a_file_that_cannot_be_written(self, account: Any) -> None:
        Path("file").write_text("")
        with pytest.raises(CloudError, match=r"file/key.json cannot be read"):
            account.plan(SpacesKey, **KEY | {"secret_file": "file/key.json"})
        assert account.written() == []

    def test_two_of_one_name(self, account: Any) -> None:
        for _turn in range(2):
            body = {"name": "shop", "grants": [{"bucket": "", "permission": "fullaccess"}]}
            account.client().call("make", "spaces_key.create", body=body)
        with pytest.raises(CloudError) as caught:
            account.plan(SpacesKey, **KEY)
        assert all(id in str(caught.value) for id in keys_of(account))

    def test_policy_and_limited_key_exclude_each_other(self, account: Any) -> None:
        bucket = {"name": "pictures", "region": "fra1", "policy": {"Version": "2012-10-17", "Statement": [{}]}}
        limited = {**KEY, "grants": [{"bucket": "pictures", "permission": "read"}]}
        with pytest.raises(CloudError, match=r"(?s)spaces_keys\[0\] \(shop\).*bucket pictures, which has a policy"):
            stack(account, spaces_buckets=[bucket], spaces_keys=[limited])
        stack(account, spaces_buckets=[bucket], spaces_keys=[KEY])
        stack(account, spaces_buckets=[{**bucket, "policy": {}}], spaces_keys=[limited])

    def test_the_bucket_comes_before_the_key(self, account: Any) -> None:
        limited = {**KEY, "grants": [{"bucket": "pictures", "permission": "read"}]}
        assert account.resource(SpacesKey, **limited).dependencies() == [(SpacesBucket, "pictures")]


class TestAlerts:
    def test_the_address_of_a_hook_is_never_shown(self, account: Any) -> None:
        for kind, declared in ((AlertPolicy, POLICY), (UptimeCheck, CHECK)):
            planned = account.plan(kind, **declared)
            made = account.converge(kind, **declared)
            assert HOOK not in f"{planned} {made.entry} {made.result()} {made.result(check_mode=True)}"
            assert "#ops" in str(made.result())

    def test_a_policy_looks_after_what_is_named(self, account: Any) -> None:
        account.converge(Droplet, name="web", region="fra1", size="s-1vcpu-1gb", image="debian-13-x64")
        facts = account.converge(AlertPolicy, **POLICY, entities=["web"]).result()
        assert facts["entities"] == ["web"]
        with pytest.raises(CloudError, match="no droplet named wbe"):
            account.plan(AlertPolicy, **POLICY | {"entities": ["wbe"]})
        with pytest.raises(CloudError, match="no database cluster named web"):
            account.plan(AlertPolicy, **POLICY | {"type": "v1/dbaas/alerts/cpu_alerts", "entities": ["web"]})

    def test_what_is_not_declared_is_left_alone(self, account: Any) -> None:
        account.converge(AlertPolicy, **POLICY, window="1h", compare="LessThan", enabled=False)
        changed = account.converge(AlertPolicy, name="CPU", value=70, type=POLICY["type"]).result()
        assert (changed["window"], changed["compare"], changed["enabled"]) == ("1h", "LessThan", False)
        account.converge(UptimeCheck, **CHECK)
        account.converge(UptimeCheck, name="shop", enabled=False)
        check = account.converge(UptimeCheck, **CHECK).result()
        assert [alert["name"] for alert in check["alerts"]] == ["down"]

    def test_two_of_one_name(self, account: Any) -> None:
        body = account.resource(AlertPolicy, **POLICY)._body()
        for _turn in range(2):
            account.client().call("make", "monitoring.create_alert_policy", body=body)
        with pytest.raises(CloudError, match=r"2 resources that match alert policy CPU"):
            account.plan(AlertPolicy, **POLICY)

    def test_an_alert_whose_answer_got_lost(self, account: Any) -> None:
        check = account.converge(UptimeCheck, **CHECK | {"alerts": []}).existing["id"]
        account.server.fault(f"POST /v2/uptime/checks/{check}/alerts", status=504, effect=True)
        account.converge(UptimeCheck, **CHECK)
        assert len(account.server.state["uptime_checks"][check]["alerts"]) == 1
