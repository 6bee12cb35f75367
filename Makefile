# Vedette. Needs Python >= 3.11 with venv, make and git; everything else is fetched into .venv.
PYTHON ?= python3
TARGET ?= 127.0.0.1
ARGS ?=
AT_ONCE ?= 2
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
UV := UV_PYTHON_DOWNLOADS=never $(BIN)/uv
SCRIPTS := .ci/run deploy/alive deploy/start deploy/make-secrets
MEMBERS := scan process report notify gateway control

.DEFAULT_GOAL := help
.PHONY: help scan up test check format alone chaos bench pictures openapi clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

scan: $(VENV)/.installed ## scan one host and write four reports here: make scan TARGET=127.0.0.1 [ARGS="--ports 1-1000"]
	@$(BIN)/vedette scan host $(TARGET) --report pdf,html,json,csv --wait $(ARGS)

up: $(VENV)/.installed ## start the local stack and keep it running until Ctrl-C
	@$(BIN)/vedette up $(ARGS)

test: $(VENV)/.dev ## run every test; a component this machine lacks skips, or fails where VEDETTE_TEST_ALL=1
	@$(BIN)/pytest -n $(AT_ONCE) --dist loadfile $(ARGS)

check: $(VENV)/.dev ## lint, types, lock file, compose schema, Dockerfile, shell scripts
	$(UV) lock --check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy shared services gateway control vedette docs/pictures tests/bench tests/chaos
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint deploy/Dockerfile
	bash -n .ci/run
	@if command -v shellcheck >/dev/null; then set -x; shellcheck $(SCRIPTS); \
	elif [ "$$VEDETTE_TEST_ALL" = 1 ]; then echo "VEDETTE_TEST_ALL=1, but shellcheck is not installed" >&2; exit 1; \
	else echo "shellcheck is not installed: the shell scripts were not checked" >&2; fi

format: $(VENV)/.dev ## put the code into its one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

alone: $(VENV)/.installed $(MEMBERS:%=alone-%) ## install and start each service by itself, with only its own dependencies

alone-%: $(VENV)/.installed
	@UV_PROJECT_ENVIRONMENT=.alone/$* $(UV) sync --quiet --frozen --no-dev --no-editable --package vedette-$*
	@cd .alone && case $* in \
	  gateway) ./$*/bin/python -c 'from gateway.app import create_app' ;; \
	  control) ./$*/bin/python -c 'import control.__main__' ;; \
	  *) ./$*/bin/celery -A services.$* report >/dev/null && ./$*/bin/python -c 'import services.$*.tasks' ;; \
	esac && echo "$* stands alone"

chaos: $(VENV)/.dev ## kill, freeze, fill and empty everything under running jobs; half an hour: make chaos [ARGS="--only storm"]
	@$(BIN)/python -m tests.chaos $(ARGS)

bench: $(VENV)/.dev ## measure against nmap and a bare Celery chain, paired, as ratios
	@$(BIN)/python -m tests.bench.scan
	@$(BIN)/python -m tests.bench.pipeline
	@$(BIN)/python -m tests.bench.tracing
	@$(BIN)/python -m tests.bench.dead_letters sqlite
	@$(BIN)/python -m tests.bench.dead_letters postgres
	@$(BIN)/python -m tests.bench.live sqlite
	@$(BIN)/python -m tests.bench.live postgres
	@$(BIN)/python -m tests.bench.door sqlite
	@$(BIN)/python -m tests.bench.door postgres
	@$(BIN)/python -m tests.bench.traces sqlite
	@$(BIN)/python -m tests.bench.traces postgres
	@$(BIN)/python -m tests.bench.figures sqlite
	@$(BIN)/python -m tests.bench.figures postgres

pictures: $(VENV)/.dev ## draw the pictures of docs/ anew, of jobs of a stack of its own
	@$(BIN)/python -m docs.pictures

openapi: $(VENV)/.dev ## write gateway/openapi.json anew
	@$(BIN)/python -m gateway.openapi > .openapi.new && mv .openapi.new gateway/openapi.json

clean: ## remove what was installed
	rm -rf $(VENV) .alone

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Vedette needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	@echo "Setting up Vedette in $(VENV) (once, about a minute) …" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv==$(UV_VERSION)'

$(VENV)/.installed: $(BIN)/uv uv.lock
	@$(UV) sync --quiet --frozen --all-packages --no-dev --inexact --compile-bytecode
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@$(UV) sync --quiet --frozen --all-packages --inexact
	@touch $@
