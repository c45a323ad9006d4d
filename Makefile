# Needs python3 (3.11 or newer) with pip. Everything else lands in .venv.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
STAMP := .venv/.ready
PORT ?= 8501
# Extra arguments, e.g. make test PYTEST="-k bundle"
PYTEST ?=

.PHONY: help setup run test lint browser clean distclean

help:
	@echo "make run    set up and start the dashboard on http://localhost:$(PORT)  (PORT=...)"
	@echo "make test   set up, find a browser, lint, type-check, run all tests"
	@echo "make setup  make .venv with the pinned dependencies (again only when these change)"
	@echo "make lint   ruff and mypy"
	@echo "make clean  remove caches; distclean also removes .venv"

setup: $(STAMP)

# --without-pip: Debian's python3 has venv but not ensurepip unless python3-venv is installed; the system's pip
# then fills the environment.
$(STAMP): requirements.txt pyproject.toml
	@python=; for name in python3 python3.13 python3.12 python3.11; do \
	    if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "Python 3.11 or newer is needed; none was found." >&2; exit 1; fi; \
	if ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making .venv with $$($$python --version)"; rm -rf .venv; \
	    "$$python" -m venv .venv >/dev/null 2>&1 || { rm -rf .venv; "$$python" -m venv --without-pip .venv; }; \
	fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	    "$$python" -m pip --python $(BIN)/python install --quiet pip; \
	fi
	@echo "Installing the pinned dependencies (torch is large: a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $(STAMP)

# Headless: on a fresh machine Streamlit would otherwise ask for an e-mail address before it starts.
run: setup
	@echo "MMXAI dashboard: http://localhost:$(PORT)   (research use only, not for diagnosis; Ctrl-C ends it)"
	@exec $(BIN)/streamlit run dashboard/app.py --server.port $(PORT) --server.headless true

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# pytest comes last, so that its summary closes the output. Two processes with one thread each: the tests' networks are
# small, and browser tests mostly wait. A file stays in one process, for its server; those with long tests are
# spread over the run (tests/conftest.py).
test: export OMP_NUM_THREADS ?= 1
test: setup browser lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST)

# Where no way leads to a browser, the browser tests fail and say so: they are never skipped in silence.
browser: setup
	@works() { command -v "$$1" >/dev/null && "$$1" --version >/dev/null 2>&1; }; \
	for name in chromium chromium-browser google-chrome google-chrome-stable; do \
	    if works "$$name"; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium for the browser tests"; \
	    export DEBIAN_FRONTEND=noninteractive; \
	    if apt-get update -qq </dev/null && \
	       apt-get install -y -qq --no-install-recommends chromium </dev/null >/dev/null && works chromium; then exit 0; fi; \
	fi; \
	$(BIN)/playwright install chromium || \
	    echo "No browser could be installed: the browser tests will fail. Install Chromium or Chrome." >&2

clean:
	rm -rf .pytest_cache .mypy_cache .ruff_cache test-results build *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv
