# `make up`: from nothing to a running, verified stack. `make test`: everything that is checked. `make help`: the rest.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/observability-stack
PYTHON ?= python3
VENV := $(CACHE)/venv-$(firstword $(shell (cat requirements.txt; $(PYTHON) --version) | sha256sum))
INVENTORY ?= inventories/local
export PATH := $(VENV)/bin:$(PATH)
export ANSIBLE_FORCE_COLOR ?= $(if $(MAKE_TERMOUT),1,0)

# One environment for each state of requirements.txt (its name says which), complete or not there at all.
$(VENV)/ready:
	@echo "installing ansible and the other tools of requirements.txt (once, one to three minutes)"
	rm -rf "$(VENV)"
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv "$(VENV)"
	"$(VENV)/bin/pip" install --quiet --disable-pip-version-check --requirement requirements.txt
	touch "$@"

.PHONY: help
help: ## This list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

.PHONY: environment
environment: $(VENV)/ready ## The directory of the Python environment.
	@echo "$(VENV)"

.PHONY: up
up: render ## A cluster (kind with Docker, else the lab), the stack on it, the verification, and the addresses.
	python -m tools.lab up
	ansible-playbook site.yml -i $(INVENTORY) -e @build/provider.yml
	python -m tools.lab addresses

.PHONY: render
render: $(VENV)/ready ## What the inventory renders to, checked against the Kubernetes schemas; needs no cluster.
	python -m tools.lab provider
	ansible-playbook playbooks/render.yml -i $(INVENTORY) -e @build/provider.yml
	python -m tools.schemas build/*/rendered

.PHONY: down
down: $(VENV)/ready ## Removes the cluster that `make up` started, and everything with it.
	python -m tools.lab down

.PHONY: status
status: $(VENV)/ready ## What runs, and where to reach it.
	python -m tools.lab status

.PHONY: verify
verify: $(VENV)/ready ## Verifies every connection again.
	ansible-playbook playbooks/verify.yml -i $(INVENTORY) -e @build/provider.yml

.PHONY: failover
failover: $(VENV)/ready ## Counts every event on every path while faults happen; about an hour. PROFILE=ha: the faults of that profile.
	molecule test --scenario-name failover

.PHONY: upgrade-test
upgrade-test: $(VENV)/ready ## Counts failed requests while everything changes, in both profiles; UPGRADE, UPGRADE_PROFILES choose events and profiles.
	UPGRADE="$(UPGRADE)" UPGRADE_PROFILES="$(UPGRADE_PROFILES)" molecule test --scenario-name upgrade

.PHONY: bench
bench: $(VENV)/ready ## Measures a run beside Helm, kubectl and an empty play, no containers; BENCH=--help has the options.
	python -m tools.bench $(BENCH)

.PHONY: build
build: $(VENV)/ready ## Compiles what the lab needs, into the cache; a finished one is never built again.
	python -m tools.lab.build

.PHONY: lint
lint: $(VENV)/ready ## yamllint, ansible-lint, ruff, mypy, changelog fragments.
	yamllint --strict .
	ansible-lint --offline --strict
	ruff check .
	ruff format --check .
	mypy
	antsibull-changelog lint

.PHONY: docs
docs: $(VENV)/ready ## Writes the generated parts of the documentation.
	python -m tools.generated

.PHONY: sanity
sanity: $(VENV)/ready ## ansible-test sanity, on what an installed collection holds.
	python tools/sanity.py

.PHONY: test-quick
test-quick: $(VENV)/ready ## Unit, golden and contract tests, those of the lab, of the failover and upgrade runs and of the measurements; no cluster.
	pytest tests/unit tests/golden tests/network_policies tests/lab tests/failover tests/upgrade tests/bench

.PHONY: test-artifact
test-artifact: $(VENV)/ready ## The built collection, installed and used without the checkout.
	pytest tests/artifact

.PHONY: test-cluster
test-cluster: $(VENV)/ready ## The stack on a real cluster.
	python -m tools.lab.packages
	python -m tools.lab build
	pytest tests/engine tests/retention tests/molecule

.PHONY: test-roll-outs
test-roll-outs: $(VENV)/ready ## Volumes that grow and pods that are replaced, with Kubernetes' real controllers; ten minutes.
	python -m tools.lab.packages
	python -m tools.lab build
	pytest tests/roll_outs

.PHONY: test
test: lint sanity ## Everything: lint, sanity, unit, golden, contracts, then the stack on a real cluster.
	python -m tools.lab.packages
	python -m tools.lab build
	pytest
