# shellcheck shell=bash disable=SC2034  # who sources it uses the names
# What build.sh and push.sh share: options, defaults and the image's name. To be sourced in the project's root.
# Defaults: DOCKER_REGISTRY, DOCKER_IMAGE and DOCKER_TAG from the environment, else from .env, else those below.
# REGISTRY, IMAGE, TAG, NO_CACHE and DRY_RUN are what `make build push` hands on.

# Prints a setting; of .env only the wanted line is read, nothing in it is run.
setting() {
    local name=$1 default=$2 line
    if [ -n "${!name:-}" ]; then
        echo "${!name}"
        return
    fi
    line=$(sed -n "s/^[[:space:]]*${name}[[:space:]]*=[[:space:]]*//p" .env 2>/dev/null | tail -n 1)
    line=${line%%[[:space:]]#*}
    line=${line%"${line##*[![:space:]]}"}
    line=${line#[\"\']}
    line=${line%[\"\']}
    echo "${line:-$default}"
}

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# The value of an option that needs one: "--tag v1" or "--tag=v1".
read_options() {
    registry=${REGISTRY:-$(setting DOCKER_REGISTRY curryberto)}
    image=${IMAGE:-$(setting DOCKER_IMAGE comfyui-serverless)}
    tag=${TAG:-$(setting DOCKER_TAG latest)}
    no_cache=${NO_CACHE:-}
    dry_run=${DRY_RUN:-}
    more=()
    while [ $# -gt 0 ]; do
        case $1 in
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
        --registry | --image | --tag)
            [ $# -ge 2 ] || fail "$1 needs a value"
            printf -v "${1#--}" %s "$2"
            shift 2
            ;;
        --no-cache) no_cache=1 && shift ;;
        --dry-run) dry_run=1 && shift ;;
        -h | --help) usage && exit ;;
        --) more=("${@:2}") && break ;;
        *) fail "unknown option $1; see --help" ;;
        esac
    done
    reference=${registry:+$registry/}$image:$tag
    [[ $reference =~ ^[a-z0-9._:/-]+:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$ ]] || fail "$reference is no name of an image"
}

# The file beside the project in which the build leaves what the image has, which scripts/deploy.py reads.
catalog_file() {
    local name=${1//\//+}
    echo "docker/catalogs/${name//:/=}.catalog"
}

# Says a command so that a person can paste it, and runs it unless this is a dry run.
run() {
    printf '%q ' "$@"
    echo
    [ -n "$dry_run" ] || "$@"
}

need_docker() {
    [ -n "$dry_run" ] && return
    command -v docker >/dev/null || fail "docker is missing: https://docs.docker.com/engine/install/"
    docker version >/dev/null 2>&1 || fail "the Docker Engine does not answer: is it running, may you use it?"
}

# What is not committed is in the image, but not in the commit that its label names.
warn_if_dirty() {
    if [ -n "$(git status --porcelain 2>/dev/null)" ]; then
        echo "${0##*/}: WARNING: there are changes that are not committed; the image is labelled $(revision)" >&2
    fi
}

revision() {
    local commit
    commit=$(git rev-parse HEAD 2>/dev/null) || { echo unknown && return; }
    [ -z "$(git status --porcelain 2>/dev/null)" ] && echo "$commit" || echo "$commit-dirty"
}

# The digest that the registry knows the image by, or the image's own id before it was pushed.
digest() {
    local pushed
    pushed=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$reference" 2>/dev/null |
        grep -F "${reference%:*}@" | head -n 1) || true
    echo "${pushed:-$(docker image inspect --format '{{.Id}}' "$reference")}"
}
