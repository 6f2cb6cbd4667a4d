#!/bin/sh
# Pin every dependency, with hashes and without addresses, for every platform and Python we serve.
# Needs uv. Run after a change of dependencies in pyproject.toml, or with --upgrade.
set -eu
cd "$(dirname "$0")/.."
options="--universal --generate-hashes --no-header --no-annotate --no-emit-index-url
         --no-emit-find-links --python-version 3.11 --quiet"
# shellcheck disable=SC2086  # the options are words
uv pip compile pyproject.toml --group build $options "$@" --output-file requirements/runtime.txt
# shellcheck disable=SC2086
uv pip compile pyproject.toml --group dev $options "$@" --output-file requirements/dev.txt
