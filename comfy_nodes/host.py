"""Everything that is asked of ComfyUI itself. Its modules are imported when they are needed, never at load."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..core.files import report_write_errors
from ..core.hooks import FileKind, HostHooks
from ..core.progress import Progress
from ..core.weights.search_paths import HOST_FOLDER as FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from torch import nn

    from ..core.errors import WeightsMissing
    from ..core.networks.placement import Placement
    from ..core.operation import ModelWeights

log = logging.getLogger("underdrawing")
FOLDERS = {
    "lora": "loras",
    "checkpoint": "checkpoints",
    "vae": "vae",
    "embedding": "embeddings",
    "weights": FOLDER,
}
"""Kind of file → ComfyUI's name of the folders for it."""
NAME = "underdrawing"
PEER = "comfyui_controlnet_aux"
SERVED = "!$&'()*+,:;=@~"
"""Signs, beside letters and digits of ASCII, that a folder's name may have in ComfyUI's addresses."""
FETCH_NODES = ("Fetch what this workflow needs (Underdrawing)", "Fetch weights (Underdrawing)")
"""Titles of the nodes that fetch weights."""


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
    """Register our folder for weights, use what this host has, name commands that work, never ask on its terminal."""
    from ..core.command_name import set_command
    from ..core.weights.search_paths import register_host
    from ..core.weights.store import get_store

    folders = paths()
    folders.add_model_folder_path(FOLDER, str(Path(folders.models_dir) / FOLDER))
    register_host(Path(folders.base_path), map(Path, folders.get_folder_paths(FOLDER)))
    get_store().may_ask = False
    set_command(find_command())
    _check_folder_name()


def _check_folder_name() -> None:
    """Warn once of a folder name whose files ComfyUI lists but does not serve."""
    name = Path(__file__).absolute().parents[1].name
    if not (__package__ or "").startswith(f"{NAME}.") and quote(name, safe=SERVED) != name:
        text = "the folder name %r keeps ComfyUI from serving this pack's templates, help pages and reports on nodes"
        log.warning(f"underdrawing: {text}: rename it, for example to %r", name, NAME)


def require_file(kind: str, name: str) -> Path:
    """File of a combo of that kind. Raises BadParameter, which names the folders, when it is gone."""
    from ..core.errors import BadParameter
    from ..core.file_names import check_typed_name

    folders = paths()
    if path := folders.get_full_path(FOLDERS[kind], check_typed_name(name, kind)):
        return Path(path)
    places = ", ".join(folders.get_folder_paths(FOLDERS[kind]))
    raise BadParameter(
        f"no {kind} file {name!r} is in {places}", where=kind, fix="reload the list and choose one of it"
    )


def find_command() -> list[str]:
    """What starts our command line in this host: its Python, and the folder that it loaded this pack from."""
    own = Path(__file__).absolute().parents[1]
    stubs = [Path(folder) / NAME for folder in paths().get_folder_paths("custom_nodes")]
    folders = stubs if (__package__ or "").startswith(f"{NAME}.") else [own]
    found = next((folder for folder in folders if (folder / "__main__.py").is_file()), None)
    return [sys.executable, str(found)] if found else [sys.executable, "-m", NAME]


def has_pack(name: str) -> bool:
    """Whether a pack whose node names we could stand in for is installed, by its folder's name."""
    for folder in map(Path, paths().get_folder_paths("custom_nodes")):
        packs = [p for p in folder.iterdir() if p.name.lower().startswith(name.lower())] if folder.is_dir() else []
        if any((pack / "__init__.py").is_file() and pack.suffix != ".disabled" for pack in packs):
            return True
    return False


class NodeProgress(Progress):
    """The bar on the node that is running; its user can cancel."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self._bar: Any = import_module("comfy.utils").ProgressBar(total) if total else None

    def check(self) -> None:
        """Raise the host's exception when its user pressed Cancel."""
        super().check()
        check_interrupted()

    def show(self, done: int, total: int, message: str) -> None:
        """Move the bar."""
        self._bar = self._bar or import_module("comfy.utils").ProgressBar(total)
        self._bar.update_absolute(done, total)


class ComfyHooks(HostHooks):
    """What ComfyUI gives to the core."""

    one_token_per_file = True
    confined = True

    def folders(self, kind: FileKind) -> list[Path]:
        """Folders of that kind, extra_model_paths.yaml included."""
        return [Path(folder) for folder in paths().get_folder_paths(FOLDERS[kind])] if kind in FOLDERS else []

    def find_file(self, kind: FileKind, name: str) -> Path:
        """A file in ComfyUI's folders of that kind."""
        return require_file(kind, name)

    def place_file(self, kind: FileKind, name: str) -> Path:
        """Below the output folder."""
        from ..core.file_names import check_relative_name

        return Path(paths().get_output_directory()) / check_relative_name(name)

    def device(self) -> str:
        """The device that ComfyUI has chosen, by our names."""
        return self.name_device(str(management().get_torch_device()))

    @contextmanager
    def progress(self, title: str, total: int = 0, unit: str = "") -> Generator[Progress]:
        """The bar on the node that is running."""
        yield NodeProgress(total)

    def adopt_networks(self) -> None:
        """ComfyUI's memory management owns our networks."""
        from ..core.networks.network import set_keeper

        set_keeper(_own)

    def explain_missing(self, error: WeightsMissing) -> WeightsMissing:
        """Name the nodes and the folder."""
        from ..core.weights.advice import advise_in_host

        return advise_in_host(error, [f"the node `{title}`" for title in FETCH_NODES], self.folders("weights")[0])


HOOKS = ComfyHooks()


def build_model(weights: ModelWeights) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE as ComfyUI makes them of a checkpoint file. Raises BadWeights for models it does not know."""
    from ..core.errors import BadWeights

    embeddings = paths().get_folder_paths("embeddings")
    load = import_module("comfy.sd").load_state_dict_guess_config
    found = load(dict(weights.tensors), embedding_directory=embeddings, metadata=weights.metadata)
    if found is None:
        raise BadWeights("is a model that this ComfyUI does not know", fix="update ComfyUI, or write a file")
    return found[0], found[1], found[2]


def check_interrupted() -> None:
    """Raise the host's exception when its user pressed Cancel."""
    management().throw_exception_if_processing_interrupted()


def new_files(prefix: str, suffix: str, count: int) -> Iterator[tuple[Path, dict[str, str]]]:
    """Paths of files that do not exist yet below the output folder, and what the browser is given to show them.

    Raises BadParameter for a name that no file can have, or that leaves the output folder.
    """
    from ..core.file_names import check_prefix

    folders = paths()
    output, prefix = folders.get_output_directory(), check_prefix(prefix, f"_00001_{suffix}", "filename_prefix")
    with report_write_errors(Path(output) / prefix):
        folder, name, counter, below, _ = folders.get_save_image_path(prefix, output)
    while count:
        path = Path(folder) / f"{name}_{counter:05}_{suffix}"
        counter += 1
        if not path.exists():
            count -= 1
            yield path, {"filename": path.name, "subfolder": below, "type": "output"}


def _own(module: nn.Module, placement: Placement) -> Callable[[], None]:
    import torch

    host, patcher = management(), import_module("comfy.model_patcher").ModelPatcher
    owner = patcher(module, torch.device(placement.device), host.unet_offload_device())

    def prepare() -> None:
        check_interrupted()
        host.load_models_gpu([owner])

    return prepare
