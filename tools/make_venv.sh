#!/bin/sh
# Makes .venv: the pinned packages of requirements-dev.txt, and this package, editable. `make` calls it when needed.
# uv where it is there; else a Python >= 3.11 found on PATH (or named in PYTHON) with its own venv and pip.
set -eu
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV || true

log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { printf '%s\n' "$*" >&2; }

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if new_enough "$name"; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# Quiet while all goes well; everything that was said when it does not.
quietly() {
    "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
}

with_uv() {
    command -v uv >/dev/null 2>&1 || return 1
    say "setting up .venv with $(uv --version) (once)"
    quietly uv venv --clear --python "${PYTHON:->=3.11}" .venv &&
        quietly uv pip install --python .venv/bin/python --compile-bytecode -r requirements-dev.txt &&
        quietly uv pip install --python .venv/bin/python --no-deps --no-build-isolation --editable . && return
    say "uv could not do it; trying venv and pip"
    return 1
}

with_pip() {
    if ! python=$(find_python); then
        say "no Python >= 3.11 found; install one (apt-get install python3 python3-venv), or name it: make PYTHON=PATH"
        return 1
    fi
    say "setting up .venv with $("$python" --version) (once; about half a minute)"
    if ! quietly "$python" -m venv --clear .venv; then
        say "$python cannot make a venv; on Debian and Ubuntu: apt-get install python3-venv"
        return 1
    fi
    export PIP_DISABLE_PIP_VERSION_CHECK=1
    quietly .venv/bin/python -m pip install --no-input -r requirements-dev.txt &&
        quietly .venv/bin/python -m pip install --no-input --no-deps --no-build-isolation --editable .
}

with_uv || with_pip

touch .venv/ready
