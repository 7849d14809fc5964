# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SQL takes away, by reading it: a table of cases."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from .conftest import FILES, NODE

NOW = {
    "tables": {
        "order": {
            "id": {"type": "text", "required": True, "filled": False},
            "email": {"type": "text", "required": False, "filled": False},
            "code": {"type": "character varying(20)", "required": False, "filled": False},
            "version": {"type": "integer", "required": True, "filled": True},
            "paid": {"type": "timestamp with time zone", "required": False, "filled": False},
        },
        "Customer": {"id": {"type": "text", "required": True, "filled": False}},
    },
    "keys": {"order_pkey": "order"},
    "functions": ["tidy"],
    "others": ["order_status", "order_number"],
}

PASS = [
    'create table if not exists "gift" ("id" text not null, constraint "gift_pkey" primary key ("id"))',
    'alter table if exists "order" add if not exists "note" text null, add "gift" boolean not null default false',
    'alter table "order" add column "number" bigserial not null',
    'alter table "order" add column "total" int not null generated always as (1) stored',
    'alter table "order" alter column "id" drop not null',
    'alter table "order" alter column "email" set default \'x\'',
    'alter table "order" alter column "version" set not null',  # it is
    'alter table "order" alter column "email" type text using ("email"::text)',  # it is, as MikroORM likes to say
    'alter table "order" alter "version" type int4',
    'alter table "order" alter column "paid" type timestamptz',
    'alter table "order" alter column "code" type text',  # more room
    'alter table "order" alter column "code" type varchar(40)',
    'drop index if exists "IDX_order_email"; create unique index "IDX_order_email" on "order" ("email")',
    'alter table "order" drop constraint if exists "order_customer_foreign"',
    'alter table "order" drop constraint order_pkey; alter table "order" add constraint order_pkey primary key ("id")',
    'alter table "order" drop constraint order_pkey, add primary key (id, version)',
    'alter table "order" rename constraint "a" to "b"; alter index "a" rename to "b"',
    'alter table if exists "gift" drop column "order", rename to "present"',  # what is not there cannot be lost
    'drop table if exists "gift" cascade; truncate gift; delete from gift where true; drop type gift_status',
    'alter table "order" drop column if exists "gone"',
    'update "order" set "email" = lower("email")',
    'insert into "order" (id) values (\'drop table "order"; delete from "order"\')',
    'insert into "order" (id) values (E\'\\\'; drop table "order"; --\')',
    '-- drop table "order";\ncreate index a on "order" (id) /* ; drop table "order"; /* nested */ drop table */',
    'comment on table "order" is $$; drop table "order"; $$',
    'create table "drop table ""order""" (id text)',
    "alter type order_status add value 'lost'",
    'create or replace view "open" as select * from "order"',
    "create or replace function f() returns trigger as $body$ begin delete from x; return x; end; $body$ language sql",
    'drop trigger if exists t on "order"; create trigger t before update on "order" execute function f()',
    'with a as (select id from "order") update "order" o set version = 2 from a where a.id = o.id',
    "do $$ begin if not exists (select 1) then create extension a; end if; raise notice 'drop'; end $$",
    "select setval('order_number', 7)",
    "",
    " ; ; ",
]

