# Holdfast: build, test and check. `make test` is the whole check; everything that it needs and that
# is not there is installed below .cache (and, as root on Debian or Ubuntu, with apt-get).

SHELL := /bin/bash -eu -o pipefail
GO ?= go
FUZZTIME ?= 60s
# Which tests of the program run with the race detector, which makes a process that starts, works and ends eight times as
# dear: what they do besides is tested with it package by package. RACED=. takes them all.
RACED ?= TestStories/^(backup|restore|load|rollback|automation|copy)$$
# Which mutants: all, or those whose file or name has this text.
MUTANTS ?= 1
# What bench-capture measures: numbers of rows, each with an org of its own, and how many components.
ROWS ?= 120000,1000000
COMPONENTS ?= 25000
# A hard limit of memory in MiB: Holdfast alone is measured within it, with a file of the size FILE, such as 2G, beside the rows.
LIMIT ?=
FILE ?=
# What bench-restore brings back: how many rows, by an org that works at PLACES batches at one time, 200 rows of each in CHUNK.
RESTORED ?= 1000000
PLACES ?= 10
CHUNK ?= 500ms

# The sf command line, installed by .ci/tools: tests talk to the emulator with it.
export HOLDFAST_SF ?= $(CURDIR)/.cache/bin/sf
# Other clients that are tested unmodified: jsforce, which this node finds, and the SFDMU plugin of sf.
export HOLDFAST_NODE ?= $(CURDIR)/.cache/bin/node
export HOLDFAST_SFDMU ?= $(CURDIR)/.cache/sfdmu/node_modules/sfdmu
export HOLDFAST_GIT_DELTA ?= $(CURDIR)/.cache/gitdelta/node_modules/sfdx-git-delta
# A reader of Parquet by other authors.
export HOLDFAST_HYPARQUET ?= $(CURDIR)/.cache/hyparquet/node_modules
# A real S3 server, installed by .ci/tools.
export HOLDFAST_VERSITYGW ?= $(CURDIR)/.cache/bin/versitygw

.PHONY: build test lint fmt format vet mutants harness harness-long race stories shared docs cover fuzz long bench bench-capture bench-restore bench-rollback bench-repository conformance clean

build: ## the program, in bin/holdfast
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/holdfast ./cmd/holdfast

test: ## everything that a change must pass
	.ci/tools all
	$(MAKE) --no-print-directory format vet lint harness stories race

format: ## is every file formatted?
	@out="$$(gofmt -l cmd internal docs bench)"; \
	if [ -n "$$out" ]; then echo "not formatted (run make fmt):"; echo "$$out"; exit 1; fi

fmt: ## format every file
	.ci/tools lint
	.cache/bin/golangci-lint fmt ./...

vet:
	$(GO) vet ./...

lint: ## the linters of .golangci.yml
	.ci/tools lint
	.cache/bin/golangci-lint run ./...

mutants: ## the storage path weakened in one place after another: its tests must notice each time
	HOLDFAST_MUTANTS=$(MUTANTS) $(GO) test -count=1 -timeout 3h -v -run EveryMutant ./internal/snapshot

harness: ## crashes, faults and damage of the storage path, and restores into an org that fails, in the number that a change must pass
	HOLDFAST_HARNESS=1 $(GO) test -count=1 -timeout 40m ./internal/blob/... ./internal/repo ./internal/snapshot
	HOLDFAST_SEEDS=200 $(GO) test -count=1 -timeout 40m -run 'TestLaw12FaultyRestores$$' ./internal/run

