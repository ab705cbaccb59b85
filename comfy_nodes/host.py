"""Everything that is asked of ComfyUI itself. Its modules are imported when they are needed, never at load."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from ..core.networks.placement import Placement

log = logging.getLogger("underdrawing")
FOLDER = "underdrawing"
"""Name of our folder below models, and in extra_model_paths.yaml."""
PEER = "comfyui_controlnet_aux"


def present() -> bool:
    """Whether this process is ComfyUI."""
    return "folder_paths" in sys.modules or find_spec("folder_paths") is not None


def paths() -> Any:
    """ComfyUI's module of folders."""
    return import_module("folder_paths")


def management() -> Any:
    """ComfyUI's memory management."""
    return import_module("comfy.model_management")


def settle() -> None:
    """Register our folder for weights, look for weights where this host keeps them, and never ask on its terminal."""
    from ..core.weights.search_paths import make_known
    from ..core.weights.store import store

    folders = paths()
    folders.add_model_folder_path(FOLDER, str(Path(folders.models_dir) / FOLDER))
    make_known(Path(folders.base_path), map(Path, folders.get_folder_paths(FOLDER)))
    store().asks = False


def peer_is_here() -> bool:
    """Whether the pack whose node names we could stand in for is installed."""
    for folder in map(Path, paths().get_folder_paths("custom_nodes")):
        packs = [pack for pack in folder.iterdir() if pack.name.lower().startswith(PEER)] if folder.is_dir() else []
        if any((pack / "__init__.py").is_file() and pack.suffix != ".disabled" for pack in packs):
            return True
    return False


def device() -> str:
    """Device of networks, by our names."""
    chosen = management().get_torch_device()
    if chosen.type in ("cpu", "cuda", "mps"):
        return str(chosen)
    log.warning("underdrawing does not run on %s; its networks run on the processor", chosen)
    return "cpu"


def check_interrupted() -> None:
    """Raise the host's exception when its user pressed Cancel."""
    management().throw_exception_if_processing_interrupted()


def progress(total: int) -> Callable[[int], None]:
    """Bar on the node; the result is told how many more are done."""
    return import_module("comfy.utils").ProgressBar(total).update


def new_files(prefix: str, suffix: str, count: int) -> Iterator[tuple[Path, dict[str, str]]]:
    """Paths of files that do not exist yet below the output folder, and how the browser is told of them."""
    folders = paths()
    output = folders.get_output_directory()
    folder, name, counter, below, _ = folders.get_save_image_path(prefix, output)
    while count:
        path = Path(folder) / f"{name}_{counter:05}_{suffix}"
        counter += 1
        if not path.exists():
            count -= 1
            yield path, {"filename": path.name, "subfolder": below, "type": "output"}


def adopt_networks() -> None:
    """Let the host's memory management own our networks."""
    from ..core.networks.network import keep_with

    keep_with(_kept)


def _kept(module: nn.Module, placement: Placement) -> Callable[[], None]:
    import torch

    host, patcher = management(), import_module("comfy.model_patcher").ModelPatcher
    owner = patcher(module, torch.device(placement.device), host.unet_offload_device())

    def prepare() -> None:
        check_interrupted()
        host.load_models_gpu([owner])

    return prepare
