# make        set up, then the default experiment (four to ten minutes on two cores)
# make test   set up, then all tests, none of which sees a GPU
# make test-gpu
#             set up, then the tests that need a GPU
# make gpu-check
#             where there is a GPU: whether dsnet is right there, how fast it is, and whether it trains,
#             in nine minutes (docs/performance.md); PY=python3 for another Python than .venv's
# make gpu-bundle
#             set up, then one folder to carry, build/gpu, for the same on a machine without a network;
#             DATA=FOLDER of videos by class, WHEEL=FILE of OpenCV with CUDA
# make kill-rounds
#             set up, then kill a run in every stage, ROUNDS (20) times over (docs/faults.md; about an hour)
# make flips  set up, then flip bits of every file that a stage reads, FLIPS (400) times each, and list
#             what was noticed (docs/faults.md; four minutes)
# make check  set up, then linters, types, the workflow's own lint and the documentation, strictly
# make docs   set up, then the documentation as a site in build/docs
# make examples
#             set up, then run the notebooks of examples/ and keep what they put out
# make coverage
#             set up, then all tests once more, telling which lines of dsnet/ they run
# make mutants
#             set up, then change single words of losses, transforms, store and splits, hundreds of
#             times, and list the changes that no test notices (a quarter of an hour)
# make rehearsal
#             set up, then the paper's experiment from drawn weights to the tables, one epoch on the
#             sample videos beside the checkout (an hour on two cores); leaves 12 GB in results/rehearsal;
#             RECIPE=paper-mars, paper-literal, ucf101-torchvision or hmdb51-torchvision for another
# make study  what the paper's claims are worth at small scale (an hour and a half on two cores; docs/results.md)
# make students
#             set up, then every study of docs/results.md that compares students with the Dual-action Stream: motions,
#             hard motions, EgoGestAR and Weizmann, whose videos have to be there (twelve core-hours)
# make screenshots
#             set up, then the README's pictures of results/report.zip (needs Chromium)
# make format set up, then let the formatters rewrite the code and the workflow
# make clean  remove results/, with all that was trained
PYTHON ?= python3
VENV ?= .venv
CORES ?= all
ROUNDS ?= 20
FLIPS ?= 400
RECIPE ?= paper
GPU ?= build/gpu
BIN := $(VENV)/bin
STUDY := $(BIN)/snakemake --cores $(CORES) --max-jobs-per-timespan 5000/1m --configfile
ANSWERS := study.md claims.md
SETUP := $(VENV)/.installed

.PHONY: all setup study students test test-gpu gpu-check gpu-bundle coverage mutants kill-rounds flips check docs examples rehearsal screenshots format clean

all: setup
	$(BIN)/snakemake --cores $(CORES)
	$(BIN)/snakemake --report results/report.zip

setup: $(SETUP)

$(SETUP): pyproject.toml constraints.txt logger/pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dsnet needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev]' --editable ./logger
	touch $@

study: setup
	$(STUDY) experiments/study.yaml

students: setup
	$(STUDY) experiments/losses-tuning.yaml -- $(addprefix results/losses-tuning/tables/,$(ANSWERS))
	$(STUDY) experiments/losses.yaml -- $(addprefix results/losses/tables/,$(ANSWERS))
	$(STUDY) experiments/motions-hard.yaml -- $(addprefix results/motions-hard-study/tables/,$(ANSWERS))
	$(STUDY) experiments/egogestar.yaml experiments/egogestar-study.yaml -- \
		$(addprefix results/egogestar-study/tables/,$(ANSWERS))
	$(STUDY) experiments/weizmann.yaml experiments/weizmann-study.yaml -- \
		$(addprefix results/weizmann-study/tables/,$(ANSWERS))

test: setup
	$(BIN)/python -m pytest -n 3 --dist worksteal --durations 25 $(TESTS)

test-gpu: setup
	DSNET_TEST_GPU=1 $(BIN)/python -m pytest -v -m gpu tests

# With PY, that Python has what dsnet imports.
gpu-check: export PYTHONPATH := $(CURDIR):$(CURDIR)/benchmarks
gpu-check: $(if $(PY),,setup)
	$(or $(PY),$(BIN)/python) -m gpu.data $(GPU)/data $(if $(DATA),--videos $(DATA))
	OUT=$${OUT:-$(GPU)/out} GPU_DATA=$(GPU)/data $(or $(PY),$(BIN)/python) -m gpu.check

gpu-bundle: export PYTHONPATH := $(CURDIR):$(CURDIR)/benchmarks
gpu-bundle: setup
	$(BIN)/python -m gpu.bundle $(GPU) $(if $(DATA),--videos $(DATA)) $(if $(WHEEL),--opencv $(WHEEL))

coverage: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term

mutants: setup
	rm -rf mutants
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/mutmut run --max-children 2
	$(BIN)/mutmut results

kill-rounds: setup
	DSNET_KILL_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest -v --durations 0 -k killed_in_every_stage \
		tests/faults/test_kill.py

flips: setup
	DSNET_FLIPS=$(FLIPS) $(BIN)/python -m pytest tests/faults/test_flips.py

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(MAKE) --no-print-directory docs

# From nothing every time: a page that was built before would keep its warnings to itself.
docs: setup
	rm -rf build/docs
	$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --builder html docs build/docs

examples: setup
	$(BIN)/python examples/execute.py examples/*.ipynb

rehearsal: setup
	mkdir -p results/rehearsal
	DSNET_REHEARSAL=$(RECIPE) $(BIN)/python -m pytest -s --basetemp results/rehearsal/$(RECIPE) \
		tests/workflow/test_rehearsal.py tests/workflow/test_torchvision_recipe.py

screenshots: setup
	$(BIN)/python docs/screenshots.py

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

clean:
	rm -rf results
