"""As much of ComfyUI as a pack of nodes meets, in stub modules; packs load as by `nodes.load_custom_node`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

NAMES = ("folder_paths", "comfy", "comfy.utils", "comfy.model_management", "comfy.model_patcher", "server")


class Interrupted(Exception):
    """What the host raises when its user pressed Cancel."""


class Host:
    """Stub modules over a folder, and what the pack did with them."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.ticks: list[int] = []
        self.checks, self.stop_at = 0, -1
        self.owned: list[Any] = []
        self.loads = 0
        self.folders = {name: [str(base / "models" / name)] for name in ("loras", "embeddings", "checkpoints", "vae")}
        self.folders["custom_nodes"] = [str(base / "custom_nodes")]
        for name in ("custom_nodes", "models/loras", "models/embeddings", "input", "output", "temp"):
            (base / name).mkdir(parents=True, exist_ok=True)
        self.modules = {name: ModuleType(name) for name in NAMES}
        self._folder_paths(self.modules["folder_paths"])
        self._management(self.modules["comfy.model_management"])
        vars(self.modules["comfy.utils"])["ProgressBar"] = self._bar
        vars(self.modules["comfy.model_patcher"])["ModelPatcher"] = self._patcher
        vars(self.modules["server"])["PromptServer"] = SimpleNamespace(instance=None)

    def _folder_paths(self, module: ModuleType) -> None:
        def save_path(prefix: str, output: str) -> tuple[str, str, int, str, str]:
            below, _, name = prefix.rpartition("/")
            folder = Path(output) / below
            folder.mkdir(parents=True, exist_ok=True)
            return str(folder), name, len(list(folder.iterdir())) + 1, below, prefix

        def add(name: str, path: str, is_default: bool = False) -> None:
            self.folders.setdefault(name, []).append(path)

        def annotated(name: str) -> str:
            plain, _, kind = name.partition(" [")
            return str(self.base / (kind.rstrip("]") or "input") / plain)

        def lists(name: str) -> list[str]:
            folders = [Path(folder) for folder in self.folders.get(name, [])]
            files = [(folder, path) for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
            return [path.relative_to(folder).as_posix() for folder, path in files]

        def require(name: str, file: str) -> str:
            if (path := find(name, file)) is None:
                raise FileNotFoundError(file)
            return path

        def find(name: str, file: str) -> str | None:
            found = [Path(folder) / file for folder in self.folders[name]]
            return next((str(path) for path in found if path.is_file()), None)

        def listed(name: str) -> list[str]:
            return self.folders[name]

        vars(module).update(
            base_path=str(self.base),
            models_dir=str(self.base / "models"),
            add_model_folder_path=add,
            get_folder_paths=listed,
            get_filename_list=lists,
            get_full_path=find,
            get_full_path_or_raise=require,
            get_input_directory=lambda: str(self.base / "input"),
            get_output_directory=lambda: str(self.base / "output"),
            get_temp_directory=lambda: str(self.base / "temp"),
            get_annotated_filepath=annotated,
            get_save_image_path=save_path,
        )

    def _management(self, module: ModuleType) -> None:
        def check() -> None:
            self.checks += 1
            if self.checks == self.stop_at:
                raise Interrupted

        def load(patchers: list[Any]) -> None:
            self.loads += len(patchers)

        vars(module).update(
            get_torch_device=_Device,
            unet_offload_device=lambda: "cpu",
            throw_exception_if_processing_interrupted=check,
            load_models_gpu=load,
        )

    def _bar(self, total: int) -> Any:
        self.ticks.append(0)

        def update_absolute(value: int, total: int | None = None) -> None:
            self.ticks[-1] = value

        return SimpleNamespace(update_absolute=update_absolute, total=total)

    def _patcher(self, model: Any, load_device: Any, offload_device: Any) -> Any:
        self.owned.append(model)
        return SimpleNamespace(model=model, load_device=load_device)

    def enter(self) -> None:
        """Become the host of this process."""
        sys.modules.update(self.modules)

    def leave(self) -> None:
        """Take the stubs and every pack's modules away."""
        packs = [name for name in sys.modules if name.startswith(str(self.base).replace(".", "_x_"))]
        for name in (*NAMES, *packs):
            sys.modules.pop(name, None)

    def load(self, folder: Path) -> ModuleType:
        """Import a pack as the host does: the module's name is its path, with dots replaced."""
        name = str(folder).replace(".", "_x_")
        spec = importlib.util.spec_from_file_location(name, folder / "__init__.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module


class _Device:
    """Stands for a torch.device."""

    type = "cpu"

    def __str__(self) -> str:
        return "cpu"
