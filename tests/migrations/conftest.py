# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL of the tests' own, and applications with the parts of Medusa that migrate it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from node_packages import NODE, install
from stages import COLLECTION

HERE = Path(__file__).parent
FILES = COLLECTION / "roles/backend/files"
PROGRAM = (FILES / "statements.cjs").read_text() + (FILES / "migrations.cjs").read_text()
SERVER = f"@embedded-postgres/linux-{ {'x86_64': 'x64', 'aarch64': 'arm64'}[platform.machine()] }"


def make_links() -> None:
    """Those of the server's libraries, which packages cannot carry."""
    command = [str(NODE), "scripts/hydrate-symlinks.js"]
    subprocess.run(command, cwd=HERE / "node_modules" / SERVER, check=True, timeout=60)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's certificate, which it signed itself; its key is beside it."""
    path = tmp_path_factory.mktemp("authority") / "server.crt"
    key = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", "req", "-x509", *key, *names], check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def server(authority: Path) -> Iterator[str]:
    """The URL of a PostgreSQL server, without a database. It takes connections with and without TLS."""
    install(HERE, make_links)
    folder = Path(tempfile.mkdtemp(prefix="flowdose-postgresql-"))
    native = folder / "native"
    # PostgreSQL refuses to run as root, and others may not be let into the tree.
    shutil.copytree(HERE / "node_modules" / SERVER / "native", native, symlinks=True)
    user = "nobody" if os.geteuid() == 0 else None
    folder.chmod(0o755)
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    initialise = [
        str(native / "bin/initdb"),
        "-D",
        str(data),
        "-U",
        "doadmin",
        "-A",
        "trust",
        "--no-sync",
        "-E",
        "UTF8",
    ]
    subprocess.run(
        [*initialise, "--locale=C"], user=user, cwd=folder, check=True, timeout=60, stdout=subprocess.DEVNULL
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for suffix in ("crt", "key"):
        shutil.copy(authority.with_suffix(f".{suffix}"), data / f"server.{suffix}")
        shutil.chown(data / f"server.{suffix}", user or os.geteuid())
    settings = [
        "-c",
        "ssl=on",
        "-c",
        "fsync=off",
        "-c",
        f"unix_socket_directories={folder}",
        "-c",
        "listen_addresses=127.0.0.1",
    ]
    command = [str(native / "bin/postgres"), "-D", str(data), "-p", str(port), *settings]
    with (folder / "log").open("w") as log, subprocess.Popen(command, user=user, cwd=folder, stderr=log) as process:
        try:
            deadline = time.monotonic() + 30
            while "ready to accept connections" not in (folder / "log").read_text():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield f"postgresql://doadmin@127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node_modules with what migrations.cjs needs of Medusa, under Medusa's names."""
    install(HERE, make_links)
    folder = tmp_path_factory.mktemp("packages") / "node_modules"
    parts = {
        "framework/index.js": "framework",
        "framework/utils.js": "utils",
        "framework/links.js": "links",
        "framework/modules-sdk.js": "sdk",
        "framework/mikro-orm/migrations.js": "migrations",
        "medusa/dist/loaders/index.js": "loaders",
        "utils/dist/index.js": "utils",
        "utils/dist/modules-sdk/migration-scripts/migration-up.js": "migrationUp",
    }
    for path, part in parts.items():
        file = folder / "@medusajs" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'module.exports = require("{folder}/medusa.cjs").{part}\n')
    exports = {
        "framework": {".": "./index.js", "./*": "./*.js"},
        "medusa": {"./package.json": "./package.json", "./loaders/*": "./dist/loaders/*.js"},
        "utils": {".": "./dist/index.js"},
    }
    for name, exported in exports.items():
        manifest = {"name": f"@medusajs/{name}", "exports": exported}
        (folder / "@medusajs" / name / "package.json").write_text(json.dumps(manifest))
    shutil.copy(HERE / "medusa.cjs", folder)
    for package in (HERE / "node_modules").iterdir():
        if not package.name.startswith((".", "@")):
            (folder / package.name).symlink_to(package)
    (folder / ".bin").mkdir()
    command = folder / ".bin/medusa"
    command.write_text("#!/usr/bin/env node\nrequire('../medusa.cjs').migrate(process.argv.slice(3))\n")
    command.chmod(0o755)
    return folder


