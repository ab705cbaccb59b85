"""As much of A1111 and of Forge as an extension meets, in stub modules over a folder."""

from __future__ import annotations

import importlib.util
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tests.support.fake_networks import FakeLoras

from underdrawing.core import command_name
from underdrawing.core.weights import search_paths
from underdrawing.core.weights.store import get_store

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["a1111", "forge"]
REGISTERED: tuple[list[Any], ...] = (search_paths._host_roots, search_paths._host_folders, command_name._names)
"""What hosts register in the core."""
CALLBACKS = ("on_before_ui", "on_app_started", "on_script_unloaded", "on_ui_tabs", "on_ui_settings", "on_model_loaded",
             "on_cfg_denoiser", "on_before_reload", "on_infotext_pasted", "on_after_component")  # fmt: skip


class State:
    """Its state of jobs."""

    def __init__(self) -> None:
        self.job, self.job_no, self.job_count, self.textinfo = "", 0, 0, None
        self.interrupted = self.skipped = False
        self.log: list[Any] = []
        self.job_timestamp = "0"

    def begin(self, job: str = "(unknown)") -> None:
        self.job, self.job_no, self.job_count = job, 0, -1
        self.interrupted = self.skipped = False
        self.log.append(("begin", job))
        self.job_timestamp = str(len(self.log))

    def end(self) -> None:
        self.log.append(("end", self.job_no, self.job_count))
        self.job, self.job_count = "", 0


class A1111Parameter:
    def __init__(
        self,
        label: str = "EMPTY_LABEL",
        minimum: float = 0.0,
        maximum: float = 1.0,
        step: float = 0.01,
        value: float = 0.5,
        visible: bool = True,
    ) -> None:
        self.label, self.minimum, self.maximum, self.step = label, minimum, maximum, step
        self.value, self.visible = value, visible


class A1111Preprocessor(ABC):
    """The ControlNet extension's base: made with a name, which may be given once."""

    all_processors: ClassVar[dict[str, Any]] = {}
    all_processors_by_name: ClassVar[dict[str, Any]] = {}
    slider_1 = slider_2 = slider_3 = A1111Parameter(visible=False)

    class Result:
        def __init__(self, value: Any, display_images: list[Any]) -> None:
            self.value, self.display_images = value, display_images

    def __init__(self, name: str, _label: str | None = None) -> None:
        self.name, self.label, self.tags = name, _label or name, list[str]()
        self.sorting_priority, self.accepts_mask, self.requires_mask, self.model = 0, False, False, None

    @classmethod
    def add_supported_preprocessor(cls, p: Any) -> None:
        assert p.label not in cls.all_processors, f"{p.label} already registered!"
        assert p.name not in cls.all_processors_by_name, f"{p.name} already registered!"
        cls.all_processors[p.label] = cls.all_processors_by_name[p.name] = p

    @abstractmethod
    def __call__(self, input_image: Any, resolution: int, **_: Any) -> Any: ...


class ForgeParameter:
    def __init__(
        self,
        minimum: float = 0.0,
        maximum: float = 1.0,
        step: float = 0.01,
        label: str = "Parameter 1",
        value: float = 0.5,
        visible: bool = False,
        **more: Any,
    ) -> None:
        self.minimum, self.maximum, self.step, self.label = minimum, maximum, step, label
        self.value, self.visible = value, visible
        self.gradio_update_kwargs = {"value": value, "minimum": minimum, **more}


class ForgePreprocessor:
    """Forge's base: made without a name; the last one of a name wins."""

    def __init__(self) -> None:
        self.name, self.tags = "PreprocessorBase", list[str]()
        self.slider_1 = self.slider_2 = self.slider_3 = ForgeParameter()
        self.sorting_priority = 0

    def process_before_every_sampling(self, process: Any, cond: Any, mask: Any, *_: Any, **__: Any) -> Any:
        return cond, mask

    def __call__(self, input_image: Any, resolution: int, **_: Any) -> Any:
        return input_image


class Axis:
    """An axis of the host's plots."""

    def __init__(self, label: str, type: Any, apply: Any, choices: Any = None) -> None:
        self.label, self.type, self.apply, self.choices = label, type, apply, choices


