#!/usr/bin/env bash
# Pushes the worker's image to its registry.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/image.sh

usage() {
    cat <<'END'
Usage: scripts/push.sh [--registry R] [--image I] [--tag T] [--dry-run]

Pushes R/I:T, with the name's defaults of scripts/build.sh. An image that was built under the default registry or tag is
given the other name first. Log in before with 'docker login'; this script asks for no password. What was pushed is
noted in docker/pushed-image, and is what scripts/deploy.py deploys.
END
}

main() {
    read_options "$@"
    need_docker
    warn_if_dirty
    name_it
    run docker push "$reference" || fail "the registry did not take it: 'docker login ${registry%%/*}' first?"
    [ -n "$dry_run" ] && return
    note_it
    echo "pushed $reference"
    echo "image  $(digest)"
}

# scripts/deploy.py deploys what was pushed from here last. The digest is left out where Docker does not know it.
note_it() {
    local known
    known=$(digest)
    printf 'image=%s\ndigest=%s\n' "$reference" "$(sed -n 's/.*@//p' <<<"$known")" >docker/pushed-image.part
    mv docker/pushed-image.part docker/pushed-image
}

# Gives the image that was built under the default name the name to push.
name_it() {
    local built
    built=$(setting DOCKER_REGISTRY curryberto)/$(setting DOCKER_IMAGE comfyui-serverless):$(setting DOCKER_TAG latest)
    [ "$built" = "$reference" ] && return
    if [ -n "$dry_run" ]; then
        run docker tag "$built" "$reference"
    elif ! docker image inspect "$reference" >/dev/null 2>&1; then
        docker image inspect "$built" >/dev/null 2>&1 || fail "there is neither $reference nor $built: run scripts/build.sh"
        run docker tag "$built" "$reference"
        cp -f "$(catalog_file "$built")" "$(catalog_file "$reference")" 2>/dev/null || true
    fi
}

main "$@"
