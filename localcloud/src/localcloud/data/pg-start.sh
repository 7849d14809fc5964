#!/bin/sh
# First process of a PostgreSQL cluster: makes the database once, leaves a child that keeps PgBouncer running, then
# becomes the server.
# With the argument `pools`, in a running container: has PgBouncer take over its new configuration.
# /cluster/data is the data directory, /cluster/conf holds what localcloud wrote (the admin's password as a file).
set -eu
bin=/usr/lib/postgresql/15/bin
data=/cluster/data/pg
as="setpriv --reuid=postgres --regid=postgres --init-groups --reset-env"

install_pools() {
    for file in pgbouncer.ini pgbouncer_hba.conf; do
        install -o postgres -g postgres -m 0600 "/cluster/conf/$file" "/cluster/run/$file"
    done
}
# Its parent, because the server would take the crash of an orphan for one of its own and end all sessions.
keep_pgbouncer() {
    while :; do
        rm -f /cluster/run/pgbouncer.pid # of one that was killed: the number may be another process's now
        $as /usr/sbin/pgbouncer -q /cluster/run/pgbouncer.ini || true
        sleep 1
    done
}
if [ "${1-}" = pools ]; then
    install_pools
    # One that does not run now starts with what was installed.
    kill -HUP "$(cat /cluster/run/pgbouncer.pid 2>/dev/null)" 2>/dev/null || true
    exit
fi

mkdir -p /cluster/run /var/run/postgresql
install -d -o postgres -g postgres -m 0700 /cluster/run /cluster/data "$data"
install -d -o postgres -g postgres -m 0775 /var/run/postgresql
# the server refuses a key that others can read, and reads it as user postgres
for file in server.pem server-key.pem pg_hba.conf postgresql.conf settings.conf; do
    install -o postgres -g postgres -m 0600 "/cluster/conf/$file" "/cluster/run/$file"
done

if [ ! -f "$data/localcloud-ready" ]; then
    rm -rf "${data:?}"/*
    $as "$bin/initdb" -D "$data" -N -U postgres -E UTF8 --locale=C.UTF-8 --auth=peer >/dev/null
    $as "$bin/postgres" --single -D "$data" postgres < /cluster/conf/first.sql >/dev/null
    touch "$data/localcloud-ready"
    chown postgres: "$data/localcloud-ready"
fi
install_pools
keep_pgbouncer &
exec $as "$bin/postgres" -D "$data" -c config_file=/cluster/run/postgresql.conf
