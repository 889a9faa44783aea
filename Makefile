# Every target sets up what it needs. `make help` lists them.
PYTHON_HERE := .venv/bin/python
SIDE_BY_SIDE ?= 3
# a run of the suite starts some hundred processes, each of which would compile a thousand modules again
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup proxy endpoint test coverage chaos check audit bench pictures comfyui build push image-test

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "make %-9s %s\n", $$1, $$2 }'

setup: .venv/.ready ## .venv from the lock; nothing to do when it is up to date
	@true

.venv/.ready: uv.lock pyproject.toml scripts/setup.sh scripts/uv.sh
	@scripts/setup.sh
	@touch $@

proxy: setup ## serve http://127.0.0.1:8189, and start what is missing behind it; OPEN=1 opens the page
	@exec $(PYTHON_HERE) -m proxy $(if $(OPEN),--open)

endpoint: setup ## the sandbox endpoint alone
	@exec $(PYTHON_HERE) -m proxy --endpoint-only

test: setup ## the whole suite; what is skipped is said with its reason. ARGS="-k name" chooses, SIDE_BY_SIDE=0 runs one after the other
	@scripts/frontends.sh || echo "frontends: could not be fetched; their tests will be skipped"
	@$(PYTHON_HERE) -m pytest --numprocesses $(SIDE_BY_SIDE) --dist loadscope --no-loadscope-reorder --durations 10 $(ARGS)

coverage: setup ## how much of the engine the tests in this process reach; fails below what is promised
	@$(PYTHON_HERE) -m coverage erase
	@$(PYTHON_HERE) -m coverage run -m pytest --quiet tests/engine tests/wire $(ARGS)
	@$(PYTHON_HERE) -m coverage report
	@$(PYTHON_HERE) -m coverage report --include engine/jobs/machine.py --fail-under 100

chaos: setup ## faults by a seed, and whether a result was lost or paid for twice: ARGS="--seed 7 --faults 500 --minutes 30"
	@$(PYTHON_HERE) -m chaos $(ARGS)

check: setup ## format, lint, types, arrows between the rooms, a test file for each module, shell scripts, Dockerfile
	@$(PYTHON_HERE) -m ruff format --check --quiet .
	@$(PYTHON_HERE) -m ruff check --quiet .
	@$(PYTHON_HERE) -m mypy
	@.venv/bin/lint-imports --no-logo
	@$(PYTHON_HERE) -m pytest --quiet --no-header tests/test_architecture.py
	@.venv/bin/shellcheck scripts/*.sh .ci/run
	@if [ -e docker/Dockerfile ]; then .venv/bin/hadolint docker/Dockerfile; fi

audit: setup ## advisories of the locked packages, but those of scripts/accepted-advisories.toml: ARGS="--service-url URL"
	@$(PYTHON_HERE) scripts/audit.py $(ARGS)

bench: setup ## the benchmarks: one table, and bench/results.json
	@$(PYTHON_HERE) -m bench

pictures: setup ## the pictures of README.md, taken by a browser test, into docs/
	@PICTURES=docs $(PYTHON_HERE) -m pytest --quiet tests/e2e/test_pictures.py

comfyui: ## the pinned ComfyUI release (docker/comfyui-version) in docker/ComfyUI, or that of VERSION=v0.46.0
	@scripts/clone-comfyui.sh $(VERSION)

build: ## the worker's image. REGISTRY= IMAGE= TAG= NO_CACHE=1 DRY_RUN=1, BUILD_OPTIONS for docker build
	@scripts/build.sh $(if $(BUILD_OPTIONS),-- $(BUILD_OPTIONS))

push: ## the image to its registry, with the same variables; `docker login` before
	@scripts/push.sh

image-test: setup ## builds the image and tests it in a container; needs a Docker Engine
	@TAG=$${TAG:-test} scripts/build.sh $(if $(BUILD_OPTIONS),-- $(BUILD_OPTIONS))
	@IMAGE_UNDER_TEST=$$(TAG=$${TAG:-test} scripts/build.sh --dry-run 2>/dev/null | sed 's/.*--tag \([^ ]*\).*/\1/') \
		$(PYTHON_HERE) -m pytest tests/image $(ARGS)
