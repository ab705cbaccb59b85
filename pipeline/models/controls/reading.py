"""ControlNets, union ControlNets, Control-LoRAs and T2I-adapters from files and folders of any form."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from ....checkpoints.layouts.configurations import configure_controlnet, configure_union, find_family
from ....checkpoints.layouts.reading import open_weights
from ....checkpoints.layouts.unet import name_unet_keys
from ....core.errors import BadParameter, BadWeights
from ....core.tensor_files.json_objects import read_json
from ..assembly import assemble, measure_slots
from ..folders import CONFIG, open_network, read_config
from ..kinds import Kind, build_kind_error, find_kind
from ..libraries import find_class
from ..model import ControlNetwork
from ..parts import TITLES
from ..single_file import describe_unused
from .control_lora import DIFFERENCE, MARK, add_unet, build_control_lora
from .t2i import configure_t2i, name_t2i_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from ....adapters.modules.targets import Slot
    from ....checkpoints.layouts.reading import Weights
    from ..model import ControlForm, Family, Model

    Slots = dict[str, Slot]

MODES = {
    "openpose": 0, "depth": 1, "softedge": 2, "scribble": 2, "hed": 2, "pidi": 2, "ted": 2, "canny": 3, "lineart": 3,
    "lineart_anime": 3, "mlsd": 3, "normal": 4, "segment": 5, "tile": 6, "inpaint": 7,
}  # fmt: skip
"""Kinds of maps of xinsir's union ControlNets; the last two of ProMax only."""
_CLASSES: dict[str, Kind] = {"ControlNetModel": "controlnet", "ControlNetUnionModel": "union", "T2IAdapter": "t2i"}
_PREFIXES = ("control_model.", "module.")
_SD2_CONTEXT = 1024


class Opened(NamedTuple):
    """A control's weights, what it is, its names in diffusers, and its own configuration, empty for files."""

    weights: Weights
    kind: Kind
    slots: Slots
    config: dict[str, Any]


def read_control(path: Path, model: Model) -> ControlNetwork:
    """What steers a model's UNet. Raises BadWeights for files of other kinds, by name, and for missing keys.

    BadParameter names both base models when they differ.
    """
    notes: list[str] = []
    with _open(path, notes) as opened:
        family = _find_family(opened, model.family)
        form: ControlForm = opened.kind if opened.kind in ("union", "control_lora", "t2i") else "controlnet"  # type: ignore[assignment]
        _check_family(family, model, path, opened.kind)
        network, used = _BUILDERS[form](opened, family, model)
        notes += describe_unused(set(opened.weights.shapes) - used - {MARK, DIFFERENCE})
        if DIFFERENCE in opened.weights.shapes:
            add_unet(network, model)
            notes.append("holds differences; the weights of the model's UNet were added")
    _check_widths(network, model, path, form)
    kinds = int(network.config.num_control_type) if form == "union" else 0
    modes = {name: number for name, number in MODES.items() if number < kinds}
    name = path.name if path.is_dir() else path.stem
    return ControlNetwork(
        name=name, form=form, family=family, network=network, modes=modes, path=path, notes=tuple(notes)
    )


def find_control_family(path: Path) -> Family:
    """The base model that a file or folder is for, from names and shapes. Raises as `read_control`."""
    with _open(path, []) as opened:
        return _find_family(opened, None)


def depends_on_unet(path: Path) -> bool:
    """Whether a file holds differences from a UNet's weights."""
    if path.is_dir():
        return False
    with open_weights([path]) as weights:
        return MARK in weights.shapes or DIFFERENCE in weights.shapes


