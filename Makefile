# SPDX-License-Identifier: MIT
# Thin front of CMakePresets.json and scripts/. `make help` lists the targets.
# Each target sets up a bare Debian 12 for itself; on the second run that costs nothing.
# ARGS="..." is passed on to the program, e.g. make run-server ARGS="--port 7000".
.DEFAULT_GOAL := help
.PHONY: help setup build run-server run-client demo test check bench bench-quick format lint-fix install \
        clean model fuzz asan tsan coverage

PREFIX ?= /usr/local
ARGS ?=
STEPS ?=
SETUP := scripts/setup.sh
BUILD := scripts/build.sh
RELEASE := build/release/bin
CTEST := ctest --output-on-failure -j $(shell nproc)

help: ## list these targets
	@echo 'ringo: make TARGET [ARGS="..."] [JOBS=n]'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install every Debian package that building, testing and checking need
	@$(SETUP) build test check

build: ## build programs and examples into build/release/bin/
	@$(SETUP) build
	@$(BUILD) release
	@echo 'programs are in $(RELEASE)/'

run-server: ## run the server (ARGS="--port 7000")
	@$(SETUP) build
	@$(BUILD) release ringo-server
	@exec $(RELEASE)/ringo-server $(ARGS)

run-client: ## run the demonstration: many tasks share one connection to the server
	@$(SETUP) build
	@$(BUILD) release ringo-demo
	@exec $(RELEASE)/ringo-demo $(ARGS)

demo: ## run server and client together on a free port, then stop both
	@$(SETUP) build
	@$(BUILD) release ringo-server ringo-demo
	@exec scripts/demo.sh $(RELEASE) $(ARGS)

test: ## build with all checks on, and run every test that is not slow
	@$(SETUP) build test
	@$(BUILD) dev
	@$(CTEST) --test-dir build/dev -LE slow $(ARGS)

check: ## all that CI checks (STEPS="format lint" runs some of it; STEPS=list names them)
	@$(SETUP) build test check
	@exec scripts/check.sh $(STEPS)

model: ## check the lock-free parts under relacy, and that each weakened twin fails
	@$(SETUP) build check
	@$(BUILD) model
	@$(CTEST) --test-dir build/model $(ARGS)

asan: ## run the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(SETUP) build test check
	@exec scripts/check.sh asan

tsan: ## run the tests under ThreadSanitizer
	@$(SETUP) build test check
	@exec scripts/check.sh tsan

fuzz: ## let each fuzzer explore (FUZZ_SECONDS=20)
	@$(SETUP) build test check
	@exec scripts/check.sh fuzz

coverage: ## run the tests and report their coverage: build/coverage/html/index.html
	@$(SETUP) build test check
	@exec scripts/coverage.sh

bench: ## build and run all benchmarks beside their peers; one table, one record (20 min)
	@$(SETUP) build test check bench
	@scripts/unpack_memcached.sh || true
	@$(BUILD) release all ringo_bench
	@exec scripts/bench.sh $(ARGS)

bench-quick: ## the same in two minutes, with what is installed: does every benchmark still run?
	@$(SETUP) build test check
	@$(BUILD) release all ringo_bench
	@exec scripts/bench.sh --quick $(ARGS)

format: ## format every source file
	@$(SETUP) check
	@scripts/sources.sh | xargs -r clang-format-19 -i

lint-fix: ## let clang-tidy correct includes and the like (FILES="a.cc b.cc": only these)
	@$(SETUP) build test check
	@$(BUILD) clang-release configure
	@scripts/lint.py --fix build/clang-release $(FILES)

install: build ## install to PREFIX=/usr/local (DESTDIR is honoured)
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(PREFIX)"

clean: ## remove build/
	rm -rf build
