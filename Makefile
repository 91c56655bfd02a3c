# `make` alone lists the targets. Every target sets up .venv by itself when it is missing or out of date.
.DEFAULT_GOAL := help
.PHONY: help demo test test-engines test-redmine check bench crash nightly docs lock
MAKEFLAGS += --no-print-directory
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH

BIN := .venv/bin
# Half as many again as there are cores: tests that start processes mostly wait for them.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 3 / 2)))
# A test that hangs fails after so many seconds, with a traceback of where it hung.
HANGS_AFTER ?= 240
PYTEST = $(BIN)/python -m pytest --quiet --timeout $(HANGS_AFTER) --timeout-method signal
SHELL_FILES := .ci/run tools/make_venv.sh src/agent_queue/system/guard_hook.sh

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

demo: .venv/ready ## see it work: a queue, a repository and five jobs in a temporary folder
	@$(BIN)/aq demo $(ARGS)

test: .venv/ready ## all tests but those that need real agent programs
	@$(PYTEST) --numprocesses $(WORKERS) --dist loadgroup --ignore tests/engines $(ARGS)

test-engines: HANGS_AFTER = 1200
test-engines: .venv/ready ## the adapters against the real agent programs, which it fetches from npm and PyPI
	@$(PYTEST) $(if $(findstring tests/,$(ARGS)),,tests/engines) $(ARGS)

test-redmine: HANGS_AFTER = 600
test-redmine: .venv/ready ## the round trip with a real Redmine (needs Debian's: redmine redmine-sqlite ruby-webrick)
	@AQ_TEST_REDMINE=1 $(PYTEST) tests/trackers/test_redmine.py $(ARGS)

check: .venv/ready ## lint, formatting, types, the floors of the architecture, shell files, stale documents
	@$(MAKE) --keep-going $(CHECKS)

CHECKS := check-ruff check-format check-mypy check-imports check-shell check-docs
.PHONY: $(CHECKS)
check-ruff:
	@echo 'ruff check' && $(BIN)/ruff check --quiet .
check-format:
	@echo 'ruff format --check' && $(BIN)/ruff format --check --quiet .
check-mypy:
	@echo 'mypy' && $(BIN)/mypy --no-error-summary
check-imports:
	@echo 'lint-imports' && $(BIN)/lint-imports >.venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }
check-shell:
	@if command -v shellcheck >/dev/null; then echo 'shellcheck' && shellcheck $(SHELL_FILES); \
	else echo 'shellcheck: SKIPPED, not installed (apt-get install shellcheck)'; fi
check-docs:
	@echo 'documents' && $(BIN)/python tools/make_docs.py --check

bench: .venv/ready ## measure, and write docs/benchmarks.md
	@$(BIN)/python -m benchmarks $(ARGS)

crash: .venv/ready ## kill, cut, fuzz and soak it as before a commit, and write docs/reliability.md
	@$(BIN)/python -m tools.reliability commit $(ARGS)

# A night that was ended goes on where it was, when it is called again with the same SEED and the same source.
SEED ?= $(shell date +%Y%m%d)
MINUTES ?= 80
nightly: .venv/ready ## the same with other seeds, round after round for MINUTES; SEED goes on with a night that was ended
	@$(BIN)/python -m tools.reliability night $(SEED) $(MINUTES)

docs: .venv/ready ## write the generated pages of docs/ anew
	@$(BIN)/python tools/make_docs.py

lock: ## pin the newest allowed versions in requirements-dev.txt (needs uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --upgrade --quiet \
	    --custom-compile-command 'make lock' --output-file requirements-dev.txt

.venv/ready: requirements-dev.txt pyproject.toml tools/make_venv.sh
	@sh tools/make_venv.sh
