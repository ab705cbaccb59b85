"""The project's own files, as the structure tests read them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

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
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
    return tuple(sorted(p for p in paths if not any(x.startswith(".") or x in ("build", "dist") for x in p.parts)))


@cache
def package_files() -> tuple[Path, ...]:
    """Python files of the package."""
    inside = (path for path in python_files() if path.parts[0] not in OUTSIDE)
    return tuple(path for path in inside if not {path.as_posix(), path.parent.as_posix()} & STARTED)


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
