# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed databases: PostgreSQL 15 with PgBouncer, and Valkey 8. TLS only, the admin user but not the superuser."""

from __future__ import annotations

import time
from importlib.resources import files
from pathlib import Path

from localcloud.hosts import Podman
from localcloud.machines import ClusterSpec, MachineError
from localcloud.network import DNS_ADDRESS, attach, vpc_network
from localcloud.tls import Authority, write_private

_START_TIMEOUT = 60.0  # seconds

_PG_HBA = """\
local   all postgres peer
local   all all scram-sha-256
hostssl all all 0.0.0.0/0 scram-sha-256
"""
# It asks the server who may come in, as the superuser on its socket: no password is kept twice. It insists on a file of
# authorities, though it asks nobody for a certificate.
_PGBOUNCER = """\
[pgbouncer]
listen_addr = *
listen_port = 25061
unix_socket_dir =
client_tls_sslmode = require
client_tls_cert_file = /cluster/run/server.pem
client_tls_key_file = /cluster/run/server-key.pem
client_tls_ca_file = /cluster/run/server.pem
auth_type = hba
auth_hba_file = /cluster/run/pgbouncer_hba.conf
auth_user = postgres
auth_query = SELECT usename, passwd FROM pg_shadow WHERE usename = $1 AND NOT usesuper
max_client_conn = 1000
ignore_startup_parameters = extra_float_digits
pidfile = /cluster/run/pgbouncer.pid
logfile = /cluster/run/pgbouncer.log
"""
# what an alert policy of clusters calls a metric -> what the meter calls it
METRICS = {
    "cpu_alerts": "cpu",
    "load_15_alerts": "load_15",
    "memory_utilization_alerts": "memory_utilization_percent",
    "disk_utilization_alerts": "disk_utilization_percent",
}
_VALKEY_USERS_NOTE = "a Valkey cluster has the one user `default`"


def container(cluster_id: str) -> str:
    return f"localcloud-cluster-{cluster_id}"


