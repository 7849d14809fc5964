# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that break, each in its way, while visitors come: what served serves on, and the message names the cause."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from e2e.shop import INVENTORY, Droplet, Shop, playbook
from e2e.visitors import processes, running, visitors
from stages import ROOT, environment, say, tool

# The applications with places to break at, which an environment variable that no build reads chooses.
BREAK = "BREAK"
MIDDLEWARES = """
import { defineMiddlewares } from "@medusajs/framework/http"

export default defineMiddlewares({
  routes: [
    {
      matcher: "/store/regions",
      middlewares: [
        (_request, response, next) =>
          process.env.BREAK === "regions" ? response.status(500).json({ message: "broken on purpose" }) : next(),
      ],
    },
  ],
})
"""
MODULE = {
    "index.ts": """
import { Module } from "@medusajs/framework/utils"
import Service from "./service"

export default Module("breakage", { service: Service })
""",
    "service.ts": """
import { MedusaService } from "@medusajs/framework/utils"
import { Breakage } from "./models/breakage"

export default class Service extends MedusaService({ Breakage }) {}
""",
    "models/breakage.ts": """
import { model } from "@medusajs/framework/utils"

export const Breakage = model.define("breakage", { id: model.id().primaryKey() })
""",
    "migrations/Migration20261101000000.ts": """
import { Migration } from "@medusajs/framework/mikro-orm/migrations"

const date = "timestamptz not null default now()"
const dates = `created_at ${date}, updated_at ${date}, deleted_at timestamptz null`

export class Migration20261101000000 extends Migration {
  override async up(): Promise<void> {
    if (process.env.BREAK === "migration") {
      this.addSql("alter table nowhere add column x text null")
    }
    if (process.env.BREAK === "hang") {
      this.addSql("alter table invite add column if not exists breakage text null")
    }
    this.addSql(`create table if not exists breakage (id text not null primary key, ${dates})`)
  }

  override async down(): Promise<void> {
    this.addSql("drop table if exists breakage")
  }
}
""",
}


# What no build reads, so that the next case is of the same build.
RUNTIME = {
    "flowdose_backend_runtime_env": [BREAK, "DATABASE_URL", "REDIS_URL", "RESEND_FROM"],
    "flowdose_storefront_runtime_env": [BREAK],
}
Changes = dict[str, Any]


def variant(folder: Path) -> Path:
    """A copy of the examples that breaks as the environment says."""
    made = "node_modules", ".next", ".medusa", "next-env.d.ts"
    shutil.copytree(ROOT / "examples", folder, ignore=shutil.ignore_patterns(*made))
    backend, storefront = folder / "backend", folder / "storefront"
    for name, text in MODULE.items():
        write(backend / "src/modules/breakage" / name, text)
    write(backend / "src/api/middlewares.ts", MIDDLEWARES)
    edit(backend / "medusa-config.ts", "  modules: [\n", '  modules: [\n    { resolve: "./src/modules/breakage" },\n')
    search = "  const { q } = await searchParams\n"
    edit(
        storefront / "app/page.tsx",
        search,
        f'  if (process.env.{BREAK} === "page") throw new Error("on purpose")\n{search}',
    )
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.lstrip())


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name} has changed"
    path.write_text(text.replace(old, new))


def backend(**env: str) -> Changes:
    """Variables of the backend, which is built without its admin, so that a build is short."""
    return {"flowdose_backend_env_extra": {"DISABLE_MEDUSA_ADMIN": "true", **env}}


def stranger(folder: Path) -> Path:
    """The certificate of an authority that signed nothing."""
    path = folder / "stranger.pem"
    key = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(folder / "key.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", *key, "-days", "1", "-subj", "/CN=stranger", "-out", str(path)],
        check=True,
        capture_output=True,
    )
    return path


@contextmanager
def doing(droplet: Droplet, start: str, stop: str) -> Iterator[None]:
    """Something that is wrong on a droplet while the block runs."""
    droplet.run(start).must()
    try:
        yield
    finally:
        droplet.run(stop).must()


