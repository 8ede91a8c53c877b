# make demo: the three journeys against the real service.  make test: the checks and the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: setup demo serve test fuzz check bench policies contracts

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(READY)

demo: setup
	$(BIN)/dataspace demo

serve: setup
	$(BIN)/dataspace serve

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

fuzz: setup
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m hypothesis --hypothesis-profile fuzz

bench: setup
	$(BIN)/python -m tests.bench

policies: setup
	$(BIN)/python -m dataspace.policy.build policies

contracts: setup
	$(BIN)/python -m dataspace.ledger.anchors.build contracts
