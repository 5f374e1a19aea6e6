# Two commands do everything: `make demo` shows real alerts, `make test` runs the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TOOLS_BIN := .cache/tools/bin
TOOLS := .cache/tools/.installed
DOCKER ?= docker
IMAGE ?= alpr-alert-engine:latest
COMPILE := $(TOOLS_BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --custom-compile-command 'make lock'

# Unset where it is set: compiling the tests anew costs each process of a run eight seconds.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install demo run check test test-fast test-slow test-all fuzz chaos soak pictures grammar schema lint format type bench clean
.PHONY: lock lock-check deploy-lint image image-test image-push sbom release-check up down demo-stack

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/.bench: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --editable '.[dev,bench]'
	@touch $@

$(TOOLS): deploy/tools.txt
	$(PYTHON) -m venv .cache/tools
	$(TOOLS_BIN)/python -m pip install --quiet --requirement deploy/tools.txt
	@touch $@

install: $(INSTALLED) ## Install the engine and its tools into .venv

demo: $(INSTALLED) ## Everything in one process: cameras, Kafka, rules, alerts on the terminal
	$(BIN)/alert-engine demo

run: $(INSTALLED) ## The service, configured by the environment
	$(BIN)/alert-engine run

check: $(INSTALLED) ## Check the rules and run their own tests
	$(BIN)/alert-engine check
	$(BIN)/alert-engine test

# Half of the tests' time is waiting, so four processes share two cores.
test: $(INSTALLED) ## The tests, in under three minutes
	$(BIN)/python -m pytest -n 4 --dist worksteal --one-kafka -m "not slow and not image"

test-fast: $(INSTALLED) ## The unit tests that neither wait nor make up cases, in half a minute
	$(BIN)/python -m pytest -n 2 --dist worksteal -p no:randomly -m "not slow and not waits and not hypothesis" \
		tests/test_house.py tests/unit

# Most of the first wait or make up cases; what is killed and timed has the machine to itself.
test-slow: $(INSTALLED) ## What `make test` leaves out: kills, outages, soaks, all random cases
	FUZZ_FACTOR=1 $(BIN)/python -m pytest -n 4 --dist worksteal --one-kafka \
		-m "(slow or hypothesis) and not image" tests/unit tests/integration tests/deploy
	FUZZ_FACTOR=1 $(BIN)/python -m pytest -m "(slow or hypothesis) and not image" tests/acceptance

test-all: test test-slow ## All tests

fuzz: $(INSTALLED) ## Random rules on random events for minutes: language and index against their oracles
	FUZZ_FACTOR=1 $(BIN)/python -m pytest --hypothesis-profile=random \
		-m "slow or hypothesis" tests/unit/match tests/unit/cel

chaos: $(INSTALLED) ## Kills, freezes and cuts while alerts flow: CHAOS_FAULTS, _STORE, _REPLICAS, _SEED, _ONLY
	$(BIN)/python -m tests.chaos

soak: $(INSTALLED) ## Half an hour under load, with outages and reloads: SOAK_MINUTES, SOAK_STORE
	$(BIN)/python -m benchmarks.soak --minutes $(or $(SOAK_MINUTES),30) --store $(or $(SOAK_STORE),sqlite)

pictures: $(INSTALLED) ## Draw the README's pictures anew, of a real demo and a real question
	$(BIN)/python -m tests.support.pictures

grammar: $(INSTALLED) ## Make the kept tables of CEL's grammar anew, after an update of celpy or Lark
	$(BIN)/python -c 'from engine.cel.syntax.parser import write_tables; write_tables()'

schema: $(INSTALLED) ## Make the JSON schemas of rule files anew, after a change of the keys of rule files
	$(BIN)/python -c 'from pathlib import Path; from engine.editor.schema import write_schemas; write_schemas(Path("schemas"))'

lint: $(INSTALLED) ## Style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED) ## Put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(INSTALLED) ## Static types, strict
	$(BIN)/mypy

bench: $(VENV)/.bench ## The benchmarks, beside other libraries for CEL
	$(BIN)/python -m pytest benchmarks --benchmark-only

lock: $(TOOLS) ## Pin every dependency of the image, with hashes
	$(COMPILE) --extra demo pyproject.toml -o requirements.lock
	$(COMPILE) deploy/requirements-build.in -o requirements-build.lock

lock-check: $(TOOLS) ## Fail when `make lock` would change something
	@mkdir -p build && cp requirements.lock requirements-build.lock build/
	$(COMPILE) --extra demo pyproject.toml -o build/requirements.lock
	$(COMPILE) deploy/requirements-build.in -o build/requirements-build.lock
	diff requirements.lock build/requirements.lock
	diff requirements-build.lock build/requirements-build.lock

deploy-lint: $(INSTALLED) $(TOOLS) ## Dockerfile, compose files, Prometheus rules and their tests
	$(TOOLS_BIN)/hadolint --failure-threshold info Dockerfile
	$(BIN)/python -m pytest tests/deploy -m "not slow"

image: ## Build the container image
	$(DOCKER) build --tag $(IMAGE) --build-arg REVISION=$$(git rev-parse HEAD) .

image-test: $(INSTALLED) ## Build the image, start the compose stack, and hold both to their promises
	$(BIN)/python -m pytest tests/image -m image --timeout 900 -p no:randomly

image-push: ## Build for amd64 and arm64 with SBOM and provenance, and push (IMAGE=registry/name:tag)
	$(DOCKER) buildx build --platform linux/amd64,linux/arm64 --sbom=true --provenance=true \
		--build-arg REVISION=$$(git rev-parse HEAD) --tag $(IMAGE) --push .

sbom: $(TOOLS) ## CycloneDX bill of materials and licence list of the image, into build/
	@mkdir -p build
	$(TOOLS_BIN)/syft scan docker:$(IMAGE) --quiet --output cyclonedx-json=build/sbom.cdx.json
	$(DOCKER) run --rm --entrypoint cat $(IMAGE) /app/THIRD-PARTY-LICENSES.txt > build/licenses.tsv

release-check: ## Fail unless TAG is v and the version of pyproject.toml
	grep -qx 'version = "$(TAG:v%=%)"' pyproject.toml

up: ## Kafka, Schema Registry and the engine, by docker compose
	$(DOCKER) compose up --build --detach --wait

down: ## Stop the compose stack of any profile; volumes stay
	$(DOCKER) compose --profile demo --profile monitoring --profile replicas down

demo-stack: ## The compose stack with simulated cameras and an inbox: http://127.0.0.1:8025
	$(DOCKER) compose --env-file deploy/demo/demo.env up --build --detach --wait

clean: ## Remove what the other targets made
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist state
