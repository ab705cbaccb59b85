"""Records of weights files are data: nothing in their folder imports torch, at import or later, nor a room above it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.structure.test_imports import loaded_after

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "preprocessors" / "weights"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py"))
ROOMS_ABOVE = {"layers", "maps", "nets", "people"}


def imported_names(path: Path) -> set[str]:
    """Every part of every name that a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names.update((node.module or "").split("."), (alias.name for alias in node.names))
        elif isinstance(node, ast.Import):
            names.update(part for alias in node.names for part in alias.name.split("."))
    return names


@pytest.mark.parametrize("module", MODULES)
def test_a_module_of_records_names_no_torch_and_no_room_above(module: str) -> None:
    assert not imported_names(FOLDER / f"{module}.py") & ({"torch", "transformers", "numpy", "cv2"} | ROOMS_ABOVE)


def test_importing_all_records_loads_nothing_heavy() -> None:
    names = ", ".join(module for module in MODULES if module != "__init__")
    assert loaded_after(f"from underdrawing.preprocessors.weights import {names}") == set()
