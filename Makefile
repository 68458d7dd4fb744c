# Everything that one does here. Each target sets up what it needs: `make` alone lists them. Works with make 3.81.

# Any Python from 3.11 on serves on this machine; the functions' own is RUNTIME.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$python"; break; }; done)
STAGE ?= dev
RUNTIME ?= python3.14
ARCH ?= arm64
BUILD ?= .aws-sam/build
TESTS ?= tests
RELEASE ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unnamed)
SECONDS ?= 600
SEEDS ?= 0
STORM ?= 20000
OPERATING ?= 10000
FUZZ ?= 300

BIN := .venv/bin
SAM := SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam
# The locks are complete (uv made them), and the pip that comes with Python 3.11 trips over extras when it looks for itself.
INSTALL := install --quiet --disable-pip-version-check --no-deps --require-hashes -r

.DEFAULT_GOAL := help
.PHONY: help run demo test test-long check check-style check-types check-template check-rules fmt audit bench build deploy smoke rollback releases lock clean

help: ## list what there is
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

# --- on this machine -------------------------------------------------------------------------------------------------

run: .venv/ready ## start the whole stack here, play a demo day and keep serving, until Ctrl-C
	@exec $(BIN)/python -m local run

demo: .venv/ready ## play the demo day and a season, write mails and report to out/demo/ and check them
	@exec $(BIN)/python -m local demo

test: .venv/ready ## everything that gates: unit, adapters, end to end (TESTS=tests/flow for a part)
	$(BIN)/pytest -q -n 3 --dist loadgroup $(TESTS)

test-long: .venv/ready ## simulate for SECONDS (600) from seed SEEDS (0), hunt planted bugs, look at all mails, fuzz for FUZZ (300), STORM (20000) webhooks, a life of OPERATING (10000) customers
	PYTHONPATH=layers/core:. $(BIN)/python -m tests.simulation --seconds $(SECONDS) --seed $(SEEDS)
	REKINDLE_LONG=1 $(BIN)/pytest -q -rP -n 2 tests/simulation/test_bugs.py
	REKINDLE_LONG=1 $(BIN)/pytest -q tests/browser
	PYTHONPATH=layers/core:. $(BIN)/python -m tests.attack --seconds $(FUZZ)
	STORM=$(STORM) $(BIN)/pytest -q tests/e2e/test_storm.py && cat out/storm.json
	OPERATING=$(OPERATING) $(BIN)/pytest -q tests/e2e/test_operating.py && cat out/operating.json

check: check-style check-types check-template check-rules ## format, lint, types, imports, the template (-j 2: two at once)

check-style: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	PYTHONPATH=layers/core $(BIN)/lint-imports

