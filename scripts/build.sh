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
    say_which_comfyui
    run env DOCKER_BUILDKIT=1 docker build --platform linux/amd64 --file docker/Dockerfile --tag "$reference" \
        --build-arg "VERSION=$(version)" --build-arg "COMMIT=$(revision)" ${no_cache:+--no-cache} \
        ${more[@]+"${more[@]}"} .
    keep_catalog
    [ -n "$dry_run" ] && return
    echo "built  $reference"
    echo "digest $(digest)"
    echo "size   $(docker image inspect --format '{{.Size}}' "$reference" | awk '{ printf "%.2f GB", $1 / 1e9 }')"
}

# What the image has: its nodes, their versions, its models. Without it the page learns that from the first job.
keep_catalog() {
    local kept container=CONTAINER
    kept=$(catalog_file "$reference")
    if [ -z "$dry_run" ]; then
        mkdir -p "${kept%/*}"
        rm -f "$kept"
        container=$(docker create "$reference")
    fi
    run docker cp "$container:/opt/image.catalog" "$kept" ||
        echo "${0##*/}: WARNING: the image does not say what it has" >&2
    [ -n "$dry_run" ] || docker rm "$container" >/dev/null
}

# A folder of one's own stays as it is, whatever release it has.
say_which_comfyui() {
    local here tested
    [ -e docker/ComfyUI/.git ] || return 0
    here=$(git -C docker/ComfyUI describe --tags --exact-match 2>/dev/null) || here="not at a release"
    tested=$(cat docker/comfyui-version)
    [ "$here" = "$tested" ] ||
        echo "${0##*/}: docker/ComfyUI is $here; the newest that was tested is $tested, which \`make comfyui\` fetches" >&2
}

version() {
    sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml
}

main "$@"
