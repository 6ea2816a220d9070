# The four things to type: make demo | test | check | setup. Everything is installed into .venv, nothing outside it.
# PYTHON names the interpreter to build .venv with, ARGS adds to a command: make demo ARGS="name=demo-2 seed=2".

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.solon-installed
ARGS ?=

# Small networks and small models: two threads per process are no faster than one, and two processes would fight.
export OMP_NUM_THREADS ?= 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS = 1

.PHONY: setup demo test check

setup: $(STAMP)

# torch goes first and alone: it is the large one, and pip then reports its trouble (disk, index) by itself.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/python -m experiments.cli run experiments/configs/demo.yaml $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
