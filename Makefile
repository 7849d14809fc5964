# From an empty machine to a running shop: `make demo`. Everything that proves the project: `make test`.
# The work is in scripts/; every target can be run again and uses what is there.

PYTHON ?= python3
# How many times faster than DigitalOcean's the demo's creations are: a database takes 300 s there.
SPEED ?= 20
# Somebody's own application instead of the examples: a git URL or a folder with backend/ and storefront/, and a git ref.
SOURCE ?=
REF ?=
# More for ansible-playbook, such as ARGS='--tags deploy'.
ARGS ?=

VENV_PYTHON := .venv/bin/python
export SPEED SOURCE REF ARGS

.DEFAULT_GOAL := help
.PHONY: help demo urls up down test test-quick lint format molecule clean tools cloud tools-dev cloud-dev

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: cloud ## install what is missing (root, apt), start localcloud, deploy the shop, print its addresses [SOURCE= REF= SPEED= ARGS=]
	@$(VENV_PYTHON) scripts/demo.py

urls: tools ## store=URL, admin=URL, api=URL, ca=FILE, one a line
	@$(VENV_PYTHON) scripts/urls.py

up: cloud ## start localcloud alone
	@.venv/bin/localcloud up --speed $(SPEED)

down: tools ## stop localcloud and remove all it made on this machine: the shop and its data are gone
	@.venv/bin/localcloud down

test: cloud-dev ## everything that proves the project; stops this clone's localcloud first, and at the end
	@$(VENV_PYTHON) scripts/run_tests.py full

test-quick: tools-dev ## lint, unit and API-only tests: no containers, under two minutes
	@$(VENV_PYTHON) scripts/run_tests.py quick

lint: tools-dev ## ansible-lint, yamllint, ruff, mypy, shellcheck
	@$(VENV_PYTHON) scripts/run_tests.py lint

format: tools-dev ## let ruff format the Python files
	@.venv/bin/ruff format --quiet . && .venv/bin/ruff check --quiet --fix .

molecule: cloud-dev ## every role's scenario, on droplets of localcloud
	@$(VENV_PYTHON) scripts/run_tests.py molecule

clean: ## localcloud down, then remove all that runs made in this tree
	@if [ -x .venv/bin/localcloud ]; then .venv/bin/localcloud down; fi
	rm -rf .localcloud .flowdose .venv .ansible .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage build
	find . -name node_modules -prune -o \( -name .next -o -name .medusa -o -name __pycache__ -o -name '*.egg-info' \) -type d -prune -exec rm -rf {} +

tools: ## .venv with the pinned tools for the playbooks, and nothing else
	@$(PYTHON) scripts/bootstrap.py tools

# What the targets above need; each is a second when it is there.
tools-dev cloud cloud-dev:
	@$(PYTHON) scripts/bootstrap.py $(subst -, ,$@)
