# make        set up, then the default experiment (about three minutes on two cores)
# make test   set up, then all tests
# make kill-rounds
#             set up, then kill a run in every stage, ROUNDS (20) times over (docs/faults.md; about an hour)
# make check  set up, then linters, types and the workflow's own lint
# make rehearsal
#             set up, then the paper's experiment from drawn weights to the tables, one epoch on the
#             sample videos beside the checkout (an hour on two cores); leaves 12 GB in results/rehearsal
# make study  what the paper's claims are worth at small scale (an hour on two cores; docs/results.md)
# make screenshots
#             set up, then the README's pictures of results/report.zip (needs Chromium)
PYTHON ?= python3
VENV ?= .venv
CORES ?= all
ROUNDS ?= 20
BIN := $(VENV)/bin
SETUP := $(VENV)/.installed

.PHONY: all setup study test kill-rounds check rehearsal screenshots format clean

all: setup
	$(BIN)/snakemake --cores $(CORES)
	$(BIN)/snakemake --report results/report.zip --report-stylesheet workflow/report/style.css

setup: $(SETUP)

$(SETUP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dsnet needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev]'
	touch $@

study: setup
	$(BIN)/snakemake --cores $(CORES) --configfile experiments/study.yaml

test: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal $(TESTS)

kill-rounds: setup
	DSNET_KILL_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest -v --durations 0 -k killed_in_every_stage \
		tests/faults/test_kill.py

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

rehearsal: setup
	mkdir -p results
	DSNET_REHEARSAL=1 $(BIN)/python -m pytest -s --basetemp results/rehearsal \
		tests/workflow/test_rehearsal.py

screenshots: setup
	$(BIN)/python docs/screenshots.py

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

clean:
	rm -rf results
