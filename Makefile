# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3.11
PYTHON := $(shell command -v $(PYTHON) || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
PORT ?= 8501
export DO_NOT_TRACK = 1

.PHONY: run test bench lint shots clean

run: $(VENV)/.installed
	$(BIN)/holdout demo $(DEMO)
	$(BIN)/holdout dashboard --workspace $(DEMO) --port $(PORT)

test: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.chromium
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

bench: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --group bench
	$(BIN)/python -m tests.benchmarks $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

shots: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.chromium
	$(BIN)/holdout demo $(DEMO)
	$(BIN)/python -m tests.browser.shots --workspace $(DEMO) --out shots

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	# First and alone: as a dependency of others pip may take a build for GPUs, several gigabytes of it.
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

clean:
	rm -rf $(VENV) $(DEMO) shots build *.egg-info
