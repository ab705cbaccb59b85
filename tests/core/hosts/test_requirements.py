"""Hosts get what they lack and nothing else; what they have is never moved."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import ModuleType

import pytest

from underdrawing.core.hosts import requirements

ROOT = Path(__file__).resolve().parents[3]
OWNED = {"torch", "torchvision", "numpy", "pillow", "transformers", "pydantic", "opencv-python", "protobuf", "gradio"}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the packages and modules that are installed, to be filled by the test."""
    names: set[str] = set()

    def find_distribution(name: str) -> object:
        if name not in names:
            raise PackageNotFoundError(name)
        return object()

    def find_module(name: str) -> object | None:
        return object() if name in names else None

    monkeypatch.setattr(requirements, "distribution", find_distribution)
    monkeypatch.setattr(requirements, "find_spec", find_module)
    return names


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    made: list[list[str]] = []
    monkeypatch.setattr(subprocess, "check_call", made.append)
    return made


def test_what_is_there_in_whatever_version_is_left_alone(here: set[str], calls: list[list[str]]) -> None:
    here |= {"einops", "huggingface-hub", "lark", "requests", "safetensors", "cv2", "msgspec", "platformdirs"}
    requirements.add_missing(ROOT)
    assert calls == []


def test_only_what_is_missing_is_added_and_nothing_it_depends_on(here: set[str], calls: list[list[str]]) -> None:
    here |= {"einops", "huggingface_hub", "lark", "requests", "safetensors", "cv2"}
    requirements.add_missing(ROOT)
    (command,) = calls
    assert command[:5] == [sys.executable, "-m", "pip", "install", "--no-deps"]
    assert [name.partition(">")[0] for name in command[5:]] == ["msgspec", "platformdirs"]


def test_the_list_names_nothing_that_a_host_owns_and_nothing_for_the_command_line_only(here: set[str]) -> None:
    names = {line.partition(">")[0].lower() for line in requirements.list_missing(ROOT)}
    assert "msgspec" in names
    assert not names & (OWNED | {"rich", "click"})


def test_an_opencv_is_added_only_where_there_is_none(here: set[str]) -> None:
    assert requirements.OPENCV in requirements.list_missing(ROOT)
    here.add("cv2")
    assert requirements.OPENCV not in requirements.list_missing(ROOT)


def test_a_web_uis_own_installer_is_used(
    here: set[str], calls: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    here |= {"einops", "huggingface-hub", "lark", "requests", "safetensors", "cv2", "msgspec", "launch"}
    launch, lines = ModuleType("launch"), list[str]()

    def run_pip(command: str, desc: str) -> None:
        lines.append(command)

    vars(launch)["run_pip"] = run_pip
    monkeypatch.setitem(sys.modules, "launch", launch)
    requirements.add_missing(ROOT)
    assert calls == []
    assert lines == ['install --no-deps "platformdirs>=3.10"']


@pytest.mark.parametrize("hook", ["install.py", "a1111_extension/install.py"])
def test_the_hooks_run_by_their_paths_alone(hook: str) -> None:
    """In this Python nothing is missing."""
    done = subprocess.run([sys.executable, "-I", str(ROOT / hook)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
