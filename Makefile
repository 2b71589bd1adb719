# SPDX-License-Identifier: Apache-2.0
# The short way to everything; meson does the building.
BUILD ?= build
BENCH ?=
PREFIX ?= /usr/local
DESTDIR ?=
MESON_FLAGS ?=
ONLY ?=
export KUBE

.PHONY: all packages demo test unit fuzz e2e e2e-long engine chaos bench cluster-up cluster-down \
	cluster-env install uninstall dist dist-check lint clean

all: $(BUILD)/packages $(BUILD)/build.ninja
	ninja -C $(BUILD)

# a build folder outlives the list of what is needed: again when that changes
$(BUILD)/packages: tools/install-packages
	tools/install-packages build
	@mkdir -p $(BUILD)
	@touch $@

$(BUILD)/build.ninja: | $(BUILD)/packages
	meson setup $(BUILD) --prefix "$(PREFIX)" $(MESON_FLAGS)

packages:
	tools/install-packages build test lint cluster

demo:
	demo/run

test:
	test/run all

unit:
	test/run unit

fuzz:
	test/run fuzz

e2e:
	test/run e2e $(ONLY)

# with the tests that "make test" leaves out, and its sizes
e2e-long:
	E2E_LONG=1 test/run e2e $(ONLY)

# containers, with real engines
engine:
	test/run e2e engine
	test/run e2e engine-run
	test/run e2e engine-compose

# faults of every kind on a cluster of its own; CHAOS_MINUTES, SEED, SANITIZE
chaos:
	test/run chaos $(ONLY)

bench:
	test/run bench $(BENCH)

cluster-up:
	@tools/install-packages cluster
	@test/cluster/up

cluster-down:
	@test/cluster/down --wipe

cluster-env:
	@test/cluster/env

# the manual pages' and completions' places follow the prefix, too
install: $(BUILD)/packages $(BUILD)/build.ninja
	meson configure $(BUILD) --prefix "$(PREFIX)"
	ninja -C $(BUILD)
	meson install -C $(BUILD) --no-rebuild --destdir "$(DESTDIR)"

# what install would put there, whoever installed it
uninstall: $(BUILD)/build.ninja
	meson setup --reconfigure $(BUILD) --prefix "$(PREFIX)"
	tools/uninstall $(BUILD) "$(DESTDIR)"

# what a release consists of, from the last commit
dist:
	tools/install-packages build dist
	tools/dist/run dist

# the same again in another folder, byte for byte; then on fresh Debian roots
dist-check: dist
	test/dist/repeat dist
	bats test/dist

lint:
	tools/install-packages build test lint
	tools/lint

clean:
	rm -rf $(BUILD) build-asan build-gcc build-clang dist
