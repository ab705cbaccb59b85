"""What Forge and its relatives do otherwise than A1111."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .a1111 import A1111, Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.hosts.preprocessor import Preprocessed

MANAGEMENT = (("backend", "backend.memory_management"), ("ldm_patched", "ldm_patched.modules.model_management"))
"""Package → its module of memory management."""
UNGIVEN = (64, 64)
"""What detect sends for both sliders where a request names none."""


class Forge(A1111):
    """What Forge gives to the core, and to the parts of the extension."""

    embeddings = "backend.text_processing.textual_inversion"

    def annotator_folders(self) -> list[Path]:
        """Folder in which the weights of its own annotators stand."""
        folder = Path(import_module("modules_forge.shared").preprocessor_dir)
        return [folder, *sorted(folder.glob("*/"))]

    def run_in_turn(self, work: Callable[[], None]) -> None:
        """Run work on the thread that loads and moves models, where the host has one, and wait for it."""
        if find_spec("modules_forge.main_thread") is None:
            super().run_in_turn(work)
            return
        run = import_module("modules_forge.main_thread").run_and_wait_result
        super().run_in_turn(lambda: run(work))

    def device(self) -> str:
        """The device that the host has chosen, by our names."""
        for package, module in MANAGEMENT:
            if find_spec(package) is not None:
                return self.name_device(str(import_module(module).get_torch_device()))
        return super().device()

    def find_registry(self) -> Registry | None:
        """Its own registry, which is always there."""
        shared, module = import_module("modules_forge.shared"), import_module("modules_forge.supported_preprocessor")
        found = shared.supported_preprocessors
        tags = {tag for one in found.values() for tag in one.tags}
        add = shared.add_supported_preprocessor
        return Registry(
            _adapt(module.Preprocessor), partial(_build, module.PreprocessorParameter), add, set(found), tags
        )

    def clean_sliders(self, numbers: tuple[Any, ...]) -> tuple[Any, ...]:
        """None for both where they are what detect sends by itself."""
        return (None, None, *numbers[2:]) if numbers[:2] == UNGIVEN else numbers

    def hand_over_inpaint(self, preprocessor: Any, result: Preprocessed) -> Any:
        """The map; its masked pixels become -1 before each sampling."""
        preprocessor.is_marked = result.is_marked
        return result.picture


class Bounds(dict[str, Any]):
    """What the host makes a slider of. It asks for the value only where a request gives none, and cuts it to a whole
    number: it gets -1, which is our default."""

    def get(self, key: str, default: Any = None) -> Any:
        """Any entry but the value."""
        return -1 if key == "value" else super().get(key, default)


def _build(parameter: Any, **bounds: Any) -> Any:
    slider = parameter(**bounds)
    slider.gradio_update_kwargs = Bounds(slider.gradio_update_kwargs)
    return slider


def _adapt(base: Any) -> Any:
    """The host's class of preprocessors, made with a name, which marks what is to be repainted."""

    def init(self: Any, name: str) -> None:
        base.__init__(self)
        self.name, self.is_marked = name, False

    def mark(self: Any, process: Any, cond: Any, mask: Any, *_: Any, **__: Any) -> Any:
        return (cond * (1 - mask.round()) - mask.round(), None) if mask is not None and self.is_marked else (cond, mask)

    return type(base.__name__, (base,), {"__init__": init, "process_before_every_sampling": mark})
