#!/bin/sh
# The project's tasks. Needs a POSIX shell and Python 3.11 or newer, nothing else:
# each verb first makes .venv and installs into it what the verb needs.
#
#   ./do demo [SCRIPT]      watch a training that fails and say why (default: examples/struggling.py)
#   ./do test [PYTEST ...]  lint, then all tests; arguments go to pytest: ./do test -m nightly
#   ./do lint               ruff, mypy, import-linter
#   ./do browser            install Debian's chromium for the browser tests, where it is missing
#   ./do docs               build the documentation as a site in docs/_site
#   ./do bench [NAME ...]   run benchmarks/NAME.py; without a name, list them
#   ./do setup              only make .venv, with everything for development
#   ./do hooks              let git run the lint before each commit
#
# PYTHON names the interpreter for .venv. pip's own variables (PIP_INDEX_URL, PIP_FIND_LINKS ...) work.
set -eu
cd "$(dirname "$0")"

venv=.venv
log=$venv/setup.log

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "do: $1"
    exit 1
}

usage() { sed -n '5,12s/^# \{0,3\}//p' do; }

# The interpreter to build .venv with. The package itself runs on 3.10, the pinned versions do not.
find_python() {
    tried=${PYTHON:-python3 python3.13 python3.12 python3.11 python}
    for candidate in $tried; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer (tried: $tried). Install one, or name it: PYTHON=/path/to/python3 ./do ..."
}

make_venv() {
    rm -rf "$venv"
    mkdir "$venv"
    "$python" -m venv "$venv" >"$log" 2>&1 && return
    # Debian splits ensurepip off its python3: a pip from outside can fill the gap.
    "$python" -m venv --clear --without-pip "$venv" 2>/dev/null &&
        "$python" -m pip --python "$venv/bin/python" install --quiet pip >/dev/null 2>&1 && return
    fail "$python cannot make a virtual environment: install its venv module (Debian, Ubuntu: apt install python3-venv), or name another Python: PYTHON=... ./do ..."
}

# setup EXTRAS: install penlight with these extras, unless a stamp says that it is there already.
setup() {
    key=$({ pwd; cat pyproject.toml constraints.txt; } | cksum | tr -d ' ')
    stamp=$venv/stamp-$1
    [ "$(cat "$stamp" 2>/dev/null)" = "$key" ] && "$venv/bin/python" -c '' 2>/dev/null && return

    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        python=$(find_python) || exit 1
        say "making $venv with $("$python" --version)"
        make_venv
    fi
    say "installing penlight[$1] (a minute or two the first time; details in $log)"
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore \
        "$venv/bin/python" -m pip install --constraint constraints.txt --editable ".[$1]" >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        fail "the installation failed (full log: $log). Is a package index in reach? Run the same command again to go on."
    }
    printf '%s\n' "$key" >"$stamp"
}

# Run one check quietly: a line when it passes, all that it said when it does not.
check() {
    said=$("$venv/bin/$@" 2>&1) || {
        printf '%s\n' "$said" >&2
        fail "$* found something"
    }
    say "ok: $*"
}

lint() {
    check ruff check .
    check ruff format --check .
    check mypy
    check lint-imports
}

# The browser of tests/browser. Without it those tests are skipped, except in CI.
browser() {
    [ -x /usr/bin/chromium ] && return
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        say "there is no /usr/bin/chromium, so the browser tests are skipped (Debian, Ubuntu: sudo apt-get install chromium)"
        return
    fi
    say "installing chromium for the browser tests"
    said=$(apt-get update 2>&1 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium 2>&1) || {
        printf '%s\n' "$said" | tail -n 5 >&2
        say "chromium could not be installed, so the browser tests are skipped"
    }
}

verb=${1:-help}
[ $# -eq 0 ] || shift

case $verb in
    setup) setup torch,dev ;;
    demo)
        if [ -e "$venv/stamp-torch,dev" ]; then setup torch,dev; else setup torch; fi
        exec "$venv/bin/penlight" run "${1:-examples/struggling.py}"
        ;;
    test)
        setup torch,dev
        browser
        lint
        exec "$venv/bin/python" -m pytest -n 2 --dist loadgroup -m "not nightly" "$@"
        ;;
    lint)
        setup torch,dev
        lint
        ;;
    browser) browser ;;
    docs)
        setup torch,dev
        exec "$venv/bin/python" docs/generate.py --site
        ;;
    bench)
        if [ $# -eq 0 ]; then
            find benchmarks -name '*.py' -not -path '*/cases/*' | sed 's,^benchmarks/,,; s,\.py$,,' | sort
            exit
        fi
        name=$1
        shift
        [ -e "benchmarks/$name.py" ] || fail "there is no benchmarks/$name.py: ./do bench lists them"
        setup torch,dev,bench
        exec "$venv/bin/python" "benchmarks/$name.py" "$@"
        ;;
    hooks)
        git config core.hooksPath hooks
        say "git now runs hooks/pre-commit before each commit (git commit --no-verify skips it once)"
        ;;
    help | -h | --help) usage ;;
    *)
        usage >&2
        fail "there is no task '$verb'"
        ;;
esac
