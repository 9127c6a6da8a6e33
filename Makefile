# Everything a developer does has a target here; .ci/run calls test. Nothing but Go is needed for `make demo`.

GO       ?= go
FUZZTIME ?= 10s
TORTURE  ?= 3m
PACKAGES := ./... ./shuai/... ./shuai/contrib/otel/... ./redeye/... ./redeye/server/... ./bench/...
LINT     := bin/golangci-lint

export PATH := $(CURDIR)/bin/python/bin:$(CURDIR)/bin/node/node_modules/.bin:$(PATH)

.PHONY: demo test test-go test-ui test-browser check proto ui bench-quick bench fuzz torture deps fix

# As `go run ./cmd/shuai demo`, which however ends with 1 after Ctrl-C. In a terminal, job control (set -m) lets Ctrl-C
# reach the demo alone, not make, so that what make reports is how the demo ended.
demo: ## the server and a movie site that sends it traces
	@$(GO) build -o bin/shuai ./cmd/shuai
	@bash -c '[ ! -t 0 ] || set -m; bin/shuai demo; exit $$?'

test: check test-go test-ui test-browser ## everything, as CI runs it

test-go: deps
	$(GO) test -race $(PACKAGES)

test-ui: deps ui/node_modules ## types, lint, unit tests; and that the committed build is the source's
	cd ui && npm run check && npm test
	tools/check-ui-build

test-browser: deps ui/node_modules ## the demo, driven in a browser
	tools/browser-test

check: $(LINT) ## vet, lint, formatting, modernizers
	$(GO) vet $(PACKAGES)
	$(LINT) run $(PACKAGES)
	$(GO) fix -diff $(PACKAGES)

bin/golangci-lint: tools/go.mod tools/go.sum
	cd tools && GOWORK=off GOBIN=$(CURDIR)/bin $(GO) install tool

fix: $(LINT) ## format and modernise
	$(LINT) fmt
	$(GO) fix $(PACKAGES)

proto: ## regenerate Redeye's Go code from its .proto file (needs protoc; a test says when it is due)
	GOBIN=$(CURDIR)/bin $(GO) install google.golang.org/protobuf/cmd/protoc-gen-go
	PATH=$(CURDIR)/bin:$$PATH protoc -I proto --go_out=module=github.com/fuwu-project/fuwu/redeye/server:redeye/server proto/redeye/v1/redeye.proto

ui: ui/node_modules ## rebuild the web UI that is embedded
	cd ui && npm run build

ui/node_modules: ui/package-lock.json | deps
	cd ui && npm ci
	@touch $@

deps: ## what the tests need and the machine lacks: a browser, memcached, Redis, MariaDB, Node.js, DuckDB
	tools/install-deps

bench-quick: ## every benchmark, briefly
	$(GO) test -run '^$$' -bench . -benchtime 100ms $(PACKAGES)
	$(GO) run ./cmd/shuai bench ingest --spans 300000

bench: ## the figures of docs/benchmarks.md
	tools/bench

torture: ## kill, crash and fail for TORTURE each, with random seeds, which are printed; then overload
	SHUAI_TORTURE=$(TORTURE) $(GO) test -count 1 -v -timeout 0 -run 'TestRandomCrashes|TestCrash|TestFaults|TestMergeCrash|TestRetentionCrash' ./internal/store/local/
	SHUAI_TORTURE=$(TORTURE) $(GO) test -count 1 -v -timeout 0 -run 'TestKill|TestHugeCalls|TestDiskFault' ./cmd/shuai/
	$(GO) run ./cmd/shuai bench overload

fuzz: ## every fuzz target, for FUZZTIME each
	tools/fuzz $(FUZZTIME)
