# The kit's commands. The first call sets up .venv with the exact versions of requirements.lock.
#   make run    the whole series on a clip: CLIP= SPEECH= PROFILE= RECIPE= OUT= SEED=
#   make test   fast tests, then slow ones, then those in a browser
#   make lab    JupyterLab on your copies of the notebooks, in work/
#   make app    a page that makes a video of your own clip and voice: PORT=
# For a machine without a GPU, TORCH_INDEX=URL beside any of them names an index of CPU builds of torch.

SHELL := /bin/bash
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
# the first that really runs: a name on the path may be a shim of another version
PYTHON ?= $(shell for p in python3.12 python3.11 python3 python; do $$p -c '$(FITS)' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/.installed
TOOLS := .venv/.tools
PYTEST := $(BIN)/python -m pytest -q -n auto --maxprocesses 4
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
export PIP_ROOT_USER_ACTION := ignore
# the exact torch, its CPU build from TORCH_INDEX; TORCH=torch==2.13.0 for another one
TORCH ?= $(shell grep -o '^torch==[0-9.]*' requirements.lock)
CONSTRAINTS := .venv/constraints.txt

.PHONY: run test test-fast test-slow test-browser test-gpu lab app lint bench notebooks setup clean
.DEFAULT_GOAL := run

run: $(STAMP)
	@$(BIN)/tfhkit run $(if $(CLIP),--clip "$(CLIP)") $(if $(SPEECH),--speech "$(SPEECH)") \
	  $(if $(PROFILE),--profile "$(PROFILE)") $(if $(RECIPE),--recipe "$(RECIPE)") \
	  $(if $(OUT),--out "$(OUT)") $(if $(SEED),--seed "$(SEED)")

test: test-fast test-slow test-browser

test-fast: $(TOOLS)
	$(PYTEST) --dist worksteal -m "not slow and not gpu and not browser"

test-slow: $(TOOLS)
	$(PYTEST) --dist loadfile --no-loadscope-reorder -m "slow and not gpu and not browser"

test-browser: $(TOOLS)
	$(PYTEST) --dist loadfile --no-loadscope-reorder -m "browser and not gpu"

test-gpu: $(TOOLS)
	$(BIN)/python -m pytest -q -m gpu

lab: $(STAMP)
	@$(BIN)/tfhkit lab

app: $(STAMP)
	@$(BIN)/tfhkit app $(if $(PORT),--port "$(PORT)")

lint: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/python -m mypy
	$(BIN)/python -m tfhkit.teach.build --check

bench: $(STAMP)
	@$(BIN)/tfhkit bench $(NAME)

notebooks: $(STAMP)
	$(BIN)/python -m tfhkit.teach.build

setup: $(STAMP)

# The sample clip and all networks that were trained elsewhere are fetched here, so that the series needs no network
# later; where that fails, the run that wants them says what to do. librosa compiles its loops when they are first
# imported, which takes half a minute: here, once, and not in somebody's first command.
$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(FITS)' || \
	  { echo "Python 3.11 or 3.12 is needed; name one: make PYTHON=/path/to/python3.12"; exit 2; }
	@echo "setting up .venv (about $(if $(TORCH_INDEX),2.4,6.4) GB; some minutes, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv >/dev/null 2>&1 \
	  || { $(PYTHON) -m venv --without-pip --clear .venv && $(PYTHON) -m pip --python $(BIN)/python install -q pip; }
ifdef TORCH_INDEX
	@grep -v '^torch==' requirements.lock > $(CONSTRAINTS)
	@$(PIP) install -c $(CONSTRAINTS) setuptools
	@$(PIP) install --no-deps --index-url "$(TORCH_INDEX)" "$(TORCH)"
	@$(PIP) install -c $(CONSTRAINTS) --no-build-isolation -e .
else
	@cp requirements.lock $(CONSTRAINTS)
	@$(PIP) install -c $(CONSTRAINTS) setuptools
	@$(PIP) install -c $(CONSTRAINTS) --no-build-isolation -e '.[gpu]'
endif
	@mkdir -p .venv/etc/jupyter/jupyter_server_config.d
	@cp tfhkit/teach/static/lab/tfhkit.json .venv/etc/jupyter/jupyter_server_config.d/
	@$(BIN)/jupyter trust notebooks/*.ipynb >/dev/null
	@$(BIN)/python -c "from tfhkit.assets import fetch_for_the_series as f; f()" 2>/dev/null \
	  || echo "the sample clip, the landmarks' networks or the image features could not be fetched now; they are fetched when they are needed"
	@$(BIN)/python -c "import librosa; librosa.stft, librosa.pyin"
	@touch $(STAMP)

# The tests' tools are installed when they are first needed.
$(TOOLS): $(STAMP)
	@$(PIP) install -c $(firstword $(wildcard $(CONSTRAINTS)) requirements.lock) --no-build-isolation -e '.[dev]'
	@touch $(TOOLS)

clean:
	rm -rf runs build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
