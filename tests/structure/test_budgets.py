"""Sizes: 250 lines a module outside preprocessors/nets, 40 lines a function, 25 modules a folder, and no exceptions."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from tests.support.tree import NETWORKS, package_files, python_files, text_of, tree_of

MODULE, FUNCTION, FOLDER = 250, 40, 25
IN_BUDGET = [p for p in package_files() if not p.as_posix().startswith(NETWORKS)]


@pytest.mark.parametrize("path", IN_BUDGET, ids=str)
def test_a_module_is_small(path: Path) -> None:
    lines = text_of(path).count("\n")
    assert lines <= MODULE, f"{path} has {lines} lines: split it by concern"


@pytest.mark.parametrize("path", package_files(), ids=str)
def test_functions_are_short(path: Path) -> None:
    functions = [n for n in ast.walk(tree_of(path)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    long = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert {name: lines for name, lines in long.items() if lines > FUNCTION} == {}


def test_a_folder_holds_few_modules() -> None:
    """Except preprocessors/, where one file is one annotator."""
    count = Counter(path.parent.as_posix() for path in package_files() if path.name != "__init__.py")
    del count["preprocessors"]
    assert {folder: number for folder, number in count.items() if number > FOLDER} == {}


def test_no_function_is_excused_from_being_simple() -> None:
    excused = re.compile(r"#\s*noqa:[^\n]*(?:PLR0915|C901)|#\s*noqa\s*$", re.MULTILINE)
    assert [str(path) for path in python_files() if excused.search(text_of(path))] == []
