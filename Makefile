# The commands of this project. docs/development.md describes them.
TARGET := x86_64-unknown-linux-musl
BINARY := target/$(TARGET)/release/cauldron-frappe
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

INSTALLS := build lint test images release bench
.PHONY: fast build demo demo-check test test-images drill fuzz bench lint release release-check $(INSTALLS:%=install-%)

## The static release binary.
build: install-build
	cargo build --release --locked
	@ls -l $(BINARY)

## Serves a site on this machine, from the sample bench (of Frappe 16 with FRAPPE=16) or from BENCH=/path/to/a/bench.
demo: install-test build
	demo/run

## The demo with assertions; exits at the end.
demo-check: install-test build
	demo/check

## All tests, on real PostgreSQL, Redis, gunicorn and RQ, five at a time: most of them wait for processes.
test: install-test
	tests/sample-bench/prepare
	tests/previous-release/prepare
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-5} cargo test --locked

## The checks for a change in one room of src/, in under two minutes: make fast ROOM=doctor.
fast:
	tools/fast $(ROOM)

## Tests of the images, compose.yaml and the chart. Needs podman, Helm and root.
test-images: install-images
	cargo test --locked --test chart -- --nocapture
	cargo test --locked --test images -- --nocapture --test-threads=1

## The full drill: 200 kills in creations, 100 in migrations, and more; `make test` has a small one. CAULDRON_DRILL_SEED=… repeats a run.
drill: install-test
	tests/sample-bench/prepare
	CAULDRON_DRILL=full cargo test --locked --test drill --test gate -- --nocapture
	CAULDRON_DRILL_ROUNDS=20 cargo test --locked --test roles --test regression_orphans -- --nocapture
	CAULDRON_DRILL=full cargo test --locked --test apps kills:: -- --nocapture
	CAULDRON_DRILL=full cargo test --locked --test backups --test restore -- --nocapture kills:: forget:: damaged sound:: s3::a_server
	CAULDRON_DRILL=full cargo test --locked --test front attacks:: -- --nocapture

## Random HTTP/1 and HTTP/2 to the web port, FUZZ_SECONDS (600) long; `make test` does it for a minute. CAULDRON_FUZZ_SEED=… repeats a run.
fuzz: install-test
	tests/sample-bench/prepare
	CAULDRON_FUZZ_SECONDS=$${FUZZ_SECONDS:-600} cargo test --locked --test fuzz -- --nocapture

## Compares with tini, dumb-init, supervisor, wait-for-it, nginx, a bare gunicorn and restic; BENCH_ONLY=exec,web runs some measurements.
bench: install-bench build
	tests/sample-bench/prepare
	cargo build --locked --example measured-child
	CAULDRON_BENCH_BINARY=$(CURDIR)/$(BINARY) cargo test --locked --bench peers

## rustfmt, clippy and cargo-deny.
lint: install-build install-lint
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --test chart --test images -- -D warnings
	tools/deny

## Packs a release into target/release-VERSION (docs/release.md): binaries, images, chart, parts, checksums. Publishes nothing. Needs root.
release: install-build install-release
	tools/pack --check target/release-$(VERSION)
	tools/release amd64 target/cauldron-frappe-amd64
	tools/release arm64 target/cauldron-frappe-arm64
	tools/pack target/cauldron-frappe-amd64 target/cauldron-frappe-arm64 target/release-$(VERSION)

## Checks before a release: list of parts, two identical builds, the arm64 binary, the Dockerfile's build. Needs root.
release-check: install-build install-release
	tools/release-check

$(INSTALLS:%=install-%):
	@tools/install $(@:install-%=%)
