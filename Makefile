# Short names for the few commands a person needs; the work is done by cargo and `cargo xtask`.
SHELL := /bin/sh
PREPARE := set -e; . xtask/prepare.sh; prepare
RELEASE := cargo build --release --package coracle
# The build that counts its steps and can be killed at each of them (`sys::failpoint`).
COUNTING := cargo build --package coracle

.PHONY: build demo example test soak fuzz bench

build: ## One static binary.
	@$(PREPARE) build; $(RELEASE); echo "built $$CORACLE_BIN"

demo: ## Shows what isolation means, then cleans up.
	@$(PREPARE) build; $(RELEASE); \
	BUSYBOX_TAR=$$(cargo xtask images busybox)/busybox.tar sh demo/isolation.sh

example: ## A web server and a database on a network of their own, with data that stays.
	@$(PREPARE) test; $(RELEASE); \
	export SERVICES_TAR=$$(cargo xtask images services)/services.tar; \
	sh examples/web-and-database/run.sh; sh examples/parallel-tests/run.sh

test: ## Everything that must hold before a commit.
	@$(PREPARE) test; \
	cargo fmt --all --check; \
	cargo clippy --workspace --all-targets -- -D warnings; \
	$(RELEASE); $(COUNTING); \
	cargo xtask images; \
	run_tests; \
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

soak: ## The looped tests: starts, kills and races for a long time.
	@CORACLE_SOAK=1; export CORACLE_SOAK; $(PREPARE) test; $(RELEASE); $(COUNTING); cargo xtask images; \
	NEXTEST_PROFILE=soak run_tests --release

fuzz: ## Every property test with many more cases, then libFuzzer on every parser, a while each.
	@$(PREPARE) test; $(RELEASE); $(COUNTING); cargo xtask images; \
	PROPTEST_CASES=$${PROPTEST_CASES:-100000} NEXTEST_PROFILE=soak run_tests --release; \
	run_fuzzers

bench: ## Starts, output, many containers, networks and builds beside the floor, runc, crun, docker and buildah.
	@$(PREPARE) build; $(RELEASE); cargo build --quiet --release --package xtask; \
	cargo run --quiet --release --package xtask -- bench start; \
	cargo run --quiet --release --package xtask -- bench life; \
	cargo run --quiet --release --package xtask -- bench network; \
	cargo run --quiet --release --package xtask -- bench build
