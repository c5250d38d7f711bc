# `make help` lists what can be done. Everything runs inside .venv, which the first call makes.
PYTHON ?= python3
BIN := .venv/bin
export PYTHONUNBUFFERED := 1

.DEFAULT_GOAL := help
.PHONY: help install app test lint types bench fuzz faults proxy test-device test-other-torch gpu demo-study lock check-lock install-locked audit licences sbom clean chromium

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

install: .venv/app.stamp  ## make .venv with what the app and the command line need

app: .venv/app.stamp  ## open the app in the browser
	$(BIN)/streamlit run app.py

test: .venv/dev.stamp chromium  ## run every test, in two processes of one thread each
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/dev.stamp  ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev.stamp  ## check types
	$(BIN)/mypy

bench: .venv/dev.stamp  ## run every benchmark; each ends with JSON lines
	@failed=; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || failed="$$failed $$script"; done; \
		test -z "$$failed" || { echo "failed, or beyond a limit:$$failed"; exit 1; }

fuzz: .venv/dev.stamp  ## feed every decoder with 100,000 damaged files
	$(BIN)/python tests/fuzz/decoders.py

faults: .venv/dev.stamp  ## kill trainings, evaluations, reports and studies at random moments, and resume them (hours)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.run

proxy: .venv/dev.stamp chromium  ## the app behind nginx, with TLS and a base path (Debian, as root: installs nginx)
	tests/proxy/run.sh

test-device: build/device.stamp  ## compare a second device with the CPU: PyTorch's XLA, in an environment of its own (7 GB)
	PJRT_DEVICE=CPU OMP_NUM_THREADS=1 build/device/bin/python -m pytest \
		-p tests.device.without_inference_mode tests/device -W ignore --timeout 900

OTHER_TORCH ?= 2.11.0
OTHER_TORCHVISION ?= 0.26.0
OTHER := build/torch-$(OTHER_TORCH)

test-other-torch:  ## run the tests of the core with the PyTorch that many GPU hosts have: OTHER_TORCH, OTHER_TORCHVISION, PYTHON
	test -d $(OTHER) || $(PYTHON) -m venv $(OTHER)
	$(WITHOUT_TORCH) requirements.txt > $(OTHER)/rest.txt
	$(OTHER)/bin/pip install --quiet --disable-pip-version-check torch==$(OTHER_TORCH) torchvision==$(OTHER_TORCHVISION) \
		-r $(OTHER)/rest.txt -r requirements-dev.txt
	$(OTHER)/bin/pip install --quiet --disable-pip-version-check --no-deps -r requirements-peers.txt
	OMP_NUM_THREADS=1 $(OTHER)/bin/python -m pytest -n 2 --dist loadfile tests/core tests/device -W "ignore::DeprecationWarning"

gpu: .venv/dev.stamp  ## on a GPU: tests/device for real, then what it gives and how fast, as JSON lines
	$(BIN)/python -m pytest tests/device
	$(BIN)/python benchmarks/gpu.py

demo-study: .venv/app.stamp  ## draw the phantoms and train the demo study anew (hours on a laptop)
	$(BIN)/python train_cli.py demo --out build/demo_study --seed 0

SUPPLY := build/supply/bin

lock: build/supply.stamp  ## write requirements.lock: every package, with its hashes
	$(SUPPLY)/uv pip compile requirements.txt --universal --python-version 3.11 --generate-hashes --no-header \
		--quiet --output-file requirements.lock

check-lock: .venv/bin/python  ## ask the package registry whether it has every locked package, with these hashes
	@if $(BIN)/pip index versions pip >/dev/null 2>&1; then \
		$(BIN)/pip install --quiet --disable-pip-version-check --dry-run --ignore-installed --require-hashes --no-deps \
			-r requirements.lock; \
	else echo "No package registry answers; the lock was not checked."; fi

install-locked: .venv/bin/python  ## make .venv from requirements.lock: nothing but the packages with these hashes
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -c 'import pathlib, site; pathlib.Path(site.getsitepackages()[0], "dr_lens.pth").write_text("$(CURDIR)\n")'
	@touch .venv/app.stamp

audit: build/supply.stamp  ## look for known weaknesses in the locked packages (asks PyPI)
	$(SUPPLY)/pip-audit --strict --disable-pip --require-hashes -r requirements.lock

licences: .venv/app.stamp build/supply.stamp  ## write the table of docs/licences.md: the licence of every locked package
	@mkdir -p build; { sed '/^## Every locked package/q' docs/licences.md; echo; \
		$(SUPPLY)/pip-licenses --python $(BIN)/python --format markdown --with-urls --with-system \
		--packages $$(sed -nE 's/^([a-zA-Z0-9._-]+)==.*/\1/p' requirements.lock | sed 'p; s/-/_/g' | sort -u); } > build/licences.md
	@mv build/licences.md docs/licences.md

sbom: build/supply.stamp  ## write build/sbom.json (CycloneDX) from requirements.lock
	$(SUPPLY)/cyclonedx-py requirements requirements.lock --output-format JSON --output-file build/sbom.json

clean:  ## remove what can be made again
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "DR Lens needs Python 3.11 or newer; $(PYTHON) is older. Name another: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ echo "Python cannot make virtual environments. On Debian: apt-get install python3-venv"; rm -rf .venv; exit 1; }

# The lock without its hashes: what requirements.txt does not name comes in the locked version, too.
build/constraints.txt: requirements.lock
	@mkdir -p build
	@sed -E '/^ /d; s/ *\\$$//' requirements.lock > $@

.venv/app.stamp: requirements.txt build/constraints.txt | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -c build/constraints.txt
	@$(BIN)/python -c 'import pathlib, site; pathlib.Path(site.getsitepackages()[0], "dr_lens.pth").write_text("$(CURDIR)\n")'
	@touch $@

.venv/dev.stamp: requirements-dev.txt requirements-peers.txt .venv/app.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c build/constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-peers.txt
	@touch $@

build/supply.stamp: requirements-supply.txt
	$(PYTHON) -m venv build/supply
	$(SUPPLY)/pip install --quiet --disable-pip-version-check -r requirements-supply.txt
	@touch $@

WITHOUT_TORCH := grep -vE '^(torch|torchvision)=='

build/device.stamp: requirements-device.txt requirements.txt
	$(PYTHON) -m venv build/device
	$(WITHOUT_TORCH) requirements.txt > build/device/rest.txt
	build/device/bin/pip install --quiet --disable-pip-version-check -r requirements-device.txt -r build/device/rest.txt
	@touch $@

chromium:
	@command -v chromium >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium libatomic1 >/dev/null; \
		else \
			echo "The browser tests need Chromium. On Debian: sudo apt-get install chromium"; exit 1; \
		fi; }
