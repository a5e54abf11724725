# shellcheck shell=bash
# What every script shares. Sourced, never run.

# Debian keeps servers in sbin, which is not on everyone's path.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $1"
    [ $# -lt 2 ] || say "  help: $2"
    exit 1
}

# heading TEXT: so that a long log can be read.
heading() { printf '\n── %s\n' "$*" >&2; }

# timed NAME COMMAND…: runs a step under a heading, says how long it took, and ends the script if it fails.
timed() {
    local name=$1 begun=$SECONDS
    shift
    heading "$name"
    if "$@"; then
        say "── $name: passed in $((SECONDS - begun)) s"
    else
        local status=$?
        say "── $name: FAILED with exit code $status after $((SECONDS - begun)) s"
        exit "$status"
    fi
}

# first_of COMMAND…: the first of these that is installed.
first_of() {
    local name
    for name in "$@"; do
        if command -v "$name" > /dev/null; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

need_cargo() {
    if ! command -v cargo > /dev/null && [ -f "$HOME/.cargo/env" ]; then
        # shellcheck source=/dev/null
        . "$HOME/.cargo/env"
    fi
    command -v cargo > /dev/null || die "cargo is not installed" "install Rust 1.88 or newer, see rustup.rs"
}