def identifier(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """`value` as a quoted SQL string; standard_conforming_strings is on, so a backslash is itself."""
    if "\0" in value:
        raise MachineError("a text with a null character cannot be stored in PostgreSQL")
    return "'" + value.replace("'", "''") + "'"


class Cluster:
    """One cluster; its data and configuration lie in `folder`."""

    def __init__(self, podman: Podman, spec: ClusterSpec, folder: Path) -> None:
        self._podman = podman
        self._spec = spec
        self._folder = folder
        self.container = container(spec.id)

    # -- start --

    def prepare(self) -> None:
        """Write the configuration; the certificate is kept as long as the authority and the names are the same."""
        conf = self._folder / "conf"
        conf.mkdir(parents=True, exist_ok=True)
        (self._folder / "data").mkdir(exist_ok=True)
        names = sorted({self._spec.host, self._spec.private_host})
        issued_for = "\n".join([*names, self._spec.ca_cert_pem])
        if not (conf / "issued-for").exists() or (conf / "issued-for").read_text() != issued_for:
            chain, key = Authority(self._spec.ca_cert_pem, self._spec.ca_key_pem).issue(names)
            write_private(conf / "server-key.pem", key)
            write_private(conf / "server.pem", chain)
            write_private(conf / "ca.pem", self._spec.ca_cert_pem)
            write_private(conf / "issued-for", issued_for)
        if self._spec.engine == "pg":
            write_private(conf / "pg_hba.conf", _PG_HBA)
            write_private(conf / "postgresql.conf", self._postgresql_conf())
            write_private(conf / "settings.conf", self._pg_settings())
            write_private(conf / "pgbouncer.ini", self._pgbouncer_ini())
            write_private(conf / "pgbouncer_hba.conf", self._pgbouncer_hba())
            if not (conf / "first.sql").exists():
                # single-user mode ends a statement at the end of the line
                admin = identifier(self._spec.admin_user)
                write_private(
                    conf / "first.sql",
                    f"CREATE ROLE {admin} LOGIN PASSWORD {literal(self._spec.admin_password)}"
                    " CREATEDB CREATEROLE NOSUPERUSER\n"
                    f"CREATE DATABASE defaultdb OWNER {admin}\n",
                )
        else:
            write_private(conf / "valkey.conf", self._valkey_conf())

    def arguments(self, image: str) -> list[str]:
        start = "pg-start.sh" if self._spec.engine == "pg" else "valkey-start.sh"
        return [
            *(f"--name={self.container}", f"--hostname={self._spec.host.split('.')[0][:63]}", f"--dns={DNS_ADDRESS}"),
            *(attach(self._spec.public_ip), attach(self._spec.private_ip, vpc_network(self._spec.vpc_id), "eth1")),
            *(f"--volume={self._folder / 'conf'}:/cluster/conf:ro", f"--volume={self._folder / 'data'}:/cluster/data"),
            f"--volume={files('localcloud').joinpath('data', start)}:/start.sh:ro",
            "--stop-signal=SIGINT" if self._spec.engine == "pg" else "--stop-signal=SIGTERM",
            *("--shm-size=256m", image, "sh", "/start.sh"),
        ]

    def wait(self) -> None:
        """Return when the server answers; health checks come from inside, past all filters."""
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            try:
                if self._spec.engine == "pg":
                    self._sql("SELECT 1")
                else:
                    self._valkey("PING")
                return
            except MachineError as error:
                if time.monotonic() > deadline or not self._podman.container_pid(self.container):
                    words = self._podman.last_words(self.container)
                    raise MachineError(f"cluster {self._spec.name} did not start: {error}\n{words}") from None
                time.sleep(0.2)

    def configure(self) -> None:
        """Bring the running server to the spec's settings; restarts it when one of them cannot change otherwise."""
        configuration = self._folder / "conf" / "postgresql.conf"
        before = configuration.read_text() if configuration.exists() else ""
        self.prepare()
        if self._spec.engine != "pg":
            for name, value in {**self._valkey_settings(), "maxmemory": self._valkey_memory()}.items():
                self._valkey(f"CONFIG SET {name} {value}")
            return
        if configuration.read_text() != before:  # more memory
            self._restart()
            return
        self._podman("exec", self.container, "sh", "/start.sh", "pools")
        copy = "install -o postgres -g postgres -m 0600 /cluster/conf/settings.conf /cluster/run/settings.conf"
        self._podman("exec", self.container, "sh", "-c", copy)
        errors = self._sql("SELECT name, setting, error FROM pg_file_settings WHERE error IS NOT NULL AND NOT applied")
        self._sql("SELECT pg_reload_conf()")
        time.sleep(0.2)
        if self._sql("SELECT name FROM pg_settings WHERE pending_restart"):
            self._restart()
        elif errors:
            raise MachineError(f"PostgreSQL refused settings of {self._spec.name}: {errors}")

    def _restart(self) -> None:
        self._podman("restart", "--time=10", self.container)
        self.wait()

    # -- PostgreSQL --

    def _postgresql_conf(self) -> str:
        # a quarter of the memory as a managed service does, but gentle to the one computer all clusters share
        buffers = max(16, min(self._spec.memory_mib // 4, 128))
        return f"""\
listen_addresses = '*'
port = {self._spec.port}
unix_socket_directories = '/var/run/postgresql'
hba_file = '/cluster/run/pg_hba.conf'
ssl = on
ssl_cert_file = '/cluster/run/server.pem'
ssl_key_file = '/cluster/run/server-key.pem'
ssl_min_protocol_version = 'TLSv1.2'
password_encryption = 'scram-sha-256'
shared_buffers = {buffers}MB
max_connections = {max(25, min(self._spec.memory_mib // 1024 * 25, 1000))}
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
include = '/cluster/run/settings.conf'
"""

    def _pg_settings(self) -> str:
        return "".join(f"{name} = {literal(value)}\n" for name, value in sorted(self._spec.settings.items()))

    def _pgbouncer_ini(self) -> str:
        pools = "".join(
            f"{pool.name} = host=/var/run/postgresql port={self._spec.port} dbname={_pgbouncer_value(pool.database)}"
            f" pool_size={pool.size} pool_mode={pool.mode}\n"
            for pool in self._spec.pools
        )
        return f"[databases]\n{pools}{_PGBOUNCER}"

    def _pgbouncer_hba(self) -> str:
        return "".join(
            f"hostssl {identifier(pool.name)} {identifier(pool.user) if pool.user else 'all'} 0.0.0.0/0 scram-sha-256\n"
            for pool in self._spec.pools
        )

    def _sql(self, statement: str, database: str = "postgres") -> str:
        # by stdin: a password must not stand in the list of processes, nor in the server's log
        script = (
            f"\\set ON_ERROR_STOP on\nSET log_statement = 'none';\nSET log_min_error_statement = panic;\n{statement};\n"
        )
        command = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups")
        psql = ("psql", "-X", "-q", "-A", "-t", "-p", str(self._spec.port), "-d", database)
        return self._podman("exec", "--interactive", self.container, *command, *psql, stdin=script).strip()

    def _has_role(self, name: str) -> bool:
        return name in self._sql("SELECT rolname FROM pg_roles").splitlines()

    def set_user(self, name: str, password: str) -> None:
        if self._spec.engine != "pg":
            if name != self._spec.admin_user:
                raise MachineError(_VALKEY_USERS_NOTE)
            self._valkey(f"CONFIG SET requirepass {_valkey_word(password)}")
            return
        verb = "ALTER" if self._has_role(name) else "CREATE"
        self._sql(f"{verb} ROLE {identifier(name)} LOGIN PASSWORD {literal(password)}")

    def delete_user(self, name: str) -> None:
        if self._spec.engine != "pg":
            raise MachineError(_VALKEY_USERS_NOTE)
        if not self._has_role(name):
            return
        for database in self._sql("SELECT datname FROM pg_database WHERE datallowconn").splitlines():
            admin = identifier(self._spec.admin_user)
            self._sql(f"REASSIGN OWNED BY {identifier(name)} TO {admin}; DROP OWNED BY {identifier(name)}", database)
        self._sql(f"DROP ROLE {identifier(name)}")

    def create_database(self, name: str) -> None:
        if name not in self._sql("SELECT datname FROM pg_database").splitlines():
            self._sql(f"CREATE DATABASE {identifier(name)} OWNER {identifier(self._spec.admin_user)}")

    def delete_database(self, name: str) -> None:
        self._sql(f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)")

    # -- Valkey --

    def _valkey_settings(self) -> dict[str, str]:
        return {name: _valkey_word(value) for name, value in sorted(self._spec.settings.items())}

    def _valkey_memory(self) -> str:
        return f"{max(64, self._spec.memory_mib * 3 // 4)}mb"

    def _valkey_conf(self) -> str:
        settings = "".join(f"{name} {value}\n" for name, value in self._valkey_settings().items())
        return f"""\
port 0
tls-port {self._spec.port}
tls-cert-file /cluster/run/server.pem
tls-key-file /cluster/run/server-key.pem
tls-ca-cert-file /cluster/run/ca.pem
tls-auth-clients no
unixsocket /cluster/run/valkey.sock
unixsocketperm 700
requirepass {_valkey_word(self._spec.admin_password)}
maxmemory {self._valkey_memory()}
dir /cluster/data
save 60 1
{settings}"""

    def _valkey(self, command: str) -> str:
        login = f"AUTH {self._spec.admin_user} {_valkey_word(self._spec.admin_password)}\n"
        answer = self._podman(
            *("exec", "--interactive", self.container, "valkey-cli", "-e", "-s", "/cluster/run/valkey.sock"),
            stdin=f"{login}{command}\n",
        ).strip()
        if "ERR" in answer or "NOAUTH" in answer or "WRONGPASS" in answer:
            raise MachineError(f"Valkey refused `{command.split()[0]}` on {self._spec.name}: {answer}")
        return answer


def _pgbouncer_value(value: str) -> str:
    escaped = value.replace("'", "''")
    return f"'{escaped}'"


def _valkey_word(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
