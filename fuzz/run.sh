#!/bin/sh
# Builds every fuzz target and runs each for SECONDS, on the committed seeds and the corpus of earlier runs.
#
#   fuzz/run.sh SECONDS [TARGET…]      SECONDS is per target; 0 only replays seeds and corpus
#
# Works on the pinned stable toolchain without cargo-fuzz: rustc's own coverage pass, and libFuzzer as
# libfuzzer-sys compiles it (a C++ compiler is needed). Ends by itself; exit code 1 if any target found
# something, 2 if one could not be built. Findings are in fuzz/artifacts/, replayed by
#   fuzz/target/<host>/<profile>/TARGET fuzz/artifacts/TARGET-…
set -eu

seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET…]}
case $seconds in *[!0-9]*) echo "fuzz/run.sh: SECONDS must be a whole number, not '$seconds'" >&2; exit 2 ;; esac
shift
cd "$(dirname "$0")"
command -v c++ >/dev/null || { echo "fuzz/run.sh: libFuzzer is C++: install a compiler (Debian: apt install g++)" >&2; exit 2; }

all=$(for file in targets/*.rs; do basename "$file" .rs; done)
targets=${*:-$all}
host=$(rustc -vV | sed -n 's/^host: //p')

# What cargo-fuzz passes, less the address sanitizer (the engine has no unsafe code, and it needs nightly).
# With --target the flags reach the targets and the engine, not build scripts and procedural macros.
flags='-Cpasses=sancov-module'
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags="$flags -Cllvm-args=-sanitizer-coverage-$option"
done
# Counters are found by the names of their section: the linker must not drop what only those refer to.
flags="$flags -Clink-arg=-Wl,-z,nostart-stop-gc --cfg fuzzing"
# A look of a few seconds ends before an optimised build would have paid for itself.
if [ "$seconds" -le 5 ]; then profile=smoke; else profile=release; fi
RUSTFLAGS=$flags cargo build --locked --profile "$profile" --target "$host" || exit 2
bin=${CARGO_TARGET_DIR:-target}/$host/$profile

failed=
for target in $targets; do
    mkdir -p "corpus/$target" "seeds/$target" artifacts
    log=artifacts/$target.log
    if [ "$seconds" -eq 0 ]; then limit=-runs=0; else limit=-max_total_time=$seconds; fi
    result=ok
    "$bin/$target" "$limit" -max_len=8192 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="artifacts/$target-" "corpus/$target" "seeds/$target" >"$log" 2>&1 || result=FAILED
    if [ "$result" = FAILED ]; then failed="$failed $target"; tail -n 30 "$log"; fi
    stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -n 1; }
    coverage=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -d' ' -f2)
    line=$(printf '%-12s %-7s %10s execs %8s/s %6s edges %5s new inputs %5s MiB' "$target" "$result" \
        "$(stat number_of_executed_units)" "$(stat average_exec_per_sec)" "${coverage:-?}" "$(stat new_units_added)" \
        "$(stat peak_rss_mb)")
    echo "$line"
done
if [ -n "$failed" ]; then
    echo "fuzz/run.sh: findings in$failed; inputs and logs are in fuzz/artifacts/" >&2
    exit 1
fi
