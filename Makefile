# For users: `make demo` and `make test`, on a machine with Python. The other targets are for developers of decrappify.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LOWEST ?= .venv-lowest
# The lowest versions have wheels for the oldest Python.
LOWEST_PYTHON ?= $(or $(shell command -v python3.11),$(PYTHON))
PACKAGE ?= .venv-package
LOCKED ?=
OUTPUT ?= demo
MOVIE ?=
# The source folder is the root, so that links between docs/ and benchmarks/ are those of the repository.
SPHINX := $(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -c docs
PYSIDE_TESTS := $(addprefix tests/napari_plugin/widgets/,about choices restoring running/test_layout.py trust test_batch.py test_export.py test_restore_choices.py)

.DEFAULT_GOAL := help
.PHONY: help demo test test-napari test-pyside test-cpu test-slow test-faults test-fuzz test-compat test-bioimageio test-lowest test-notebooks dist lock docs docs-serve linkcheck lint format screenshots clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/.installed  ## Restore a simulated movie, or MOVIE=path, into demo/
	$(BIN)/decrappify demo $(if $(MOVIE),"$(MOVIE)") --output "$(OUTPUT)"

test: $(VENV)/.installed-dev  ## Run the tests (minutes)
	$(BIN)/python -m pytest
	$(BIN)/python tests/napari_plugin/run.py

test-napari: $(VENV)/.installed-dev  ## Run the tests of the napari plugin alone, on a virtual display
	$(BIN)/python tests/napari_plugin/run.py

test-slow: $(VENV)/.installed-dev  ## Run the slow tests too
	$(BIN)/python -m pytest -m "not fuzz and not faults"
	$(BIN)/python tests/napari_plugin/run.py -m "not fuzz and not faults"
	$(MAKE) test-pyside

test-pyside: $(VENV)/.installed-dev  ## Run some tests of the napari plugin with PySide6 in place of PyQt6 (adds 250 MB to the environment)
	$(BIN)/python -m pip install --quiet --group test-pyside
	QT_API=pyside6 $(BIN)/python tests/napari_plugin/run.py $(PYSIDE_TESTS)

test-fuzz: $(VENV)/.installed-dev  ## Run damaged files and commands of every kind (10 minutes; DECRAPPIFY_FUZZ_SEED, _TRIES)
	$(BIN)/python -m pytest -m fuzz tests/fuzz -s -q

test-cpu: $(VENV)/.installed-dev  ## Run the numerically sensitive tests as on other processors, on 1 and 2 threads
	$(BIN)/python tests/processors.py

test-faults: $(VENV)/.installed-dev  ## Kill runs at every file event, run two at once, and limit memory, threads and disk space
	$(BIN)/python -m pytest -m "faults or not faults" tests/faults

test-compat:  ## Test the aicsimageio adapter with the real package, in a separate environment
	$(PYTHON) tests/compat/aicsimageio_check.py

test-bioimageio: $(VENV)/.installed-dev  ## Test exported models with bioimageio.core, in a separate environment (6 GB)
	$(BIN)/python tests/compat/bioimageio_check.py

test-lowest: $(LOWEST)/.installed  ## Test with the lowest versions of pyproject.toml, in a separate environment (6 GB)
	$(LOWEST)/bin/python -m pytest

test-notebooks: $(VENV)/.installed-dev  ## Run the notebooks of examples/notebooks from top to bottom (minutes)
	$(BIN)/python -m pip install --quiet --group notebooks
	$(BIN)/jupyter execute --timeout=900 examples/notebooks/*.ipynb

dist: $(PACKAGE)/build  ## Build sdist and wheel into dist/, check them, install the wheel in a fresh environment and run the demo with it
	rm -rf dist/*.whl dist/*.tar.gz $(PACKAGE)/installed
	$(PACKAGE)/build/bin/python -m build
	$(PACKAGE)/build/bin/twine check --strict dist/*
	$(PACKAGE)/build/bin/check-wheel-contents --ignore W009 dist/*.whl
	$(PYTHON) -m venv $(PACKAGE)/installed
	$(PACKAGE)/installed/bin/python -m pip install --quiet dist/*.whl
	cd $(PACKAGE) && installed/bin/decrappify --version && installed/bin/decrappify demo --output demo

lock: $(PACKAGE)/build  ## Write dist/requirements.txt: versions and checksums of all packages of the extras in LOCKED (all by default)
	mkdir -p dist
	$(PACKAGE)/build/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  $(if $(LOCKED),$(addprefix --extra ,$(LOCKED)),--all-extras) pyproject.toml --output-file dist/requirements.txt
	@echo "dist/requirements.txt: $$(grep -c == dist/requirements.txt) packages; install with pip install --require-hashes -r dist/requirements.txt"

docs: $(VENV)/.installed-dev  ## Build the documentation site into docs/_build/html
	$(SPHINX) -d docs/_build/doctrees . docs/_build/html
	@echo "open docs/_build/html/index.html in a browser"

docs-serve: docs  ## Build the site and serve it at http://localhost:8000
	$(BIN)/python -m http.server --bind localhost --directory docs/_build/html 8000

linkcheck: $(VENV)/.installed-dev  ## Check the links of the site to other sites (needs the internet)
	$(SPHINX) -b linkcheck -d docs/_build/lint/doctrees -t lint . docs/_build/linkcheck

lint: $(VENV)/.installed-dev  ## Check style, formatting, spelling, types, and the pages and links of the site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(SPHINX) -b dummy -d docs/_build/lint/doctrees -t lint . docs/_build/lint

format: $(VENV)/.installed-dev  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: $(VENV)/.installed-dev  ## Create the screenshots of docs/napari.md, on a virtual display
	QT_API=pyqt6 xvfb-run -a -s "-screen 0 1280x800x24 +extension GLX" $(BIN)/python napari_plugin/screenshots.py docs/images

clean:  ## Remove the environment and caches
	rm -rf $(VENV) $(LOWEST) $(PACKAGE) dist docs/_build docs/gallery src/decrappify/_build_version.py .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "decrappify requires Python 3.11 or newer, found $$($(PYTHON) --version 2>&1); try make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(PACKAGE)/build: pyproject.toml
	$(PYTHON) -m venv --clear $@
	$@/bin/python -m pip install --quiet --upgrade pip
	$@/bin/python -m pip install --quiet --group package
	@touch $@

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"  # the first with --group; the environment may be the user's own
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@ $(VENV)/.installed

$(LOWEST)/.installed: pyproject.toml tests/lowest_bounds.py
	$(LOWEST_PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --upgrade pip
	$(LOWEST)/bin/python tests/lowest_bounds.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --no-compile --constraint $(LOWEST)/constraints.txt \
	  --editable ".[bioimageio,bioio,dask,onnx,openvino,remote,tensorboard]" --group test-library
	@touch $@