class EmbeddingDatabase:
    """The host's, of a model whose text encoder is 32 wide."""

    expected_shape = 32

    def __init__(self) -> None:
        self.word_embeddings: dict[str, Any] = {}
        self.skipped_embeddings: dict[str, Any] = {}

    def load_from_file(self, path: str, filename: str) -> None:
        """Only files of one tensor, as the host has them."""
        from safetensors.torch import load_file

        found = load_file(path)
        assert len(found) == 1, "embedding file has multiple terms in it"
        self.register_embedding(SimpleNamespace(name=Path(filename).stem, vec=next(iter(found.values()))))

    def register_embedding(self, made: Any, *_: Any) -> None:
        self.word_embeddings[made.name] = made.vec


def _make_embedding(data: dict[str, Any], name: str, **_: Any) -> Any:
    return SimpleNamespace(name=name, vec=next(iter(data.values())))


HOST_TAGS = {
    "canny": ["Canny"], "mlsd": ["MLSD"], "lineart": ["Lineart"], "softedge_hed": ["SoftEdge"], "depth": ["Depth"],
    "scribble": ["Scribble"], "openpose_full": ["OpenPose"], "seg": ["Segmentation"], "normal": ["NormalMap"],
    "tile_resample": ["Tile"], "shuffle": ["Shuffle"], "inpaint_only": ["Inpaint"], "recolor": ["Recolor"],
    "t2ia_color": ["T2I-Adapter"],
}  # fmt: skip
"""Preprocessors that the host brings, with their control types."""


