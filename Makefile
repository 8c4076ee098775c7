# `make demo` and `make test` do all set-up on a machine that has Python 3.11 and make.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# lit finds headrace-opt and filecheck on PATH; one BLAS thread a worker is fastest on small cases.
RUN := PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1
PYTEST := $(RUN) $(BIN)/pytest -n $(WORKERS) -q

.PHONY: setup demo test acceptance lint types filecheck unit bench clean

setup: $(READY)

# torch first and alone, so that pip takes the CPU build where an index offers one.
$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'torch==2.13.*'
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/headrace demo

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)
	$(BIN)/basedpyright

filecheck: $(READY)
	$(RUN) $(BIN)/lit -v -j $(WORKERS) tests/filecheck

unit: $(READY)
	$(PYTEST) tests/unit tests/property

# Everything that a change must pass, in the order of how fast it fails.
test: lint types filecheck
	$(PYTEST) -m "not slow"

# The long runs too: all random programs, all recorded cases.
acceptance: $(READY)
	$(PYTEST)

bench: $(READY)
	for file in benchmarks/*.py; do $(RUN) $(BIN)/python $$file || exit 1; done

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .numba_cache
