# Two commands do everything: `make demo` shows real alerts, `make test` runs the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo run check test test-slow test-all lint format type bench clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

install: $(INSTALLED) ## Install the engine and its tools into .venv

demo: $(INSTALLED) ## Everything in one process: cameras, Kafka, rules, alerts on the terminal
	$(BIN)/alert-engine demo

run: $(INSTALLED) ## The service, configured by the environment
	$(BIN)/alert-engine run

check: $(INSTALLED) ## Check the rules and run their own tests
	$(BIN)/alert-engine check
	$(BIN)/alert-engine test

test: $(INSTALLED) ## The tests, in under three minutes
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(INSTALLED) ## What `make test` leaves out: kills, outages, long soaks
	$(BIN)/python -m pytest -m slow

test-all: test test-slow ## All tests

lint: $(INSTALLED) ## Style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED) ## Put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(INSTALLED) ## Static types, strict
	$(BIN)/mypy

bench: $(INSTALLED) ## The benchmarks
	$(BIN)/python -m pytest benchmarks --benchmark-only

clean: ## Remove what the other targets made
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist state
