# Two commands do everything: `make demo` and `make test`. Both set up .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check bench lint docs clean

demo: $(VENV)/installed
	$(BIN)/udplb demo

test: $(VENV)/developing
	$(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder

check: lint test

lint: $(VENV)/developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/developing bench/load
	$(BIN)/python -m bench.compare $(BENCH)

bench/load: bench/load.c $(wildcard bench/load*.h)
	$(CC) -O2 -Wall -Wextra -o $@ bench/load.c

$(VENV)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "udplb needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/installed: $(VENV)/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/developing: $(VENV)/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/installed

docs: $(VENV)/developing
	$(BIN)/python -m tools.lifecycle

clean:
	rm -rf $(VENV) bench/load build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
