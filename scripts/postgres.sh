#!/bin/sh
# A PostgreSQL server for tests: reachable by a socket in a directory of its own alone, and nothing stays of it.
#
# Prints `ready DIRECTORY` when it accepts connections (role postgres, no password), then obeys lines on standard input: `stop`, as a
# crash would, and `start`; each is answered by `done`. Ends and removes everything when standard input ends, which it does whatever
# becomes of the test. Root runs the server as another account, as PostgreSQL demands.
#
# usage: postgres.sh [CERTIFICATE KEY PORT]   with a certificate also on that port of 127.0.0.1, by TLS and password alone
set -eu

"$(dirname "$0")/need.sh" postgres >&2
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
bin=${bin:-$(dirname "$(command -v initdb)")}

# Short: the path of a socket has at most 107 bytes.
dir=$(mktemp -d "${TMPDIR:-/tmp}/portcullis-pg.XXXXXX")
as=
if [ "$(id -u)" = 0 ]; then
    account=postgres
    id "$account" >/dev/null 2>&1 || account=nobody
    chown "$account" "$dir"
    as="runuser -u $account --"
fi
trap '$as "$bin/pg_ctl" -D "$dir/data" -m immediate -s stop >/dev/null 2>&1 || :; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP

cd "$dir"
$as "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1 || {
    cat "$dir/log" >&2
    exit 1
}
listen=
if [ $# = 3 ]; then
    cp "$1" "$dir/data/server.crt"
    cp "$2" "$dir/data/server.key"
    chmod 600 "$dir/data/server.key"
    [ -z "$as" ] || chown "$account" "$dir/data/server.crt" "$dir/data/server.key"
    printf 'local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n' >"$dir/data/pg_hba.conf"
    listen="127.0.0.1 -c port=$3 -c ssl=on"
fi
start() {
    # Standard output is the test's: a server that kept it would keep the test waiting for its end.
    $as "$bin/pg_ctl" -D "$dir/data" -l "$dir/data/log" -s -w -t 60 \
        -o "-k '$dir' -c listen_addresses=$listen -c max_connections=200" start </dev/null >/dev/null 2>&1 || {
        cat "$dir/data/log" >&2
        exit 1
    }
}
start
printf 'ready %s\n' "$dir"
while read -r line; do
    case $line in
        stop) $as "$bin/pg_ctl" -D "$dir/data" -m immediate -s -w stop </dev/null >/dev/null 2>&1 || : ;;
        start) start ;;
        *) continue ;;
    esac
    printf 'done\n'
done
