#!/bin/bash
# Run TimescaleDB (Apache edition) on PostgreSQL 17 for tests, from Debian's packages in a folder of
# their own: `timescale.sh start DIR PORT` prints the server's URL last, `timescale.sh stop DIR`.
# Needs root. It starts and stops nothing but its own server.
set -euo pipefail

action=${1:?start or stop}
dir=${2:?a folder for the tree}
suite=trixie  # the first Debian whose PostgreSQL 17 brings TimescaleDB
data=/var/lib/stadsnav-test
bin=/usr/lib/postgresql/17/bin

as_postgres() { chroot "$dir" su postgres -s /bin/bash -c "$1"; }
mounted() { mountpoint -q "$dir/$1"; }

make_tree() {
    [ -x "$dir$bin/postgres" ] && return
    if ! command -v mmdebstrap >/dev/null; then
        apt-get install -y -qq --no-install-recommends mmdebstrap >&2
    fi
    echo "making a $suite tree with PostgreSQL 17 and TimescaleDB (half a minute)" >&2
    mmdebstrap --quiet --variant=minbase \
        --include=postgresql-17,postgresql-17-timescaledb "$suite" "$dir" >&2
}

mount_all() {
    for place in dev proc; do
        mounted "$place" || mount --bind "/$place" "$dir/$place"
    done
}

unmount_all() {
    for place in proc dev; do
        ! mounted "$place" || umount "$dir/$place"
    done
}

start() {
    local port=${1:?a port}
    make_tree
    mount_all
    if [ ! -e "$dir$data/PG_VERSION" ]; then
        install -d -m 700 "$dir$data"
        chroot "$dir" chown postgres:postgres "$data"
        as_postgres "$bin/initdb -D $data -U postgres --auth=trust --encoding=UTF8 --locale=C" >&2
        # No background workers: a database that one of them visits cannot be copied.
        cat >> "$dir$data/postgresql.conf" <<CONF
shared_preload_libraries = 'timescaledb'
timescaledb.max_background_workers = 0
timescaledb.telemetry_level = off
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_locks_per_transaction = 256
fsync = off
timezone = 'UTC'
CONF
    fi
    as_postgres "$bin/pg_ctl -D $data -o '-p $port' -l $data/log -w start" >&2
    echo "postgresql://postgres@127.0.0.1:$port/postgres"
}

stop() {
    if mounted proc; then
        as_postgres "$bin/pg_ctl -D $data -m immediate stop" >&2 || true
    fi
    unmount_all
}

case $action in
    start) start "${3:-}" ;;
    stop) stop ;;
    *) echo "usage: timescale.sh start DIR PORT | stop DIR" >&2; exit 2 ;;
esac
