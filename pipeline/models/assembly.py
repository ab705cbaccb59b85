"""Networks of diffusers and transformers built around weights: every key is accounted for, nothing is held twice."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import torch

from ...core.errors import BadWeights
from ...core.networks.convolution import quicken_layers
from .attention import quicken_attention

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor

    from ...adapters.modules.targets import Slot
    from ...checkpoints.layouts.reading import Weights
    from ...core.networks.placement import Placement

    Read = Callable[[str], Tensor]
    Shape = tuple[int, ...]

_COMPUTED = "position_ids"
"""Buffer of text encoders that counts up; some files hold it, some even rounded."""
_MOST_NAMES = 4


def measure_slots(slots: Mapping[str, Slot], weights: Weights) -> dict[str, Shape]:
    """Shape of what each slot reads."""
    return {name: _measure(slot, weights.shapes[slot.key]) for name, slot in slots.items()}


def _measure(slot: Slot, shape: Shape) -> Shape:
    if slot.third is not None:
        shape = (shape[0] // 3, *shape[1:])
    return shape[::-1] if slot.transposed else shape


def read_slot(slot: Slot, weights: Weights, placement: Placement) -> Tensor:
    """One weight in memory of its own, on its device in its dtype."""
    stored = weights.read(slot.key)
    value = slot.view(stored)
    return place_tensor(value if value is stored else value.clone(memory_format=torch.contiguous_format), placement)


def place_tensor(value: Tensor, placement: Placement) -> Tensor:
    """On the device, numbers in the dtype; kernels with their channels last, but on MPS, which gains nothing by it."""
    dtype = getattr(torch, placement.dtype) if value.is_floating_point() else value.dtype
    last = value.ndim == 4 and placement.device != "mps"
    return value.to(placement.device, dtype, memory_format=torch.channels_last if last else torch.preserve_format)


def assemble(
    build: Callable[[], Any], slots: Mapping[str, Slot], weights: Weights, placement: Placement, *, what: str
) -> tuple[Any, set[str]]:
    """The network, ready for inference, and the keys that it is made of.

    build: makes the empty module. what: the network, for messages. Raises BadWeights naming keys that are missing or of
    another shape; more keys than the network has are left over.
    """
    module, names = build_empty(build)
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    shapes = measure_slots(slots, weights)
    found = {names[name]: name for name in slots if name in names}
    _check(expected, {own: shapes[name] for own, name in found.items()}, f"{weights.where}, {what}")
    tensors = {
        own: read_slot(slots[name], weights, placement).reshape(expected[own])
        for own, name in found.items()
        if not own.endswith(_COMPUTED)
    }
    return finish(module, tensors, placement), {slots[name].key for name in found.values()}


def build_empty(build: Callable[[], Any]) -> tuple[Any, dict[str, str]]:
    """A module without memory, and its keys by their names without `text_model.` (which newer transformers lack)."""
    with torch.device("meta"):
        module = build()
    return module, {name.removeprefix("text_model."): name for name in module.state_dict()}


def finish(module: Any, tensors: Mapping[str, Tensor], placement: Placement) -> Any:
    """Put weights into an empty module, and compute what no file brings."""
    module.load_state_dict(dict(tensors), strict=False, assign=True)
    for path, buffer in list(module.named_buffers()):
        if buffer.is_meta:
            owner, _, name = path.rpartition(".")
            counted = torch.arange(buffer.shape[-1], device=placement.device).expand(buffer.shape)
            module.get_submodule(owner).register_buffer(name, counted, persistent=path in module.state_dict())
    if placement.device == "cpu" and placement.dtype == "float32":
        quicken_layers(module)
    if placement.device == "cpu":
        quicken_attention(module)
    return module.eval().requires_grad_(False)


def _check(expected: Mapping[str, Shape], found: Mapping[str, Shape], where: str) -> None:
    missing = [name for name in expected if name not in found and not name.endswith(_COMPUTED)]
    shaped = [
        f"{name} {list(found[name])} instead of {list(shape)}"
        for name, shape in expected.items()
        if name in found and not name.endswith(_COMPUTED) and not _is_same(found[name], shape)
    ]
    faults = [
        *([f"{len(missing)} keys are missing: {list_names(missing)}"] if missing else []),
        *([f"{len(shaped)} have another shape: {list_names(shaped)}"] if shaped else []),
    ]
    if faults:
        raise BadWeights("; ".join(faults), where=where, fix="download the file again, or use another one")


def _is_same(found: Shape, expected: Shape) -> bool:
    """Equal, or a linear layer in the form of a convolution of one pixel and the other way round."""
    longer, shorter = (found, expected) if len(found) > len(expected) else (expected, found)
    return longer[: len(shorter)] == shorter and prod(longer[len(shorter) :]) == 1


def list_names(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    every = sorted(names)
    more = f" and {len(every) - _MOST_NAMES} more" if len(every) > _MOST_NAMES else ""
    return ", ".join(every[:_MOST_NAMES]) + more
