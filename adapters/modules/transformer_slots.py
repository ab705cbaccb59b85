"""Where the layers of a transformer stand in a state dict: in diffusers' spelling or its maker's, whatever its size."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .architectures import TRANSFORMER_MODELS
from .parts import TRANSFORMER, UNET, find_part, list_prefixes
from .rows import canonical_modules, match_name
from .targets import Slot
from .wrappers import strip_wrappers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .rows import NameMatch
    from .targets import Parameter

    Shapes = Mapping[str, Sequence[int]]
    Target = tuple[str, Parameter]
    Slots = dict[Target, Slot]

PREFIXES = (
    "model.diffusion_model.net.",
    "model.diffusion_model.",
    "diffusion_model.",
    f"{TRANSFORMER}.",
    "net.",
    "model.",
    "",
)
"""What stands in front of a transformer's own names in checkpoints, the longest first."""
_ENCODERS = tuple(prefix for prefix, part in list_prefixes("checkpoint").items() if part not in (UNET, TRANSFORMER))
_OTHERS = (*_ENCODERS, "text_encoders.", "vae.", "first_stage_model.", "cond_stage_model.", "conditioner.")
_LEAST = 0.5
"""Share of the names that must be a model's for it to be that model."""


class TransformerSlots(NamedTuple):
    """A transformer in a state dict. architecture: its id. prefix: in front of its names."""

    architecture: str
    prefix: str
    slots: Slots


def find_transformer(shapes: Shapes, *, own: bool = False) -> TransformerSlots | None:
    """The transformer in a state dict or checkpoint, by the names of its layers; None where there is none.

    shapes: of all tensors by their keys. own: they are the transformer's only, with no prefix in front. Layers that
    the maker keeps in one weight are found by diffusers' names, as rows of it, and together by the maker's
    ("transformer.double_blocks.0.img_attn.qkv").
    """
    for prefix in ("",) if own else PREFIXES:
        keys = [key for key in shapes if key.startswith(prefix) and (prefix or not key.startswith(_OTHERS))]
        names = {key: strip_wrappers(key.removeprefix(prefix)) for key in keys}
        architecture = _recognise({name: shapes[key] for key, name in names.items()})
        if architecture is not None:
            return TransformerSlots(architecture, prefix, dict(_list_slots(architecture, names, shapes)))
    return None


def _recognise(shapes: Shapes) -> str | None:
    """The model that has the most of these names, and among those the one of their sizes."""
    blocks = [name for name in shapes if any(step.isdecimal() for step in name.split("."))]
    if not blocks:
        return None
    counts = {name: sum(_match(name, key) is not None for key in shapes) for name in TRANSFORMER_MODELS}
    most = max(counts.values(), default=0)
    if most < max(1, _LEAST * len(shapes)):
        return None
    best = [name for name, count in counts.items() if count == most]
    return best[0] if len(best) == 1 else max(best, key=lambda name: _count_sizes(name, shapes))


def _match(architecture: str, key: str) -> NameMatch | None:
    module, dot, parameter = key.rpartition(".")
    found = match_name(architecture, module) if dot else None
    return found if found is not None and parameter in ("weight", "bias", found.parameter) else None


def _count_sizes(architecture: str, shapes: Shapes) -> int:
    """How many weights have the shape that the released model's have."""
    transformer = TRANSFORMER_MODELS[architecture].transformer
    modules = transformer.modules() if transformer is not None else {}
    found = ((_match(architecture, key), shape) for key, shape in shapes.items() if key.endswith(".weight"))
    own = ((modules.get(match.canonical[0].partition(".")[2]), shape) for match, shape in found if match is not None)
    return sum(module is not None and tuple(module.shape[1:]) == tuple(shape[1:]) for module, shape in own)


def _list_slots(
    architecture: str, names: Mapping[str, str], shapes: Shapes
) -> Iterator[tuple[tuple[str, Parameter], Slot]]:
    by_name = {name: shapes[key] for key, name in names.items()}
    for key, name in names.items():
        match = _match(architecture, name)
        if match is None:
            continue
        module, _, last = name.rpartition(".")
        parameter: Parameter = "bias" if last == "bias" else "weight"
        shape = by_name.get(f"{module}.{match.parameter}", shapes[key])
        for target, slot in _place(architecture, match, key, shape):
            yield (target, parameter), slot


def _place(architecture: str, match: NameMatch, key: str, shape: Sequence[int]) -> Iterator[tuple[str, Slot]]:
    """The modules whose parameter a tensor holds, and where."""
    if not match.own:
        yield match.canonical[0], Slot(key)
        return
    rows = canonical_modules(architecture, match.original, shape)
    if len(match.canonical) == 1:
        yield match.canonical[0], Slot(key, swapped=any(one.swapped for one in rows))
        return
    yield match.module, Slot(key)
    for module, start, length, swapped in rows:
        yield module, Slot(key, rows=(start, length), swapped=swapped)


def list_joined_parts(architecture: str, module: str) -> tuple[str, ...]:
    """The layers that a joined one is made of, by its name for deltas; empty for other modules."""
    if find_part(module) != TRANSFORMER or architecture not in TRANSFORMER_MODELS:
        return ()
    match = match_name(architecture, module.removeprefix(f"{TRANSFORMER}."))
    return match.canonical if match is not None and len(match.canonical) > 1 else ()
