# For those who like make; every command is also in the README.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test lint

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -c constraints.txt -e '.[dev]'
	touch $@

demo: setup
	$(BIN)/udd demo

test: setup
	$(BIN)/pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/snakemake --lint
	$(BIN)/mkdocs build --strict