@dataclass
class Application:
    """A release of an application, and its database."""

    folder: Path
    url: str

    def migration(self, name: str, *statements: str, module: str = "shop", body: str = "") -> None:
        """A migration of a module: its statements, or the JavaScript between the braces of up()."""
        folder = self.folder / "src/modules" / module
        (folder / "migrations").mkdir(parents=True, exist_ok=True)
        (folder / "index.js").touch()
        code = body or "\n".join(f"this.addSql({json.dumps(statement)})" for statement in statements)
        (folder / f"migrations/{name}.js").write_text(
            'const { Migration } = require("@medusajs/framework/mikro-orm/migrations")\n'
            f"exports.{name} = class extends Migration {{ async up() {{ {code} }} }}\n"
        )

    def script(self, name: str, body: str) -> None:
        """A migration script, which can call `query(sql)`."""
        folder = self.folder / "src/migration-scripts"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"exports.default = async (query) => {{ {body} }}\n")

    def links(self, *tables: str) -> None:
        links = [{"table": table, "sql": f'create table "{table}" (id text primary key)'} for table in tables]
        (self.folder / "links.json").write_text(json.dumps(links))

    def start(self, command: str, /, **options: Any) -> subprocess.Popen[str]:
        environment = {
            "PATH": f"{self.folder}/node_modules/.bin:{NODE.parent}:/usr/bin:/bin",
            "DATABASE_URL": self.url,
            "NODE_ENV": "production",
        }
        program = subprocess.Popen(
            [str(NODE), "-", command, json.dumps(options)],
            cwd=self.folder,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert program.stdin is not None
        program.stdin.write(PROGRAM)
        program.stdin.close()
        program.stdin = None
        return program

    def ask(self, command: str, /, **options: Any) -> Any:
        """What the program answers."""
        with self.start(command, **options) as program:
            output, errors = program.communicate(timeout=60)
        assert program.returncode == 0, errors
        return json.loads(output)

    def pending(self, *, contract: bool = False) -> Any:
        return self.ask("pending", contract=contract, patience=1)

    def run_options(self, **changed: Any) -> dict[str, Any]:
        options: dict[str, Any] = {
            "owner": "anna@laptop",
            "command": ["/bin/sh", "-c", "medusa db:migrate --execute-safe-links"],
            "expected": {"migrations": [], "scripts": []},
            "seconds": 30,
            "patience": 1,
        }
        return options | changed

    def run(self, **changed: Any) -> Any:
        return self.ask("run", **self.run_options(**changed))

    def migrate(self) -> Any:
        """As the role does it: look, then run what is expected."""
        outcome = self.run(expected=self.pending()["expected"])
        assert outcome["failed"] == ""
        return outcome

    def query(self, sql: str) -> list[dict[str, Any]]:
        code = (
            'const { Client } = require("pg"); const client = new Client({ connectionString: process.argv[1] });'
            "client.connect().then(() => client.query(process.argv[2]))"
            ".then(({ rows }) => { console.log(JSON.stringify(rows ?? [])); return client.end() })"
        )
        command = [str(NODE), "-e", code, self.url, sql]
        done = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True, timeout=30)
        return list(json.loads(done.stdout))

    @contextmanager
    def session(self, name: str, sql: str) -> Iterator[None]:
        """Somebody who asked that, and stays connected."""
        code = (
            'const { Client } = require("pg"); const [, connectionString, application_name, sql] = process.argv;'
            "const client = new Client({ connectionString, application_name });"
            "client.connect().then(() => client.query(sql)).then(() => console.log('ready'))"
        )
        command = [str(NODE), "-e", code, self.url, name, sql]
        with subprocess.Popen(command, cwd=self.folder, text=True, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
                yield
            finally:
                process.kill()

    def sessions(self) -> list[str]:
        """The names of those of migrations."""
        rows = self.query(
            "select application_name as name from pg_stat_activity"
            " where datname = current_database() and application_name like 'flowdose migrate%'"
        )
        return [str(row["name"]) for row in rows]

    def wait_for_migration(self) -> None:
        """Until one is in the middle of a statement."""
        deadline = time.monotonic() + 20
        while not any(" lock " not in name for name in self.sessions()):
            assert time.monotonic() < deadline
        time.sleep(0.5)

    def tables(self) -> set[str]:
        return {
            str(row["tablename"]) for row in self.query("select tablename from pg_tables where schemaname = 'public'")
        }


@pytest.fixture
def application(server: str, packages: Path, tmp_path: Path) -> Application:
    """One with an empty database."""
    return make_application(tmp_path / "release", packages, server)


@pytest.fixture
def releases(shop: Application, packages: Path, tmp_path: Path) -> Callable[[str], Application]:
    """Make another release that uses the same database."""
    return lambda name: release(tmp_path / name, packages, shop.url)


def release(folder: Path, packages: Path, url: str) -> Application:
    (folder / "src/modules").mkdir(parents=True, exist_ok=True)
    (folder / "node_modules").symlink_to(packages)
    (folder / "package.json").write_text("{}")
    (folder / ".release.json").write_text("{}")
    made = Application(folder, url)
    if not (folder / "links.json").exists():
        made.links()
    return made


def make_application(folder: Path, packages: Path, server: str, like: Application | None = None) -> Application:
    """One with a database of its own, which begins empty, or as that of another."""
    name = f"test{time.monotonic_ns()}"
    template = f"template {like.url.rpartition('/')[2]}" if like else ""
    Application(packages.parent, f"{server}/postgres").query(f"create database {name} {template}")
    if like:
        shutil.copytree(like.folder, folder, ignore=shutil.ignore_patterns("node_modules"))
    return release(folder, packages, f"{server}/{name}")
