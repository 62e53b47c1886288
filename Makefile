# SPDX-License-Identifier: GPL-3.0-or-later
.DEFAULT_GOAL := help
SHELL := /bin/sh
READY := .venv/.complete
BIN := .venv/bin
# Molecule looks in extensions/molecule by default; this project keeps its scenarios at the top.
export MOLECULE_GLOB := molecule/*/molecule.yml
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PATH := $(CURDIR)/$(BIN):$(PATH)

# What needs no engine first; of that the linters, since the longest should not be what the other core waits for.
QUICK := tests/checks tests/unit tests/controller tests/demo
ENGINES := tests/integration tests/scenarios
# What asks no engine runs on two cores, a file as a whole on one of them; the closing line counts both runs.
PURE := $(BIN)/pytest --numprocesses 2 --dist loadfile
TALLY := build/tally.json

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): requirements/venv.sh requirements/dev.lock controller/pyproject.toml
	@requirements/venv.sh

.PHONY: setup
setup: $(READY) ## make .venv from the lock file, with everything that the project needs

.PHONY: demo demo-down
# It counts from the command, the virtual environment included.
demo: export DEMO_BEGAN := $(shell date +%s)
demo: $(READY) ## the whole machine on this one: NODES=3 SHAPE=deterministic|random SEED=1 KEEP=1
	@$(BIN)/python -m demo.run
demo-down: $(READY) ## take down what an interrupted or kept demo left
	@$(BIN)/python -m demo.run down

.PHONY: quick test test-all
quick: $(READY) ## tests of the pure rooms, and the linters: no engine needed
	@$(PURE) $(QUICK)
test: $(READY) ## everything for a submission, on real engines (at most 25 minutes on two cores)
	@rm -f $(TALLY) && $(PURE) --tally $(TALLY) $(QUICK) && $(BIN)/pytest --tally $(TALLY) $(ENGINES)
# What took an hour is not thrown away for what a minute would tell: both runs go to their end.
test-all: $(READY) ## everything there is
	@rm -f $(TALLY); $(PURE) --tally $(TALLY) --all $(QUICK); pure=$$?; \
	  $(BIN)/pytest --tally $(TALLY) --all $(ENGINES) && exit $$pure

.PHONY: scenarios
SCENARIOS := $(addprefix tests/scenarios/test_,metrics.py controller.py actions.py anchors.py nodes.py random.py majority.py)
scenarios: $(READY) ## faults on real engines under load, each with its bound (at most 50 minutes): ARGS=-kworker_killed
	@rm -f build/scenarios/report.json && $(BIN)/pytest --all $(SCENARIOS) $(ARGS)

.PHONY: docs
docs: $(READY) ## the documentation as a site, in build/docs/html
	@$(BIN)/python docs/site/build.py

.PHONY: sanity units units-all integration artifact
sanity: $(READY) ## ansible-test sanity, nothing ignored: ARGS='--test validate-modules'
	@$(BIN)/python -m tests.certify sanity $(ARGS)
units: $(READY) ## ansible-test units, on each Python from 3.8 on that is found: ARGS='--python 3.11'
	@$(BIN)/python -m tests.certify units $(ARGS)
units-all: $(READY) ## sanity and units with each ansible-core from 2.19 on, and a table of what was run
	@$(BIN)/python -m tests.certify every
integration: $(READY) ## ansible-test integration, on a lab: ARGS=service_scale LAB_KEEP=1
	@$(BIN)/python -m tests.certify integration $(ARGS)
artifact: $(READY) ## build what Galaxy would get, and have galaxy-importer judge it
	@$(BIN)/python -m tests.certify artifact

.PHONY: integration-all
integration-all: $(READY) ## modules, roles, provisioning and the controller on hosts of each Debian release: RELEASES=forky
	@$(BIN)/pytest --releases $(or $(RELEASES),bookworm,trixie) tests/integration

.PHONY: bench
bench: $(READY) ## decision, playbook and decision-to-running time, as JSON in build/bench/
	@$(BIN)/python -m tests.bench

.PHONY: lab lab-down provision
lab: $(READY) ## an engine and the lab's hosts: NODES=3 MANAGERS=1 SPARES=0 LAB_RELEASE=bookworm
	@host=$$($(BIN)/python molecule/engine.py up) && export "$$host" && \
	  $(BIN)/ansible-playbook -i inventories/lab molecule/default/create.yml && echo "export $$host"
provision: $(READY) ## make the lab's hosts a Swarm, with Prometheus and HAProxy
	@$(BIN)/ansible-playbook -i inventories/lab playbooks/provision.yml
lab-down: $(READY) ## take the lab down, and the engine if it was ours
	@if host=$$($(BIN)/python molecule/engine.py env); then export "$$host" && \
	  $(BIN)/ansible-playbook -i inventories/lab molecule/default/destroy.yml; fi; $(BIN)/python molecule/engine.py down

.PHONY: format lock clean
format: $(READY) ## let ruff put the code in its form
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .
lock: $(READY) ## write requirements/dev.lock anew
	@$(BIN)/pip install --quiet uv && $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
	  controller/pyproject.toml requirements/dev.in --output-file requirements/dev.lock
clean: ## remove what the targets made: build/ (images too) and .venv; run lab-down first
	rm -rf build .venv
