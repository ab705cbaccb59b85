"""Environment variables are read in core/settings.py and nowhere else."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest
from tests.support.tree import ROOT, python_files, tree_of

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = [
    folder
    for folder in sorted(ROOT.iterdir())
    if (folder / "__init__.py").is_file() and not folder.name.startswith(".") and folder.name != "tests"
]
READERS = {"environ", "environb", "getenv", "getenvb"}


def reads_environment(tree: ast.AST) -> bool:
    """Whether a module names one of the readers, as an attribute or in an import from os."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in READERS:
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "os" and READERS & {alias.name for alias in node.names}:
            return True
    return False


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_only_the_settings_read_the_environment(folder: Path) -> None:
    own = (path for path in python_files() if path.parts[0] == folder.name and path.as_posix() != "core/settings.py")
    readers = [str(path) for path in own if reads_environment(tree_of(path))]
    assert not readers, f"declare the variable in core/settings.py and read it there: {readers}"


def test_reading_is_recognised() -> None:
    for code in ("import os\nos.environ['A']", "import os\nos.getenv('A')", "from os import environ", "x.environ.get"):
        assert reads_environment(ast.parse(code)), code
    assert not reads_environment(ast.parse("environ = 1\nprint(environ)"))
