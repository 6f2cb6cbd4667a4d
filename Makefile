# Everything a newcomer needs is `make up` and `make test`. Each sets up what it needs, shows what
# it does, and is safe to repeat.

STADSNAV := .venv/bin/stadsnav
PYTHON   := .venv/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help up test check lint types layers format bench chaos leaks clean

help:  ## show what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

up: .venv/runtime.stamp  ## start everything on this machine, with a sample city
	@exec $(STADSNAV) up $(ARGS)

test: .venv/dev.stamp  ## run the tests on embedded parts
	@$(PYTHON) -m pytest -m "not browser and not community and not recorded" $(ARGS)

check: lint types layers  ## what CI checks beside the tests

lint: .venv/dev.stamp
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

types: .venv/dev.stamp
	@.venv/bin/mypy

layers: .venv/dev.stamp
	@.venv/bin/lint-imports

format: .venv/dev.stamp  ## put the code into its form
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

bench: .venv/runtime.stamp  ## print the figures that README and docs state
	@$(PYTHON) -m bench.ingest
	@$(PYTHON) -m bench.backlog
	@$(PYTHON) -m bench.latency
	@$(PYTHON) -m bench.read
	@$(PYTHON) -m bench.provisioning
	@$(PYTHON) -m bench.decode

chaos: .venv/runtime.stamp  ## hurt a hub in every way we know; ARGS=--short for a selection
	@$(PYTHON) -m bench.chaos $(ARGS)

leaks: .venv/dev.stamp  ## ask as everybody in every way, a million times, for what must not show
	@$(PYTHON) -m bench.leaks --decisions 1000000 $(ARGS)

clean:  ## remove the environment and caches; the data in .stadsnav stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/runtime.stamp: requirements/runtime.txt pyproject.toml deploy/setup.sh
	@sh deploy/setup.sh runtime

.venv/dev.stamp: requirements/dev.txt pyproject.toml deploy/setup.sh
	@sh deploy/setup.sh dev