def foreign_process(shop: Shop) -> AbstractContextManager[None]:
    """Of root, on the port that the next release of the backend would take."""
    droplet = shop.droplet("backend")
    second = droplet.run("test -e /srv/flowdose/serving/medusa-backend-9001").status == 0
    listen = (
        f"import socket, time; s = socket.create_server(('127.0.0.1', {9000 if second else 9001})); time.sleep(600)"
    )
    return doing(droplet, f'systemd-run --collect --unit=stranger python3 -c "{listen}"', "systemctl stop stranger")


def no_new_connections_to_valkey(shop: Shop) -> AbstractContextManager[None]:
    """Those that serve keep theirs: only what opens a connection is refused."""
    port = next(item for item in shop.cloud.databases() if item["engine"] == "valkey")["connection"]["port"]
    table = "add table inet cut; add chain inet cut out { type filter hook output priority 0 ; }"
    rule = f"add rule inet cut out tcp dport {port} tcp flags & (syn | ack) == syn reject with tcp reset"
    return doing(shop.droplet("backend"), f"nft '{table}; {rule}'", "nft delete table inet cut")


def full_disk(shop: Shop) -> AbstractContextManager[None]:
    """Where yarn keeps what it fetches."""
    cache = "/home/flowdose/.yarn"
    return doing(shop.droplet("backend"), f"mount -t tmpfs -o size=4m,mode=1777 none {cache}", f"umount {cache}")


def locked_table(shop: Shop) -> AbstractContextManager[None]:
    """A session holds the table that a migration wants to change."""
    read = 'require("@medusajs/framework/utils").loadEnv("production", process.cwd());'
    hold = "db.query('begin').then(() => db.query('lock table invite in share mode'))"
    connect = "const {Client} = require('pg'); const db = new Client(process.env.DATABASE_URL); db.connect()"
    script = f"{read} {connect}.then(() => {hold})"
    unit = "--collect --unit=holder --uid=flowdose --setenv=NODE_ENV=production"
    folder = "--working-directory=/srv/flowdose/backend/current/.medusa/server"
    start = (
        f"systemd-run {unit} {folder} /opt/node/bin/node -e {shlex.quote(script)}; sleep 3; systemctl is-active holder"
    )
    return doing(shop.droplet("backend"), start, "systemctl stop holder")


@dataclass(frozen=True)
class Case:
    """`said` is what the message must have."""

    name: str
    said: str
    changes: Callable[[Path, Path], Changes] = lambda _folder, _source: {}
    world: Callable[[Shop], AbstractContextManager[None]] = lambda _shop: nullcontext()


def of_variant(source: Path, broken: str) -> Changes:
    return {"flowdose_source": str(source), **backend(BREAK=broken)}


CASES = [
    Case("missing variable", "JWT_SECRET is not set", lambda _folder, _source: backend(JWT_SECRET="")),
    Case(
        "wrong authority",
        "its certificate is not signed by an authority in",
        lambda folder, _source: {"flowdose_database_ca_file": str(stranger(folder))},
    ),
    Case(
        "Valkey down",
        r"Valkey at \S+: .*ECONNREFUSED",
        lambda _folder, _source: backend(RESEND_FROM="A <a@flowdose.test>"),
        no_new_connections_to_valkey,
    ),
    Case(
        "port taken",
        "port 900[01] is taken by a process of user root",
        lambda _folder, _source: backend(RESEND_FROM="B <b@flowdose.test>"),
        foreign_process,
    ),
    Case(
        "disk full",
        "The disk is full",
        lambda _folder, _source: {"flowdose_backend_install_command": "yarn install --immutable --inline-builds"},
        full_disk,
    ),
    Case(
        "out of memory",
        "It ran out of memory",
        lambda _folder, _source: {
            "flowdose_backend_build_command": "node --max-old-space-size=40 node_modules/@medusajs/cli/cli.js build"
        },
    ),
    Case(
        "syntax error", r"medusa-config\.ts.*Failed: build|medusa-config", lambda _folder, source: syntax_error(source)
    ),
    Case(
        "failing migration",
        'relation "nowhere" does not exist',
        lambda _folder, source: of_variant(source, "migration"),
    ),
    Case("hanging migration", "It waited for", lambda _folder, source: of_variant(source, "hang"), locked_table),
    Case("regions fail", "Status code was 500", lambda _folder, source: of_variant(source, "regions")),
    Case(
        "page fails",
        "Status code was 500",
        lambda _folder, source: {**of_variant(source, ""), "flowdose_storefront_env_extra": {BREAK: "page"}},
    ),
]


