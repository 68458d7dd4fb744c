#!/bin/sh
# Pin every requirements file with hashes, naming no index: `make lock`.
set -eu
cd "$(dirname "$0")"
for name in layer publish campaign send dev sam audit bench; do
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" "$@" "$name.in" -o "$name.txt"
done
