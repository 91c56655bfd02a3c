# `make` alone lists the targets. Every target sets up .venv by itself when it is missing or out of date.
.DEFAULT_GOAL := help
.PHONY: help demo test test-engines check bench docs lock
MAKEFLAGS += --no-print-directory
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH

BIN := .venv/bin
WORKERS ?= auto
PYTEST := $(BIN)/python -m pytest --quiet
SHELL_FILES := .ci/run tools/make_venv.sh

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

demo: .venv/ready ## see it work: a queue, a repository and five jobs in a temporary folder
	@$(BIN)/aq demo $(ARGS)

test: .venv/ready ## all tests but those that need real agent programs
	@$(PYTEST) --numprocesses $(WORKERS) --dist loadgroup --ignore tests/engines $(ARGS)

test-engines: .venv/ready ## the adapters against the real agent programs, which it fetches from npm
	@$(PYTEST) tests/engines $(ARGS)

check: .venv/ready ## formatting, lint, types, the floors of the architecture, shell files, stale documents
	@echo 'ruff check' && $(BIN)/ruff check --quiet .
	@echo 'ruff format --check' && $(BIN)/ruff format --check --quiet .
	@echo 'mypy' && $(BIN)/mypy --no-error-summary
	@echo 'lint-imports' && $(BIN)/lint-imports --no-timing >.venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }
	@if command -v shellcheck >/dev/null; then echo 'shellcheck' && shellcheck $(SHELL_FILES); \
	else echo 'shellcheck: SKIPPED, not installed (apt-get install shellcheck)'; fi
	@echo 'documents' && $(BIN)/python tools/make_docs.py --check

bench: .venv/ready ## measure, and write docs/benchmarks.md
	@$(BIN)/python -m benchmarks $(ARGS)

docs: .venv/ready ## write the generated pages of docs/ anew
	@$(BIN)/python tools/make_docs.py

lock: ## pin the newest allowed versions in requirements-dev.txt (needs uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --upgrade --quiet \
	    --custom-compile-command 'make lock' --output-file requirements-dev.txt

.venv/ready: requirements-dev.txt pyproject.toml tools/make_venv.sh
	@sh tools/make_venv.sh
