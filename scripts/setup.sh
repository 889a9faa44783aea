#!/usr/bin/env bash
# Makes .venv from the lock: finds uv (or installs it into .uv/) and a Python that is new enough, else says in one
# line what is missing. Fetches nothing but packages. PYTHON=/path/to/python chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=/dev/null
source scripts/uv.sh

# Prints the full path of the interpreter behind a command when it is new enough: uv wants the path, not a name that
# a version manager answers for. Inside a virtual environment that is the interpreter that it was made from.
full_path() {
    "$1" -c 'import sys; sys.version_info >= (3, 12) and print(getattr(sys, "_base_executable", sys.executable))' 2>/dev/null
}

python_of_uv() {
    local uv=$1
    UV_PYTHON_DOWNLOADS=never "$uv" python find --no-project '>=3.12' 2>/dev/null
}

find_python() {
    local candidate found
    for candidate in ${PYTHON:+"$PYTHON"} python3.12 python3.13 python3.14 python3 python \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python; do
        found=$(full_path "$candidate") && [ -n "$found" ] && echo "$found" && return
    done
    found=$(uv=$(find_uv) && python_of_uv "$uv") && full_path "$found"
}

main() {
    local python uv
    python=$(find_python) || {
        echo "setup: Python 3.12 or newer is missing: install it (or 'uv python install 3.12'), or set PYTHON=/path" >&2
        return 1
    }
    uv=$(find_uv) || uv=$(install_uv "$python")
    echo "setup: .venv with $("$python" --version), from uv.lock"
    env -u VIRTUAL_ENV -u UV_PROJECT_ENVIRONMENT UV_PYTHON_DOWNLOADS=never "$uv" sync --locked --quiet --compile-bytecode --python "$python"
}

main
