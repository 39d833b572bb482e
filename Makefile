# `make` prints the targets. On Windows, or with conda: docs/setup.md gives the same steps without make.

PYTHON ?= python3
NB ?=
ARGS ?=
CONSTRAINTS ?= $(wildcard constraints.txt)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install $(addprefix -c ,$(CONSTRAINTS))
NB_OR_ALL = $(if $(NB),"$(NB)")
need_nb = @test -n "$(NB)" || { echo "Say which notebook: make $@ NB=phase1_foundations/01_perceptron.ipynb"; exit 1; }
# docs/jupyterlab/overrides.json: Markdown opens as a page, no pop-up about news.
LAB := $(BIN)/python -m jupyterlab "--LabApp.app_settings_dir=$(CURDIR)/docs/jupyterlab" \
       --LabApp.default_url=/lab/tree/START.md
# make lab FRAMEWORK=pytorch (or keras) folds the cells of the other framework.
FRAMEWORK ?=
ONE_FRAMEWORK = $(if $(FRAMEWORK),"--config=$(CURDIR)/docs/jupyterlab/one_framework.py")
# Without a display (a server, ssh) Jupyter prints the address instead of opening a browser.
NO_DISPLAY := $(shell if [ "$$(uname)" = Linux ] && [ -z "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ -n "$$SSH_CONNECTION" ]; \
                      then echo --no-browser; fi)
# .venv/.stamp holds the folder that the environment was made for: after a move or a copy its links lead elsewhere.
MOVED := $(shell [ ! -s .venv/.stamp ] || [ "$$(cat .venv/.stamp)" = "$$(pwd -P)" ] || .venv/bin/python tools/moved.py)
$(if $(MOVED),$(info $(MOVED)))
AS_ROOT := $(shell if [ "$$(id -u)" = 0 ]; then echo --allow-root; fi)

.DEFAULT_GOAL := help
.PHONY: help lab run test lint format new execute index bench doctor update clean setup setup-dev

help: ## print this list
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z]*\):[^#]*## /  \1|/p' Makefile | awk -F'|' '{printf "%-9s %s\n", $$1, $$2}'

lab: .venv/.stamp ## open JupyterLab on the start page; FRAMEWORK=pytorch or keras folds the other one
	@FRAMEWORK="$(FRAMEWORK)" $(LAB) $(ONE_FRAMEWORK) $(NO_DISPLAY) $(AS_ROOT) $(ARGS)

run: .venv/.stamp ## run one notebook without a browser: make run NB=phase1_foundations/01_perceptron.ipynb
	$(need_nb)
	@$(BIN)/python tools/execute.py --run "$(NB)"

test: .venv/.stamp-dev ## run the whole suite, or one notebook and what belongs to it: make test NB=...
	@$(BIN)/python tools/run_tests.py $(addprefix --nb ,$(NB_OR_ALL)) $(ARGS)

lint: .venv/.stamp-dev ## check code, notebooks and generated tables
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python tools/execute.py --check $(NB_OR_ALL)
	@$(BIN)/python tools/index.py --check
	@$(BIN)/python tools/starter.py --check

format: .venv/.stamp-dev ## tidy code and notebooks
	@$(BIN)/python -m ruff check --fix .
	@$(BIN)/python -m ruff format .
	@$(BIN)/python tools/execute.py --normalise $(NB_OR_ALL)

new: .venv/.stamp-dev ## start a lesson from the template: make new PHASE=2 NAME=gradient_descent
	@$(BIN)/python tools/new_lesson.py "$(PHASE)" "$(NAME)"

execute: .venv/.stamp-dev ## run one notebook and store its outputs: make execute NB=...
	$(need_nb)
	@$(BIN)/python -m ruff check --fix "$(NB)"
	@$(BIN)/python -m ruff format "$(NB)"
	@$(BIN)/python tools/execute.py --write "$(NB)"

index: .venv/.stamp ## rewrite tables, badges, Colab cells and the projects' starter editions
	@$(BIN)/python tools/starter.py
	@$(BIN)/python tools/index.py

bench: .venv/.stamp-dev ## compare training loops (ratios) and redraws of explorers; prints, never judges
	@$(BIN)/python tools/bench.py $(ARGS)

doctor: .venv/.stamp ## check this machine: versions, accelerators, memory, disk
	@$(BIN)/python -m utils.doctor

update: ## bring the newest version of the course; your answers are kept
	@$(firstword $(wildcard $(BIN)/python) $(PYTHON)) tools/update.py
	@$(MAKE) --no-print-directory $(if $(wildcard .venv/.stamp-dev),setup-dev,setup)

clean: ## remove caches and results of runs (the environment .venv stays)
	@rm -rf .pytest_cache .ruff_cache artifacts runs build *.egg-info
	@find . -name .venv -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# --- the environment: built once, rebuilt only when one of these files changes ---------------------
setup: .venv/.stamp
setup-dev: .venv/.stamp-dev

.venv/.python:
	@$(PYTHON) utils/place.py
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.stamp: requirements.txt pyproject.toml $(CONSTRAINTS) | .venv/.python
	@echo "Setting up .venv: a few minutes and some gigabytes the first time."
	@$(PIP) -r requirements.txt
	@$(PIP) --no-deps -e .
	@pwd -P > $@

.venv/.stamp-dev: requirements-dev.txt .venv/.stamp
	@$(PIP) -r requirements-dev.txt
	@touch $@
