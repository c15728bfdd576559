#!/bin/sh
# Runs every fuzz target of fuzz/ for some seconds each, on the pinned stable toolchain: libFuzzer needs only the coverage
# instrumentation, and with `unsafe` forbidden in the engine the sanitizers of nightly would find nothing more.
# usage: fuzz.sh SECONDS [TARGET ...]
set -eu
cd "$(dirname "$0")/.."

seconds=$1
shift

export RUSTFLAGS="--cfg fuzzing -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
host=$(rustc -vV | sed -n 's/^host: //p')
target_dir=${CARGO_TARGET_DIR:-fuzz/target}/fuzz

printf '== fuzz targets\n'
# With an explicit target the flags stay away from build scripts and procedural macros.
cargo build --manifest-path fuzz/Cargo.toml --locked --quiet --release --target "$host" --target-dir "$target_dir" --bins

[ $# -gt 0 ] || set -- $(sed -n '/^\[\[bin\]\]/,/^$/s/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml)
[ $# -gt 0 ] || { printf 'fuzz/Cargo.toml has no [[bin]]\n' >&2; exit 1; }

for name in "$@"; do
    printf '== fuzz %s (%s s)\n' "$name" "$seconds"
    mkdir -p "fuzz/corpus/$name" "fuzz/artifacts/$name"
    log=fuzz/artifacts/$name/log
    seeds=
    [ ! -d "fuzz/seeds/$name" ] || seeds=fuzz/seeds/$name
    # shellcheck disable=SC2086 # $seeds is one folder or nothing
    if ! "$target_dir/$host/release/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="fuzz/artifacts/$name/" "fuzz/corpus/$name" $seeds >"$log" 2>&1; then
        tail -n 40 "$log"
        printf 'fuzz target %s failed; the input is in fuzz/artifacts/%s\n' "$name" "$name" >&2
        exit 1
    fi
    sed -n 's/^stat::number_of_executed_units: */   executions: /p' "$log"
done
