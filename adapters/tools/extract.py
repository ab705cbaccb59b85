"""A LoRA from two checkpoints: what a tuned model has that its base has not."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ...core.errors import BadParameter, BadWeights
from ...core.regular_files import open_regular_file
from ..applying.checkpoint import Checkpoint, open_checkpoint
from ..modules.architectures import ARCHITECTURES, CONTEXT_WIDTHS, SD15, SDXL, UNKNOWN
from ..modules.parts import TEXT_ENCODER_2, TRANSFORMER, UNET, find_part
from ..modules.transformer_slots import list_joined_parts
from .decompose import clamp_factors, measure_error
from .save import ToolReport, check_output, count_ranks, make_factor_tensors, parse_dtype, save_kohya
from .svd import Factors, RankRule, balance, find_leading
from .transformer_form import respell_tables

if TYPE_CHECKING:
    import os

    from torch import Tensor

    from .save import Progress

_SAME = "does not differ"


@dataclass(frozen=True)
class Extraction:
    """How to extract.

    rule: rank of linear layers and 1x1 convolutions; conv: of larger kernels, None leaves them out. clamp: kohya's
    quantile (0.99) at which both factors are cut off, None for no cut. least: a text encoder whose largest difference
    is at most this is left out (kohya: 0.01). encoders: whether text encoders are looked at. allow_mismatch:
    go on with two different base models, with what is alike in both.
    """

    rule: RankRule = field(default_factory=lambda: RankRule(32))
    conv: RankRule | None = None
    clamp: float | None = None
    least: float = 0.0
    encoders: bool = True
    dtype: str = "float16"
    allow_mismatch: bool = False

    def __post_init__(self) -> None:
        if self.clamp is not None and not 0.5 <= self.clamp <= 1:
            raise BadParameter(f"a quantile of {self.clamp}", where="clamp", fix="give 0.5 to 1, for example 0.99")


@dataclass
class _Extracted:
    """What came out so far."""

    modules: dict[str, dict[str, Tensor]] = field(default_factory=dict[str, "dict[str, Tensor]"])
    errors: dict[str, float] = field(default_factory=dict[str, float])
    dropped: dict[str, str] = field(default_factory=dict[str, str])
    largest: dict[str, float] = field(default_factory=dict[str, float])
    """Part → largest absolute difference."""


def extract(
    tuned: str | os.PathLike[str],
    base: str | os.PathLike[str],
    output: str | os.PathLike[str],
    how: Extraction | None = None,
    *,
    progress: Progress | None = None,
) -> ToolReport:
    """Write the LoRA (kohya's names) that turns base into tuned as nearly as the rank allows.

    Per weight the leading singular triplets of tuned - base in float32 (see svd.find_leading for the accuracy), their
    values shared evenly by both factors, alpha = rank. Norms, biases and embedding tables cannot be said by a LoRA;
    where they differ the report says so. Raises BadWeights when nothing differs or the files have nothing in common.
    """
    path = check_output(output, [Path(tuned), Path(base)])
    with ExitStack() as stack:
        new, old = (_open_file(stack, Path(file)) for file in (tuned, base))
        return extract_between(new, old, path, how, progress=progress)


def extract_between(
    new: Checkpoint,
    old: Checkpoint,
    output: str | os.PathLike[str],
    how: Extraction | None = None,
    *,
    progress: Progress | None = None,
) -> ToolReport:
    """As extract, of checkpoints that are open already, such as a host's live models."""
    how = how or Extraction()
    path = check_output(output, [])
    found, dtype = _Extracted(), parse_dtype(how.dtype)
    names = _list_modules(new, old)
    _check_pair(new, old, how)
    with torch.no_grad():
        for done, name in enumerate(names, start=1):
            _extract_module(found, name, new, old, how, dtype)
            if progress is not None:
                progress(done, len(names))
    architecture = _guess_architecture(new)
    _drop_unchanged_encoders(found, how.least)
    if not found.modules:
        raise BadWeights(f"nothing in it differs from {old.path.name}", where=str(new.path), fix="check the two models")
    step = {"tool": "extract", "tuned": new.path.name, "base": old.path.name, **_describe(how)}
    modules = respell_tables(architecture, found.modules)
    save_kohya(path, modules, architecture, step)
    left = {name: reason for name, reason in found.dropped.items() if reason != _SAME}
    return ToolReport(path, len(modules), architecture, count_ranks(modules), found.errors, left, files=(path,))


def _list_modules(new: Checkpoint, old: Checkpoint) -> list[str]:
    """Modules to look at: layers that both checkpoints join are one, and are several where one has them apart."""
    names = {module for module, kind in new.slots if kind == "weight"}
    joined = {name: parts for name in names if (parts := list_joined_parts(new.architecture, name))}
    both = {name for name in joined if (name, "weight") in old.slots}
    return sorted(names - (joined.keys() - both) - {part for name in both for part in joined[name]})


def _check_pair(new: Checkpoint, old: Checkpoint, how: Extraction) -> None:
    """Raise BadWeights when two checkpoints have nothing in common or are of different base models."""
    if not set(new.slots) & set(old.slots):
        raise BadWeights(f"has no module in common with {old.path.name}", where=str(new.path))
    kinds = [_read_architecture(checkpoint) for checkpoint in (new, old)]
    if UNKNOWN not in kinds and kinds[0] != kinds[1] and not how.allow_mismatch:
        titles = [ARCHITECTURES[kind].title for kind in kinds]
        raise BadWeights(
            f"is {titles[0]}, and {old.path.name} is {titles[1]}",
            where=str(new.path),
            fix="give two models of one base, or extract what is alike with allow_mismatch (--allow-mismatch)",
        )


def _read_architecture(checkpoint: Checkpoint) -> str:
    """Base model: of its transformer, or by the width of the text encoding that its UNet reads, else UNKNOWN."""
    if checkpoint.architecture != UNKNOWN:
        return checkpoint.architecture
    for (module, kind), slot in checkpoint.slots.items():
        if kind == "weight" and find_part(module) == UNET and module.endswith(".attn2.to_k"):
            return CONTEXT_WIDTHS.get(checkpoint.entries[slot.key].shape[-1], UNKNOWN)
    return UNKNOWN


def _describe(how: Extraction) -> dict[str, Any]:
    rules = {"rule": how.rule.kind, "most": how.rule.most, "value": how.rule.value, "clamp": how.clamp}
    return rules if how.conv is None else {**rules, "conv": how.conv.kind, "conv_most": how.conv.most}


def _open_file(stack: ExitStack, path: Path) -> Checkpoint:
    try:
        return open_checkpoint(path, stack.enter_context(open_regular_file(path)))
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
        raise BadWeights(what, where=str(path), fix="check the name") from error


def _extract_module(
    found: _Extracted, name: str, new: Checkpoint, old: Checkpoint, how: Extraction, dtype: torch.dtype
) -> None:
    part = find_part(name)
    if part not in (UNET, TRANSFORMER) and not how.encoders:
        return
    if (name, "weight") not in old.slots:
        found.dropped[name] = "the base has no such module"
        return
    if (name, "bias") in new.slots and _differs(_read_bias(name, new), _read_bias(name, old)):
        found.dropped[f"{name} (bias)"] = "a LoRA changes no biases"
    one, two = (_read_weight(name, checkpoint) for checkpoint in (new, old))
    if one.shape != two.shape:
        found.dropped[name] = f"the shapes differ: {list(one.shape)} and {list(two.shape)}"
        return
    change = one.float() - two.float()
    largest = float(change.abs().max()) if change.numel() else 0.0
    rule = how.conv if change.shape[2:].numel() > 1 else how.rule
    if not largest:
        found.dropped[name] = _SAME
    elif change.ndim < 2 or ".embeddings." in name:
        found.dropped[name] = "a LoRA changes no norms and no embedding tables"
    elif not torch.isfinite(change).all():
        raise BadWeights("the difference is NaN or infinite", where=name, fix="check both files")
    elif rule is None:
        found.dropped[name] = "it is a convolution and no rank was given for these"
    else:
        found.largest[part] = max(found.largest.get(part, 0.0), largest)
        _add_factors(found, name, change, rule, how.clamp, dtype)


def _read_weight(name: str, checkpoint: Checkpoint) -> Tensor:
    slot = checkpoint.slots[name, "weight"]
    return slot.view(checkpoint.value(slot.key))


def _read_bias(name: str, checkpoint: Checkpoint) -> Tensor | None:
    slot = checkpoint.slots.get((name, "bias"))
    return None if slot is None else slot.view(checkpoint.tensor(slot.key))


def _differs(one: Tensor | None, two: Tensor | None) -> bool:
    return one is None or two is None or one.shape != two.shape or not torch.equal(one.float(), two.float())


def _add_factors(
    found: _Extracted, name: str, change: Tensor, rule: RankRule, clamp: float | None, dtype: torch.dtype
) -> None:
    matrix = change.flatten(1)
    factors: Factors = find_leading(matrix, min(matrix.shape) if rule.whole else rule.most)
    rank = rule.rank(factors)
    up, down = balance(factors, rank)
    found.errors[name] = factors.error(rank)
    if clamp is not None:
        up, down = clamp_factors(up, down, clamp)
        found.errors[name] = measure_error(matrix, up, down)
    try:
        found.modules[name] = make_factor_tensors(up, down, tuple(change.shape[2:]), dtype)
    except BadWeights as error:
        raise BadWeights(error.what, where=name, fix=error.fix) from error


def _drop_unchanged_encoders(found: _Extracted, least: float) -> None:
    unchanged = {
        part for part, largest in found.largest.items() if part not in (UNET, TRANSFORMER) and largest <= least
    }
    for name in [name for name in found.modules if find_part(name) in unchanged]:
        del found.modules[name]
        found.errors.pop(name, None)
        found.dropped[name] = f"no difference of its text encoder is larger than {least:g}"


def _guess_architecture(checkpoint: Checkpoint) -> str:
    """Base model by the width of the text encoding, else by which text encoders there are."""
    found = _read_architecture(checkpoint)
    if found != UNKNOWN:
        return found
    blocks = any(module.startswith(f"{UNET}.down_blocks.3.") for module, _ in checkpoint.slots)
    second = any(find_part(module) == TEXT_ENCODER_2 for module, _ in checkpoint.slots)
    deep = any(".transformer_blocks.1." in module for module, _ in checkpoint.slots)
    return SDXL if second or (deep and not blocks) else UNKNOWN if deep else SD15
