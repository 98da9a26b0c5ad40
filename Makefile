# make demo and make test work from a bare clone: they create .venv and install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# CONSTRAINTS= installs the newest versions instead of those that were tested together.
CONSTRAINTS ?= -c constraints.txt -c constraints-cloud.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Without an NVIDIA card PyTorch comes without CUDA: 1 GB on the disk instead of 5. TORCH_INDEX=
# takes it from the default index all the same.
TORCH_INDEX ?= $(if $(shell command -v nvidia-smi),,https://download.pytorch.org/whl/cpu)
INSTALLED := $(VENV)/installed
MODEL := $(VENV)/installed-model
TOOLS := $(VENV)/installed-tools
FILES := setup.cfg pyproject.toml constraints.txt constraints-cloud.txt

.DEFAULT_GOAL := help
.PHONY: help install demo demo-data test test-all coverage lint hooks dist bench clean

help: ## show this list
	@grep -E '^[a-z -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+).*:.*## /\1\t/' | expand -t 12

$(INSTALLED): $(FILES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) $(CONSTRAINTS) -e .
	touch $@

# Where PyTorch's own index cannot be reached, the second line takes the large build.
$(MODEL): $(INSTALLED)
	$(if $(TORCH_INDEX),$(PIP) $(CONSTRAINTS) --no-deps --retries 0 --timeout 15 \
	    --index-url $(TORCH_INDEX) torch torchvision || echo "no $(TORCH_INDEX): PyTorch with CUDA")
	$(PIP) $(CONSTRAINTS) -e '.[train]'
	touch $@

# What the tests need beyond the project itself, the extras that they exercise included.
$(TOOLS): $(MODEL)
	$(PIP) $(CONSTRAINTS) -e '.[dev,download,gcp,onnx,review,train]'
	touch $@

install: $(TOOLS) ## create .venv and install the project with its development tools

demo: $(MODEL) ## captions to shards to a trained model, afresh, on drawn scenes; no network
	rm -rf demo
	$(BIN)/tag2text demo --output demo

demo-data: $(INSTALLED) ## the demo without a model, and so without PyTorch: a minute
	rm -rf demo
	$(BIN)/tag2text demo --output demo --steps 0

# Workers keep to one core each: with more threads than cores PyTorch's wait for each other's turns.
test test-all coverage: export OMP_NUM_THREADS = 1

test: $(TOOLS) lint ## lint, types and every test that is not slow
	$(BIN)/python -m pytest -m 'not slow' -n 2

test-all: $(TOOLS) lint ## the slow tests too
	$(BIN)/python -m pytest -n 2

coverage: $(TOOLS) ## lines and branches that the tests reach, those that are not slow
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m 'not slow'
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(TOOLS) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

hooks: $(TOOLS) ## run the checks of .pre-commit-config.yaml before each commit
	$(PIP) $(CONSTRAINTS) pre-commit pre-commit-hooks
	$(BIN)/pre-commit install

dist: $(INSTALLED) ## build wheel and source distribution into dist/ and check them
	rm -rf build dist
	$(PIP) $(CONSTRAINTS) build twine
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

bench: $(TOOLS) ## measure against the peers (needs the real captions; DATA=directory)
	$(BIN)/python -m benchmarks.run $(if $(DATA),--data $(DATA))

clean: ## remove what the demo, the build, the benchmarks and the tools made
	rm -rf demo build dist .bench .coverage .coverage.*
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
