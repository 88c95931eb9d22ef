# The commands of the house. `make serve` and `make test` are all a newcomer needs.

SWIFT ?= swift
SCRATCH ?= .build
RELEASE_FLAGS = -c release --scratch-path $(SCRATCH)
# Tests are built with optimisation: the kernels are hopeless without it.
TEST_FLAGS = -c release -Xswiftc -enable-testing --scratch-path $(SCRATCH)/testing
# Logic without kernels is tested unoptimised too, where overflow and bounds checks are strictest.
PURE_TESTS = JSONTests|JinjaTests|TokenizersTests
# Tests of sockets have time limits; beside tests that compute they would starve.
SOCKET_TESTS = TransportTests|HTTPTests|HubTests
# So do tests of whole servers and of the command line.
SERVER_TESTS = ServerTests|CommandLineTests
# What the engine's thread shares with its callers, on a model that needs no kernels.
ENGINE_TESTS = ^InferenceTests\.(Engine|PrefixReuse|SharedPrompt)
FACTOR ?= 100

.PHONY: help setup models build serve test test-release test-debug tsan conformance fuzz soak kill bench image lint format docs clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## install the system packages that are missing
	@scripts/setup

models: setup ## fetch the default chat and embedding models into Models/
	@scripts/fetch-models all-MiniLM-L6-v2
	@scripts/fetch-models SmolLM2-135M-Instruct || true # Models/default stands in for it

build: setup ## build the release executable .build/release/martlet
	$(SWIFT) build $(RELEASE_FLAGS) --product martlet

serve: models build ## build and start the server on 127.0.0.1:8080 (ARGS="..." adds flags)
	@exec $(SCRATCH)/release/martlet serve $(ARGS)

test: models test-release test-debug conformance ## everything a fresh clone can test
	@scripts/soak $(SCRATCH)/release/martlet --requests 300
	@scripts/kill-campaign $(SCRATCH)/release/martlet --kills 5

test-release:
	$(SWIFT) build --build-tests $(TEST_FLAGS)
	$(SWIFT) test --skip-build $(TEST_FLAGS) --filter '^($(SOCKET_TESTS))'
	$(SWIFT) test --skip-build $(TEST_FLAGS) --filter '^($(SERVER_TESTS))'
	$(SWIFT) test --skip-build $(TEST_FLAGS) --skip '^($(SOCKET_TESTS)|$(SERVER_TESTS))'

test-debug:
	$(SWIFT) test --scratch-path $(SCRATCH)/debugging --filter '^($(SOCKET_TESTS))'
	$(SWIFT) test --skip-build --scratch-path $(SCRATCH)/debugging --filter '^($(PURE_TESTS))'

tsan: ## run the engine's tests under the thread sanitizer
	TSAN_OPTIONS=suppressions=$(CURDIR)/Tests/tsan-suppressions \
	  $(SWIFT) test --sanitize=thread --scratch-path $(SCRATCH)/tsan --filter '$(ENGINE_TESTS)'

conformance: build models ## run the official OpenAI client against a real server
	@scripts/conformance/run $(SCRATCH)/release/martlet

fuzz: ## feed damaged input for long, from a new seed (FACTOR=100 times the rounds of the tests)
	@seed=$${MARTLET_FUZZ_SEED:-$$(date +%s)}; echo "MARTLET_FUZZ_SEED=$$seed"; \
	MARTLET_FUZZ_SEED=$$seed MARTLET_FUZZ_FACTOR=$(FACTOR) \
	$(SWIFT) test $(TEST_FLAGS) --filter 'Fuzz'

soak: build models ## ten minutes of mixed traffic: memory and descriptors must stay flat
	@scripts/soak $(SCRATCH)/release/martlet

kill: build models ## kill a server 200 times while it stores documents (ARGS="--kills N --seed S")
	@scripts/kill-campaign $(SCRATCH)/release/martlet $(ARGS)

bench: build models ## print speed beside the peers (ARGS="decode prefill" picks suites)
	@Benchmarks/run --executable $(SCRATCH)/release/martlet $(ARGS)

image: ## run the steps of deploy/Dockerfile without a container engine (root, debootstrap)
	@scripts/check-image

lint: ## check formatting
	$(SWIFT) format lint -s -r -p Sources Tests Package.swift

format: ## format in place
	$(SWIFT) format -i -r -p Sources Tests Package.swift

clean: ## remove build products
	rm -rf $(SCRATCH)
