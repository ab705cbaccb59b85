"""Control LoRAs that widen the input layer of a transformer, so that it takes the control picture beside the latent.

Facts: Black Forest Labs' FLUX.1 Canny and Depth LoRAs bring factors for an ``img_in`` of 128 columns where the model
has 64; diffusers and ComfyUI (``reshape_weight``) put columns of zeros behind the model's own and add the change.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import pad

from ...core.errors import BadWeights
from ..deltas.base import count_columns
from ..deltas.dense import Dense
from ..deltas.lowrank import LowRank
from ..deltas.wide_part import widen_delta
from ..modules.architectures import TRANSFORMER_MODELS
from ..modules.parts import TRANSFORMER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from ..adapter import Adapter
    from ..deltas.base import Delta
    from .checkpoint import Checkpoint
    from .plan import WeightedAdapter
    from .weight_access import WeightAccess

_MOST = 8
"""Times that a layer may become as wide: Flux.1 Fill has the most known, 6."""


def find_input(architecture: str) -> str | None:
    """Canonical name of the layer that takes the latent of a transformer; None for other models."""
    model = TRANSFORMER_MODELS.get(architecture)
    name = None if model is None or model.transformer is None else model.transformer.find_input()
    return None if name is None else f"{TRANSFORMER}.{name}"


def find_channels(delta: Delta, shape: Sequence[int]) -> int | None:
    """Input channels of the layer that a change was made for, where those are more than a weight of that shape has and
    all else fits; else None."""
    extent, kernel = delta.extent, count_columns(shape[1:]) if len(shape) > 1 else 0
    if extent is None or not kernel or extent.rows != shape[0] or extent.cols % kernel:
        return None
    channels = extent.cols // kernel
    return channels if shape[1] < channels <= _MOST * shape[1] else None


def check_live_input(weights: WeightAccess, adapter: Adapter, module: str) -> None:
    """Raise BadWeights for a control LoRA whose input layer is wider than that of a live model."""
    if module != find_input(weights.architecture) or (module, "weight") not in weights.slots:
        return
    shape = weights.find_shape(module)
    channels = find_channels(adapter.modules[module], shape)
    if channels is not None:
        raise BadWeights(
            f"is a control LoRA: its input layer takes {channels} channels, the latent and the control picture, and "
            f"this model's takes {shape[1]}",
            where=adapter.name,
            fix="bake it into the checkpoint (underdrawing lora bake) and load the result, or load a model that has "
            "this input layer",
        )


def widen_inputs(
    checkpoint: Checkpoint, adapters: Sequence[WeightedAdapter]
) -> tuple[Sequence[WeightedAdapter], tuple[str, ...]]:
    """Widen a checkpoint's input layer where control LoRAs need it: adapters that fit it, and notes of what was done.

    Changes made for the narrower layer get columns of zeros, or are computed on its columns alone.
    """
    module = find_input(checkpoint.architecture)
    slot = None if module is None else checkpoint.slots.get((module, "weight"))
    if module is None or slot is None or not slot.is_whole:
        return adapters, ()
    shape = checkpoint.entries[slot.key].shape
    own = [w for w in adapters if w[0].base_model == checkpoint.architecture and w[1] and module in w[0].modules]
    found = {w[0].name: wide for w in own if (wide := find_channels(w[0].modules[module], shape)) is not None}
    if not found:
        return adapters, ()
    channels = max(found.values())
    checkpoint.widen(slot.key, channels)
    note = (
        f"{slot.key} takes {channels} channels now instead of {shape[1]}, for {', '.join(found)}: load the result as a "
        f"model with a control picture beside the latent"
    )
    return [_pad_adapter(w, module, channels, shape) if w in own else w for w in adapters], (note,)


def _pad_adapter(weighted: WeightedAdapter, module: str, channels: int, shape: Sequence[int]) -> WeightedAdapter:
    adapter, *rest = weighted
    wide = _pad_delta(adapter.modules[module], channels, shape)
    return replace(adapter, modules={**adapter.modules, module: wide}), *rest  # type: ignore[return-value]


def _pad_delta(delta: Delta, channels: int, shape: Sequence[int]) -> Delta:
    """A change of a layer of that shape with columns of zeros behind its own; one of a wider layer as it is."""
    kernel = tuple(shape[2:])
    if isinstance(delta, LowRank) and delta.mid is None and tuple(delta.down.shape[2:]) in ((), kernel):
        flat = delta.down.ndim == 2
        return replace(delta, down=pad_columns(delta.down, channels * math.prod(kernel) if flat else channels))
    if isinstance(delta, Dense) and delta.diff.ndim == 2 + len(kernel):
        return replace(delta, diff=pad_columns(delta.diff, channels))
    return widen_delta(delta, shape)


def pad_columns(tensor: Tensor, channels: int) -> Tensor:
    """The tensor with zeros behind its second axis, as long as that many; itself where it has them."""
    missing = channels - tensor.shape[1]
    if missing <= 0:
        return tensor
    codes = tensor.view(torch.uint8) if tensor.element_size() == 1 else tensor  # zero is 0 in all of them
    return pad(codes, (*(0, 0) * (tensor.ndim - 2), 0, missing)).view(tensor.dtype)


def widen_config(config: Mapping[str, Any], before: int, after: int) -> dict[str, Any]:
    """diffusers' configuration of a network whose input layer got wider; its output stays as wide as it was.

    Raises BadWeights for one that does not say how many channels there are.
    """
    channels = config.get("in_channels")
    if not isinstance(channels, int) or channels * after % before:
        raise BadWeights("says no in_channels that could be raised", where="config.json", fix="bake into one file")
    output = config.get("out_channels") or channels
    return {**config, "in_channels": channels * after // before, "out_channels": output}