@contextmanager
def _open(path: Path, notes: list[str]) -> Generator[Opened]:
    if path.is_dir():
        named = str(read_json(path / CONFIG).get("_class_name", "")) if (path / CONFIG).is_file() else ""
        if named not in _CLASSES:
            what = f"is a {named or 'folder without config.json'}, a ControlNet is needed"
            raise BadWeights(what, where=str(path), fix="choose a ControlNet or a T2I-adapter")
        with open_network(path, notes) as weights:
            slots = name_t2i_keys(weights.shapes) if named == "T2IAdapter" else name_unet_keys(weights.shapes)
            yield Opened(weights, _CLASSES[named], slots, read_config(path, named))
        return
    with open_weights([path]) as weights:
        kind = find_kind(weights.shapes)
        if kind not in ("controlnet", "union", "control_lora", "t2i"):
            raise build_kind_error(weights.shapes, weights.metadata, where=weights.where, needed="a ControlNet")
        yield Opened(weights, kind, _name_keys(weights, kind), {})


def _name_keys(weights: Weights, kind: Kind) -> Slots:
    prefix = next((start for start in _PREFIXES if any(name.startswith(start) for name in weights.shapes)), "")
    keys = {name.removeprefix(prefix): name for name in weights.shapes if name.startswith(prefix)}
    found = name_t2i_keys(keys) if kind == "t2i" else name_unet_keys(keys)
    return {name: slot._replace(key=keys[slot.key]) for name, slot in found.items()}


def _find_family(opened: Opened, wanted: Family | None) -> Family:
    shapes = measure_slots(opened.slots, opened.weights)
    if opened.kind == "t2i":
        return "sdxl" if configure_t2i(shapes, opened.weights.where)["adapter_type"] == "full_adapter_xl" else "sd1"
    family = find_family(shapes)
    if opened.kind == "control_lora" and not family.startswith("sdxl"):  # layers hide in factors: by the text's width
        width = next((shape[1] for name, shape in shapes.items() if name.endswith(".attn2.to_k.down")), 0)
        return "sd2" if width == _SD2_CONTEXT else wanted if wanted in ("sd1", "sd2") else "sd1"
    return family


def _build_controlnet(opened: Opened, family: Family, model: Model) -> tuple[Any, set[str]]:
    return _assemble(opened, family, model, "ControlNetModel", configure_controlnet)


def _build_union(opened: Opened, family: Family, model: Model) -> tuple[Any, set[str]]:
    return _assemble(opened, family, model, "ControlNetUnionModel", configure_union)


def _build_lora(opened: Opened, family: Family, model: Model) -> tuple[Any, set[str]]:
    return build_control_lora(opened.slots, opened.weights, model)


def _build_t2i(opened: Opened, family: Family, model: Model) -> tuple[Any, set[str]]:
    return _assemble(opened, family, model, "T2IAdapter", lambda shapes, _: configure_t2i(shapes, opened.weights.where))


def _assemble(
    opened: Opened,
    family: Family,
    model: Model,
    kind: str,
    configure: Callable[[Mapping[str, tuple[int, ...]], Family], dict[str, Any]],
) -> tuple[Any, set[str]]:
    config = opened.config or configure(measure_slots(opened.slots, opened.weights), family)
    build = find_class(f"diffusers.{kind}")
    return assemble(lambda: build(**config), opened.slots, opened.weights, model.placement, what=kind)


_BUILDERS = {"controlnet": _build_controlnet, "union": _build_union, "control_lora": _build_lora, "t2i": _build_t2i}


def _check_family(family: Family, model: Model, path: Path, kind: Kind) -> None:
    if family == model.family:
        return
    title = "T2I-adapter" if kind == "t2i" else "ControlNet"
    what = f"is a {title} for {TITLES[family]}, and the model {model.name} is of {TITLES[model.family]}"
    raise BadParameter(what, where=str(path), fix=f"choose a {title} for {TITLES[model.family]}")


def _check_widths(network: Any, model: Model, path: Path, form: ControlForm) -> None:
    """Models of one family whose layers are of other widths, such as the small reference model."""
    own = list(network.config.channels if form == "t2i" else network.config.block_out_channels)
    widths = list(model.unet.config.block_out_channels)
    count = min(len(own), len(widths))
    if own[:count] != widths[:count]:
        what = f"is for a model with layers of {own} channels, {model.name} has {widths}"
        raise BadParameter(what, where=str(path), fix="choose a ControlNet that was made for this model")
