#!/bin/sh
# Checks that what the caller names is installed, and says in one line what to do if it is not.
# usage: need.sh rust|python|cc|musl|postgres|redis|chromium|rsyslog|sqlite ...
set -eu

stop() {
    printf 'portcullis: %s\n' "$1" >&2
    exit 1
}

# Root gets Debian's packages installed: CI starts on a machine that has nothing. None of their services is started.
apt_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return
    printf '== apt-get install %s\n' "$*"
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

rust() {
    command -v cargo >/dev/null 2>&1 || stop \
        "cargo is missing. Install rustup: 'apt-get install rustup' (Debian 13, Ubuntu 24.04 or later), elsewhere as https://rustup.rs says; then run this again."
    # A distribution's cargo ignores rust-toolchain.toml and cannot add the wasm target.
    command -v rustup >/dev/null 2>&1 || stop \
        "this cargo was not installed by rustup, which provides the pinned toolchain and the wasm32-wasip1 target. Install rustup: 'apt-get install rustup' (Debian 13, Ubuntu 24.04 or later), elsewhere as https://rustup.rs says."
}

python() {
    command -v "$PYTHON" >/dev/null 2>&1 || stop "$PYTHON is missing: apt-get install python3 python3-venv"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || stop \
        "$("$PYTHON" --version) is too old, 3.10 is the oldest that works: apt-get install python3 python3-venv on Debian 12 or Ubuntu 22.04 or later, or PYTHON=/path/to/python3 make …"
    "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || stop \
        "$PYTHON cannot make virtual environments: apt-get install python3-venv"
}

cc() {
    command -v cc >/dev/null 2>&1 || stop "a C compiler and linker is missing: apt-get install build-essential"
}

# Compiles C (SQLite, parts of ring) for the static binary.
musl() {
    command -v musl-gcc >/dev/null 2>&1 && return
    apt_install musl-tools && return
    stop "musl-gcc is missing, with which the sidecar becomes one static binary: apt-get install musl-tools"
}

cxx() {
    command -v c++ >/dev/null 2>&1 || stop "a C++ compiler is missing (libFuzzer is C++): apt-get install build-essential"
}

# Debian's own, as the browsers that test tools download are on hosts of their own. Root gets it installed: CI starts on a
# machine that has nothing.
chromium() {
    [ -x /usr/bin/chromium ] && [ -x /usr/bin/chromedriver ] && return
    apt_install chromium chromium-driver && return
    stop "Chromium and its driver are missing, in which the console is tested: apt-get install chromium chromium-driver (Debian)"
}

# Debian keeps the server's programs out of the PATH.
postgres() {
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && return
    command -v initdb >/dev/null 2>&1 && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        # The package would make and start a server that nobody asked for.
        mkdir -p /etc/postgresql-common
        [ -e /etc/postgresql-common/createcluster.conf ] || \
            printf 'create_main_cluster = false\n' >/etc/postgresql-common/createcluster.conf
        apt_install -o Dpkg::Options::=--force-confold postgresql && return
    fi
    stop "PostgreSQL's server is missing, which the tests of the store start: apt-get install postgresql"
}

redis() {
    command -v redis-server >/dev/null 2>&1 && command -v redis-cli >/dev/null 2>&1 && return
    apt_install redis-server redis-tools && return
    stop "Redis is missing, which the tests of shared quotas start: apt-get install redis-server"
}

# The guide backs up with it.
sqlite() {
    command -v sqlite3 >/dev/null 2>&1 && return
    apt_install sqlite3 && return
    stop "sqlite3 is missing, with which the operating guide backs up: apt-get install sqlite3"
}

# The receiver that syslog messages are tested with.
rsyslog() {
    [ -x /usr/sbin/rsyslogd ] && ls /usr/lib/*/rsyslog/lmnsd_ossl.so >/dev/null 2>&1 && return
    apt_install rsyslog rsyslog-openssl && return
    stop "rsyslog is missing, which syslog messages are tested with: apt-get install rsyslog rsyslog-openssl"
}

PYTHON=${PYTHON:-python3}
for what in "$@"; do
    case $what in
        rust | python | cc | musl | cxx | postgres | redis | chromium | rsyslog | sqlite) "$what" ;;
        *) stop "need.sh: unknown prerequisite '$what'" ;;
    esac
done
