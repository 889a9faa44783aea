#!/usr/bin/env bash
# Puts a ComfyUI release into docker/ComfyUI: the one named as argument (0.46.0 or v0.46.0), else the one in
# docker/comfyui-version, the newest that was tested. COMFYUI_REPOSITORY chooses a mirror.
set -euo pipefail
cd "$(dirname "$0")/.."

tested=$(cat docker/comfyui-version)
version=${1:-$tested}
version=v${version#v}
repository=${COMFYUI_REPOSITORY:-https://github.com/comfyanonymous/ComfyUI.git}
checkout=docker/ComfyUI

if [ "$(git -C "$checkout" describe --tags --exact-match 2>/dev/null)" = "$version" ] && [ -e "$checkout/.git" ]; then
    echo "ComfyUI $version is in $checkout"
    exit
fi
if [ -e "$checkout/.git" ]; then
    git -C "$checkout" fetch --quiet --depth 1 "$repository" "refs/tags/$version:refs/tags/$version"
    git -C "$checkout" checkout --quiet "$version"
else
    git -c advice.detachedHead=false clone --quiet --depth 1 --branch "$version" "$repository" "$checkout"
fi
echo "ComfyUI $version is in $checkout"
[ "$version" = "$tested" ] || echo "The newest that was tested is $tested."
echo "To run it here: python3 -m venv $checkout/.venv && $checkout/.venv/bin/pip install -r $checkout/requirements.txt"
