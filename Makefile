# Every target sets up .venv by itself. PYTHON=python3.12 picks another interpreter (3.11 or newer).
PYTHON ?= python3
ARGS ?=
# Which of tests/benchmarks to run.
BENCH ?= $(basename $(notdir $(wildcard tests/benchmarks/*.py)))
BIN := .venv/bin

# One thread a process: with more, two busy cores make torch's CPU operations collapse, and results
# of training would depend on the number of cores.
QUIET_THREADS := OMP_NUM_THREADS=1 PYTHONHASHSEED=0

.PHONY: help setup lab demo check test bench weights pack scores sheet benchmark-page photo-scores pretraining notebooks book format clean

help:
	@echo "make lab       JupyterLab on the notebooks (make lab ARGS=\"--no-browser --port 8900\")"
	@echo "make demo      color your own photographs on a web page (make demo ARGS=\"--no-browser --port 8901\")"
	@echo "make check     ruff, mypy and the quick tests, in some four minutes (make check ARGS=\"-k color\")"
	@echo "make test      all tests, the notebooks among them (make test ARGS=\"-k color\")"
	@echo "make bench     all benchmarks (BENCH=training for one, with ARGS=resnet for one model)"
	@echo "make weights   train the weights that ship, from the images in COLORLAB_REAL_DATA (ARGS=resnet for one)"
	@echo "make pack      recipes (ARGS=\"resnet unet32\") and their images in one file, to be trained where there is a GPU"
	@echo "make scores    what the weights' cards say of them, on images they never saw (in COLORLAB_REAL_DATA)"
	@echo "make sheet     24 photographs as the weights that ship color them, from COLORLAB_REAL_DATA, in output/"
	@echo "make benchmark-page  docs/benchmark.md: all that ships, scored on the photographs in COLORLAB_REAL_DATA"
	@echo "make photo-scores  scores of the same photographs by image: a table that the notebooks show"
	@echo "make pretraining  what a pretrained encoder is worth: a table that the notebooks show"
	@echo "make notebooks run the notebooks and store their outputs (ARGS=notebooks/03_resnet.ipynb for one)"
	@echo "make book      the course and the package's reference as a site, in output/book/index.html"
	@echo "make format    ruff's formatter and its safe fixes"
	@echo "make setup     only the environment, in .venv"
	@echo "make clean     remove .venv and caches"

setup: .venv/ready

# The stamp is written last: after an interruption it is missing, and everything is done again. pip
# then finds what it had installed; a .venv whose pip does not run is made anew.
.venv/ready: pyproject.toml pins.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "colorlab needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint pins.txt --editable ".[notebooks,demo,judges,files,dev]"
	@touch $@

# JupyterLab refuses to run as root unless told so, as it has to be in most containers; and it drops uploads of more
# than 10 MB without a word unless its message size is raised (here to 256 MiB). Threads wait asleep: awake they take the
# core from each other as soon as anything else runs, and a widget answers after seconds instead of a tenth of one.
# The extension that is disabled asks at the first start whether it may fetch news.
lab: setup
	$(BIN)/jupyter labextension disable --level=sys_prefix "@jupyterlab/apputils-extension:announcements" 2>/dev/null
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m jupyterlab $$([ "$$(id -u)" = 0 ] && echo --allow-root) --ServerApp.root_dir=notebooks \
		--LabApp.default_url=/lab/tree/index.ipynb \
		--ServerApp.tornado_settings='{"websocket_max_message_size": 268435456}' $(ARGS)

# The same for a web page without code cells. Voila finds the page's template by JUPYTER_PATH.
demo: setup
	JUPYTER_PATH=demo OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m voila demo/colorlab.ipynb --template=colorlab \
		--Voila.tornado_settings='{"websocket_max_message_size": 268435456}' $(ARGS)

# tests/test_style.py runs ruff and mypy for `make test`; here they come first.
check: setup
	$(BIN)/ruff check --no-fix .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(QUIET_THREADS) $(BIN)/python -m pytest tests --ignore=tests/browser --ignore=tests/test_style.py \
		-m "not slow" --numprocesses=2 --dist=loadfile $(ARGS)

test: setup
	$(QUIET_THREADS) $(BIN)/python -m pytest --nbval --nbval-current-env --nbval-cell-timeout=300 \
		--numprocesses=2 --dist=loadfile $(ARGS)

bench: setup
	for name in $(BENCH); do $(QUIET_THREADS) $(BIN)/python tests/benchmarks/$$name.py $(ARGS) || exit 1; done

weights: setup
	$(QUIET_THREADS) $(BIN)/python tools/train_weights.py $(ARGS)

pack: setup
	$(BIN)/python tools/pack_recipes.py $(ARGS)

scores: setup
	$(QUIET_THREADS) $(BIN)/python tools/score_weights.py $(ARGS)

sheet: setup
	$(QUIET_THREADS) $(BIN)/python tools/score_weights.py sheet

benchmark-page: setup
	$(QUIET_THREADS) $(BIN)/python tools/benchmark_page.py $(ARGS)

photo-scores: setup
	$(QUIET_THREADS) $(BIN)/python tools/photo_scores.py
	$(QUIET_THREADS) $(BIN)/python tools/hue_table.py

pretraining: setup
	$(QUIET_THREADS) $(BIN)/python tools/pretraining_table.py $(ARGS)

notebooks: setup
	$(QUIET_THREADS) $(BIN)/python tools/notebooks.py $(ARGS)

book: setup
	$(BIN)/python tools/book.py $(ARGS)

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
