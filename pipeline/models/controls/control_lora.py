"""Control-LoRAs (Stability AI's form): ControlNets as differences of low rank from the UNet that they are used with."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

from ....checkpoints.layouts.configurations import list_hint_widths
from ....core.errors import BadParameter, BadWeights
from ..assembly import build_empty, finish, list_names, measure_slots, place_tensor
from ..libraries import find_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ....adapters.modules.targets import Slot
    from ....checkpoints.layouts.reading import Weights
    from ..model import Model

    Slots = Mapping[str, Slot]

MARK, DIFFERENCE = "lora_controlnet", "difference"
"""Keys that mark a Control-LoRA, and a ControlNet whose weights are differences from the UNet's."""


def build_control_lora(slots: Slots, weights: Weights, model: Model) -> tuple[Any, set[str]]:
    """A ControlNetModel from the file and the UNet as it is now, and the keys that it is made of.

    slots: with diffusers' names; `.up` and `.down` for weights. Raises BadWeights naming keys that are missing,
    BadParameter when the file is for another UNet.
    """
    shapes = measure_slots(slots, weights)
    build = find_class("diffusers.ControlNetModel")
    known = inspect.signature(build.__init__).parameters
    config = {name: value for name, value in model.unet.config.items() if name in known and not name.startswith("_")}
    config |= {"in_channels": 4, "conditioning_embedding_out_channels": list_hint_widths(shapes)}
    module, names = build_empty(lambda: build(**config))
    base = model.unet.state_dict()
    tensors: dict[str, Tensor] = {}
    used = set[str]()
    missing: list[str] = []
    for name, key in names.items():
        parts = [part for part in _list_sources(name) if part in slots]
        if not parts and name not in base:
            missing.append(name)
            continue
        read = [weights.read(slots[part].key) for part in parts]
        value = _combine(name, read, base, tuple(module.state_dict()[key].shape), weights.where)
        tensors[key] = place_tensor(value, model.placement)
        used |= {slots[part].key for part in parts}
    if missing:
        what = f"{len(missing)} keys are missing: {list_names(missing)}"
        raise BadWeights(what, where=weights.where, fix="download the file again, or use another one")
    return finish(module, tensors, model.placement), used


def add_unet(module: Any, model: Model) -> None:
    """Turn a ControlNet of differences into one of weights: the UNet's, as they are now, are added."""
    base = model.unet.state_dict()
    for name, value in module.state_dict().items():
        if name in base and base[name].shape == value.shape:
            value.add_(base[name].to(value.device, value.dtype))


def _list_sources(name: str) -> list[str]:
    module, _, suffix = name.rpartition(".")
    return [f"{module}.up", f"{module}.down", name] if suffix == "weight" else [name]


def _combine(name: str, read: list[Tensor], base: Mapping[str, Tensor], shape: tuple[int, ...], where: str) -> Tensor:
    """A weight of its own, the UNet's, or the UNet's plus up @ down."""
    if len(read) == 1:
        return _check(read[0].reshape(shape) if read[0].numel() == _count(shape) else read[0], shape, name, where)
    if name not in base:
        what = "is a difference from a weight that the model's UNet lacks"
        raise BadParameter(what, where=f"{where}, {name}", fix="use it with the base model that it was made for")
    own = base[name].detach().cpu()
    own = own[:, : shape[1]] if own.ndim == 4 and own.shape[1] > shape[1] else own  # inpainting models read more
    if not read:
        return own.clone()
    up, down = (part.float().flatten(1) for part in read[:2])
    if up.shape[0] != shape[0] or up.shape[1] != down.shape[0] or down.shape[1] * shape[0] != _count(shape):
        what = f"is for a UNet of another width: {list(up.shape)} by {list(down.shape)} for a weight of {list(shape)}"
        raise BadParameter(what, where=f"{where}, {name}", fix="use it with the base model that it was made for")
    return own.float() + (up @ down).reshape(shape)


def _check(value: Tensor, shape: tuple[int, ...], name: str, where: str) -> Tensor:
    if tuple(value.shape) != shape:
        what = f"has the shape {list(value.shape)}, the model's UNet needs {list(shape)}"
        raise BadParameter(what, where=f"{where}, {name}", fix="use it with the base model that it was made for")
    return value.clone()


def _count(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()
