"""The project's own files, as the structure tests read them."""

from __future__ import annotations

import ast
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {"tests", "benchmarks", "tools", "docs", "examples", "build", "dist", "scripts"}
"""Folders of the root that are no part of the package."""
STARTED = {
    "preload.py",
    "a1111_extension/preload.py",
    "a1111_extension/install.py",
    "a1111_extension/__main__.py",
    "a1111_extension/scripts",
}
"""Files and folders that hosts start by their paths, which nothing imports."""
NETWORKS = "preprocessors/nets"


@cache
def python_files() -> tuple[Path, ...]:
    """Python files of the project, without what is ignored, relative to the root."""
    found: list[Path] = []
    for folder, below, files in os.walk(ROOT):  # which never enters what is left out, .venv for one
        below[:] = [name for name in below if not name.startswith(".") and name not in ("build", "dist")]
        found += [Path(folder, name).relative_to(ROOT) for name in files if name.endswith(".py") and name[0] != "."]
    return tuple(sorted(found))


@cache
def package_files() -> tuple[Path, ...]:
    """Python files of the package."""
    inside = (path for path in python_files() if path.parts[0] not in OUTSIDE)
    return tuple(path for path in inside if not {path.as_posix(), path.parent.as_posix()} & STARTED)


def each_room(paths: Iterable[Path]) -> pytest.MarkDecorator:
    """Run a test with the files of each folder of the root: a test a file would cost more than what it looks at."""
    rooms: dict[str, list[Path]] = {}
    for path in paths:
        rooms.setdefault(path.parts[0] if len(path.parts) > 1 else "root", []).append(path)
    return pytest.mark.parametrize("paths", list(rooms.values()), ids=list(rooms))


@cache
def modules() -> dict[str, Path]:
    """Files of the package by dotted name."""
    names: dict[str, Path] = {}
    for path in package_files():
        parts = path.parent.parts if path.name == "__init__.py" else path.with_suffix("").parts
        names[".".join(("underdrawing", *parts))] = path
    return names


@cache
def text_of(path: Path) -> str:
    """Text of a file."""
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    """Syntax tree of a file."""
    return ast.parse(text_of(path))