check-types: .venv/ready
	$(BIN)/mypy layers/core/rekindle functions/*/app.py local bench tests

check-template: .venv-sam/ready
	$(SAM) validate --lint --region us-east-1

check-rules: .venv/ready
	$(BIN)/pytest -q tests/architecture

fmt: .venv/ready ## format, and mend what can be mended without thinking
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

audit: .venv-audit/ready ## look every locked dependency up among the known weaknesses (needs the network)
	for name in layer publish campaign send dev sam; do \
		.venv-audit/bin/pip-audit --strict --require-hashes --disable-pip -r requirements/$$name.txt || exit 1; done

bench: .venv/ready .venv-sam/ready out/bench/bare/ready ## measure DESIGN's budgets on the built artifact, into out/bench.json
	$(MAKE) build ARCH=local BUILD=out/bench/build RUNTIME=$$($(BIN)/python -c 'import sys; print("python%d.%d" % sys.version_info[:2])') \
		RUNTIME_PYTHON="$(CURDIR)/$(BIN)/python" PIP="$(CURDIR)/$(BIN)/python -m pip"
	PYTHONPATH=layers/core $(BIN)/python -m bench

out/bench/bare/ready: requirements/bench.txt .venv/ready
	@rm -rf $(@D)
	@$(BIN)/python -m pip $(INSTALL) $< --no-compile --target $(@D)
	@$(BIN)/python -m compileall -q -j 0 --invalidation-mode unchecked-hash $(@D)
	@touch $@

# --- on AWS ----------------------------------------------------------------------------------------------------------

# The layer is made for one Python and one processor (layers/core/Makefile), and these parameters say so to CloudFormation.
TARGET = PythonRuntime=$(RUNTIME) $(if $(filter local,$(ARCH)),,Architecture=$(ARCH))

build: .venv-sam/ready ## build the functions and the layer (RUNTIME=python3.13 and ARCH=x86_64 if need be)
	MAKEFLAGS=-s RUNTIME=$(RUNTIME) ARCH=$(ARCH) RUNTIME_PYTHON="$(or $(RUNTIME_PYTHON),$(RUNTIME))" \
		PIP="$(or $(PIP),$(CURDIR)/.venv-sam/bin/python -m pip)" \
		$(SAM) build --build-dir $(BUILD) --parameter-overrides $(TARGET)

deploy: build .venv/ready ## build and deploy to the account that you are logged in to (STAGE=dev, staging or prod, see samconfig.toml)
	$(BIN)/python -m local.releases keep --stage $(STAGE)
	$(if $(AWS_ENDPOINT_URL),$(BIN)/python -m local.at_once $(BUILD)/template.yaml $(BUILT) $(AWS_ENDPOINT_URL))
	$(SAM) deploy --template-file $(BUILT) --config-file "$(CURDIR)/samconfig.toml" --config-env $(STAGE) \
		--parameter-overrides $(TARGET) Release=$(RELEASE) $(PARAMETERS) $(ASK)
	$(DOORS)

# The emulator has no CodeDeploy (local/at_once.py), and leaves out the API's routes (local/doors.py).
DOORS = $(if $(AWS_ENDPOINT_URL),$(BIN)/python -m local.doors --stage $(STAGE))
BUILT = $(BUILD)/$(if $(AWS_ENDPOINT_URL),at-once.json,template.yaml)
# What samconfig.toml says of the stage; and in a pipeline, where somebody has said yes already, CONFIRM=no.
PARAMETERS = $$(.venv-sam/bin/python -c 'import sys, tomllib; \
	print(*tomllib.load(open("samconfig.toml", "rb"))[sys.argv[1]]["deploy"]["parameters"]["parameter_overrides"])' $(STAGE))
ASK = $(if $(filter no,$(CONFIRM)),--no-confirm-changeset,) $(if $(CLOUDFORMATION_ROLE),--role-arn $(CLOUDFORMATION_ROLE),)

smoke: .venv/ready ## knock at every door of STAGE: does it answer, and as it should?
	@$(BIN)/python -m local.smoke --stage $(STAGE)

rollback: .venv/ready .venv-sam/ready ## deploy the version again that ran before (STAGE=…, TO=… for another, YES=1 if data may stay behind)
	$(BIN)/python -m local.releases back --stage $(STAGE) $(if $(TO),--to $(TO),) $(if $(YES),--yes,)
	$(BIN)/python -m local.releases keep --stage $(STAGE)
	$(SAM) deploy --template-file .aws-sam/back/template.yaml --config-file "$(CURDIR)/samconfig.toml" --config-env $(STAGE) \
		--parameter-overrides "$$(cat .aws-sam/back/parameters)" $(ASK)
	$(DOORS)

releases: .venv/ready ## list the versions that STAGE can go back to
	@$(BIN)/python -m local.releases list --stage $(STAGE)

# --- housekeeping ----------------------------------------------------------------------------------------------------

lock: .venv/ready ## pin requirements/*.in again, with hashes (needs uv; ARGS=--upgrade for the newest)
	@command -v uv >/dev/null || { echo "make lock needs uv" >&2; exit 1; }
	requirements/lock.sh $(ARGS)

clean: ## remove everything that was made here
	rm -rf .venv .venv-sam .venv-audit .aws-sam out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready: requirements/dev.txt
.venv-sam/ready: requirements/sam.txt
.venv-audit/ready: requirements/audit.txt

.venv/ready .venv-sam/ready .venv-audit/ready:
	@$(or $(PYTHON),python3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Rekindle needs Python 3.11 or newer. If it has another name, say so: make run PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Setting up $(@D), once …"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip $(INSTALL) $<
	@[ $(@D) != .venv ] || ln -sf ../../bin/rekindle .venv/bin/rekindle
	@touch $@
