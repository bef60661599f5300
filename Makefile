# Everything here works from a fresh checkout with Python >= 3.11, make and a package index; `make` alone lists it.

PYTHON ?= python3
# The version in uv.lock, so that the first sync keeps the uv that runs it (tests/config/test_commands.py compares).
UV_VERSION := 0.13.9
BIN := .venv/bin
STAMP := .venv/.synced

export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := .venv
# The service and its tests start Python some hundred times, and each would compile a thousand modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run test slow browser screenshots stock check format bench faults clean

help: ## List the targets
	@echo "Stillwatch: shares threat indicators over TAXII 2.1"
	@echo
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'
	@echo
	@echo "make run reads PORT (8000), HOST (127.0.0.1), STILLWATCH_HOME (var/) and DEMO (1); docs/operations.md has them all."

install: $(STAMP) ## Install the locked packages into .venv

$(STAMP): uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/uv --version >/dev/null 2>&1 || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv sync --locked --extra server --quiet
	@touch $@

run: $(STAMP) ## Start everything with demo content; Ctrl-C stops it
	@exec $(BIN)/python manage.py serve

test: $(STAMP) ## Run the test suite on an embedded PostgreSQL and Redis
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not slow and not faults and not bench and not browser and not stock"

slow: $(STAMP) ## Run the long tests: ten thousand malformed bodies, twenty thousand objects
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist load -m "slow and not faults and not bench and not browser"

browser: $(STAMP) ## Drive the desk in Chromium, which must be installed
	$(BIN)/python -m pytest -m browser

screenshots: $(STAMP) ## Take the pictures in docs/screenshots anew, in Chromium
	$(BIN)/python -m tests.browser.screenshots

stock: $(STAMP) ## Let stock taxii2-client, stix2 and pycti read the pages, from .venv-stock
	UV_PROJECT_ENVIRONMENT=.venv-stock $(BIN)/uv sync --locked --quiet --only-group stock --python $(BIN)/python
	$(BIN)/python -m pytest -m stock

check: $(STAMP) ## Check format, lint, types, imports and missing migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python manage.py makemigrations --check --dry-run

format: $(STAMP) ## Format the code and apply safe fixes
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(STAMP) ## Run the benchmarks; they print ratios
	$(BIN)/python -m pytest -m bench --capture=no --durations=0

faults: $(STAMP) ## Run the slow suite that kills processes and wipes Redis
	$(BIN)/python -m pytest -m faults

clean: ## Remove caches and the environment; the data in var/ stays
	rm -rf .venv .venv-stock .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
