#!/usr/bin/env bash
# Install an environment from its pins, unless it is installed: install.sh ENVIRONMENT LOCK DIGEST LOG
# DIGEST is that of the pins in LOCK: an environment of other pins is made anew. Runs in several folders may call this at
# the same time; uv must be on the PATH.
set -euo pipefail
environment=$1 lock=$2 digest=$3 log=$4

is_installed() {
    [ -x "$environment/bin/python" ] && [ "$(cat "$environment/pins.txt" 2>/dev/null)" = "$digest" ]
}

if is_installed; then exit; fi
environments=$(dirname "$environment")
mkdir -p "$(dirname "$log")"
if ! mkdir -p "$environments" 2>/dev/null || ! [ -w "$environments" ]; then # somebody else's clone
    echo "error: $environment: is not installed from the present pins, and cannot be, because $environments is not" \
        "writable; whoever owns the clone installs it there: make fetch" >>"$log"
    exit 1
fi
if command -v flock >/dev/null; then # which macOS has not
    exec 9>"$environment.lock"
    taken=0
    flock -n 9 2>/dev/null || taken=$?
    if [ $taken = 1 ]; then # any other failure: a file system without locks
        echo "$environment: another run installs it: waiting" | tee "$log"
        flock 9
        if is_installed; then exit; fi
    fi
fi
echo "$environment: installing $(basename "$lock")" | tee "$log"
{
    uv venv --quiet --clear --python 3.11 "$environment"
    uv pip sync --quiet --require-hashes --compile-bytecode --python "$environment" "$lock"
} 2>&1 | tee -a "$log"
echo "$digest" >"$environment/pins.txt"
