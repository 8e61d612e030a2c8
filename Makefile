# make demo    a sweep, its tables, figures and report, in results/quickstart/
# make test    lint, types and the fast tests, JOBS=2 files at a time; make test-slow adds the slow ones
# make audit   known vulnerabilities in requirements.lock; passes where none can be looked up
# make browser Chromium for the tests of the report, from apt; without one they are skipped
# make docs    the documentation as a site, in build/site; warnings are errors
# make example   run docs/example.ipynb again, and keep its outputs
# make bench   what is measured against other ways and the machine, in results/bench/;
#              make bench BENCH="--only engine" measures less, see python -m benchmarks --help
# make paper   the figures of specs/paper/ and their page, in results/paper/; again, it goes on
# make calibrate   intervals, tests and refusals of the analysis on sweeps of known law: docs/calibration.md
#
# PYTHON=python3.12 picks another interpreter. TORCH_INDEX=URL takes torch from another index,
# such as https://download.pytorch.org/whl/cpu (docs/howto/install.md).

PYTHON ?= python3
TORCH_INDEX ?=
BENCH ?=
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SIDE_BY_SIDE := --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-slow audit browser docs example bench paper calibrate lint format clean
.DELETE_ON_ERROR:

demo: $(STAMP)
	$(BIN)/sweeper run specs/quickstart.yaml
	$(BIN)/sweeper thresholds results/quickstart
	$(BIN)/sweeper fit results/quickstart
	$(BIN)/sweeper figures results/quickstart
	@echo
	@echo "Open the report in a browser:"
	@$(BIN)/sweeper report results/quickstart

test: lint
	$(BIN)/pytest -q $(SIDE_BY_SIDE)

test-slow: lint
	$(BIN)/pytest -q $(SIDE_BY_SIDE) -m "slow or not slow"

audit: $(STAMP)
	$(BIN)/python .ci/audit.py

browser:
	@for name in chromium chromium-browser google-chrome; do \
	  command -v $$name >/dev/null && exit 0; \
	done; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	else echo "Install Chromium, or the tests of the report in a browser are skipped"; fi

docs: $(STAMP)
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --doctree-dir build/doctrees docs build/site
	@echo "Open build/site/index.html in a browser"

example: $(STAMP)
	$(BIN)/python docs/run_example.py

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(BENCH)

paper: $(STAMP)
	for spec in specs/paper/*.yaml; do $(BIN)/sweeper run $$spec --results results/paper || exit; done
	$(BIN)/sweeper paper results/paper

calibrate: $(STAMP)
	$(BIN)/python -m benchmarks.calibrate

lint: $(STAMP)
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/ruff format --quiet .

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; try make PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(BIN)/pip install --quiet --index-url $(TORCH_INDEX) $(shell grep '^torch==' requirements.lock))
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
