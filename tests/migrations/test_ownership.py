# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of PostgreSQL are replaced by others, and what they made stays usable: `own` and `unused` of databases.cjs."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from migrations.conftest import FILES, Application
from node_packages import NODE

PROGRAM = (FILES / "databases.cjs").read_text()


@dataclass
class Database:
    """A database as DigitalOcean makes one: of an administrator that is no superuser, like each user of it."""

    application: Application
    admin: str
    authority: str

    def url(self, user: str) -> str:
        parts = urlsplit(self.application.url)
        options = f"sslmode=verify-full&sslrootcert={self.authority}"
        return f"postgresql://{user}:none@{parts.hostname}:{parts.port}{parts.path}?{options}"

    def program(self, user: str, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(NODE), "-", *command],
            cwd=self.application.folder,
            env={"PATH": "/usr/bin:/bin", "DATABASE_URL": self.url(user), "NODE_ENV": "production"},
            input=f"const admin = {json.dumps(self.url(self.admin))}\n{PROGRAM}",
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def own(self, user: str) -> list[str]:
        done = self.program(user, "own")
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    def of(self, user: str) -> Application:
        return replace(self.application, url=self.url(user))

    def superuser(self, *statements: str) -> None:
        for statement in statements:
            self.application.query(statement)


@pytest.fixture
def database(application: Application, authority: Path) -> Database:
    name = urlsplit(application.url).path[1:]
    found = Database(application, f"{name}_administrator", str(authority))
    found.superuser(
        f"create role {found.admin} login createdb createrole",
        f"alter database {name} owner to {found.admin}",
        *(f"create role {name}_{number} login" for number in (1, 2)),
    )
    return found


def user(database: Database, number: int) -> str:
    return database.admin.replace("administrator", str(number))


def test_what_one_user_made_is_the_next_ones(database: Database) -> None:
    first, second = user(database, 1), user(database, 2)
    assert len(database.own(first)) >= 4
    assert database.own(first) == []
    database.of(first).query("create table cart (id int primary key)")
    database.of(first).query("create type colour as enum ('red')")
    assert len(database.own(second)) == 2, "a grant, and as whom its sessions begin"
    database.of(second).query("alter table cart add column total int")
    database.of(second).query("alter type colour add value 'blue'")
    database.of(second).query("create extension if not exists pg_trgm")
    database.of(first).query("insert into cart values (1, 2)")
    database.superuser(f"drop role {first}")
    assert database.of(second).query("select id, total from cart") == [{"id": 1, "total": 2}]


def test_what_the_administrator_made_becomes_the_applications(database: Database) -> None:
    """As in shops that are older than the users."""
    made = database.of(database.admin)
    for statement in (
        "create table cart (id serial primary key)",
        "create view carts as select * from cart",
        "create materialized view kept as select * from cart",
        "create sequence numbers",
        "create type colour as enum ('red')",
        "create type pair as (a int, b int)",
        "create domain price as int check (value > 0)",
        'create schema "My Module"',
        'create table "My Module"."Cart Item" (id int)',
        "create function one() returns int language sql return 1",
        "create extension pg_trgm",
    ):
        made.query(statement)
    said = database.own(user(database, 1))
    assert said[-2].startswith("10 tables, types and routines")
    shop = database.of(user(database, 1))
    owners = shop.query(
        "select distinct relowner::regrole::text as owner from pg_class"
        " where relnamespace in ('public'::regnamespace, '\"My Module\"'::regnamespace)"
    )
    assert [row["owner"] for row in owners] == [f"{urlsplit(shop.url).path[1:]}_owner"]
    for statement in (
        "alter table cart add column total int",
        "drop view carts",
        "drop type pair",
        "alter type colour add value 'blue'",
        'drop table "My Module"."Cart Item"',
        "drop function one()",
    ):
        shop.query(statement)
    made.query("insert into cart default values")  # the release that still serves
    assert database.own(user(database, 1)) == []


def test_the_administrator_itself_is_left_alone(database: Database) -> None:
    assert database.own(database.admin) == []


def test_a_table_that_is_in_use_is_waited_for(database: Database) -> None:
    made = database.of(database.admin)
    made.query("create table cart (id int)")
    with made.session("visitor", "begin; lock table cart in share mode; select pg_sleep(3); commit"):
        database.own(user(database, 1))


def test_a_migration_that_takes_too_long_is_ended_whoever_owns_the_tables(database: Database) -> None:
    first = user(database, 1)
    database.own(first)
    shop = database.of(first)
    shop.migration("Migration20260101000000", "create table cart (id text primary key)")
    assert shop.migrate()["applied"]
    shop.migration("Migration20260102000000", "select pg_sleep(60)")
    assert "was not done within 3 s" in shop.run(seconds=3)["failed"]
    assert shop.sessions() == []


def test_a_user_that_is_connected_is_named(database: Database) -> None:
    first, second = user(database, 1), user(database, 2)
    database.own(first)
    with database.of(first).session("visitor", "select 1"):
        program = subprocess.Popen(
            [str(NODE), "-", "unused", first],
            cwd=database.application.folder,
            env={"PATH": "/usr/bin:/bin", "DATABASE_URL": database.url(second), "NODE_ENV": "production"},
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert program.stdin
        program.stdin.write(f"const admin = {json.dumps(database.url(database.admin))}\n{PROGRAM}")
        program.stdin.close()
        program.stdin = None
        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(3)
    _, errors = program.communicate(timeout=30)
    assert (program.returncode, errors) == (0, "")