def syntax_error(source: Path) -> Changes:
    folder = source.with_name("misspelt")
    shutil.copytree(source, folder)
    edit(folder / "backend/medusa-config.ts", "module.exports = defineConfig({", "module.exports = defineConfig({{")
    return {**of_variant(source, ""), "flowdose_source": str(folder)}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return variant(tmp_path_factory.mktemp("broken") / "source")


@pytest.fixture(scope="module", autouse=True)
def coming_visitors(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All the while, few enough to leave the machine to what breaks. What they met with is judged at the end."""
    with visitors(shop, tmp_path_factory.mktemp("visitors"), rate=20) as report:
        yield
    assert report["failures"] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_served_serves_on(shop: Shop, case: Case, source: Path, tmp_path: Path) -> None:
    before = processes(shop)
    changes = {**RUNTIME, **case.changes(tmp_path, source)}
    with case.world(shop):
        outcome = playbook("deploy", *shop.arguments, "-e", json.dumps(changes)).must(2)
    say(f"  {case.name}: deploy.yml took {outcome.seconds:.0f} s")
    last = outcome.output.rpartition("fatal: ")[2].split("PLAY RECAP")[0]
    assert re.search(case.said, " ".join(last.split())), outcome.output
    after = processes(shop)
    assert after[1] == before[1]
    assert after[0] == before[0] or case.name == "page fails", "the backend before it is a good one"
    assert shop.serves()


def deploy_until(shop: Shop, line: str, changes: Changes, then: Callable[[subprocess.Popen[str]], object]) -> str:
    """Run deploy.yml, and do something to it when a line of its output has that text. Returns what it said."""
    command = [tool("ansible-playbook"), "playbooks/deploy.yml", "-i", INVENTORY, *shop.arguments]
    process = subprocess.Popen(
        [*command, "-e", json.dumps(changes)],
        cwd=ROOT,
        env=environment({"ANSIBLE_NOCOLOR": "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    said = ""
    for text in process.stdout:
        said += text
        if line in text:
            time.sleep(2)  # it is in the middle of that
            then(process)
            break
    said += process.stdout.read()
    process.wait()
    assert line in said, said
    return said


def kill(process: subprocess.Popen[str]) -> None:
    """As a machine that dies: the playbook and all that it has started."""
    for pid in [process.pid, *descendants(process.pid)]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "ppid=,pid="], check=True, capture_output=True, text=True).stdout.split()
    children = [int(child) for parent, child in zip(listed[::2], listed[1::2], strict=True) if int(parent) == pid]
    return [found for child in children for found in [child, *descendants(child)]]


def test_a_run_that_ends_anywhere_is_finished_by_the_next(shop: Shop) -> None:
    """Its connection is lost, or the controller is killed, and nothing is cleaned by hand."""
    changes = {**RUNTIME, **backend(ROUND="2")}
    before = processes(shop)

    def cut(_process: object) -> None:
        shop.droplet("backend").run("pkill -KILL -f '^sshd(-session)?: root'")

    assert "UNREACHABLE" in deploy_until(shop, "build | Build, a minute", changes, cut)
    for line in ("build | Build, a minute", "Have pm2 run it: candidate", "activate | Give it time to fail"):
        deploy_until(shop, line, changes, kill)
        assert set(before) <= set(running(shop)), line
    outcome = playbook("deploy", *shop.arguments, "-e", json.dumps(changes)).must()
    say(f"  deploy.yml took {outcome.seconds:.0f} s, after four that did not end")
    after = processes(shop)
    assert after[0] != before[0]
    again = playbook("deploy", *shop.arguments, "-e", json.dumps(changes)).must()
    assert again.recap()["backend-development"]["changed"] == 0
