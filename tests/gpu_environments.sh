#!/usr/bin/env bash
# `make gpu` and what may come after it, for real, in a clone of its own: several GB to download, and minutes.
# Ends with status 1 where an environment is not what it should be.
#   tests/gpu_environments.sh NEW_FOLDER
set -euo pipefail

git clone --quiet "$(dirname "$0")/.." "$1"
cd "$1"

# Whether JAX's CUDA build is in the main environment should be so, "yes" or "no", after what was done.
expect() {
    local found=no
    if compgen -G '.venv/lib/python3*/site-packages/jax_cuda1*_plugin' > /dev/null; then found=yes; fi
    echo "after $2: JAX's CUDA build is installed: $found"
    [ "$found" = "$1" ]
}

make devices
expect no "make devices"
make gpu
expect yes "make gpu"
make unit
expect yes "make unit"
touch workflow/envs/main.lock.txt workflow/envs/dev.lock.txt
make devices
expect yes "new pins"
.venv/bin/snakemake -j2 --configfile config/quick.yaml
expect yes "a run"
make cpu
expect no "make cpu"
make unit
expect no "make unit"
