"""Adapters written into a checkpoint file for good."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ...core.errors import BadWeights
from ...core.files import atomic_stream
from ...core.tensor_files.safetensors_io import Entry, encode_header, encode_tensor
from ..modules.parts import PARTS
from ..tools.save import check_output, make_provenance, make_source_entry
from .accumulate import Workspace, compute_change, write_sequential, write_sum
from .checkpoint import Checkpoint, open_checkpoint
from .patcher import is_sequential
from .plan import Change, check_receipt, make_plan, make_receipt
from .weight_access import WeightAccess

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from torch import Tensor

    from ..tools.save import Progress
    from .patcher import Order
    from .plan import Plan, WeightedAdapter
    from .receipt import Receipt
    from .weight_access import Target

    Targets = dict[Target, list[Change]]


class _FileWeights(WeightAccess):
    """The tensors of a checkpoint, by dtype and shape only."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__("", ())
        self._checkpoint, self.slots = checkpoint, checkpoint.slots

    def get(self, key: str) -> Tensor | None:
        """A tensor without content, or None."""
        return self._checkpoint.empty(key) if key in self._checkpoint.entries else None

    def put(self, key: str, value: Tensor | None) -> None:
        """Files are not changed in place."""
        raise NotImplementedError


def bake(
    checkpoint: str | os.PathLike[str],
    adapters: Sequence[WeightedAdapter],
    output: str | os.PathLike[str],
    *,
    order: Order = "base",
    allow_empty: bool = False,
    progress: Progress | None = None,
) -> Receipt:
    """Write a checkpoint with adapters in it: (adapter, unet strength, text encoder strength[, block weights]).

    checkpoint: SD1, SD2, SDXL or refiner in the LDM layout, or one part in diffusers' names; .safetensors is streamed
    one tensor at a time, a pickled file is read whole and comes out as .safetensors. Sums are formed in float32 from
    the original and cast once to the tensor's own dtype; tensors that no adapter touches keep their bytes, and the
    metadata stays, with what was done added under `underdrawing`. Raises BadWeights when an adapter matches nothing or
    a result is NaN or infinite, BadParameter when output is an input; then nothing is written.
    """
    source = Path(checkpoint)
    path = check_output(output, [source, *(weighted[0].path for weighted in adapters)])
    with ExitStack() as stack:
        opened = open_checkpoint(source, _open_stream(stack, source))
        weights = _FileWeights(opened)
        work = make_plan(dict.fromkeys(PARTS, weights), adapters)
        receipt = make_receipt(adapters, work)
        check_receipt(receipt, allow_empty=allow_empty)
        metadata = {**opened.metadata, **make_provenance(_describe_step(source, adapters, order), opened.metadata)}
        with torch.no_grad():
            _write(path, opened, weights, _group_by_key(work), metadata, order, progress)
    return receipt


def _open_stream(stack: ExitStack, path: Path) -> BinaryIO:
    try:
        return stack.enter_context(path.open("rb"))
    except OSError as error:
        raise BadWeights(
            f"cannot be read ({error.strerror or error})", where=str(path), fix="check the name"
        ) from error


def _group_by_key(work: Plan) -> dict[str, Targets]:
    """Tensor key → changes; in a checkpoint every key belongs to one part."""
    return {key: targets for (_, key), targets in work.targets.items()}


def _describe_step(source: Path, adapters: Sequence[WeightedAdapter], order: Order) -> dict[str, Any]:
    entries: list[dict[str, Any]] = []
    for adapter, unet, encoder, *rest in adapters:
        entry = make_source_entry(adapter, unet, encoder)
        entries.append(entry if not rest or rest[0] is None else {**entry, "blocks": str(rest[0])})
    return {"tool": "bake", "checkpoint": source.name, "order": order, "adapters": entries}


def _write(
    path: Path,
    source: Checkpoint,
    weights: _FileWeights,
    work: dict[str, Targets],
    metadata: dict[str, str],
    order: Order,
    progress: Progress | None,
) -> None:
    entries = {**source.entries, **_add_biases(source, work)}
    head, end = encode_header(entries, metadata), max(entry.end for entry in entries.values())
    with atomic_stream(path, size=len(head) + end) as stream:
        stream.write(head)
        for done, (key, entry) in enumerate(entries.items(), start=1):
            for piece in _read_pieces(source, weights, work.get(key), key, entry, order):
                stream.write(piece)
            if progress is not None:
                progress(done, len(entries))


def _add_biases(source: Checkpoint, work: dict[str, Targets]) -> dict[str, Entry]:
    """Biases that adapters bring and layers lack, behind everything else, in the dtype of the layer's weight."""
    found: dict[str, Entry] = {}
    end = max(entry.end for entry in source.entries.values())
    for key, targets in work.items():
        if key not in source.entries:
            ((module, _), changes), *_ = targets.items()
            rows = max(change.delta.bias.numel() for change in changes if change.delta.bias is not None)
            weight = source.empty(source.slots[module, "weight"].key)
            dtype = source.entries[source.slots[module, "weight"].key].dtype
            found[key] = Entry(dtype, (rows,), end, end + rows * weight.element_size())
            end = found[key].end
    return found


def _read_pieces(
    source: Checkpoint, weights: _FileWeights, targets: Targets | None, key: str, entry: Entry, order: Order
) -> Iterator[bytes | memoryview]:
    if targets is None:
        yield from source.raw(key)
        return
    if key in source.entries:
        value = source.tensor(key).clone()
    else:
        module = next(iter(targets))[0]
        value = torch.zeros(entry.shape, dtype=source.empty(source.slots[module, "weight"].key).dtype)
    base = value.clone()
    for target, changes in targets.items():
        slot = source.slots.get(target) or weights.bias_slot(target[0])
        assert slot is not None
        part = slot.view(value)
        old = slot.view(base)
        if is_sequential(changes, target, order):
            write_sequential(part, old, [(change.delta, change.strength) for change in changes])
        else:
            write_sum(
                part,
                old,
                [(compute_change(change.delta, old, target[1]), change.strength) for change in changes],
                Workspace(),
            )
        if not bool(torch.isfinite(part.float()).all()):
            raise BadWeights(
                f"would be NaN or infinite in {entry.dtype}",
                where=f"{source.path.name}, {key}",
                fix="use lower strengths",
            )
    yield encode_tensor(value)
