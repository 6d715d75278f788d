# make        set up, then the default experiment (about three minutes on two cores)
# make test   set up, then all tests
# make check  set up, then linters, types and the workflow's own lint
# make study  what the paper's claims are worth at small scale (an hour on two cores; docs/results.md)
PYTHON ?= python3
VENV ?= .venv
CORES ?= all
BIN := $(VENV)/bin
SETUP := $(VENV)/.installed

.PHONY: all setup study test check format clean

all: setup
	$(BIN)/snakemake --cores $(CORES)
	$(BIN)/snakemake --report results/report.zip

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

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

clean:
	rm -rf results
