"""Sizes: 250 lines a module outside preprocessors/nets, 40 lines a function, 25 modules a folder, and no exceptions."""

from __future__ import annotations

import ast
import re
from collections import Counter
from typing import TYPE_CHECKING

from tests.support.tree import NETWORKS, each_room, package_files, python_files, text_of, tree_of

if TYPE_CHECKING:
    from pathlib import Path

MODULE, FUNCTION, FOLDER = 250, 40, 25
IN_BUDGET = [p for p in package_files() if not p.as_posix().startswith(NETWORKS)]


@each_room(IN_BUDGET)
def test_a_module_is_small(paths: list[Path]) -> None:
    lines = {str(path): text_of(path).count("\n") for path in paths}
    assert {path: count for path, count in lines.items() if count > MODULE} == {}, "split them by concern"


@each_room(package_files())
def test_functions_are_short(paths: list[Path]) -> None:
    nodes = ((path, node) for path in paths for node in ast.walk(tree_of(path)))
    functions = [(path, n) for path, n in nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    long = {f"{path}: {node.name}": (node.end_lineno or 0) - node.lineno + 1 for path, node in functions}
    assert {name: lines for name, lines in long.items() if lines > FUNCTION} == {}


def test_a_folder_holds_few_modules() -> None:
    """Except preprocessors/, where one file is one annotator."""
    count = Counter(path.parent.as_posix() for path in package_files() if path.name != "__init__.py")
    del count["preprocessors"]
    assert {folder: number for folder, number in count.items() if number > FOLDER} == {}


def test_no_function_is_excused_from_being_simple() -> None:
    excused = re.compile(r"#\s*noqa:[^\n]*(?:PLR0915|C901)|#\s*noqa\s*$", re.MULTILINE)
    assert [str(path) for path in python_files() if excused.search(text_of(path))] == []
