#!/usr/bin/env bash
# Sourced by the other scripts, from the project's root: finds uv, or installs it into .uv/.

# A uv that runs: a version manager's stand-in may be on the PATH and answer for nothing.
find_uv() {
    local candidate
    for candidate in uv "$HOME/.local/bin/uv" "$HOME/.cargo/bin/uv" "$PWD/.uv/bin/uv"; do
        if "$candidate" --version >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

install_uv() {
    local python=$1
    echo "setup: installing uv into .uv/" >&2
    { "$python" -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'; } >&2 || {
        rm -rf .uv
        echo "setup: uv is missing and could not be installed: see above, or https://docs.astral.sh/uv/" >&2
        return 1
    }
    echo "$PWD/.uv/bin/uv"
}
