# `make run` serves Plimsoll on embedded storage, `make test` proves it. Both build the same tree, once, into one target
# folder outside the clone.

export CARGO_TARGET_DIR ?= $(HOME)/.cache/plimsoll/target
PLIMSOLL := $(CARGO_TARGET_DIR)/debug/plimsoll
BUILD := cargo build --workspace --lib --bins

.PHONY: run demo cloud build test package release bench bench-start sim soak fuzz check

run: build ## serve everything on 127.0.0.1, data in ~/.plimsoll
	@exec $(PLIMSOLL) serve $(ARGS)

demo: build ## send a week of a small shop's telemetry to the running server
	@exec $(PLIMSOLL) demo --backfill 7d $(ARGS)

cloud: ## the serverless form on this machine: AWS emulators, the real functions, HTTP API, queue and schedules, until Ctrl-C
	@tests/cloud/run

build:
	@$(BUILD)

test: build ## all tests; installs what they need under ~/.cache/plimsoll
	@tests/run

package: ## the light functions as `sam build` makes them, and how large they are
	@PLIMSOLL_TEST_PACKAGE=only tests/run

release: ## all functions for arm64, for `sam deploy`; needs sam, cargo-lambda, zig and the Rust target aarch64-unknown-linux-gnu
	env -u CARGO_TARGET_DIR SAM_CLI_TELEMETRY=0 sam build

bench: ## measure; prints a table
	@tests/bench

bench-start: ## sizes and starts of the functions in the dev cloud; PROGRAMS=target/release for others than the dev build
	@PLIMSOLL_BENCH_PROGRAMS="$(PROGRAMS)" tests/bench functions

sim: build ## more simulated worlds than `make test` plays: SEEDS=1000 from SEED=0, and one of PAIRS=100 pairs of faults
	@PLIMSOLL_SEED=$(or $(SEED),0) PLIMSOLL_SEEDS=$(or $(SEEDS),1000) PLIMSOLL_PAIRS=$(or $(PAIRS),100) \
		cargo test --workspace --test sim $(if $(filter 1,$(SEEDS)),random_worlds) -- --nocapture

soak: ## MINUTES=n of load through kills, full and slow disks; nothing may be lost or doubled
	@tests/soak/run

fuzz: ## look for inputs that break a promise: TARGET="protobuf json" (all light ones), MINUTES=1; replay one: INPUT=file
	@TARGET="$(TARGET)" MINUTES="$(MINUTES)" INPUT="$(INPUT)" tests/fuzz/run

check: ## formatting and lints; in a target folder of its own, since lints build other artefacts
	cargo fmt --all --check
	CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/check cargo clippy --workspace --all-targets -- -D warnings
