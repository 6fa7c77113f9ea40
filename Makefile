# Rolebridge: every everyday action. Needs only make, Python >= 3.11 and a Python package index.
#
#   PYTHON=python3.13 make run     chooses the interpreter (a .venv of another one is made anew)
#
# The environment lives in .venv, installed from hash-pinned locks; stamps in it make a second run instant.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
# An explicitly chosen interpreter has a stamp of its own; without one, any .venv that is there will do.
ifeq ($(origin PYTHON),undefined)
PYTHON := python3
MADE := $(VENV)/.made
else
MADE := $(VENV)/.made-by-$(subst /,_,$(PYTHON))
endif
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev

# How many processes run tests: one for each core. Tests of one file stay together, as they share servers and databases.
PROCESSES := auto

# --only-binary: a wheel for this machine or a clear refusal, never a build with unpinned tools.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PIP_LOCKED := $(PIP) install --require-hashes --only-binary :all:
PIP_SELF := $(PIP) install --no-deps --no-build-isolation --editable .
UV_VERSION := 0.13.9
UV := $(VENV)-lock/bin/uv
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock"

.PHONY: help run test check mutants bench lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUNTIME) ## start the demo: sample directory, mappings and server, data in var/ (Ctrl-C stops)
	@mkdir -p var
	@$(BIN)/rolebridge demo --serve

test: $(DEV) ## run every test (PostgreSQL and SQLite included); ARGS="-k lock" narrows, PROCESSES=0 runs them in one process
	@$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile $(ARGS)

check: $(DEV) ## lint, format, types and the walls between modules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

mutants: $(DEV) ## break what decides about roles in hundreds of ways, and list what no test notices (docs/mutants.md)
	@$(BIN)/python -m tests.mutants $(ARGS)

bench: $(DEV) ## run the programs of benchmarks/, each printing a ratio against a floor of the same run
	@set -e; for program in benchmarks/bench_*.py; do \
		[ -e "$$program" ] || { echo "no programs in benchmarks/ yet"; break; }; \
		echo "== $$program"; $(BIN)/python "$$program"; \
	done

lock: ## make requirements*.lock anew (newest versions: make lock UPGRADE=--upgrade)
	@$(PYTHON) -m venv $(VENV)-lock
	@$(VENV)-lock/bin/python -m pip --disable-pip-version-check --quiet install uv==$(UV_VERSION)
	$(COMPILE) $(UPGRADE) pyproject.toml --group build --output-file requirements.lock
	$(COMPILE) $(UPGRADE) pyproject.toml --group build --group dev --constraints requirements.lock \
		--output-file requirements-dev.lock
	$(COMPILE) $(UPGRADE) tests/third_party/canaille.in --output-file tests/third_party/canaille.lock

clean: ## remove the environment, caches and builds (data in var/ stays)
	rm -rf $(VENV) $(VENV)-lock $(VENV)-canaille .node-idps .simplesamlphp build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -exec rm -rf {} +

$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "rolebridge needs Python 3.11 or newer, and \`$(PYTHON)\` is `$(PYTHON) --version 2>&1`." >&2; \
		echo "Choose another one: PYTHON=python3.12 make $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "environment: a new $(VENV) of `$(PYTHON) --version 2>&1`"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@touch $(VENV)/.made $@

$(RUNTIME): $(MADE) requirements.lock pyproject.toml
	@echo "environment: installing requirements.lock into $(VENV)"
	@$(PIP_LOCKED) --requirement requirements.lock
	@$(PIP_SELF)
	@touch $@

# The development lock contains the runtime lock, version for version, so it also makes `run` ready.
$(DEV): $(MADE) requirements-dev.lock pyproject.toml
	@echo "environment: installing requirements-dev.lock into $(VENV)"
	@$(PIP_LOCKED) --requirement requirements-dev.lock
	@$(PIP_SELF)
	@touch $(RUNTIME) $@
