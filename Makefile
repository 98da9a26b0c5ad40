# make demo and make test work from a bare clone: they create .venv and install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check \
    -c constraints.txt -c constraints-cloud.txt
INSTALLED := $(VENV)/installed
TOOLS := $(VENV)/installed-tools

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all lint bench clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

$(INSTALLED): setup.cfg pyproject.toml constraints.txt constraints-cloud.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

# What the tests need beyond the project itself, the extras that they exercise included.
$(TOOLS): $(INSTALLED)
	$(PIP) -e '.[dev,download,gcp,onnx,review,train]'
	touch $@

install: $(TOOLS) ## create .venv and install the project with its development tools

demo: $(INSTALLED) ## captions to tags to labelled shards, afresh, on drawn scenes; no network, two minutes
	rm -rf demo
	$(BIN)/tag2text demo --output demo

# Workers keep to one core each: with more threads than cores PyTorch's wait for each other's turns.
test test-all: export OMP_NUM_THREADS = 1

test: $(TOOLS) lint ## lint, types and every test that is not slow
	$(BIN)/python -m pytest -m 'not slow' -n 2

test-all: $(TOOLS) lint ## the slow tests too
	$(BIN)/python -m pytest -n 2

lint: $(TOOLS) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(TOOLS) ## measure against the peers (needs the real captions; DATA=directory)
	$(BIN)/python -m benchmarks.run $(if $(DATA),--data $(DATA))

clean: ## remove what the demo, the benchmarks and the tools made
	rm -rf demo .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis
