# The two commands of the README are `make demo` and `make test`; the rest serves them.
# The system's own Python, which our packages run on, if it can make environments; else the first there is.
FIT := import ensurepip, sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell /usr/bin/python3 -c '$(FIT)' 2>/dev/null && echo /usr/bin/python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
# Packages are compiled when they are imported.
INSTALL := install --no-deps --no-compile
# Takes a sixth of pip's time. It does not read pip's settings, so it is told which index they name.
INDEX := $${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(PIP) config get global.index-url 2>/dev/null)}}
UV := index="$(INDEX)"; $${index:+env UV_DEFAULT_INDEX="$$index"} $(BIN)/uv --quiet
# Programs of others that tests set beside ours.
ORACLES := .oracles
# Node.js without root and without apt: builds the TypeScript client, runs its tests and the oracles in JavaScript.
NODE := .node
WEB := gateway/client/web
COUNTER := gateway/counter
NPM := cd $(WEB) && PATH="$(CURDIR)/$(NODE)/bin:$$PATH" npm
# What guides the fuzzer.
FUZZER := .fuzz
# What changes the source to see whether tests notice.
MUTATOR := .mutmut
DURATION ?=
# Tests wait for processes and brokers longer than they compute: with six, two cores were idle for a fifth of the time.
WORKERS ?= $(shell expr 3 '*' $$(nproc) + 3)

# Compile every module once, not in each of the hundreds of processes that tests start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test coverage lint bench fuzz mutants torture soak recordings contract messages screenshots deb lock clean

# Ctrl-C while Python itself starts would be a traceback: it is held back until the program takes it.
HOLD := $(shell env --block-signal=INT true 2>/dev/null && echo env --block-signal=INT)
demo: $(VENV)/.demo
	@$(HOLD) $(BIN)/borderpost demo $(if $(DURATION),--duration $(DURATION))

# The linters compute while tests wait, and while the oracles come. Packages come first, where nothing holds back
# what is said of them.
test: | system-packages
	$(MAKE) --no-print-directory -j2 --output-sync=target tests lint

.PHONY: tests
tests: $(VENV)/.dev $(ORACLES)/.ready
	$(BIN)/pytest --forks $(WORKERS)

# The same tests. Python 3.11 traces every line of every library for it, and takes twice as long.
coverage: $(VENV)/.dev $(ORACLES)/.ready
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term --cov-fail-under=90

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# The gateway beside scripts, and beside PEERS=all (or node-red,thingsboard), which it then installs; QUICK=1 for
# one short round, FULL=1 for a backlog of 100,000; more with BENCH='--help'.
PEERS ?=
bench: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m benchmarks $(if $(PEERS),--peers $(PEERS)) $(if $(QUICK),--quick) \
		$(if $(FULL),--full) $(BENCH)

# The tests that `make test` leaves out: attacks that take minutes, and what only a change of packages or of the
# contract can break. Three at a time: most of them wait, and some measure. TESTS=tests/packaging: those of a folder.
TESTS ?= tests
.PHONY: thorough
thorough: $(VENV)/.dev $(ORACLES)/.node $(WEB)/dist/.built $(COUNTER)/dist/.built | system-packages
	$(BIN)/pytest --thorough -m thorough --forks 3 $(TESTS)

# Every attack of tests/adversary, also those that take minutes; those that judge times one after the other.
.PHONY: adversary
adversary: $(VENV)/.dev
	$(BIN)/pytest --thorough --forks 2 -m "not quiet" tests/adversary
	$(BIN)/pytest --thorough --forks 1 -m quiet tests/adversary

# Power cuts, outages, full disks: MINUTES of them.
MINUTES ?= 10
torture: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m torture --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# Coverage-guided fuzzing of every parser of outside bytes, for MINUTES; TARGET=cameras for one group of parsers.
fuzz: MINUTES = 60
fuzz: $(VENV)/.dev $(FUZZER)/.ready
	PYTHONPATH=.:tests:$(FUZZER) $(BIN)/python -m fuzz --minutes $(MINUTES) $(if $(TARGET),--target $(TARGET))

# Changes the source in one place at a time and sees whether a test fails. SAMPLE mutants of every area, drawn by SEED;
# SAMPLE=all for all of them, which is hours. AREA=delivery for one area: tests/mutants/areas.py.
SAMPLE ?= 100
mutants: SEED ?= 1
mutants: $(VENV)/.dev $(MUTATOR)/.ready
	PYTHONPATH=$(CURDIR)/tests:$(CURDIR)/$(MUTATOR) $(BIN)/python -m mutants $(if $(AREA),--area $(AREA)) \
		--sample $(SAMPLE) --seed $(SEED)

# Memory and descriptors of every process, under steady load with reconnects.
soak: MINUTES = 15
soak: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m torture --soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# The packages on a real kernel, in a virtual machine whose power is cut CUTS times: tests/vm/README.md.
.PHONY: vm-test vm-needs
CUTS ?= 2
vm-needs:
	@"$(PYTHON)" tests/vm/needs.py
vm-test: vm-needs deb $(VENV)/.dev
	BORDERPOST_VM=1 BORDERPOST_VM_CUTS=$(CUTS) $(BIN)/pytest -x -s -W ignore::ResourceWarning \
		-W ignore::pytest.PytestUnraisableExceptionWarning tests/vm $(if $(ONLY),-k "$(ONLY)")

# The TypeScript client: types from the contract, modules and a bundle in gateway/client/web/dist; `make web-package`
# packs them for npm into dist/.
.PHONY: web web-package web-test
web: $(WEB)/dist/.built
web-test: $(WEB)/dist/.built $(COUNTER)/dist/.built
	$(NPM) run check
	$(NPM) test
	$(NODE)/bin/node --test --experimental-strip-types '$(COUNTER)/test/*.test.ts'
web-package: $(WEB)/dist/.built
	mkdir -p dist
	$(NPM) pack --ignore-scripts --pack-destination "$(CURDIR)/dist"

# The counter page, which is static files, in gateway/counter/dist.
.PHONY: counter
counter: $(COUNTER)/dist/.built

# Replays recordings (NAMES, or all) through a real gateway and writes the expected events beside them.
recordings: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m recordings $(NAMES)

# The contract's files, and the reference of the client library.
contract: $(VENV)/.dev
	$(BIN)/borderpost contract config/contract
	$(BIN)/python -m simulators.control.requests config/contract/simulators.json
	PYTHONPATH=tests $(BIN)/python -m support.client.reference

# The drivers' grades in drivers/README.md and the list of tried devices; with DRIVER=mrz-serial: the evidence for one.
.PHONY: quality
quality: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m quality $(DRIVER)

# Brings the catalogues of the console's languages up to date with its pages; what is new waits for a translation.
messages: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m support.console.catalogues

# Packages for Debian 13, on Debian 13, into dist/. DEB_VERSION: another one than the source's. The counter page is
# built first, which needs Node; DEB="--without-counter": packages without it.
PACKAGED := post chip http camera uvc fingerprint gpio console usb wedge osdp
deb: $(BIN)/uv $(if $(findstring --without-counter,$(DEB)),,$(COUNTER)/dist/.built) | system-packages
	index="$(INDEX)"; $${index:+env UV_DEFAULT_INDEX="$$index"} /usr/bin/python3 systemd/deb/build.py \
		--uv $(BIN)/uv $(if $(DEB_VERSION),--version $(DEB_VERSION)) $(DEB)

# The pictures in the README.
screenshots: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m support.console.screenshots

$(VENV)/bin/python:
	"$(PYTHON)" -m venv $(VENV)

# Nothing is resolved here: the lock is complete, and pip would look for `coverage[toml]` beyond `coverage`.
$(VENV)/.demo: $(VENV)/bin/python pyproject.toml requirements.txt
	$(PIP) $(INSTALL) --require-hashes -r requirements.txt
	$(PIP) $(INSTALL) -e .
	touch $@

$(VENV)/.dev: $(BIN)/uv pyproject.toml requirements-dev.txt | system-packages
	$(UV) pip install --no-deps --python $(BIN)/python --require-hashes -r requirements-dev.txt
	$(UV) pip install --no-deps --python $(BIN)/python -e .
	touch $@ $(VENV)/.demo

# Its own lines of the lock.
$(BIN)/uv: $(VENV)/bin/python requirements-dev.txt
	sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.txt | $(PIP) $(INSTALL) --require-hashes -r /dev/stdin
	touch $@

$(ORACLES)/.ready: tests/oracles/requirements.txt $(BIN)/uv
	$(BIN)/uv --quiet venv --clear --python $(BIN)/python $(ORACLES)
	$(UV) pip install --no-deps --python $(ORACLES)/bin/python --require-hashes -r $<
	touch $@

