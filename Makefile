# The kit's commands. The first call sets up .venv with the exact versions of requirements.lock.
#   make run    the whole series on a clip: CLIP= SPEECH= PROFILE= RECIPE= OUT= SEED=
#   make test   fast tests, then slow ones, then those in a browser
#   make lab    JupyterLab on your copies of the notebooks, in work/
#   make app    a page that makes a video of your own clip and voice: PORT=

SHELL := /bin/bash
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
# the first that really runs: a name on the path may be a shim of another version
PYTHON ?= $(shell for p in python3.12 python3.11 python3 python; do $$p -c '$(FITS)' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/.installed
PYTEST := $(BIN)/python -m pytest -q -n auto --maxprocesses 4
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
export PIP_ROOT_USER_ACTION := ignore

.PHONY: run test test-fast test-slow test-browser lab app lint bench notebooks setup clean
.DEFAULT_GOAL := run

run: $(STAMP)
	@$(BIN)/tfhkit run $(if $(CLIP),--clip "$(CLIP)") $(if $(SPEECH),--speech "$(SPEECH)") \
	  $(if $(PROFILE),--profile "$(PROFILE)") $(if $(RECIPE),--recipe "$(RECIPE)") \
	  $(if $(OUT),--out "$(OUT)") $(if $(SEED),--seed "$(SEED)")

test: test-fast test-slow test-browser

test-fast: $(STAMP)
	$(PYTEST) --dist worksteal -m "not slow and not gpu and not browser"

test-slow: $(STAMP)
	$(PYTEST) --dist loadfile -m "slow and not gpu and not browser"

test-browser: $(STAMP)
	$(PYTEST) --dist loadfile --no-loadscope-reorder -m "browser and not gpu"

lab: $(STAMP)
	@$(BIN)/tfhkit lab

app: $(STAMP)
	@$(BIN)/tfhkit app $(if $(PORT),--port "$(PORT)")

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/python -m mypy
	$(BIN)/python -m tfhkit.teach.build --check

bench: $(STAMP)
	@$(BIN)/tfhkit bench $(NAME)

notebooks: $(STAMP)
	$(BIN)/python -m tfhkit.teach.build

setup: $(STAMP)

# The sample clip, MediaPipe's networks and EfficientNet-Lite are fetched here, so that the series needs no network
# later; where that fails, the run that wants them says what to do.
$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(FITS)' || \
	  { echo "Python 3.11 or 3.12 is needed; name one: make PYTHON=/path/to/python3.12"; exit 2; }
	@echo "setting up .venv (about 6 GB; some minutes, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv >/dev/null 2>&1 \
	  || { $(PYTHON) -m venv --without-pip --clear .venv && $(PYTHON) -m pip --python $(BIN)/python install -q pip; }
	@$(PIP) install -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@mkdir -p .venv/etc/jupyter/jupyter_server_config.d
	@cp tfhkit/teach/static/lab/tfhkit.json .venv/etc/jupyter/jupyter_server_config.d/
	@$(BIN)/jupyter trust notebooks/*.ipynb >/dev/null
	@$(BIN)/python -c "from tfhkit.assets import fetch_for_the_series as f; f()" 2>/dev/null \
	  || echo "the sample clip, the landmarks' networks or the image features could not be fetched now; they are fetched when they are needed"
	@touch $(STAMP)

clean:
	rm -rf runs build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
