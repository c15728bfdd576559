#!/bin/sh
# Passes the filter that cargo left in FOLDER through wasm-opt. What cargo built stays in FOLDER/deps, so that the work is done
# again only where that is newer.
#   scripts/slim.sh FOLDER
set -eu
raw=$1/deps/portcullis_filter.wasm
slim=$1/portcullis_filter.slim.wasm
shipped=$1/portcullis_filter.wasm
if [ ! "$slim" -nt "$raw" ]; then
  scripts/binaryen/node_modules/.bin/wasm-opt -Oz --strip-debug --strip-producers \
    --enable-simd --enable-bulk-memory --enable-bulk-memory-opt --enable-sign-ext \
    --enable-nontrapping-float-to-int --enable-mutable-globals \
    "$raw" -o "$slim.new"
  mv "$slim.new" "$slim"
fi
# Never written through: cargo links it to the file in deps.
cp "$slim" "$shipped.new"
mv "$shipped.new" "$shipped"
