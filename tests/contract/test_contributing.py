"""The examples of CONTRIBUTING.md work as they stand there: added to a copy of the project, tested, documented."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from tests.support.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "CONTRIBUTING.md"
EXAMPLE = re.compile(r"^`([\w/]+\.py)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SCRIPT = re.compile(r"^```python\n(import .*?)^```$", re.MULTILINE | re.DOTALL)
LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "bundled", "*.egg-info")


def examples() -> dict[str, str]:
    """Path → text of every complete file on the page."""
    return dict(EXAMPLE.findall(PAGE.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the examples in it, and what `make docs` made of them."""
    folder = tmp_path_factory.mktemp("contributing") / "clone"
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    (folder / "preprocessors" / "bundled").symlink_to(ROOT / "preprocessors" / "bundled", target_is_directory=True)
    (folder / ".dev").mkdir()
    (folder / ".dev" / "underdrawing").symlink_to(folder, target_is_directory=True)
    for name, text in examples().items():
        assert not (folder / name).exists(), f"{name} is no longer a file to be added"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    run(folder, "tools/generate.py")
    return folder


def run(folder: Path, *command: str) -> str:
    """Output of Python in the copy, which must end well."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("UNDERDRAWING_", "PYTEST"))
    }
    path = os.pathsep.join((str(folder / ".dev"), str(folder)))
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def names(room: str) -> list[str]:
    """Ids of what the examples add to a room."""
    return [name.rpartition("/")[2].removesuffix(".py") for name in examples() if name.rpartition("/")[0] == room]


def test_the_page_has_examples_with_tests() -> None:
    files = set(examples())
    tests = {name for name in files if name.startswith("tests/")}
    assert len(tests) >= 1
    assert {"tests/" + re.sub(r"(\w+)\.py$", r"test_\1.py", name) for name in files - tests} == tests


def test_the_examples_pass_their_own_tests_and_every_suite(copy: Path) -> None:
    own = [name for name in examples() if name.startswith("tests/")]
    suites = [f"tests/contract/test_{suite}.py" for suite in ("annotators", "dialects", "operations")]
    chosen = {name.rpartition("/")[2].removesuffix(".py") for name in examples()}
    chosen |= {name.replace("_", ".", 1) for name in chosen} | {"circle", "folder"}
    chosen |= {f"[{name.partition('/')[0]}]" for name in examples()}
    options = ("-q", "-p", "no:cacheprovider", "-k", " or ".join(sorted(chosen)))
    output = run(copy, "-m", "pytest", *options, *own, *suites, "tests/structure")
    passed = re.search(r"(\d+) passed", output)
    assert passed is not None
    assert int(passed[1]) > 80


def test_the_host_of_the_page_runs_what_is_declared(copy: Path) -> None:
    code = SCRIPT.findall(PAGE.read_text(encoding="utf-8"))[0]
    more = """
import json
import numpy as np
image = np.zeros((1, 64, 48, 3), np.uint8)
print(json.dumps([len(panels), len(forms), annotate("sobel", image, {"gain": 2.0}).images.shape[1]]))
"""
    panels, forms, height = json.loads(run(copy, "-c", code + more).splitlines()[-1])
    assert panels > 30
    assert forms > 5
    assert height == 683


def test_one_command_documents_them(copy: Path) -> None:
    run(copy, "tools/generate.py", "--check")
    page = (copy / "docs" / "annotators.md").read_text(encoding="utf-8")
    assert all(f"## {name}\n" in page for name in names("preprocessors"))


@pytest.mark.skipif(find_spec("ruff") is None, reason="ruff is not installed")
def test_they_are_formatted(copy: Path) -> None:
    run(copy, "-m", "ruff", "check", *examples())
    run(copy, "-m", "ruff", "format", "--check", *examples())
