# digitflow: `make submission` and `make test` set up all that they need. Environments are installed from hashed pins.

CORES  ?= 4
WORKERS ?= 3  # processes of `make test`: more than two cores, because many tests wait
CLONE := $(dir $(firstword $(MAKEFILE_LIST)))
PYTHON ?= python3
PYTHON_VERSION ?= 3.11

# uv from the PATH, else our own in the clone.
UV   := $(or $(shell command -v uv),.tools/bin/uv)
MAIN := .venv/main.installed
DEV  := .venv/dev.installed
# The builds that `make gpu` chose, if any, are added to the pins: docs/gpu.md.
GPU_CHOICE := .venvs/gpu.mk
-include $(GPU_CHOICE)
GPU_LOCK := $(GPU_PINS:%=workflow/envs/%.lock.txt)
# What `make slurm` adds, once it was asked for: docs/clusters.md.
SLURM_CHOICE := .venvs/slurm
SLURM_LOCK := $(if $(wildcard $(SLURM_CHOICE)),workflow/envs/slurm.lock.txt)
# Install exactly the pins, and this package from its folder, with its command `digitflow`.
define SYNC
$(UV) pip sync --quiet --require-hashes --compile-bytecode --python .venv $(filter %.lock.txt,$^)
$(UV) pip install --quiet --offline --no-deps --python .venv --editable .
.venv/bin/python -m compileall -q workflow
endef
CODE := workflow tests benchmarks
RULES := Snakefile rules/*.smk

.DELETE_ON_ERROR:
.PHONY: submission quick fetch gpu cpu devices slurm backends test unit lint fmt docs screenshots bench bench-look \
	bench-colour bench-first-step bench-training record experiments fuzz torture lock clean clean-stale help

submission: $(MAIN)  ## convert, train, score and merge: results/submission.csv
	.venv/bin/snakemake -j$(CORES)

quick: $(MAIN)  ## the same in about a minute, with fewer epochs: a first taste
	.venv/bin/snakemake -j$(CORES) --configfile config/quick.yaml

fetch: $(MAIN)  ## all that needs the network; a run after it opens no connection
	.venv/bin/snakemake -j$(CORES) fetch

gpu: $(MAIN)  ## install CUDA builds for this machine's driver and GPUs, until `make cpu`: docs/gpu.md
	.venv/bin/digitflow choose_gpu $(GPU_CHOICE)
	$(MAKE) --no-print-directory devices

cpu:  ## go back to the builds for CPUs
	rm -f $(GPU_CHOICE) $(MAIN)
	$(MAKE) --no-print-directory devices

devices: $(MAIN)  ## what Keras and MXNet train on here
	.venv/bin/snakemake -j1 --quiet all -- .venvs/mxnet/installed.txt
	.venv/bin/digitflow show_device keras
	PYTHONPATH=workflow .venvs/mxnet/bin/python -m digitflow show_device mxnet

slurm:  ## install what sends jobs to a SLURM cluster: docs/clusters.md
	mkdir -p $(dir $(SLURM_CHOICE))
	touch $(SLURM_CHOICE)
	rm -f $(MAIN)
	$(MAKE) --no-print-directory $(MAIN)

backends: .venvs/keras-jax/installed .venvs/keras-torch/installed  ## Keras on JAX and PyTorch, for tests: 6 GB

test: $(DEV)  ## all tests: unit tests, those of the frameworks, and those of the workflow
	.venv/bin/snakemake -j$(CORES) --quiet all -- .venvs/mxnet/installed.txt .venvs/kaggle/installed.txt data/mnist/mnist.pkl.gz
	.venv/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

unit: $(DEV)  ## the tests that take seconds
	.venv/bin/snakemake -j1 --quiet all -- data/mnist/mnist.pkl.gz
	.venv/bin/python -m pytest tests/unit

lint: $(DEV)  ## the style checks of CI
	.venv/bin/ruff check $(CODE)
	.venv/bin/ruff format --check --quiet $(CODE)
	.venv/bin/snakefmt --check --compact-diff $(RULES)
	.venv/bin/python tests/lint_workflow.py

fmt: $(DEV)  ## format Python and Snakemake code
	.venv/bin/ruff check --fix --quiet $(CODE)
	.venv/bin/ruff format --quiet $(CODE)
	.venv/bin/snakefmt $(RULES)

docs: $(MAIN)  ## write the tables of config/README.md and the map in CONTRIBUTING.md from the code
	.venv/bin/python docs/make_tables.py

screenshots: $(DEV)  ## the pictures of docs/looking.md: a quick audit of the default data in a real browser
	.venv/bin/snakemake -j$(CORES) --quiet all --configfile config/quick_audit.yaml -- results/look/index.html
	.venv/bin/python docs/make_screenshots.py

record: $(MAIN)  ## repeat rows of README's record table, each on three splits: [ROWS="fast default"] or [AGAINST=CLONE]
	.venv/bin/snakemake -j$(CORES) --quiet all -- .venvs/mxnet/installed.txt data/mnist/mnist.pkl.gz
	.venv/bin/python benchmarks/record.py $(ROWS) $(if $(AGAINST),--against $(AGAINST))

experiments: $(MAIN)  ## run all studies of config/experiments.yaml: docs/experiments.md
	.venv/bin/snakemake -j$(CORES) --keep-going --configfile config/experiments.yaml -- results/experiments.md
	rm -rf docs/experiments
	cp -r results/experiments.md results/experiments docs/

bench-training: $(MAIN)  ## training speed, [KERAS="jax=PYTHON torch=PYTHON"]: benchmarks/training.md
	.venv/bin/snakemake -j$(CORES) --quiet all -- .venvs/mxnet/installed.txt data/mnist/train.csv
	.venv/bin/python benchmarks/train.py $(if $(KERAS),--keras $(KERAS))

bench: $(MAIN) .venvs/bench/installed  ## this project beside its peers, in one run: benchmarks/results.md
	.venv/bin/snakemake -j$(CORES) --quiet all -- .venvs/mxnet/installed.txt data/mnist/train.csv
	.venv/bin/python -m compileall -q workflow  # as after its installation
	.venvs/bench/bin/python benchmarks/run.py

bench-look: $(DEV) .venvs/bench/installed  ## duplicates, wrong labels, cleanlab's flags, the page, compare: benchmarks/*.md
	.venv/bin/snakemake -j$(CORES) --quiet all -- data/mnist/mnist.pkl.gz
	.venv/bin/python -m compileall -q workflow
	status=0; \
	.venv/bin/python benchmarks/duplicates.py || status=1; \
	.venv/bin/python benchmarks/look.py || status=1; \
	.venv/bin/python benchmarks/compare.py || status=1; \
	.venvs/bench/bin/python benchmarks/cleanlab_flags.py || status=1; \
	.venv/bin/python benchmarks/flips.py || status=1; \
	exit $$status

bench-colour: $(MAIN)  ## whether digits in colour are learned as well as in grey: benchmarks/colour.md
	.venv/bin/snakemake -j$(CORES) --quiet all -- .venvs/mxnet/installed.txt data/mnist/mnist.pkl.gz
	rm -rf benchmarks/.colour
	.venv/bin/python benchmarks/colour.py benchmarks/.colour

bench-first-step: $(MAIN)  ## time to the first training batch, beside another clone: OTHER=PATH: benchmarks/first_step.md
	.venv/bin/snakemake -j$(CORES) --quiet all -- .venvs/mxnet/installed.txt data/mnist/train.csv
	.venv/bin/python benchmarks/first_step.py $(or $(OTHER),$(error say which clone: make bench-first-step OTHER=PATH))

fuzz: .venvs/fuzz/installed  ## test readers on invented files: make fuzz [SECONDS=300] [TARGETS="csv rec"]
	.venvs/fuzz/bin/python tests/fuzz/fuzz.py --seconds $(or $(SECONDS),300) $(TARGETS)

torture: $(DEV)  ## kill real runs at over a hundred moments and resume them: docs/reliability.md
	.venv/bin/snakemake -j$(CORES) --quiet all -- .venvs/mxnet/installed.txt data/mnist/mnist.pkl.gz
	.venv/bin/python -m tests.workflow.torture

LOCK = $(abspath $(UV)) pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links
lock: $(UV)  ## pin the packages that workflow/envs/*.in name
	cd workflow/envs && for name in main mxnet kaggle bench uv; do $(LOCK) $$name.in -o $$name.lock.txt || exit 1; done
	cd workflow/envs && for name in dev slurm jax-cuda12 jax-cuda13 keras-jax keras-torch fuzz; do \
		$(LOCK) $$name.in -c main.lock.txt -o $$name.lock.txt || exit 1; done
	cd workflow/envs && $(LOCK) mxnet-cu117.in -c mxnet.lock.txt -o mxnet-cu117.lock.txt

clean:  ## remove results and conversions; keep CSVs, corrections, remembered runs, receipts and environments
	@test ! -e data/png/train -a ! -e data/png/train.inventory || \
		PYTHONPATH=$(CLONE)workflow $(CLONE).venv/bin/python -m digitflow adopt || \
		{ echo "nothing was removed: pictures may have been moved by hand" >&2; exit 1; }
	find results data/idx data/png data/rec data/official logs -mindepth 1 ! -path results/README.md \
		! -path 'results/runs*' ! -path 'results/kaggle*' ! -path data/rec/corrections.json \
		-delete 2>/dev/null || true

clean-stale: $(MAIN)  ## list and remove what the configuration no longer asks for: [CONFIG=mine.yaml]
	.venv/bin/digitflow clean_stale --remove true $(if $(CONFIG),--configfile $(CONFIG))

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t18

.tools/bin/uv: workflow/envs/uv.lock.txt
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

.venv/bin/python: | $(UV)
	$(UV) venv --quiet --python $(PYTHON_VERSION) .venv

$(MAIN): workflow/envs/main.lock.txt $(GPU_LOCK) $(SLURM_LOCK) $(wildcard $(GPU_CHOICE)) .venv/bin/python
	$(SYNC)
	cat $< $(GPU_LOCK) > $@

.venvs/%/installed: workflow/envs/%.lock.txt | $(UV)
	$(UV) venv --quiet --clear --python 3.11 $(@D)
	$(UV) pip sync --quiet --require-hashes --compile-bytecode --python $(@D) $<
	touch $@

.venvs/bench/installed: $(MAIN)

$(DEV): workflow/envs/dev.lock.txt $(GPU_LOCK) $(SLURM_LOCK) $(MAIN)
	$(SYNC)
	touch $@
