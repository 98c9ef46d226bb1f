# Each target creates .venv and installs what is missing by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two processes with servers of their own; a file's tests stay together.
TESTERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(TESTERS)

.DEFAULT_GOAL := help
.PHONY: help install demo dev docs down secrets test test-faults test-long test-unit lint check bench bench-modelling lock clean

help:  ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true
	@touch $@

install: $(STAMP)  ## create .venv and install the locked dependencies

demo: $(STAMP)  ## from nothing to answers, on a simulated sky
	$(BIN)/flight-assets demo

dev: $(STAMP)  ## stack, simulator, poller and the Dagster UI, until Ctrl-C
	$(BIN)/flight-assets dev

docs: $(STAMP)  ## dbt's documentation of the warehouse, served until Ctrl-C
	$(BIN)/flight-assets docs

secrets: $(STAMP)  ## passwords and certificates for production, into files that git ignores
	$(BIN)/flight-assets secrets make

down: $(STAMP)  ## stop the local stack
	$(BIN)/flight-assets down

test: $(STAMP)  ## all tests, on a real Postgres and a real Kafka
	$(PYTEST) --dist loadfile tests

test-faults: $(STAMP)  ## the fault suite: processes killed, servers stopped, feeds that lie
	$(PYTEST) --dist loadfile tests/faults -m faults

test-long: $(STAMP)  ## the long tests: three simulated days beside the oracle
	$(PYTEST) tests/long -m long

test-unit: $(STAMP)  ## the tests that need no service
	$(BIN)/python -m pytest tests/unit tests/wiring

lint: $(STAMP)  ## ruff, mypy, import-linter, sqlfluff, dbt parse
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint dbt_project/models dbt_project/tests
	$(BIN)/dbt parse --quiet --project-dir dbt_project --profiles-dir dbt_project

check: lint test-unit  ## lint and the tests that need no service

bench: $(STAMP)  ## measure a poll, landing beside its baselines, a tick, and what an hour's answers cost
	$(BIN)/python -m benchmarks.landing
	$(BIN)/python -m benchmarks.polling
	$(BIN)/python -m benchmarks.tick
	$(BIN)/python -m benchmarks.modelling

bench-modelling: $(STAMP)  ## what an hour's answers cost, with much history and little
	$(BIN)/python -m benchmarks.modelling

lock: $(STAMP)  ## resolve requirements.lock again
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --quiet --output-file requirements.lock

clean:  ## stop the local stack and remove everything that was made here
	@if [ -x $(BIN)/flight-assets ]; then $(BIN)/flight-assets down; fi
	rm -rf $(VENV) .flight-assets .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache \
		dbt_project/target dbt_project/logs *.egg-info
