"""What Forge and its relatives do otherwise than A1111."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from .a1111 import A1111

MANAGEMENT = (("backend", "backend.memory_management"), ("ldm_patched", "ldm_patched.modules.model_management"))
"""Package → its module of memory management."""


class Forge(A1111):
    """What Forge gives to the core, and to the parts of the extension."""

    def annotator_folders(self) -> list[Path]:
        """Folder in which the weights of its own annotators stand."""
        folder = Path(import_module("modules_forge.shared").preprocessor_dir)
        return [folder, *sorted(folder.glob("*/"))]

    def device(self) -> str:
        """The device that the host has chosen, by our names."""
        for package, module in MANAGEMENT:
            if find_spec(package) is not None:
                return self.name_device(str(import_module(module).get_torch_device()))
        return super().device()
