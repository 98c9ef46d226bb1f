# Each target creates .venv and installs what is missing by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two processes with servers of their own; a file's tests stay together. In the order of the files:
# the unit tests, which are short, come last, so that both processes end at about the same time.
TESTERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(TESTERS)
BY_FILE := --dist loadfile --no-loadscope-reorder

# The line in containers (docs/deploy.md): `make up PROFILES=simulator,cluster`.
DOCKER ?= docker
COMPOSE ?= $(DOCKER) compose
PROFILES ?=
comma := ,
# Compose does not read .env by itself where another file of settings is named.
SETTINGS := $(if $(wildcard .env),--env-file .env)
CHOSEN = $(foreach profile,$(subst $(comma), ,$(PROFILES)),--profile $(profile) --env-file deploy/$(profile).env)
OF_ALL = $(COMPOSE) $(SETTINGS) --profile '*'
# The containers run as the owner of secrets/, who alone can read what is there; never as root.
OWNER = $(shell ls -ldn secrets 2>/dev/null | awk '$$3 > 0 {print "FLIGHT_ASSETS_UID=" $$3 " FLIGHT_ASSETS_GID=" $$4}')

.DEFAULT_GOAL := help
.PHONY: help install demo dev docs secrets up keep rotate down ps logs test test-compose test-faults test-long test-unit restore-drill lint check bench bench-modelling lock sbom clean

help:  ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml kafka_sensors/_plain_rows.c
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

up:  ## start the line in containers; PROFILES=simulator, cluster or both, with a comma between
	@if [ -x $(BIN)/flight-assets ]; then $(BIN)/flight-assets secrets check; fi
	$(OWNER) $(COMPOSE) $(SETTINGS) $(CHOSEN) up --detach --build --wait

keep:  ## start again the containers that `docker kill` ends, until Ctrl-C
	@DOCKER="$(DOCKER)" deploy/keep.sh $$($(OF_ALL) ps --all --quiet)

rotate:  ## another password in the containers: NAME=kafka_poller_password
	$(OWNER) $(OF_ALL) run --rm --no-deps --volume $(CURDIR)/secrets:/secrets \
		--env FLIGHT_ASSETS_SECRETS=/secrets migrate flight-assets secrets rotate $(NAME)

down:  ## stop what runs here, the local stack and the containers; the data stays
	@if [ -x $(BIN)/flight-assets ]; then $(BIN)/flight-assets down; fi
	@if $(OF_ALL) ps --quiet >/dev/null 2>&1; then $(OF_ALL) down; fi

ps:  ## how the containers are
	@$(OF_ALL) ps --all

logs:  ## what the containers say, until Ctrl-C
	@$(OF_ALL) logs --follow --tail 100

test: $(STAMP)  ## all tests, on a real Postgres and a real Kafka
	$(PYTEST) $(BY_FILE) tests

test-compose: $(STAMP)  ## the containers, from nothing to answers; each of them killed
	$(BIN)/python -m pytest tests/compose -m compose

test-faults: $(STAMP)  ## the fault suite: processes killed, servers stopped, feeds that lie
	$(PYTEST) $(BY_FILE) tests/faults -m faults

test-long: $(STAMP)  ## the long tests: three simulated days beside the oracle
	$(PYTEST) tests/long -m long

test-unit: $(STAMP)  ## the tests that need no service
	$(BIN)/python -m pytest tests/unit tests/wiring

restore-drill: $(STAMP)  ## restore an old backup to a second beside a running stack, and let it catch up
	$(BIN)/python -m pytest tests/integration/test_restore_drill.py -v

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

sbom: $(STAMP)  ## what is in requirements.lock, as CycloneDX: build/sbom.cdx.json
	@mkdir -p build
	$(BIN)/python -W ignore -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml \
		--short-PURLs --output-reproducible --output-format JSON --output-file build/sbom.cdx.json

clean:  ## stop the local stack and remove everything that was made here
	@if [ -x $(BIN)/flight-assets ]; then $(BIN)/flight-assets down; fi
	rm -rf $(VENV) build .flight-assets .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache \
		dbt_project/target dbt_project/logs *.egg-info kafka_sensors/*.so