LOSE = [
    ('drop table "order"', "drops the table order"),
    ("DROP TABLE IF EXISTS gift, public.Order CASCADE", "drops the table order"),
    ('drop table "Customer"', "drops the table Customer"),
    ('alter table "order" drop column "email"', "drops the column order.email"),
    ('alter table only public."order" drop email', "drops the column order.email"),
    (
        'alter table "order" add column "note" text, drop column if exists "gone", drop column "email" cascade',
        "order.email",
    ),
    (
        'select 1; create table b (); alter /* x */ table "order" -- y\n drop\ncolumn email',
        "drops the column order.email",
    ),
    ('alter table "order" rename to "purchase"', "renames the table order"),
    ('alter table "order" rename column "email" to "mail"', "renames the column order.email"),
    ('alter table "order" rename email to mail', "renames the column order.email"),
    ('alter table "order" alter column "email" type jsonb using ("email"::jsonb)', "from text to jsonb"),
    ('alter table "order" alter column "code" type varchar(10)', "from character varying(20) to character varying(10)"),
    ('alter table "order" alter column "code" set data type integer', "changes the type"),
    ('alter table "order" alter column "email" type text using (null)', "calculates order.email anew"),
    ('alter table "order" alter column "email" type text using ("code"::text)', "calculates order.email anew"),
    ('alter table "order" alter column "email" set not null', "refuses rows without order.email"),
    ('alter table "order" alter column "version" drop default', "takes the default"),
    ('alter table "order" add column "note" text not null', "must be given"),
    ('alter table "order" drop constraint "order_pkey"', "drops the primary key of order"),
    ('alter table "order" set schema other', "unknown way"),
    ('alter table "order" enable row level security', "unknown way"),
    ('truncate "gift", "order"', "empties gift, order"),
    ('truncate "gift" cascade', "empties gift"),
    ('delete from "order" where id is null', "deletes rows of order"),
    (
        'with old as (delete from only "order" returning *) insert into archive select * from old',
        "deletes rows of order",
    ),
    ('merge into "order" using gift on true when matched then delete', "unknown kind: merge"),
    ("drop type order_status cascade", "drops the type order_status"),
    ("drop sequence order_number", "drops the sequence order_number"),
    ("alter type order_status rename value 'a' to 'b'", "changes the type order_status"),
    ('drop trigger t on "order"', "drops the trigger t"),
    ("drop function tidy", "drops the function tidy"),
    ("drop owned by doadmin", "unknown kind"),
    ("select tidy()", "calls tidy()"),
    ("create function wipe() returns void as $$ delete from a $$ language sql; select wipe()", "calls wipe()"),
    ('do $$ begin drop table "order"; end $$', "may lose something (drop)"),
    ("do $x$ begin execute format('dr' || 'op table %I', 'order'); end $x$", "may lose something (execute)"),
    ("do $$ begin perform tidy(); end $$", "calls tidy()"),
    ("do language plperl $$ 1 $$", "may lose something"),
    ("do 'begin end'", "may lose something"),
    ('create rule r as on insert to "order" do instead delete from "order"', "unknown kind"),
    ("call tidy()", "unknown kind: call"),
    ("commit", "unknown kind: commit"),
    ("select 'it does not end", "cannot be read"),
    (r'drop table U&"\006Frder"', "cannot be read"),
    ('/* it does not end; drop table "order"', "cannot be read"),
]


def losses(cases: list[Any], now: Any) -> list[list[dict[str, str]]]:
    program = (FILES / "statements.cjs").read_text()
    text = f"{program}\nconst [cases, now] = {json.dumps([cases, now])}\n"
    text += "console.log(JSON.stringify(cases.map((sqls) => losses(sqls, now))))"
    done = subprocess.run([str(NODE), "-"], input=text, check=True, capture_output=True, text=True, timeout=30)
    return list(json.loads(done.stdout))


@pytest.fixture(scope="module")
def answers() -> dict[str, list[dict[str, str]]]:
    """For each case, in one process."""
    sqls = [*PASS, *(sql for sql, _ in LOSE)]
    return dict(zip(sqls, losses([[sql] for sql in sqls], NOW), strict=True))


@pytest.mark.parametrize("sql", PASS)
def test_what_loses_nothing_passes(sql: str, answers: dict[str, list[dict[str, str]]]) -> None:
    assert answers[sql] == []


@pytest.mark.parametrize(("sql", "reason"), LOSE)
def test_what_loses_something_is_found_and_named(
    sql: str, reason: str, answers: dict[str, list[dict[str, str]]]
) -> None:
    (found,) = answers[sql]
    assert reason in found["reason"]
    assert found["statement"]


def test_each_loss_of_a_migration_is_named_with_its_statement() -> None:
    sqls = ['alter table "order" drop column "email"; create table a ()', '  drop table\n  "order"  ']
    (found,) = losses([sqls], NOW)
    assert [item["statement"] for item in found] == ['alter table "order" drop column "email"', 'drop table "order"']


def test_a_function_made_by_one_statement_and_called_by_another_is_found() -> None:
    (found,) = losses([["create function wipe() returns void as $$ $$ language sql", "select wipe()"]], NOW)
    assert [item["statement"] for item in found] == ["select wipe()"]


def test_without_knowing_the_database_everything_is_there_but_what_was_just_made() -> None:
    """For migrations that were applied already, which a rollback asks about."""
    made = [
        'create table "gift" (id text)',
        'alter table "gift" add column "note" text',
        'alter table "gift" drop column "note"',
    ]
    assert losses([made, ['alter table "order" drop column if exists "email"']], None) == [
        [],
        [{"statement": 'alter table "order" drop column if exists "email"', "reason": "drops the column order.email"}],
    ]
