"""Adapters written into a checkpoint file for good."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import torch

from ...core.errors import BadWeights
from ...core.files import atomic_stream
from ...core.regular_files import open_regular_file
from ..modules.parts import PARTS
from ..tools.save import check_output, list_source_files, make_provenance, make_source_entry, parse_dtype
from .baked_weights import BakedWeights, FileWeights
from .checkpoint import Checkpoint, open_checkpoint
from .experts import SECOND, split_experts
from .file_writer import measure, write_entries
from .fitness import ALLOW_OTHERS, SKIP_DAMAGED, check_finite
from .folder_checkpoint import FolderCheckpoint, open_folder
from .plan import check_receipt, make_plan, make_receipt
from .receipt import Receipt
from .wide_inputs import widen_inputs

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from typing import BinaryIO

    from ..tools.save import Progress
    from .plan import WeightedAdapter
    from .weight_writer import Order


C = TypeVar("C", bound=Checkpoint)


class _Options(NamedTuple):
    """How changes add up and what is let through."""

    order: Order
    dtype: str | None
    allow_empty: bool
    allow_mismatch: bool
    skip_damaged: bool


@dataclass(frozen=True)
class _Work(Generic[C]):
    """A checkpoint, what is to be written of it, and what became of its adapters. widened: notes of wider inputs."""

    opened: C
    result: BakedWeights
    receipt: Receipt
    widened: tuple[str, ...]


def bake(
    checkpoint: str | os.PathLike[str],
    adapters: Sequence[WeightedAdapter],
    output: str | os.PathLike[str],
    *,
    order: Order = "base",
    dtype: str | None = None,
    allow_empty: bool = False,
    allow_mismatch: bool = False,
    skip_damaged: bool = False,
    progress: Progress | None = None,
) -> Receipt:
    """Write a checkpoint with adapters in it: (adapter, unet strength, text encoder strength[, block weights]).

    checkpoint: a model in the LDM layout, a transformer in its maker's or diffusers' names, one part in diffusers'
    names, or a diffusers folder, of one network or a pipeline; output: a file, or for a folder a new one, whose other
    files are copied. .safetensors is streamed some rows at a time, a pickled file is read whole. Sums are formed in
    float32 from the original and cast once to the tensor's own dtype; what no adapter touches keeps its bytes, the
    metadata gains `underdrawing`, what was done. Weights in fp8 or int8 with a scale are stored in that form again;
    notes say what rounding took away. A control LoRA that reads a picture widens the input layer, with a note. dtype,
    such as "float16": of all floating point tensors. In a pipeline with two experts, such as Wan 2.2, adapters whose
    file says low noise go on ``transformer_2``. Raises BadWeights when an adapter matches nothing (unless allow_empty),
    was made for another base model (unless allow_mismatch) or has modules with NaN (unless skip_damaged), for weights
    that cannot be computed with and results that are NaN or infinite; BadParameter for strengths that are no finite
    numbers and for an output that is an input. Then nothing is written.
    """
    whole = Path(checkpoint).is_dir() and Path(output).suffix.lower() != ".safetensors"
    path = Path(output) if whole else check_output(output, _list_inputs(checkpoint, adapters))
    first, second, notes = split_experts(Path(checkpoint), adapters, whole=whole)
    options = _Options(order, dtype, allow_empty, allow_mismatch, skip_damaged)
    with ExitStack() as stack, torch.no_grad():
        work = _prepare(_open(Path(checkpoint), stack), first, options)
        other = _prepare(open_folder(Path(checkpoint) / SECOND, stack), second, options) if second else None
        metadata = {**work.result.metadata, **_describe_step(work.opened, adapters, options)}
        if isinstance(work.opened, FolderCheckpoint) and whole:
            work.opened.write(path, work.result, metadata, progress, other and (other.opened, other.result))
        else:
            _write(path, work.result, metadata, progress)
    return _account([work] if other is None else [work, other], notes)


def _prepare(opened: C, adapters: Sequence[WeightedAdapter], options: _Options) -> _Work[C]:
    """Plan the changes of a checkpoint. Raises BadWeights."""
    for weighted in () if options.skip_damaged else adapters:
        check_finite(weighted[0], SKIP_DAMAGED)
    padded, widened = widen_inputs(opened, adapters)
    weights, mismatch = FileWeights(opened), options.allow_mismatch
    plan = make_plan(dict.fromkeys(PARTS, weights), padded, allow_mismatch=mismatch, way_out=ALLOW_OTHERS)
    check_receipt(receipt := make_receipt(adapters, plan), allow_empty=options.allow_empty)
    dtype = parse_dtype(options.dtype) if options.dtype else None
    return _Work(opened, BakedWeights(opened, weights, plan, options.order, dtype), receipt, widened)


def _account(done: Sequence[_Work[Any]], notes: Sequence[str]) -> Receipt:
    own = [note for one in done for note in (*one.opened.notes, *one.widened, *one.result.rounding.notes())]
    return Receipt(tuple(entry for one in done for entry in one.receipt.adapters), (*notes, *own))


def _list_inputs(checkpoint: str | os.PathLike[str], adapters: Sequence[WeightedAdapter]) -> list[Path]:
    return [Path(checkpoint), *(file for weighted in adapters for file in list_source_files(weighted[0]))]


def _open(path: Path, stack: ExitStack) -> Checkpoint:
    return open_folder(path, stack) if path.is_dir() else open_checkpoint(path, _open_stream(stack, path))


def _open_stream(stack: ExitStack, path: Path) -> BinaryIO:
    try:
        return stack.enter_context(open_regular_file(path))
    except OSError as error:
        raise BadWeights(
            f"cannot be read ({error.strerror or error})", where=str(path), fix="check the name"
        ) from error


def _describe_step(source: Checkpoint, adapters: Sequence[WeightedAdapter], options: _Options) -> dict[str, str]:
    entries: list[dict[str, Any]] = []
    for adapter, unet, encoder, *rest in adapters:
        entry = make_source_entry(adapter, unet, encoder)
        entries.append(entry if not rest or rest[0] is None else {**entry, "blocks": str(rest[0])})
    step = {"tool": "bake", "checkpoint": source.path.name, "order": options.order, "adapters": entries}
    return make_provenance({**step, "dtype": options.dtype} if options.dtype else step, source.metadata)


def _write(path: Path, result: BakedWeights, metadata: dict[str, str], progress: Progress | None) -> None:
    done = itertools.count(1)

    def step() -> None:
        if progress is not None:
            progress(next(done), len(result.entries))

    with atomic_stream(path, size=measure(result, metadata)) as stream:
        write_entries(stream, result, {key: key for key in result.entries}, metadata, step)
