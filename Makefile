# `make` lists the targets. Everything runs in .venv, which make builds from the exact versions in requirements/.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
UV ?= uv
# Interpreter for .venv; by default the first of these that is Python 3.11 or newer.
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3.11 python3.12 python3.13 python3)
PYTEST := $(PY) -m pytest
# Test processes that run side by side. More than the cores: half of the tests wait for a cluster most of the time.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? 4 : n)))
RUN_STAMP := $(VENV)/.run-installed
DEV_STAMP := $(VENV)/.dev-installed
# The time of the last commit, for builds that can be repeated
COMMIT_DATE = $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
IMAGE ?= coroner:dev
PYTHON3 ?= python3
COMMA := ,
# Words that codespell would report: an operator of exit-code rules, a path of Kubernetes, parts of patterns and of secrets.
SPELLING := --skip 'tests/fixtures/*,*.sum,requirements/*.txt' --ignore-words-list notin,linz,ontainers,reate,fo,nd,hsa,retreiving,unparseable

.PHONY: chart chart-push dist image image-push package-test release-notes sign workflows e2e-controllers e2e-kind help demo test test-unit test-random check permissions lint types contracts format e2e golden fuzz bench bench-cluster cluster-up cluster-down lock clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(RUN_STAMP)  ## Run the operator on recorded failures; needs no cluster (DEMO_KEEP=1 keeps the API server running)
	@$(PY) -m demo

test: $(DEV_STAMP)  ## Run all tests; those that cannot run here are skipped and listed at the end (ARGS=... for pytest)
	@$(PYTEST) -n $(WORKERS) tests $(ARGS)

test-unit: $(DEV_STAMP)  ## Run the tests that need no server and no other program: about a minute
	@$(PYTEST) -n auto -m unit tests $(ARGS)

test-random: $(DEV_STAMP)  ## Run the property tests with random inputs instead of the same ones every time
	@$(PYTEST) -n auto -m hypothesis --hypothesis-profile nightly tests $(ARGS)

check: lint types contracts  ## Run lint, types, contracts and tests: all checks of a change but those of package, image and workflows
	@logs=$$(mktemp -d) && trap 'rm -rf "$$logs"' EXIT && AUDIT_LOGS=$$logs $(MAKE) test && $(MAKE) permissions AUDIT_LOGS=$$logs

permissions: $(DEV_STAMP)  ## Compare the shipped roles with what the operator asked for (AUDIT_LOGS=folder of a whole test run)
	@$(PY) -m tests.support.audited_permissions $(AUDIT_LOGS)

lint: $(DEV_STAMP)  ## Check style, formatting and spelling
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@git ls-files -z | xargs -0 -r $(PY) -m codespell_lib $(SPELLING)

types: $(DEV_STAMP)  ## Check types (mypy --strict)
	@$(PY) -m mypy

contracts: $(DEV_STAMP)  ## Check the import contracts (import-linter)
	@$(VENV)/bin/lint-imports

format: $(DEV_STAMP)  ## Format the code and apply the automatic fixes of ruff
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

e2e: $(DEV_STAMP)  ## Run the tests on a real cluster; fail if there is none
	@REQUIRE_CLUSTER=1 REQUIRE_HELM=1 $(PYTEST) tests/e2e tests/e2e_chart $(ARGS)

e2e-controllers: $(DEV_STAMP)  ## Run the tests with JobSet, KubeRay and others on the test cluster; builds them the first time
	@REQUIRE_CLUSTER=1 REQUIRE_HELM=1 $(PYTEST) tests/e2e/controllers $(ARGS)

e2e-kind: $(DEV_STAMP)  ## Install the chart on kind and run the same tests there (needs docker and kind)
	@PYTHON=$(PY) tests/e2e_chart/on_kind

chart: $(DEV_STAMP)  ## Update what is generated from crds/ and values.yaml: files of the chart, and the Go types of docs/examples
	@$(PY) tools/chart.py
	@$(PY) tools/go_types.py

golden: $(DEV_STAMP)  ## Update the golden files; read the difference before you commit it
	@UPDATE_GOLDEN=1 $(PYTEST) tests/categorizer

fuzz: $(DEV_STAMP)  ## Try random hostile inputs on the redactor and the decoder (SECONDS=60 for each target)
	@$(PY) -m tests.fuzz --seconds $(or $(SECONDS),60)

bench: $(DEV_STAMP)  ## Measure the categorizer: microseconds per pod, by number of rules
	@$(PY) -m tests.bench.rules

