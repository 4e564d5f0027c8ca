#!/bin/sh
# Leaves {{name}}.wasm. The module has the name of the interface that it implements.
exec .venv/bin/componentize-py -d wit -w {{kind}}-plugin componentize --stub-wasi -p src {{kind}} -o {{name}}.wasm
