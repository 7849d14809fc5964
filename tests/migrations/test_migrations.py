# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What migrations.cjs does to a PostgreSQL, for an application with Medusa's way of migrating."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Application, make_application

SHOP = ('create table "store" (id text primary key)', 'create table "gift" (id text primary key, note text)')


@pytest.fixture(scope="session")
def template(server: str, packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """An application that is migrated, and was used."""
    made = make_application(tmp_path_factory.mktemp("template") / "release", packages, server)
    made.migration("Migration1", *SHOP)
    made.links("gift_store")
    made.script("first.js", "")
    made.migrate()
    made.query("insert into store values ('s'); insert into gift values ('g', 'for you')")
    return made


@pytest.fixture
def shop(template: Application, server: str, packages: Path, tmp_path: Path) -> Application:
    """One like that, of the test's own."""
    return make_application(tmp_path / "release", packages, server, like=template)


def texts(answer: Any) -> list[str]:
    return [loss["text"] for loss in answer["losses"]]


def test_looking_tells_everything_and_changes_nothing(application: Application) -> None:
    application.migration("Migration1", *SHOP)
    application.migration("Migration2", 'alter table "gift" drop column "note"')
    application.migration("Migration3", "select 1", module="mail")
    application.links("gift_store")
    application.script("first.js", "")
    pending = application.pending()
    assert pending["needed"]
    assert pending["losses"] == []  # nothing is there
    assert pending["expected"] == {"migrations": ["Migration3", "Migration1", "Migration2"], "scripts": ["first.js"]}
    assert pending["message"] == [
        "mail: Migration3",
        "shop: Migration1, Migration2",
        "link table gift_store: create",
        "script first.js",
    ]
    assert application.tables() == set()


def test_nothing_is_pending_after_it_was_done(shop: Application) -> None:
    assert {"store", "gift", "gift_store"} < shop.tables()
    pending = shop.pending()
    assert (pending["needed"], pending["message"]) == (False, [])


def test_a_used_shop_loses_nothing_unasked(shop: Application) -> None:
    shop.migration("Migration2", 'create table "a" ()', 'alter table "gift" add column "from" text')
    shop.migration("Migration3", 'alter table "gift" drop column "from"')
    assert texts(shop.pending()) == []
    shop.migration("Migration4", 'update gift set id = note; alter table "gift" drop column "note"')
    expected = ['shop Migration4 drops the column gift.note: alter table "gift" drop column "note"']
    assert texts(shop.pending()) == expected


def test_a_function_of_one_migration_that_another_calls_is_not_believed(shop: Application) -> None:
    shop.migration("Migration2", "create function wipe() returns void as $$ truncate gift $$ language sql")
    shop.migration("Migration3", "select wipe()")
    assert [text.split(",")[0] for text in texts(shop.pending())] == ["shop Migration3 calls wipe()"]


def test_a_first_deploy_that_stopped_halfway_has_nothing_to_lose(application: Application) -> None:
    application.migration("Migration1", *SHOP)
    application.migrate()
    application.migration("Migration2", 'alter table "gift" drop column "note"')
    assert texts(application.pending()) == []
    application.query("insert into store values ('s')")
    assert len(texts(application.pending())) == 1


def test_what_a_migration_does_by_itself_is_seen_or_not_believed(shop: Application) -> None:
    shop.migration("Migration2", body='await this.execute("drop table gift")')
    shop.migration(
        "Migration3", body='if ((await this.execute("select id from gift")).length) this.addSql("truncate gift")'
    )
    shop.migration(
        "Migration4", body='if ((await this.execute("select id from store")).length > 1) this.addSql("drop table gift")'
    )
    shop.migration("Migration5", body="await this.driver.execute(`drop table gift`)")
    shop.migration(
        "Migration6", body='if (!(await this.execute("select id from gift")).length) this.addSql("select 1")'
    )
    found = texts(shop.pending())
    assert [text.split(":")[0] for text in found] == [
        "shop Migration2 drops the table gift",
        "shop Migration3 cannot be read",
        "shop Migration4 cannot be read",
        "shop Migration5 cannot be read",
    ]
    assert shop.query("select note from gift") == [{"note": "for you"}]


def test_what_cannot_be_read_is_told(shop: Application) -> None:
    (shop.folder / "links.json").write_text("{")
    with shop.start("pending", contract=False, patience=1) as program:
        _, errors = program.communicate(timeout=30)
    assert program.returncode == 1
    assert "JSON" in errors


def test_a_module_that_migrates_in_its_own_way_is_not_run_by_looking(shop: Application) -> None:
    folder = shop.folder / "src/modules/other"
    folder.mkdir()
    (folder / "index.js").write_text("exports.runMigrations = () => { throw new Error('it ran') }\n")
    pending = shop.pending()
    assert pending["needed"]
    assert pending["message"] == ["not known before it runs: module other migrates in a way of its own"]
    assert texts(pending) == ["module other migrates in a way of its own cannot be read: runMigrations()"]


def test_links_that_are_gone_stay_until_that_is_meant(shop: Application) -> None:
    shop.links()
    pending = shop.pending()
    assert (pending["needed"], texts(pending)) == (False, [])
    assert pending["message"] == ["link table gift_store: no longer declared; it stays as it is"]
    pending = shop.pending(contract=True)
    assert (pending["needed"], pending["everything"]) == (True, True)
    assert texts(pending) == ['link gift_store drops the table gift_store: drop table "gift_store"']
    shop.run(command=["/bin/sh", "-c", "medusa db:migrate --execute-all-links"])
    assert "gift_store" not in shop.tables()
    assert not shop.pending(contract=True)["needed"]


def test_one_that_fails_is_named_and_the_next_run_goes_on(shop: Application) -> None:
    shop.migration("Migration2", 'create table "a" ()')
    shop.migration("Migration3", 'create table "b" ()', "select nonsense")
    shop.migration("Migration4", 'create table "c" ()')
    outcome = shop.run(expected=shop.pending()["expected"])
    assert outcome["migration"] == "Migration3"
    assert outcome["applied"] == ["Migration2"]
    assert "ended with 1" in outcome["failed"]
    assert any('column "nonsense" does not exist' in line for line in outcome["lines"])
    assert "b" not in shop.tables()
    shop.migration("Migration3", 'create table "b" ()')
    assert shop.migrate()["applied"] == ["Migration3", "Migration4"]


def test_a_script_that_fails_is_named_though_the_command_does_not_tell(shop: Application) -> None:
    shop.script("second.js", "throw new Error('out of stock')")
    outcome = shop.run(expected=shop.pending()["expected"])
    assert outcome["failed"] == "not done: second.js"
    assert "out of stock" in outcome["lines"]
    shop.script(
        "second.js", "await query('insert into store values (2)')"
    )  # half done, which older versions never repeat
    shop.migrate()
    assert shop.query("select count(*) from store") == [{"count": "2"}]


def test_a_script_of_a_feature_that_is_off_is_not_pending(shop: Application) -> None:
    shop.script("second.js", "throw new Error('it ran') }; exports.off = true; {")
    assert not shop.pending()["needed"]


def test_scripts_that_did_not_even_begin_are_missed(shop: Application) -> None:
    shop.script("second.js", "")
    outcome = shop.run(command=["true"], expected=shop.pending()["expected"])
    assert outcome["failed"] == "not done: second.js"


def test_one_that_waits_for_a_lock_is_ended_and_told_for_whom(shop: Application) -> None:
    shop.migration("Migration2", 'alter table "gift" add column "from" text')
    with shop.session("a curious person", "begin; select note from gift"):
        outcome = shop.run(seconds=3, expected=shop.pending()["expected"])
        assert outcome["failed"] == "it was not done within 3 s"
        assert '"a curious person", idle in transaction' in outcome["blocker"]
        assert outcome["migration"] == "Migration2"
        assert shop.sessions() == []
    assert shop.migrate()["applied"] == ["Migration2"]


def test_a_second_one_waits_and_says_for_whom(shop: Application) -> None:
    shop.migration("Migration2", "select pg_sleep(4)")
    with shop.start("run", **shop.run_options()) as first:
        shop.wait_for_migration()
        with shop.start("run", **shop.run_options(patience=0)) as second:
            _, errors = second.communicate(timeout=30)
        assert second.returncode == 2
        assert "anna@laptop" in errors
        assert "process " in errors
        with shop.start("pending", contract=False, patience=0) as look:
            _, errors = look.communicate(timeout=30)
        assert look.returncode == 2
        patient = shop.run(patience=20)
        assert (patient["failed"], patient["applied"]) == ("", [])  # the first had done it
        output, _ = first.communicate(timeout=30)
    assert json.loads(output)["applied"] == ["Migration2"]


def test_what_goes_on_without_the_program_is_waited_for(shop: Application) -> None:
    shop.migration("Migration2", "select pg_sleep(4)")
    with shop.start("run", **shop.run_options()) as first:
        shop.wait_for_migration()
        time.sleep(1)
        first.kill()
    assert len(shop.sessions()) == 1  # Medusa's own
    assert shop.run(patience=20)["applied"] == []
    assert shop.query("select count(*) from mikro_orm_migrations where name = 'Migration2'") == [{"count": "1"}]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_a_program_that_is_ended_leaves_nothing_running(shop: Application, sent: signal.Signals) -> None:
    shop.migration("Migration2", "select pg_sleep(30)", 'create table "b" ()')
    with shop.start("run", **shop.run_options()) as program:
        shop.wait_for_migration()
        os.kill(program.pid, sent)
        output, _ = program.communicate(timeout=20)
    assert sent.name in json.loads(output)["failed"]
    assert shop.sessions() == []
    assert "b" not in shop.tables()


def test_one_whose_lock_is_lost_is_ended(shop: Application) -> None:
    shop.migration("Migration2", "select pg_sleep(30)", 'create table "b" ()')
    with shop.start("run", **shop.run_options()) as program:
        shop.wait_for_migration()
        shop.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name like '% run lock %'")
        output, _ = program.communicate(timeout=20)
    assert "was ended by the database" in json.loads(output)["failed"]
    assert "b" not in shop.tables()


Releases = Callable[[str], Application]


def going_back(new: Application, old: Application, *entries: dict[str, Any]) -> Any:
    log = [json.dumps({"event": "migrate", "time": "2020-01-01T00:00:00Z", "detail": detail}) for detail in entries]
    return new.ask("unknown", target=str(old.folder), release=str(new.folder), log=[*log, '{"event": "migr'])


def test_going_back_past_additive_migrations_is_possible(shop: Application, releases: Releases) -> None:
    old = releases("old")
    old.migration("Migration1", *SHOP)
    assert going_back(shop, old) == {"additive": [], "refused": [], "before": "", "key": ""}
    shop.migration("Migration2", 'alter table "gift" add column "from" text')
    shop.migrate()
    shop.query("create table api_key (token text, type text, revoked_at timestamptz, deleted_at timestamptz)")
    shop.query(
        "insert into api_key (token, type, revoked_at) values"
        " ('sk_1', 'secret', null), ('pk_1', 'publishable', now()), ('pk_2', 'publishable', null)"
    )
    assert going_back(shop, old) == {"additive": ["Migration2"], "refused": [], "before": "", "key": "pk_2"}


def test_going_back_past_a_loss_is_refused_with_the_moment_before(shop: Application, releases: Releases) -> None:
    old = releases("old")
    old.migration("Migration1", *SHOP)
    shop.migration("Migration2", 'alter table "gift" add column "from" text')
    shop.migration("Migration3", 'alter table "gift" drop column "note"')
    pending = shop.pending(contract=True)
    outcome = shop.run(expected=pending["expected"])
    answer = going_back(shop, old)  # on a host that does not know the log
    assert answer["additive"] == ["Migration2"]
    assert answer["refused"] == ['Migration3 drops the column gift.note: alter table "gift" drop column "note"']
    assert answer["before"] >= outcome["before"]
    entry = {"before": outcome["before"], "applied": outcome["applied"], "losses": pending["losses"]}
    entry["looked_at"] = pending["expected"]["migrations"]
    answer = going_back(shop, old, entry)
    assert answer["refused"] == texts(pending)
    assert answer["before"] == outcome["before"]


def test_going_back_past_what_nobody_knows_is_refused(shop: Application) -> None:
    shop.query("insert into mikro_orm_migrations (name) values ('Noop'), ('Migration9')")
    assert going_back(shop, shop)["refused"] == ["Migration9 is in no release on this host"]


def test_what_was_there_when_a_release_was_made_does_not_keep_it_from_coming_back(shop: Application) -> None:
    shop.query("insert into mikro_orm_migrations (name, executed_at) values ('Migration9', now() - interval '1 hour')")
    assert going_back(shop, shop)["refused"] == []


def test_going_back_to_a_release_whose_links_were_dropped_is_refused(shop: Application) -> None:
    dropped = {"of": "link gift_store", "text": "link gift_store drops the table gift_store"}
    entry = {"before": "2026-11-23T02:00:00Z", "applied": [], "looked_at": [], "losses": [dropped]}
    assert going_back(shop, shop, entry)["refused"] == []  # made after that
    os.utime(shop.folder / ".release.json", (1_000_000_000, 1_000_000_000))
    assert going_back(shop, shop, entry)["refused"] == []  # that run failed before
    shop.query("drop table gift_store")
    assert going_back(shop, shop, entry)["refused"] == [dropped["text"]]
