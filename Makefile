# Everything a fresh machine needs is set up on the way: `make demo` and `make test` are enough.
.DEFAULT_GOAL := help
PY := .venv/bin/python
READY := .venv/.ready
# Each worker has a cluster of its own; more than four only make each other wait.
PYTEST := $(PY) -m pytest -n logical --maxprocesses 4 --dist worksteal

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): pyproject.toml tools/setup
	@tools/setup

setup: $(READY)  ## virtual environments with everything in them

interpreters: $(READY)  ## CPython 3.13 to 3.15 from Debian's testing suite, in a folder, for the tests
	@tools/interpreters

demo: $(READY)  ## a real program moves round three nodes while it computes
	@$(PY) -m demo

test: $(READY)  ## the tests, in under 20 minutes: exhaustive on 3.11, sampled elsewhere
	@$(PYTEST)

test-all: $(READY)  ## every test in full; results and versions go to out/results/
	@$(PYTEST) --thorough --record=out/results -o faulthandler_timeout=3600

lint: $(READY)  ## ruff, pyright strict, the import contracts
	@$(PY) -m ruff check .
	@$(PY) -m pyright
	@.venv/bin/lint-imports

bench: $(READY)  ## every figure of the specification, as a ratio measured in this run
	@$(PY) -m bench

clean:  ## what the commands above made, environments included
	rm -rf out .venv* .interpreters* .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: help setup interpreters demo test test-all lint bench clean
