"""Packages that are installed and cannot be imported: named with their fix, by doctor and by what needs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from underdrawing.core.diagnostics import import_checks
from underdrawing.core.diagnostics.import_checks import check_imports, find_broken
from underdrawing.core.errors import BadParameter, MissingExtra
from underdrawing.core.imports import describe_broken, report_broken_imports
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "examples" / "photos" / "camera.png"
LIBGL = "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')"
NUMPY = """
raise ImportError('''

IMPORTANT: PLEASE READ THIS FOR ADVICE ON HOW TO SOLVE THIS ISSUE!

Importing the numpy C-extensions failed.

Original error was: libopenblas.so.0: cannot open shared object file
''')
"""
ABI = "raise RuntimeError('module compiled against ABI version 0x1000009 but this version of numpy is 0x2000000')"
FAULTS = {
    "cv2": (LIBGL, "libGL.so.1", "apt-get install libgl1"),
    "numpy": (NUMPY, "libopenblas.so.0", "pip install --force-reinstall numpy"),
    "PIL": ("from PIL import _imaging", "_imaging", "pip install --force-reinstall pillow"),
    "torch": (
        "raise OSError('libcudart.so.12: none')",
        "libcudart.so.12",
        "pip install --force-reinstall torch",
    ),
    "transformers": (ABI, "ABI version", "pip install --upgrade transformers numpy"),
    "safetensors": ("raise AttributeError('_ARRAY_API not found')", "_ARRAY_API", "pip install --upgrade safetensors"),
}
NEEDS = {"cv2": "canny", "numpy": "hed", "PIL": "invert", "torch": "hed"}
"""Annotators that a broken package stops."""


def broken(folder: Path, code: Mapping[str, str]) -> Path:
    for module, text in code.items():
        (folder / module).mkdir()
        (folder / module / "__init__.py").write_text(text)
    return folder


def annotate(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with broken packages first on the path."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(place), str(ROOT / ".dev")])}
    command = [sys.executable, "-m", "underdrawing", "annotate", *arguments, "-o", str(place / "maps")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", FAULTS)
def test_doctor_finds_it_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    code, reason, fix = FAULTS[module]
    monkeypatch.syspath_prepend(broken(tmp_path, {module: code}))
    found = find_broken((module,))
    what, advice = describe_broken(module, found[module])
    assert f"{module} is installed but cannot be imported" in what
    assert reason in what
    assert "IMPORTANT" not in what
    assert advice.startswith(fix)


def test_doctor_says_what_a_broken_package_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(broken(tmp_path, {"transformers": ABI, "cv2": LIBGL}))
    found = {finding.what.partition(" ")[0]: finding for finding in check_imports(registry)}
    assert found.keys() == {"cv2", "transformers"}
    assert "depth_zoe" in found["transformers"].what
    assert "own size" in found["cv2"].what
    assert all(finding.level == "error" for finding in found.values())


def test_one_fault_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(broken(tmp_path, {"numpy": NUMPY}))
    (finding,) = check_imports(registry)
    assert finding.what.startswith("numpy ")
    assert "nothing that works on pictures or weights runs without it" in finding.what


def test_an_import_that_ends_its_process_does_not_end_doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kill = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"
    monkeypatch.syspath_prepend(broken(tmp_path, {"cv2": kill, "torch": "raise SystemExit(3)"}))
    found = find_broken(("cv2", "torch"))
    assert found["cv2"] == "its import ends the process with signal 11"
    assert found["torch"] == "no reason given"


@pytest.mark.parametrize("module", NEEDS)
def test_annotate_reports_it_without_a_traceback(tmp_path: Path, module: str) -> None:
    code, reason, fix = FAULTS[module]
    done = annotate(broken(tmp_path, {module: code}), NEEDS[module], str(PHOTO))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"{module} is installed but cannot be imported" in done.stderr
    assert reason in done.stderr
    assert fix in done.stderr


def test_what_needs_no_opencv_runs_without_it(tmp_path: Path) -> None:
    done = annotate(broken(tmp_path, {"cv2": LIBGL}), "invert", str(PHOTO), "--resolution", "0")
    assert done.returncode == 0, done.stderr
    done = annotate(tmp_path, "invert", str(PHOTO), "--resolution", "100")
    assert done.returncode == 1
    assert "cv2 is installed but cannot be imported" in done.stderr


def test_what_needs_no_torch_runs_without_it(tmp_path: Path) -> None:
    done = annotate(broken(tmp_path, {"torch": FAULTS["torch"][0]}), "canny", str(PHOTO))
    assert done.returncode == 0, done.stderr


def test_a_call_from_python_raises_the_named_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(broken(tmp_path, {"cv2": LIBGL}))
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    annotator = registry.resolve("canny").annotator
    with pytest.raises(MissingExtra, match=r"canny: cv2 is installed but cannot be imported \(libGL"):
        annotator.create(annotator.params())


def test_other_faults_stay_what_they_are() -> None:
    with pytest.raises(ZeroDivisionError), report_broken_imports():
        _ = 1 / 0
    with pytest.raises(ValueError, match="operands"), report_broken_imports():
        np.add(np.zeros(2), np.zeros(3))
    with pytest.raises(ModuleNotFoundError, match="none_of_ours"), report_broken_imports():
        __import__("none_of_ours")
    with pytest.raises(BadParameter), report_broken_imports():
        raise BadParameter("x")


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtra, match="canny: needs cv2"), report_broken_imports("canny"):
        __import__("cv2")


@pytest.mark.parametrize("code", ["import os\nos._exit(0)", "raise SystemExit(0)"])
def test_an_import_that_ends_the_process_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    (tmp_path / "ends_it.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    assert find_broken(("ends_it",)) == {"ends_it": "its import ends the process"}


def test_a_grandchild_that_lives_on_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'])\n"
    (tmp_path / "leaves_one.py").write_text(sleeper)
    (tmp_path / "leaves_one_and_fails.py").write_text(sleeper + "raise ImportError('no luck')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(import_checks, "PATIENCE", 25.0)
    found = find_broken(("leaves_one", "leaves_one_and_fails"))
    assert found == {"leaves_one_and_fails": "ImportError: no luck"}
