# make demo  set up and turn two photographs into every map that needs no download: build/demo/sheet.png; and draw what
#            the reference model makes of maps: build/demo/pictures.png
# make test  set up and run all tests, in two processes (WORKERS=4: in four, WORKERS=0: in this one); ends with the slowest
# make docs  write everything that is generated
# make format  correct the code's layout
# make lint  layout, types, import layers, structure
# make weights  fetch every checkpoint and confirm that each makes the map it should
# make parity  compare maps with those of controlnet-aux, MediaPipe and transformers: writes docs/parity.md (ten minutes)
PYTHON ?= python3
TORCH ?= torch==2.13.0
BIN := .venv/bin
PY := $(BIN)/python
LINK := .dev/underdrawing
WORKERS ?= 2
BENCHMARKS := annotators poses rtmpose loading lora memory merge checkpoint_loading video

.PHONY: demo test weights format lint bench parity docs pictures clean

# torch first and alone, so that nothing else decides which build is taken
.venv/torch:
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check $(TORCH)
	touch $@

.venv/run: .venv/torch requirements.txt requirements-standalone.txt pyproject.toml
	$(PY) -m pip install --quiet --disable-pip-version-check -e '.[pipeline]'
	touch $@

.venv/dev: .venv/run | $(LINK)
	$(PY) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

# the repository root is the package: tools that work on files see it under its name through this link
$(LINK):
	mkdir -p .dev
	ln -sfn .. $(LINK)

demo: .venv/run
	$(BIN)/underdrawing annotate all examples/photos -o build/demo --mask-from person_mask --pyramid 3 --sheet
	$(BIN)/underdrawing reference sheet -o build/demo/pictures.png
	@echo "open build/demo/sheet.png and build/demo/pictures.png"

test: .venv/dev
	$(PY) -m pytest -q -n $(WORKERS) --dist worksteal --durations=15 --durations-min=2

# fetches every checkpoint (many gigabytes: your consent to their licences) and looks at the maps they make
weights: .venv/dev
	UNDERDRAWING_DOWNLOAD=always $(PY) -m pytest -q tests/weights -rs

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(PY)
	PYTHONPATH=.dev $(BIN)/lint-imports
	$(PY) -m pytest -q tests/structure tests/contract/test_generated.py

bench: .venv/dev
	$(PY) -m pip install --quiet --disable-pip-version-check psutil peft einops
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps controlnet-aux
	for part in $(BENCHMARKS); do PYTHONPATH=.dev:. $(PY) benchmarks/$$part.py || exit; done

# peers of the annotators, in an environment of their own that lies over .venv and leaves it as it is
.venv-parity/ready: .venv/dev
	$(PY) -m venv .venv-parity
	.venv-parity/bin/python -c "import sys, sysconfig; open(sysconfig.get_path('purelib') + '/zz_project.pth', 'w').write(sys.argv[1])" "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	.venv-parity/bin/pip install --quiet --disable-pip-version-check einops scikit-image matplotlib absl-py attrs flatbuffers 'protobuf<5' importlib-metadata
	.venv-parity/bin/pip install --quiet --disable-pip-version-check --no-deps controlnet-aux timm==0.6.13 sounddevice
	-.venv-parity/bin/pip install --quiet --disable-pip-version-check --no-deps mediapipe==0.10.21
	touch $@

# maps of the bundled photographs beside those of controlnet-aux, MediaPipe and transformers: writes docs/parity.md
parity: .venv-parity/ready
	@PYTHONPATH=.dev:.:benchmarks .venv-parity/bin/python benchmarks/parity.py --output docs/parity.md

# everything that is generated: reference, help pages, locales, example workflows; no host and no network
docs: .venv/run | $(LINK)
	$(PY) tools/generate.py

# thumbnails of the example workflows; docs/sheet.png and docs/pictures.png are made by hand from `make demo`
pictures: .venv/run | $(LINK)
	$(PY) tools/generate.py --pictures

clean:
	rm -rf build dist .venv .venv-parity .dev *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
