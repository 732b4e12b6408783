# `make run` and `make test` are the two that matter; `make help` lists the others. Needs Python 3.11 or newer and make.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
READY := $(VENV)/.ready
ORACLES := $(VENV)/.oracles
PEERS := $(VENV)/.peers
COVERAGE_FLOOR ?= 88
ARGS ?=
# Real benign chat and reference pictures for the demo, where somebody has them beside the checkout.
SHARED ?= $(wildcard ../shared/data)
PYTEST_ARGS ?=

export COVERAGE_FILE := .cache/coverage/data

.DEFAULT_GOAL := help
.PHONY: help deps setup oracles peers sentinel run test test-all lint format types walls unit bench shots lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## system packages for the tests (chromium, postgresql, a C++ compiler), where they can be installed
	@PYTHON=$(PYTHON) bash .ci/deps.sh

setup: $(READY) ## the virtual environment, exactly as the lock files say

$(READY): requirements.lock requirements-build.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Nightlight needs Python 3.11 or newer (set PYTHON=... if it has another name)"; exit 1; }
	@test -x $(BIN)/python || { echo "== making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "== installing what requirements.lock says"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --require-hashes -r requirements-build.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Other people's implementations, to check ours against. They compile, so a machine without a compiler does without them.
oracles: $(READY)
	@if [ ! -e $(ORACLES) ] || [ requirements-oracles.lock -nt $(ORACLES) ]; then \
		echo "== building the test oracles"; \
		if $(PIP) install --require-hashes --no-build-isolation -r requirements-oracles.lock >$(VENV)/oracles.log 2>&1; \
		then touch $(ORACLES); \
		else echo "   they could not be built (no C++ compiler?): tests marked oracle are skipped"; tail -n 3 $(VENV)/oracles.log; fi; \
	fi

# What `nightlight bench` measures beside us. Without it the benchmarks that compare say that the peer is missing.
peers: $(READY)
	@if [ ! -e $(PEERS) ] || [ requirements-peers.lock -nt $(PEERS) ]; then \
		echo "== installing the peers"; \
		if $(PIP) install --require-hashes --no-build-isolation -r requirements-peers.lock >$(VENV)/peers.log 2>&1; \
		then touch $(PEERS); \
		else echo "   they could not be installed (no C++ compiler?)"; tail -n 3 $(VENV)/peers.log; fi; \
	fi

# The peer of conversation risk, by itself: with torch it is some gigabytes, and `bench conversations` says what it lacks without it.
sentinel: $(READY)
	@echo "== installing what Sentinel's method needs"
	@$(PIP) install --require-hashes --no-build-isolation -r requirements-sentinel.lock

run: deps setup ## the demo: an evening on an invented game, screened live; ARGS=--once runs it to its end and exits
	@$(BIN)/nightlight demo $(if $(SHARED),--shared $(SHARED)) $(ARGS)

test: deps setup oracles lint types walls unit ## everything that must be true

test-all: test ## the same, the tests that take long, and properties with four times the examples
	@echo "== long tests, and properties with more examples"
	@$(BIN)/python -m pytest -m "long or hypothesis" --hypothesis-profile=thorough $(PYTEST_ARGS)

lint: setup
	@echo "== ruff"
	@$(BIN)/ruff format --check --quiet . || { echo "   some files are not formatted: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .

types: setup
	@echo "== mypy --strict"
	@$(BIN)/mypy

walls: setup
	@echo "== import-linter"
	@$(BIN)/lint-imports --no-logo --config .importlinter --cache-dir .cache/import-linter

unit: setup
	@echo "== pytest"
	@mkdir -p .cache/coverage && $(BIN)/coverage erase
	@$(BIN)/python -m pytest -q -m "not long" --numprocesses=auto --dist=worksteal --cov --cov-report= $(PYTEST_ARGS)
	@echo "== coverage"
	@$(BIN)/coverage report --skip-covered --omit='*/test_*.py' --fail-under=$(COVERAGE_FLOOR)

bench: setup peers ## the benchmark tables that docs/benchmarks.md quotes
	@$(BIN)/python -m benchmarks $(ARGS)

format: setup ## put every file into shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# uv lives in an environment of its own, so that what resolves the dependencies is none of them. ARGS=--upgrade moves the pins.
# Extras stay in the pins: pip before 23.3 takes the newest release of a package that is asked for with an extra but pinned without.
UV_COMPILE = .cache/uv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet --no-strip-extras \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(ARGS)
lock: ## remake the lock files from pyproject.toml
	@test -x .cache/uv/bin/uv || { $(PYTHON) -m venv .cache/uv && .cache/uv/bin/python -m pip --quiet install uv; }
	@$(UV_COMPILE) pyproject.toml --group dev -o requirements.lock
	@printf 'hatchling\neditables\nsetuptools\nwheel\ncython\n' | $(UV_COMPILE) - -c requirements.lock -o requirements-build.lock
	@printf 'setuptools\nwheel\ncython\n' | $(UV_COMPILE) - --group oracles -c requirements.lock -o requirements-oracles.lock
	@printf 'setuptools\nwheel\ncython\n' | $(UV_COMPILE) - --group peers -c requirements.lock -o requirements-peers.lock
	@printf 'setuptools\nwheel\n' | $(UV_COMPILE) - --group sentinel -c requirements.lock -o requirements-sentinel.lock

shots: setup ## the pictures of the console in docs/images, taken anew by the test that walks through it
	@NIGHTLIGHT_DOC_SHOTS=docs/images $(BIN)/python -m pytest -q -n0 --no-cov "tests/web/test_console_day.py::test_a_reviewers_whole_day[Mouse]" \
	  tests/web/test_request_browser.py::test_an_emergency_goes_from_hand_to_hand_by_keyboard_alone

clean: ## remove everything that was generated, the environment too
	@rm -rf $(VENV) .cache .mypy_cache .ruff_cache .hypothesis build dist
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