class FakeWebui:
    """A host over a folder. with_controlnet: whether its ControlNet extension has loaded."""

    def __init__(self, base: Path, kind: Kind = "a1111", *, with_controlnet: bool = True) -> None:
        self.base, self.kind, self.state = base, kind, State()
        self.callbacks: dict[str, list[Any]] = {name: [] for name in CALLBACKS}
        self.listed: list[str] = []
        self.options = SimpleNamespace(ckpt_dir=None, embeddings_dir=str(base / "embeddings"), lora_dir=None)
        for name in ("models/Stable-diffusion", "models/Lora", "models/VAE", "embeddings", "extensions"):
            (base / name).mkdir(parents=True, exist_ok=True)
        self.modules = dict(self._iter_modules())
        if kind == "a1111" and with_controlnet:
            self._add("scripts")
            self._add("scripts.supported_preprocessor", **self._a1111_registry())
        if kind == "forge":
            self._add_forge()
        self._saved: dict[str, ModuleType] = {}

    def _add(self, name: str, **members: Any) -> ModuleType:
        module = ModuleType(name)
        vars(module).update({"__path__": [], "__spec__": importlib.util.spec_from_loader(name, None), **members})
        self.modules[name] = module
        return module

    def _iter_modules(self) -> Iterator[tuple[str, ModuleType]]:
        self.modules: dict[str, ModuleType] = {}
        self.settings: dict[str, Any] = {}
        shared = {
            "cmd_opts": self.options,
            "opts": SimpleNamespace(data={}, add_option=self.settings.__setitem__),
            "state": self.state,
        }
        registers = {name: self.callbacks[name].append for name in CALLBACKS}
        base = self.base
        paths = {"data_path": str(base), "script_path": str(base), "models_path": str(base / "models")}
        self._add("modules")
        self._add("modules.shared", sd_model=SimpleNamespace(), OptionInfo=_describe_option, **shared)
        self._add("modules.script_callbacks", **registers)
        self._add("modules.paths_internal", **paths)
        self._add("modules.devices", get_device_for=_choose_device)
        self._add("modules.sd_models", list_models=lambda: self.listed.append("checkpoint"))
        self.plots = SimpleNamespace(axis_options=list[Any](), AxisOption=Axis)
        plot = SimpleNamespace(path="scripts/xyz_grid.py", module=self.plots)
        self._add("modules.scripts", Script=type("Script", (), {}), scripts_data=[plot])
        self._add("modules.scripts_postprocessing", ScriptPostprocessing=type("ScriptPostprocessing", (), {}))
        self.embeddings = type("EmbeddingDatabase", (EmbeddingDatabase,), {})
        own = {"EmbeddingDatabase": self.embeddings, "create_embedding_from_data": _make_embedding}
        for package in ("modules.textual_inversion", "backend.text_processing"):
            self._add(package)
            self._add(f"{package}.textual_inversion", **own)
        self.loras = FakeLoras(base / "models" / "Lora", self.kind)
        self.modules |= self.loras.modules
        self._add("fastapi", HTTPException=HTTPException)
        yield from self.modules.items()

    def _a1111_registry(self) -> dict[str, Any]:
        base: Any = type("Preprocessor", (A1111Preprocessor,), {"all_processors": {}, "all_processors_by_name": {}})
        concrete = type("Own", (base,), {"__call__": _return_nothing})
        for name, tags in HOST_TAGS.items():
            made = concrete(name)
            made.tags = tags
            base.add_supported_preprocessor(made)
        return {"Preprocessor": base, "PreprocessorParameter": A1111Parameter}

    def _add_forge(self) -> None:
        found: dict[str, Any] = {}

        def add(one: Any) -> None:
            found[one.name] = one

        for name, tags in HOST_TAGS.items():
            made = ForgePreprocessor()
            made.name, made.tags = name, tags
            add(made)
        folder = str(self.base / "models" / "ControlNetPreprocessor")
        self._add("modules_forge")
        self._add(
            "modules_forge.shared",
            supported_preprocessors=found,
            add_supported_preprocessor=add,
            preprocessor_dir=folder,
        )
        members = {"Preprocessor": ForgePreprocessor, "PreprocessorParameter": ForgeParameter}
        self._add("modules_forge.supported_preprocessor", **members)
        self._add("backend")
        self._add("backend.memory_management", get_torch_device=lambda: "cpu")

    @property
    def preprocessors(self) -> dict[str, Any]:
        """What stands in the host's registry."""
        if self.kind == "forge":
            return self.modules["modules_forge.shared"].supported_preprocessors
        module = self.modules.get("scripts.supported_preprocessor")
        return module.Preprocessor.all_processors if module else {}

    def enter(self) -> None:
        """Become the host of this process."""
        from underdrawing.a1111_extension import hosts

        self._saved = {name: sys.modules[name] for name in self.modules if name in sys.modules}
        self._registered = [list(found) for found in REGISTERED]
        sys.modules.update(self.modules)
        hosts.get_host.cache_clear()

    def leave(self) -> None:
        """Take the stubs away."""
        from underdrawing.a1111_extension import hosts

        self.run("on_script_unloaded")
        for name in self.modules:
            sys.modules.pop(name, None)
        sys.modules.update(self._saved)
        for found, before in zip(REGISTERED, self._registered, strict=True):
            found[:] = before
        get_store().may_ask = True
        hosts.get_host.cache_clear()

    def load_script(self, path: Path) -> ModuleType:
        """Run a script as the hosts do: by its path, its extension's folder first on sys.path."""
        before = sys.path
        sys.path = [str(path.parents[1]), *before]
        try:
            spec = importlib.util.spec_from_file_location(path.name, path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
        finally:
            sys.path = before

    def reload(self, *scripts: Path) -> list[ModuleType]:
        """Reload UI: callbacks go, scripts run again, the page is built."""
        self.run("on_script_unloaded")
        for registered in self.callbacks.values():
            registered.clear()
        self.plots.axis_options.clear()
        loaded = [self.load_script(script) for script in scripts]
        self.run("on_before_ui")
        return loaded

    def run(self, name: str, *arguments: Any) -> None:
        """Call what is registered for an event."""
        for callback in list(self.callbacks[name]):
            callback(*arguments)


def _describe_option(*default: Any, **more: Any) -> Any:
    return default, more


def _choose_device(task: str) -> str:
    return "cpu"


def _return_nothing(self: object, *_: object, **__: object) -> None:
    return None


class HTTPException(Exception):
    """FastAPI's, of the version that A1111 pins: its text is empty."""

    def __init__(self, status_code: int, detail: Any = None) -> None:
        self.status_code, self.detail = status_code, detail
