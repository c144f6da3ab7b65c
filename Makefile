# What to do with this project, one word each. Everything else is in README.md.
TARGET := x86_64-unknown-linux-musl
BINARY := target/$(TARGET)/release/cauldron-frappe

INSTALLS := build lint test images release bench
.PHONY: build demo demo-check test test-images drill bench lint release-check $(INSTALLS:%=install-%)

## The static release binary.
build: install-build
	cargo build --release --locked
	@ls -l $(BINARY)

## Serves a site on this machine: the sample bench, or BENCH=/path/to/a/bench.
demo: install-test build
	demo/run

## The same, with assertions, and ends.
demo-check: install-test build
	demo/check

## Every test, on real PostgreSQL, Redis, gunicorn and RQ.
test: install-test
	tests/sample-bench/prepare
	tests/previous-release/prepare
	cargo test --locked

## The images, compose.yaml and the chart: podman and Helm, as root.
test-images: install-images
	cargo test --locked --test chart -- --nocapture
	cargo test --locked --test images -- --nocapture --test-threads=1

## The drill in whole: 200 kills in creations, 100 in migrations, and more; the tests have a small one. CAULDRON_DRILL_SEED=… repeats one.
drill: install-test
	tests/sample-bench/prepare
	CAULDRON_DRILL=full cargo test --locked --test drill --test gate -- --nocapture
	CAULDRON_DRILL_ROUNDS=20 cargo test --locked --test roles --test regression_orphans -- --nocapture
	CAULDRON_DRILL=full cargo test --locked --test apps kills:: -- --nocapture

## Side by side with tini, dumb-init, supervisor, wait-for-it, nginx and a bare gunicorn; BENCH_ONLY=exec,web for some.
bench: install-bench build
	tests/sample-bench/prepare
	cargo build --locked --example measured-child
	CAULDRON_BENCH_BINARY=$(CURDIR)/$(BINARY) cargo test --locked --bench peers

lint: install-build install-lint
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --test chart --test images -- -D warnings
	tools/deny

## Before a release: the list of what is in it, built twice and compared, the arm64 binary run, and the Dockerfile's own build. As root.
release-check: install-build install-release
	tools/release-check

$(INSTALLS:%=install-%):
	@tools/install $(@:install-%=%)
