# `make help` lists the targets. Everything is installed into .venv and .venv-probe, nothing elsewhere.

PYTHON ?= python3
JOBS ?= 2
MODELS := smollm2-135m smollm2-135m-patch
EXTRAS := ground,train,media,diffusion,edge,compare,sims,dev

VENV := .venv
LIGHT := .venv-probe
RUN := $(VENV)/bin/
PIP := -m pip --disable-pip-version-check --no-input --quiet --quiet
KERNEL := $(wildcard shared/exact/_kernel*.[ch] shared/media/_*.c groundstation/seeds/_*.c)
TESTS := tests
CHECKED := shared groundstation probe sims benchmarks demo tests

.DEFAULT_GOAL := help
.PHONY: help setup model demo media-demo test lint lock bench cross clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.installed $(LIGHT)/.installed ## Build .venv (ground, tests) and .venv-probe (no torch).

model: $(VENV)/.installed ## Fetch and pin the default model and the one it was made of, once.
	@for name in $(MODELS); do $(RUN)groundstation model fetch $$name || exit 1; done

demo: setup ## Send a real release of a flight library to a probe; under two minutes.
	@$(RUN)python -m demo.run --probe-environment $(LIGHT)

media-demo: setup ## Find a family among 3,391 pictures, learn it, serve it from prompts; needs npm.
	@$(RUN)python -m demo.media

test: setup model ## Run every test.
	@$(RUN)python -m pytest -n $(JOBS) $(TESTS)

lint: $(VENV)/.installed ## Check style, format, types and layers.
	$(RUN)ruff check $(CHECKED)
	$(RUN)ruff format --check $(CHECKED)
	$(RUN)mypy
	$(RUN)lint-imports --no-cache

lock: $(VENV)/.installed ## Write requirements-probe.txt anew: what flies, exact, with digests.
	@$(RUN)python $(PIP) install uv
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(RUN)uv pip compile pyproject.toml --quiet --universal \
		--constraint constraints.txt --python-version 3.11 --generate-hashes --no-annotate \
		--output-file requirements-probe.txt

bench: model ## Measure sizes and speed anew (two hours; a rerun goes on where it was stopped).
	@$(RUN)groundstation model fetch qwen2.5-coder-0.5b
	-@$(RUN)python $(PIP) install -c constraints.txt -e '.[bench]' # else llama.cpp is not measured
	$(RUN)python -m benchmarks.patches
	$(RUN)python -m benchmarks.models.quality
	$(RUN)python -m benchmarks.models.ordinary
	$(RUN)python -m benchmarks.models.speed
	$(RUN)python -m benchmarks.link.ldpc
	$(RUN)python -m benchmarks.link
	$(RUN)python -m benchmarks.probe.environment
	$(RUN)python -m benchmarks.soak
	@if [ -n "$(FAMILY)" ]; then $(RUN)python -m benchmarks.media $(FAMILY); \
		$(RUN)python -m benchmarks.media.diffusion $(FAMILY); else \
		echo "pictures: make bench FAMILY=DIR, a folder with catalogue.csv"; fi

cross: model ## Compute the golden digests on other processors, emulated (Debian; hours).
	@$(RUN)groundstation model fetch qwen2.5-coder-0.5b
	@$(RUN)python -m benchmarks.cross $(CROSS)

clean: ## Remove environments, caches and results of runs; fetched models stay in the user's cache.
	rm -rf $(VENV) $(LIGHT) build demo-run *.egg-info shared/exact/*.so shared/media/*.so groundstation/seeds/*.so
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find $(CHECKED) -name __pycache__ -type d -prune -exec rm -rf {} +

# pip, not another installer: constraints.txt names the releases, and pip alone looks on the local
# disk for them.  Both installs are editable and compile the kernel, so they follow its sources.
$(VENV)/.installed: pyproject.toml constraints.txt $(KERNEL)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=...")'
	@echo "installing into $(VENV): a minute or more, 1.5 GB"
	@test -x $(RUN)python || $(PYTHON) -m venv $(VENV)
	@$(RUN)python $(PIP) install -c constraints.txt -e '.[$(EXTRAS)]'
	@$(RUN)python -c 'from shared.exact.kernels import compiled_library as c; c() or print("no C compiler: numpy computes the same, many times slower")'
	@touch $@

# After $(VENV): two builds of one kernel must not run at the same time.
$(LIGHT)/.installed: pyproject.toml requirements-probe.txt $(KERNEL) | $(VENV)/.installed
	@echo "installing into $(LIGHT)"
	@test -x $(LIGHT)/bin/python || $(PYTHON) -m venv $(LIGHT)
	@$(LIGHT)/bin/python $(PIP) install --require-hashes -r requirements-probe.txt
	@$(LIGHT)/bin/python $(PIP) install --no-deps -e .
	@touch $@
