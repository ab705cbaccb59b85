"""Everything that is asked of A1111. Its modules are imported when they are needed."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.command_name import rewrite_commands, set_command
from ...core.hooks import FileKind, HostHooks
from ...core.hosts.job_state import show_in_state
from ...core.weights.search_paths import HOST_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from ...adapters.hosting.a1111 import A1111Loras
    from ...core.diagnostics.packages import Finding
    from ...core.errors import UnderdrawingError, WeightsMissing
    from ...core.hosts.preprocessor import Preprocessed
    from ...core.progress import Progress

log = logging.getLogger("underdrawing")
TAB = "Underdrawing"
"""Title of our tab."""
LISTS: dict[FileKind, tuple[str, str]] = {
    "checkpoint": ("modules.sd_models", "list_models"),
    "model": ("modules.sd_models", "list_models"),
    "vae": ("modules.sd_vae", "refresh_vae_list"),
    "lora": ("networks", "list_available_networks"),
}
"""Kind of file → module and function that list its files again."""


class Registry(NamedTuple):
    """A registry of preprocessors: its classes, how one is added, the names and control types that there are."""

    base: Any
    parameter: Any
    add: Callable[[Any], None]
    names: set[str]
    tags: set[str]


class A1111(HostHooks):
    """What A1111 gives to the core, and to the parts of the extension."""

    embeddings = "modules.textual_inversion.textual_inversion"

    confined = True

    @property
    def shared(self) -> Any:
        """Its state, options and command line."""
        return import_module("modules.shared")

    @property
    def callbacks(self) -> Any:
        """Its lists of callbacks."""
        return import_module("modules.script_callbacks")

    @cached_property
    def loras(self) -> A1111Loras:
        """Its LoRAs and embeddings. Raises KeyError where its own extension for LoRAs is not loaded."""
        from ...adapters.hosting import a1111, forge

        networks, embeddings = sys.modules["networks"], import_module(self.embeddings)
        kind = forge.ForgeLoras if hasattr(networks, "load_lora_state_dict") else a1111.A1111Loras
        return kind(self, self.shared, networks, embeddings)

    @property
    def paths(self) -> Any:
        """Its folders."""
        return import_module("modules.paths_internal")

    def settle(self, folder: Path) -> None:
        """Use what this host has, name commands that work, never ask on its terminal. folder: our extension's."""
        from ...core.weights.search_paths import register_host
        from ...core.weights.store import get_store

        for root in dict.fromkeys(map(Path, (self.paths.data_path, self.paths.script_path))):
            register_host(root, [*self.folders("weights"), *self.annotator_folders()])
        get_store().may_ask = False
        set_command([sys.executable, str(folder)])

    def annotator_folders(self) -> list[Path]:
        """Folders, named by the user, in which the weights of other annotators stand."""
        chosen = getattr(self.shared.cmd_opts, "controlnet_annotator_models_path", None)
        return [Path(chosen), *sorted(Path(chosen).glob("*/"))] if chosen else []

    def folders(self, kind: FileKind) -> list[Path]:
        """Folders of that kind, those of the command line first."""
        options, models = self.shared.cmd_opts, Path(self.paths.models_path)
        own = {
            "lora": (getattr(options, "lora_dir", None) or models / "Lora",),
            "checkpoint": (models / "Stable-diffusion", getattr(options, "ckpt_dir", None)),
            "model": (models / "Stable-diffusion",),
            "vae": (models / "VAE", getattr(options, "vae_dir", None)),
            "embedding": (getattr(options, "embeddings_dir", None) or Path(self.paths.data_path) / "embeddings",),
            "weights": (models / HOST_FOLDER,),
        }
        return [Path(path) for path in own.get(kind, (self.output_folder(),)) if path]

    def output_folder(self) -> Path:
        """Folder below which pictures and poses of ours are written."""
        return Path(self.paths.data_path) / "outputs" / HOST_FOLDER

    def find_file(self, kind: FileKind, name: str) -> Path:
        """A file in this host's folders of that kind."""
        from ...serving.files import find_file

        return find_file(self, kind, name)

    def place_file(self, kind: FileKind, name: str) -> Path:
        """Below the first folder of that kind."""
        from ...serving.files import place_file

        return place_file(self, kind, name)

    def list_again(self, kind: FileKind) -> None:
        """Let its lists of models show new files."""
        module, function = LISTS.get(kind, ("", ""))
        if refresh := getattr(sys.modules.get(module), function, None):
            refresh()

    def device(self) -> str:
        """The device that the host has chosen for ControlNet, by our names."""
        return self.name_device(str(import_module("modules.devices").get_device_for("controlnet")))

    @contextmanager
    def progress(self, title: str, total: int = 0, unit: str = "") -> Generator[Progress]:
        """The host's bar; inside a job of its own only its Interrupt button."""
        with show_in_state(self.shared.state, title, total) as progress:
            yield progress

    def run_in_turn(self, work: Callable[[], None]) -> None:
        """Run work when no picture is being made, and wait for it."""
        with import_module("modules.call_queue").queue_lock:
            work()

    def explain_missing(self, error: WeightsMissing) -> WeightsMissing:
        """Name the tab, the command and the folder."""
        from ...core.weights.advice import advise_in_host

        return advise_in_host(error, [f"Weights in the tab {TAB}"], self.folders("weights")[0])

    def build_refusal(self, error: UnderdrawingError) -> Exception:
        """The exception that this host shows as a text; anything else it logs with a traceback."""
        base: Any = import_module("fastapi").HTTPException
        refusal: Any = type(type(error).__name__, (base,), {"__str__": lambda self: self.detail})  # type: ignore[misc]
        return refusal(status_code=422, detail=str(error))

    def find_registry(self) -> Registry | None:
        """The registry of preprocessors; None where the ControlNet extension is not there or did not load."""
        module: Any = sys.modules.get("scripts.supported_preprocessor")
        if module is None or not hasattr(module, "Preprocessor"):
            return None
        base = module.Preprocessor
        tags = {tag for one in base.all_processors.values() for tag in one.tags}
        names = {*base.all_processors, *base.all_processors_by_name}
        return Registry(base, module.PreprocessorParameter, base.add_supported_preprocessor, names, tags)

    def list_faults(self) -> Iterable[Finding]:
        """Why its ControlNet extension did not load, where it is installed."""
        from ...core.diagnostics.host_checks import find_controlnet_fault

        folders = [Path(one.path) for one in import_module("modules.extensions").active()]
        found = [folder for folder in folders if (folder / "scripts" / "supported_preprocessor.py").is_file()]
        return () if self.find_registry() else find_controlnet_fault(found)

    def describe_missing_registry(self) -> str:
        """Why there is none."""
        what = "this host's extension sd-webui-controlnet is not loaded"
        return rewrite_commands(f"{what}; where it is installed, `underdrawing doctor` looks for the reason")

    def clean_sliders(self, numbers: tuple[Any, ...]) -> tuple[Any, ...]:
        """Numbers of sliders; None for what this host sends where nothing was given."""
        return numbers

    def hand_over_inpaint(self, preprocessor: Any, result: Preprocessed) -> Any:
        """A map with a hole as this host takes it, which makes the -1 of the mask itself."""
        return preprocessor.Result(result.with_mask, [result.picture]) if result.is_marked else result.picture
