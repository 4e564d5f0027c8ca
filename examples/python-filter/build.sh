#!/bin/sh
# Leaves lakeside-scorecard.wasm. The module has the name of the interface that it implements.
exec .venv/bin/componentize-py -d ../../wit -w filter-plugin componentize --stub-wasi -p src filter -o lakeside-scorecard.wasm