# Those in JavaScript.
$(ORACLES)/.node: tests/oracles/node/package-lock.json $(ORACLES)/.ready $(NODE)/.ready
	cp tests/oracles/node/package.json $< $(ORACLES)
	cd $(ORACLES) && PATH="$(CURDIR)/$(NODE)/bin:$$PATH" npm ci --silent --ignore-scripts --no-audit --no-fund
	touch $@

$(NODE)/.ready: $(WEB)/requirements.txt $(BIN)/uv
	$(BIN)/uv --quiet venv --clear --python $(BIN)/python $(NODE)
	$(UV) pip install --no-deps --python $(NODE)/bin/python --require-hashes -r $<
	touch $@

$(WEB)/node_modules/.package-lock.json: $(NODE)/.ready $(WEB)/package-lock.json $(WEB)/package.json
	$(NPM) ci --ignore-scripts --no-audit --no-fund
	touch $@

$(WEB)/dist/.built: $(WEB)/node_modules/.package-lock.json config/contract/messages.json \
		$(wildcard $(WEB)/tsconfig.json $(WEB)/generate/* $(WEB)/src/*.ts $(WEB)/src/*/*.ts $(WEB)/test/*.ts)
	$(NPM) run build
	touch $@

WITH_NODE := PATH="$(CURDIR)/$(NODE)/bin:$$PATH" $(WEB)/node_modules/.bin
ESBUILD := $(WITH_NODE)/esbuild --bundle --format=esm --platform=browser --target=es2022 --minify --log-level=warning \
	--legal-comments=external --define:global=globalThis --loader:.css=text --tsconfig=$(COUNTER)/tsconfig.json
$(COUNTER)/dist/.built: $(WEB)/dist/.built config/contract/vocabularies.json \
		$(wildcard $(COUNTER)/tsconfig.json $(COUNTER)/static/* $(COUNTER)/src/*/* $(COUNTER)/test/*)
	$(WITH_NODE)/tsc -p $(COUNTER)/tsconfig.json
	rm -rf $(COUNTER)/dist
	$(ESBUILD) $(COUNTER)/src/page/counterPage.ts --outfile=$(COUNTER)/dist/counter.js
	$(ESBUILD) $(COUNTER)/src/element/borderpostLane.ts --outfile=$(COUNTER)/dist/borderpost-lane.js
	$(ESBUILD) $(COUNTER)/src/element/ticksWorker.ts --outfile=$(COUNTER)/dist/ticks.js
	cp $(COUNTER)/static/* $(COUNTER)/dist/
	touch $@

$(FUZZER)/.ready: tests/fuzz/requirements.txt $(BIN)/uv
	$(UV) pip install --no-deps --target $(FUZZER) --python $(BIN)/python --require-hashes -r $<
	touch $@

$(MUTATOR)/.ready: tests/mutants/requirements.txt $(BIN)/uv
	$(UV) pip install --no-deps --target $(MUTATOR) --python $(BIN)/python --require-hashes -r $<
	touch $@

# What the tests need of the system. Python's header is that of the system's Python, which they run on.
.PHONY: system-packages
system-packages:
	@"$(PYTHON)" tests/support/process/system_packages.py

# Pins every package with its hashes, for all supported Pythons; no address of any index gets in.
lock: $(VENV)/.dev $(NODE)/.ready
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --extra demo --extra console pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --extra demo --extra dev pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url tests/oracles/requirements.in -o tests/oracles/requirements.txt
	cd tests/oracles/node && PATH="$(CURDIR)/$(NODE)/bin:$$PATH" npm install --silent --package-lock-only \
		--ignore-scripts --no-audit --no-fund
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url gateway/client/web/requirements.in -o gateway/client/web/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url tests/fuzz/requirements.in -o tests/fuzz/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url -c requirements-dev.txt tests/mutants/requirements.in -o tests/mutants/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url -c requirements-dev.txt $(PACKAGED:%=--extra %) pyproject.toml -o systemd/deb/requirements.txt

clean:
	rm -rf $(VENV) $(ORACLES) $(NODE) $(FUZZER) $(MUTATOR) $(WEB)/node_modules $(WEB)/dist $(COUNTER)/dist $(WEB)/src/generated .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage* build dist *.egg-info
