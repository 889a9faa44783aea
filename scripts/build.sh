#!/usr/bin/env bash
# Builds the worker's image from docker/Dockerfile.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/image.sh

usage() {
    cat <<'END'
Usage: scripts/build.sh [--registry R] [--image I] [--tag T] [--no-cache] [--dry-run] [-- DOCKER-BUILD-OPTION…]

Builds R/I:T. Defaults: DOCKER_REGISTRY, DOCKER_IMAGE, DOCKER_TAG (environment or .env), else
curryberto/comfyui-serverless:latest. Nothing secret goes into the build: not by file, not by argument.
END
}

main() {
    read_options "$@"
    need_docker
    [ -e docker/ComfyUI/main.py ] || run scripts/clone-comfyui.sh
    warn_if_dirty
    run env DOCKER_BUILDKIT=1 docker build --platform linux/amd64 --file docker/Dockerfile --tag "$reference" \
        --build-arg "VERSION=$(version)" --build-arg "COMMIT=$(revision)" ${no_cache:+--no-cache} \
        ${more[@]+"${more[@]}"} .
    [ -n "$dry_run" ] && return
    echo "built  $reference"
    echo "digest $(digest)"
    echo "size   $(docker image inspect --format '{{.Size}}' "$reference" | awk '{ printf "%.2f GB", $1 / 1e9 }')"
}

version() {
    sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml
}

main "$@"
