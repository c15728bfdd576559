#!/bin/sh
# A Redis server for tests: reachable by a socket in a directory of its own alone, and nothing stays of it.
#
# Prints `ready DIRECTORY` when it accepts connections (socket `DIRECTORY/redis.sock`, no password), then obeys lines on standard
# input: `stop`, as a crash would, `start`, and `forget`, after which nothing is in it; each is answered by `done`. Ends and removes
# everything when standard input ends, which it does whatever becomes of the test.
#
# usage: redis.sh [CERTIFICATE KEY PORT PASSWORD]   with a certificate also on that port of 127.0.0.1, by TLS and that password
set -eu

"$(dirname "$0")/need.sh" redis >&2

# Short: the path of a socket has at most 107 bytes.
dir=$(mktemp -d "${TMPDIR:-/tmp}/portcullis-redis.XXXXXX")
pid=
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || :; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP

password=
{
    printf 'port 0\nunixsocket %s/redis.sock\nunixsocketperm 700\ndir %s\ndatabases 1000\n' "$dir" "$dir"
    # What was answered is in the file: a crash loses nothing.
    printf 'appendonly yes\nappendfsync everysec\nsave ""\nlogfile %s/log\n' "$dir"
    if [ $# = 4 ]; then
        printf 'bind 127.0.0.1\ntls-port %s\ntls-cert-file %s\ntls-key-file %s\ntls-auth-clients no\n' "$3" "$1" "$2"
        printf 'requirepass %s\n' "$4"
        password=$4
    fi
} >"$dir/conf"
ask() {
    REDISCLI_AUTH=$password redis-cli -s "$dir/redis.sock" "$@" 2>/dev/null
}
start() {
    # Standard output is the test's: a server that kept it would keep the test waiting for its end.
    redis-server "$dir/conf" </dev/null >/dev/null 2>&1 &
    pid=$!
    tries=0
    until [ "$(ask ping)" = PONG ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 200 ]; then
            cat "$dir/log" >&2
            exit 1
        fi
        sleep 0.05
    done
}
start
printf 'ready %s\n' "$dir"
while read -r line; do
    case $line in
        stop)
            kill -9 "$pid"
            wait "$pid" 2>/dev/null || :
            rm -f "$dir/redis.sock"
            ;;
        start) start ;;
        forget) ask flushall >/dev/null ;;
        *) continue ;;
    esac
    printf 'done\n'
done
