"""How a folder of extensions becomes the package `underdrawing`. Hosts start this file by its path.

While a host loads scripts, some for good, each extension's folder is on sys.path. A clone's folder holds packages with
common names (core, tests ...), which no neighbour may find: `shield` lets only our own package see them.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

NAME = "underdrawing"


class Shield(FileFinder):
    """Finds the modules of a folder for our package only."""

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """Spec of a module of ours; None for every other name."""
        return super().find_spec(fullname, target) if fullname.startswith(f"{NAME}.") else None


def shield(folder: str) -> None:
    """Keep everybody else from importing what stands in a folder of sys.path. folder: as it is written there."""
    sys.path_importer_cache[folder] = Shield(folder, (SourceFileLoader, SOURCE_SUFFIXES))  # type: ignore[assignment]


def load_package(root: Path) -> None:
    """Import the package of a folder under its own name, unless it is imported already. Raises ImportError."""
    if NAME in sys.modules:
        return
    spec = spec_from_file_location(NAME, root / "__init__.py", submodule_search_locations=[str(root)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{root} holds no package")
    sys.modules[NAME] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[NAME])


def start(script: str) -> dict[str, type]:
    """Register everything with the host; script: the file that it started. Returns the classes it is to find there."""
    folder = Path(script).absolute().parents[1]
    shield(str(folder))
    try:
        load_package(Path(__file__).resolve().parents[2])
        return import_module(f"{NAME}.a1111_extension.parts").register(folder)
    except ModuleNotFoundError as error:
        if (error.name or NAME).startswith(NAME):
            raise
        hook = folder / "install.py"
        fix = f'"{sys.executable}" "{hook}"' if hook.is_file() else f"pip install --no-deps {error.name}"
        logging.getLogger(NAME).error("%s: not loaded, %s is missing. Next: %s", NAME, error.name, fix)
        return {}
