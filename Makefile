# The words that people and CI both use. `make demo` and `make test` need Python 3.11 or newer with venv, Rust, and
# nothing else: each makes .venv where there is none, installs what the locks name (with hashes), builds, and runs.
# Stamps under .venv/.made remember what is done, so that a second run starts at once.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
MADE := $(VENV)/.made
LITELLM := $(VENV)/litellm
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet
LOCKED := $(PIP) --require-hashes
RUST_SOURCES := $(shell find rust/core rust/py -type f -not -path '*/target/*')
FUZZ_TARGETS := $(basename $(notdir $(wildcard rust/fuzz/targets/*.rs)))
CHECKED := python tests benches examples training conftest.py

.PHONY: help demo test env build wheel check lint types layers fuzz-check fuzz miri bench bench-python bench-rust integration adapters training-sample lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

demo: $(MADE)/build ## environment, build, and the sample traffic through the whole path
	$(BIN)/compound-fast replay

test: $(MADE)/test $(MADE)/build ## environment, build, all tests (Rust, then Python)
	cargo test --workspace --locked
	$(BIN)/python -m pytest
	if [ -f $(MADE)/adapters ]; then \
	  PYTHONPATH=$(LITELLM) $(BIN)/python -m pytest tests/integration/test_wrap.py tests/integration/test_litellm.py; \
	fi

env: $(MADE)/demo $(MADE)/test ## .venv with everything that the locks name
build: $(MADE)/build ## the extension in release mode, and the command, in .venv

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python {sys.version.split()[0]} is too old; 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

$(MADE)/demo: requirements/demo.txt | $(BIN)/python
	@mkdir -p $(MADE)
	$(LOCKED) -r $<
	@touch $@

$(MADE)/test: requirements/test.txt $(MADE)/demo
	$(LOCKED) -r $<
	@touch $@

$(MADE)/integration: requirements/integration.txt $(MADE)/test
	$(LOCKED) -r $<
	@touch $@

# LiteLLM holds the OpenAI SDK at the version before ours, so the two stand in a folder of their own, and the tests that
# they are for run once more with that folder first.
$(MADE)/adapters: requirements/adapters.txt requirements/litellm.txt $(MADE)/test
	$(LOCKED) -r requirements/adapters.txt
	rm -rf $(LITELLM)
	$(LOCKED) --target $(LITELLM) -r requirements/litellm.txt
	@touch $@

# Editable, so that a change in Python needs no build and the type checker, the layer contract and the tests all see the
# one tree. pip calls the same build back-end that builds the wheel (release profile); --no-deps and
# --no-build-isolation keep it to what the locks installed. PATH, because the back-end looks for `maturin` there.
$(MADE)/build: $(MADE)/demo Cargo.toml Cargo.lock pyproject.toml $(RUST_SOURCES)
	PATH="$(abspath $(BIN)):$$PATH" $(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

wheel: $(MADE)/demo ## the wheel, in dist/
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/maturin build --release --locked --out dist

check: lint types layers fuzz-check ## everything that CI asks besides the tests

lint: $(MADE)/test ## rustfmt, clippy, rustdoc, ruff
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --package compound-fast-core --no-deps --document-private-items --locked
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)

types: $(MADE)/test $(MADE)/build ## mypy --strict, and the stub of the extension against the built module
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest compound_fast._core --allowlist tests/typing/stubtest_allowlist.txt

layers: $(MADE)/test ## imports go down only (the Rust half is rust/core/tests/layers.rs)
	PYTHONPATH=python $(BIN)/lint-imports --no-logo --no-cache

fuzz-check: ## every fuzz target builds on the stable toolchain and runs for a moment
	cargo fmt --manifest-path rust/fuzz/Cargo.toml --check
	for target in $(FUZZ_TARGETS); do rust/fuzz/run $$target -runs=2000 -max_total_time=20 -verbosity=0; done

# make fuzz TARGET=request_parse SECONDS=60
TARGET ?= request_parse
SECONDS ?= 60
fuzz: ## one fuzz target for SECONDS (default 60): make fuzz TARGET=request_parse
	rust/fuzz/run $(TARGET) -max_total_time=$(SECONDS)

# Needs a nightly toolchain with miri and rust-src; no part of `check`.
SEED ?= 0
miri: ## the index beside a change under Miri, with one of its schedules: make miri SEED=7
	CARGO_TARGET_DIR=target/nightly MIRIFLAGS='-Zmiri-disable-isolation -Zmiri-permissive-provenance -Zmiri-preemption-rate=0.2 -Zmiri-seed=$(SEED)' \
	  cargo +nightly miri test --locked --package compound-fast-core --lib -- index::beside_tests

bench: bench-python bench-rust ## all benchmarks

bench-python: $(MADE)/test $(MADE)/build ## the path, the import and the memory of a replay
	$(BIN)/python -m pytest benches/python

bench-rust: ## fingerprint, flat search, cache look-up
	cargo bench --package compound-fast-benches --locked

integration: $(MADE)/integration ## a llama.cpp server and small weights (250 MB) for tests/integration; then `make test` uses them

adapters: $(MADE)/adapters ## the OpenAI SDK, LangChain and LiteLLM for tests/integration; then `make test` uses them

# Twice from the same packages, each time with teacher vectors of its own: a build is repeatable or it is no build.
training-sample: | $(BIN)/python ## the training pipeline on 300 texts, twice, and whether both files are the same (needs mvn, apt-get)
	$(PYTHON) -m venv $(VENV)/training
	$(VENV)/training/bin/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes -r training/requirements.txt
	for run in one other; do \
	  rm -rf $(VENV)/training/work/vectors $(VENV)/training/work/tokens-*; \
	  $(VENV)/training/bin/python training/build.py --sample 50 --teachers 1 --epochs 2 --name sample \
	    --work $(VENV)/training/work --out $(VENV)/training/$$run.cfm; \
	done
	cmp $(VENV)/training/one.cfm $(VENV)/training/other.cfm

# The locks hold hashes and name no index. pip-tools comes from its own environment, so that it locks nothing of itself.
lock: ## write requirements/*.txt anew from requirements/*.in
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet 'pip-tools>=7.6,<8'
	cd requirements && for name in demo test integration adapters litellm; do \
	  env -u PIP_FIND_LINKS CUSTOM_COMPILE_COMMAND='make lock' ../$(VENV)/lock/bin/pip-compile --quiet --generate-hashes \
	    --strip-extras --allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	    --output-file $$name.txt $$name.in; \
	done
	cd training && env -u PIP_FIND_LINKS CUSTOM_COMPILE_COMMAND='make lock' ../$(VENV)/lock/bin/pip-compile --quiet --generate-hashes \
	  --strip-extras --allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	  --output-file requirements.txt requirements.in

clean: ## remove what was built and installed here
	rm -rf $(VENV) target dist rust/fuzz/target python/compound_fast/_core*.so
