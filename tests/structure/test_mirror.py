"""Tests mirror the tree, and what text calls a module is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.support.tree import ROOT, each_room, modules, python_files, text_of

ACROSS = {"structure", "contract", "faults", "hosts", "golden", "support", "weights"}
"""Suites over several rooms; tests/weights runs on trained weights where they are at hand."""
TESTS = [p.relative_to("tests") for p in python_files() if p.parts[0] == "tests" and p.name.startswith("test_")]
MIRRORED = [path for path in TESTS if path.parts[0] not in ACROSS]
NAMED = re.compile(r"\bunderdrawing(?:\.[a-z]\w*)+")
PATHS = re.compile(
    r"(?<![\w/.{-])((?:a1111_extension|adapters|benchmarks|cli|comfy_nodes|core|docs|examples|preprocessors|tests|tools)/[\w./-]*\w/?)(?![\w{<*-])"
)
"""Paths of this project in running text; `<id>` and the like stand for many."""
ADDED = re.compile(r"^`([\w/]+\.py)`:$", re.MULTILINE)
"""Files that a page shows how to add."""
DOCUMENTS = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))]
OTHERS = ("underdrawing.annotators", "underdrawing.operations", "underdrawing.merge_methods", "underdrawing.test")
"""Groups of entry points."""


@each_room(MIRRORED)
def test_a_test_bears_the_name_of_its_module(paths: list[Path]) -> None:
    assert [str(path) for path in paths if not has_module(path)] == [], "there is no module of this name"


def has_module(path: Path) -> bool:
    """Whether a test's name is that of a module, of a folder or of a group of commands."""
    name = path.stem.removeprefix("test_")
    room = ROOT / path.parent
    there = (room / f"{name}.py").is_file() or (room / name).is_dir()
    return there or (path.parts[0] == "cli" and name in commands())


def commands() -> set[str]:
    """Groups of commands, which have no module of their own in cli/."""
    from underdrawing.core.operation_registry import operations

    return set(operations().groups("cli"))


def _exists(words: list[str]) -> bool:
    """Whether these are a module or a folder of the package, or a name in one."""
    folder = ROOT
    for index, word in enumerate(words):
        if (folder / f"{word}.py").is_file():
            return True
        if not (folder / word).is_dir():
            start = folder / "__init__.py"
            return index == len(words) - 1 and start.is_file() and word in start.read_text(encoding="utf-8")
        folder /= word
    return True


@each_room(path for path in python_files() if "underdrawing." in text_of(path))
def test_modules_that_are_named_exist(paths: list[Path]) -> None:
    """In programs for child processes too, which no linter reads."""
    named = {(str(path), name) for path in paths for name in NAMED.findall(text_of(path))}
    named = {(path, name) for path, name in named if not name.startswith(OTHERS) and not name.endswith(".py")}
    assert {(path, name) for path, name in named if not _exists(name.split(".")[1:])} == set()


def test_names_are_checked() -> None:
    assert _exists(["core", "errors", "BadImage"])
    assert _exists(["annotate"])
    assert not _exists(["core", "there_is_none"])
    assert len(modules()) > 100


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_files_that_documents_name_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = set(PATHS.findall(text)) - set(ADDED.findall(text))
    assert {name for name in named if not (ROOT / name).exists()} == set()
