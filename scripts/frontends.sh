#!/usr/bin/env bash
# Lays the frontends of tests/frontends.txt unpacked into .venv/frontends/<version>/, for the tests that drive each of
# them in a browser. Silent when they are there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=/dev/null
source scripts/uv.sh

PYTHON="$PWD/.venv/bin/python"

# Laid beside its place first, so that an interrupted download leaves nothing that looks complete.
install_frontend() {
    local uv=$1 version=$2 home=.venv/frontends
    echo "frontends: comfyui-frontend-package $version"
    rm -rf "$home/$version.part"
    "$uv" pip install --quiet --no-deps --python "$PYTHON" --target "$home/$version.part" \
        "comfyui-frontend-package==$version"
    mv "$home/$version.part" "$home/$version"
}

main() {
    local uv="" version
    while read -r version; do
        [ -d ".venv/frontends/$version" ] && continue
        uv=${uv:-$(find_uv || install_uv "$PYTHON")}
        install_frontend "$uv" "$version" </dev/null
    done <tests/frontends.txt
}

main