bench-cluster: $(DEV_STAMP)  ## Measure the operator on a real API server: 10,000 pods, a burst of 2,000 failures
	@$(PY) -m tests.bench.cluster

cluster-up:  ## Start a real single-node Kubernetes on this machine (needs root; built on first use)
	@tests/cluster/up

cluster-down:  ## Stop the Kubernetes started by cluster-up
	@tests/cluster/down

workflows:  ## Check the GitHub workflows with zizmor (needs uv)
	@$(UV) tool run --quiet zizmor@1.32.0 --offline --quiet .github

dist: $(DEV_STAMP)  ## Build wheel and source distribution in dist/
	@rm -f dist/*.whl dist/*.tar.gz
	@SOURCE_DATE_EPOCH=$(COMMIT_DATE) $(PY) -m hatchling build -d dist

package-test: $(DEV_STAMP)  ## Install the wheel of dist/ in an empty environment and use it (LOWEST=1: with the oldest dependencies; needs uv)
	@$(PY) tools/try_package.py $(if $(LOWEST),--lowest) dist/*.whl

image:  ## Build the container image (needs docker buildx; PLATFORMS=linux/amd64,linux/arm64 IMAGE=...)
	@docker buildx build --file deploy/docker/Dockerfile --build-arg SOURCE_DATE_EPOCH=$(COMMIT_DATE) \
	  $(if $(PLATFORMS),--platform $(PLATFORMS)) --tag $(IMAGE) $(IMAGE_ARGS) .

image-push:  ## Build the image for amd64 and arm64 with provenance and SBOM and push it; dist/image.digest has its digest
	@mkdir -p dist
	@$(MAKE) image PLATFORMS=$(or $(PLATFORMS),linux/amd64$(COMMA)linux/arm64) \
	  IMAGE_ARGS="--push --provenance=mode=max --sbom=true --metadata-file dist/image.json"
	@$(PYTHON3) -c 'import json; print("digest=" + json.load(open("dist/image.json"))["containerimage.digest"])' >dist/image.digest

chart-push: $(DEV_STAMP)  ## Push the chart (CHARTS=oci://..., SOURCE=https://..., IMAGE=...@sha256:...); dist/chart.reference has its digest
	@rm -rf dist/chart dist/coroner-*.tgz && mkdir -p dist/chart
	@$(PY) tools/release_chart.py dist/chart $(SOURCE) $(IMAGE)
	@helm package --destination dist dist/chart/coroner
	@helm push dist/coroner-*.tgz $(CHARTS) 2>&1 | tee dist/chart.log
	@echo "$(CHARTS:oci://%=%)/coroner@$$(sed -n 's/^Digest: //p' dist/chart.log)" >dist/chart.reference

sign:  ## Sign what was pushed, without a key (needs cosign and an identity; ARTIFACT=...@sha256:...)
	@cosign sign --yes $(ARTIFACT)

release-notes: $(DEV_STAMP)  ## Check that a tag can be released, and write dist/release-notes.md (TAG=v0.1.0)
	@mkdir -p dist
	@$(PY) tools/release_notes.py $(TAG) >dist/release-notes.md

lock:  ## Update requirements/*.txt from pyproject.toml (needs uv)
	@$(UV) pip compile $(LOCK) pyproject.toml requirements/build.in -o requirements/run.txt
	@$(UV) pip compile $(LOCK) pyproject.toml requirements/build.in --extra dev -c requirements/run.txt -o requirements/dev.txt

clean:  ## Remove the files created by make in this folder
	@rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock"

# What pip needs to install this project itself without a network is in the lock files (requirements/build.in).
# --no-compile: Python compiles the modules that are imported; of some packages few are
INSTALL = $(PY) -m pip install --quiet --no-compile --disable-pip-version-check
define install
	@$(INSTALL) --require-hashes -r $(1)
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@
endef

$(RUN_STAMP): requirements/run.txt pyproject.toml | $(PY)
	$(call install,requirements/run.txt)

$(DEV_STAMP): requirements/dev.txt pyproject.toml | $(PY)
	$(call install,requirements/dev.txt)
	@touch $(RUN_STAMP)

$(PY):
	@for python in $(PYTHONS); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "Python 3.11 or newer is needed; none of these is: $(PYTHONS). Say which: make PYTHON=..." >&2; exit 1; fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then echo "$$found lacks its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; fi; \
	echo "making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv $(VENV)
