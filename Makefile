# make demo   a study from the YAML file to the report, on this machine's CPU
# make test   the whole test suite
# Both do their own set-up in .venv, once; again when pyproject.toml or constraints.txt change. Nothing is needed but
# Python 3.11 or newer with its venv module, and make.

PYTHON      ?= python3
TORCH_INDEX ?=
# The package index to take torch from. Empty: the one that pip uses anyway; on Linux that is the build with CUDA,
# several GB. For the small CPU build: make demo TORCH_INDEX=<address of the CPU wheels>; pytorch.org names it.
PYTEST_ARGS ?=

VENV  := .venv
BIN   := $(VENV)/bin
PIP   := $(BIN)/python -m pip --disable-pip-version-check
TORCH := $(shell sed -n 's/^torch==/&/p' constraints.txt)

# Torch comes first and, from an index of its own, alone: what it needs comes from the usual index with the rest.
TORCH_FROM = $(if $(TORCH_INDEX),--no-deps --index-url $(TORCH_INDEX))
define install
$(PIP) install -q -c constraints.txt $(TORCH_FROM) '$(TORCH)'
$(PIP) install -q -c constraints.txt -e '.[$(1)]'
@touch $@
endef

export RAY_USAGE_STATS_ENABLED := 0

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test lint pictures benchmarks clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

demo: $(VENV)/.demo ## run the demo study (the first time: installs into .venv)
	$(BIN)/archstudy demo

# One thread per process: two processes with one thread each beat one with two, and do not spin under load.
test: export OMP_NUM_THREADS := 1
test: export MKL_NUM_THREADS := 1
test: $(VENV)/.dev ## run the tests (PYTEST_ARGS="-k name" for some of them)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

lint: $(VENV)/.dev ## ruff, the format, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

pictures: $(VENV)/.dev ## make the README's pictures again (needs Chromium)
	$(BIN)/python docs/pictures.py

benchmarks: $(VENV)/.dev ## run every script in benchmarks/, one after the other
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

clean: ## remove caches and build leftovers; .venv, stores and results stay
	rm -rf build *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# A stamp is touched last, so an install that broke off is done again.
$(VENV)/.demo: pyproject.toml constraints.txt $(VENV)/.made
	$(call install,all)

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.made
	$(call install,dev)

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "archstudy needs Python 3.11 or newer, and '$(PYTHON)' is not on the PATH;" \
	  "install it, or name yours: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "archstudy needs Python 3.11 or newer," \
	  "'$(PYTHON)' is $$($(PYTHON) -V 2>&1); name a newer one: make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@
