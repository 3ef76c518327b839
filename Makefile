# `make run` and `make test` are all that a newcomer needs; ARGS goes to the command: make run ARGS="--duration 5"
.PHONY: help run test test-kernels kernel-shell bench setup lint check-reproducible clean
.DEFAULT_GOAL := help
ARGS ?=
BIN := .venv/bin

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

run: setup ## build the specs and watch the network live (root)
	@$(BIN)/ebpfgen build specs/
	@tools/run $(ARGS)

test: setup ## test everything that this machine can test
	@$(BIN)/python -m pytest $(ARGS)

test-kernels: setup ## the tests of attaching, on stock kernels in QEMU: KERNELS="5.10 6.12", ARGS="-k fexit"
	@tools/setup_kernel_lab
	@PYTHONPATH=tests $(BIN)/python -m kernels $(KERNELS:%=--kernel %) $(TIME_LIMIT:%=--time-limit %) -- $(ARGS)

kernel-shell: setup ## a shell on one of those kernels: KERNELS=6.12
	@tools/setup_kernel_lab
	@PYTHONPATH=tests $(BIN)/python -m kernels $(KERNELS:%=--kernel %) --shell -- $(ARGS)

bench: setup ## print the costs beside bpftrace and a hand-written tool, as ratios (root, bpftrace)
	@$(BIN)/python bench/run.py $(ARGS)

setup: ## install what is missing, make .venv with both commands in it
	@tools/setup

lint: setup ## ruff and mypy
	@$(BIN)/ruff check .; ruff=$$?; $(BIN)/mypy && exit $$ruff

check-reproducible: setup ## build all specs twice, in two folders, and compare every byte
	@tools/check_reproducible

clean: ## remove everything that was generated, but not .venv
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find generator runtime tests tools -name __pycache__ -prune -exec rm -rf {} +
