# make demo   see it work; make test   what CI runs; make help   the rest.

# Nothing here needs the repository's history, and a checkout that belongs to
# another user must not stop a build.
export GOFLAGS += -buildvcs=false

VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null)
FUZZTIME    ?= 10s
HITS        ?= 5
VERSIONS    ?= 14 15 16 17 18

# make demo API=rest DURATION=30s
DEMO_FLAGS  ?= $(if $(API),--api $(API)) $(if $(DURATION),--duration $(DURATION))

.DEFAULT_GOAL := help
.PHONY: help setup build demo screenshot test test-matrix test-back format tidy vet lint vulncheck fuzz bench sweep soak model clean

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

setup: ## make sure PostgreSQL's programs and the tools of the tests are here
	@./scripts/setup --tests

build: ## build bin/cdcsync, static
	CGO_ENABLED=0 go build -trimpath -ldflags "-X main.linked=$(VERSION)" -o bin/cdcsync ./cmd/cdcsync

screenshot: ## docs/page.png anew, of the demo in a headless Chromium
	@./scripts/screenshot

demo: ## PostgreSQL to a simulated Marketo on this machine (API=rest, DURATION=30s)
	@./scripts/setup
	@$(MAKE) --no-print-directory build
	./bin/cdcsync demo $(DEMO_FLAGS)

# The race detector leaves time for few seeds of the simulation, and for few
# accidents of the store, so these run once more without it.
test: setup lint ## lint, and all tests with the race detector
	@command -v "$$(go env CC | cut -d" " -f1)" >/dev/null || { \
		echo "test: the race detector needs a C compiler and $$(go env CC) is not on PATH; install gcc, or run: go test ./..." >&2; exit 1; }
	CGO_ENABLED=1 go test -race -timeout 30m ./...
	go test ./internal/simulation ./internal/checkpoint/sqlite

# One after the other: each run uses all cores by itself.
test-matrix: ## the tests that need a server, on PostgreSQL 14 to 18 (VERSIONS="14 18", MATRIX_FLAGS="-run Kill")
	@failed=; for version in $(VERSIONS); do \
		bin="$$(./scripts/postgres $$version)" || exit 1; \
		echo "test-matrix: PostgreSQL $$version"; \
		CDCSYNC_PG_BIN="$$bin" go test -count=1 -timeout 30m $(MATRIX_FLAGS) \
			./internal/replication ./internal/rowread ./internal/preflight ./internal/pipeline ./internal/agreement ./internal/acceptance || failed="$$failed $$version"; \
	done; \
	[ -z "$$failed" ] || { echo "test-matrix: failed on$$failed" >&2; exit 1; }

# The commit of the last release.
RELEASED ?= 3547556

test-back: ## the last release, this one, and back, on one state file (RELEASED=commit)
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && git archive $(RELEASED) | tar -x -C "$$dir" && \
		(cd "$$dir" && CGO_ENABLED=0 go build -o released ./cmd/cdcsync) && \
		CDCSYNC_RELEASED="$$dir/released" go test -count=1 -run TakenBack ./internal/acceptance

format:
	@files="$$(gofmt -l bench cmd deploy internal)" || exit 1; \
	[ -z "$$files" ] || { echo "format: run gofmt -w on:" $$files >&2; exit 1; }

vet:
	go vet ./...

tidy:
	@go mod tidy -diff || { echo "tidy: go.mod and go.sum are not what the code needs; run: go mod tidy" >&2; exit 1; }

lint: format tidy vet ## gofmt, go mod tidy, vet and staticcheck
	go tool staticcheck ./...

vulncheck: ## known vulnerabilities in what is used of the dependencies
	go tool govulncheck ./...

fuzz: ## each fuzz target for FUZZTIME (10s)
	@for pkg in $$(go list ./...); do \
		for name in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "fuzz: $$pkg $$name"; \
			go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

bench: build ## measure against pg_recvlogical and bare loops (BENCH_FLAGS=-help)
	CGO_ENABLED=0 go build -trimpath -o bin/bench ./bench
	./bin/bench $(BENCH_FLAGS)

sweep: ## crash at the first HITS (5) hits of every failure point, over both APIs: some minutes
	CDCSYNC_SWEEP=$(HITS) go test -v -count=1 -timeout 1h -parallel 4 -run '^TestCrashSweep$$' ./internal/acceptance

soak: ## under load with a fault every 20 s, for DURATION (30m)
	CDCSYNC_SOAK=$(or $(DURATION),30m) go test -v -count=1 -timeout 0 -run '^TestSoak$$' ./internal/acceptance

model: ## check the model of checkpoint and delivery, and that it finds planted mistakes
	@./scripts/setup --model
	@./model/check

clean: ## remove what was built
	rm -rf bin
