"""Packages of a test's own on the path, in place of those that are installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def put_package(
    patch: pytest.MonkeyPatch, folder: Path, name: str, *parts: str, version: str = "", code: str = ""
) -> Path:
    """An empty package with these parts, as "models.dpt", first on the path; returns its folder.

    version: what its metadata state. code: of its `__init__.py`.
    """
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        patch.delitem(sys.modules, module)
    place = folder / name
    for path in (place, *(place.joinpath(*part.split(".")) for part in parts)):
        while path != folder:
            path.mkdir(parents=True, exist_ok=True)
            (path / "__init__.py").touch()
            path = path.parent
    (place / "__init__.py").write_text(code, encoding="utf-8")
    if version:
        metadata = folder / f"{name}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    patch.syspath_prepend(folder)
    return place
