# Each target sets up what it needs by itself.
.DEFAULT_GOAL := help
.PHONY: help setup demo serve test lint bench
PYTHON_HERE := .venv/bin/python

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 14

setup: ## make .venv with all requirements (every other target does it by itself)
	@tools/set-up

demo: setup ## 34,000 cities into a local Dataverse, step by step; KEEP=1 keeps it running at the end
	@$(PYTHON_HERE) -m local.demo $(if $(KEEP),--keep)

serve: setup ## the whole cloud on this machine, with the app in it, until Ctrl-C; PORT=7071 FOLDER=.dynsync/serve
	@tools/set-up-azurite
	@exec $(PYTHON_HERE) -m local.serve $(if $(PORT),--port $(PORT)) $(if $(FOLDER),--folder "$(FOLDER)")

test: lint ## lint, types and all tests
	@$(PYTHON_HERE) -m pytest -n 2 --dist worksteal -v -rs

lint: setup ## ruff (rules and format) and mypy
	@$(PYTHON_HERE) -m ruff check .
	@$(PYTHON_HERE) -m ruff format --check .
	@$(PYTHON_HERE) -m mypy

bench: setup ## the measurements
	@$(PYTHON_HERE) -m bench