harness-long: ## the same in the numbers of a long run: hours; what each test has done is printed
	$(GO) build ./...
	HOLDFAST_LONG=1 $(GO) test -count=1 -timeout 24h -v -run 'EveryDamage|Traffic' ./internal/snapshot
	HOLDFAST_LONG=1 $(GO) test -count=1 -timeout 24h -v -run 'FailureOfTheDisk' ./internal/snapshot
	HOLDFAST_LONG=1 $(GO) test -count=1 -timeout 24h -v -run 'NothingAcknowledged|Schedules' ./internal/repo
	HOLDFAST_LONG=1 $(GO) test -count=1 -timeout 24h -v ./internal/blob/...
	HOLDFAST_LONG=1 $(GO) test -count=1 -timeout 24h -v -run 'CrashAtEvery' ./internal/snapshot

race: shared ## every package with the race detector, where there is a C compiler; of the program's own tests RACED alone
	@if command -v gcc >/dev/null 2>&1 || command -v clang >/dev/null 2>&1; then race=-race; else \
	  echo "NOT TESTED: data races (the race detector needs a C compiler)"; race=; fi; \
	packages="$$($(GO) list ./... | grep -v '/internal/cli$$')"; set -x; \
	$(GO) test $$race -parallel 4 -timeout 60m -run '$(RACED)' ./internal/cli; \
	$(GO) test $$race -parallel 4 -timeout 60m $$packages

stories: shared ## the program from outside: stories, documents, kills, other clients
	$(GO) test -parallel 4 -timeout 60m ./internal/cli

shared: # says which tests lack their data
	@if [ ! -d "$${HOLDFAST_SHARED:-../shared}/data" ]; then \
	  echo "NOT TESTED: real describes and projects (neither ../shared nor HOLDFAST_SHARED has them)"; fi

docs: ## write the generated references anew
	$(GO) test ./internal/cli -run 'Reference' -update
	$(GO) test ./internal/emulator/formula -run 'Reference' -update

cover: ## statement coverage of every package, in coverage.out
	$(GO) test -coverpkg=./internal/... -coverprofile=coverage.out ./...
	$(GO) tool cover -func=coverage.out | tail -1

fuzz: ## every fuzz target for FUZZTIME
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

long: ## the tests that take minutes: more seeds, more kills, more rows
	HOLDFAST_LONG=1 $(GO) test -timeout 3h ./...

bench: build ## figures beside a peer, whole processes on one emulator
	$(GO) build -o bin/bench-extract ./bench/extract
	cd bench/peer && $(GO) build -o ../../bin/bench-peer .
	$(GO) run ./bench
	$(GO) run ./bench -scale 120000,1000000,5000000
	$(GO) run ./bench/emulator

bench-capture: build ## first backups of ROWS rows, COMPONENTS components and a real project, beside go-salesforce and sf where it is installed; LIMIT=384 FILE=2G
ifeq ($(LIMIT),)
	cd bench/peer && $(GO) build -o ../../bin/bench-peer .
	$(GO) run ./bench -scale $(ROWS)
	$(GO) run ./bench -components $(COMPONENTS)
	$(GO) run ./bench -npsp
else
	$(GO) run ./bench -scale $(ROWS) -limit $(LIMIT) -file "$(FILE)"
endif

bench-restore: build ## a lost tree and ring brought back beside SFDMU where it is installed, and the rate of RESTORED rows beside the model's
	$(GO) run ./bench -restore
	$(GO) run ./bench -rows $(RESTORED) -places $(PLACES) -chunk $(CHUNK)

bench-rollback: build ## COMPONENTS components and a real project compared, and a deployment to them taken back
	$(GO) run ./bench -components $(COMPONENTS) -oops
	$(GO) run ./bench -npsp -oops

bench-repository: build ## the repository by itself and beside restic and borg, where they are installed; BENCH=flags
	$(GO) build -o bin/bench-repository ./bench/repository
	bin/bench-repository $(BENCH)

conformance: ## the emulator as unmodified clients see it, and the contracts of buckets and orgs
	.ci/tools clients
	.ci/tools s3
	$(GO) test -count=1 -v -run 'Conformance|IsABucket' ./internal/emulator ./internal/blob/...

clean:
	rm -rf bin .cache coverage.out
