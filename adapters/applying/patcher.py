"""Adapters on a live model. Originals are never written: patched weights are other tensors, and clearing puts the
original objects back, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import torch

from ...core.errors import BadWeights
from ...core.hooks import log
from ..modules.parts import TEXT_ENCODER, TEXT_ENCODER_2, TEXT_ENCODER_3, TRANSFORMER, UNET
from .buffers import allocate_like
from .originals import LOCK, ORIGINALS, Allocation, Replacement, is_moved, is_ours, move_like, read_version
from .plan import Blocks, Change, check_receipt, make_plan, make_receipt
from .weight_access import access_weights
from .weight_writer import Address, Order, WeightWriter, is_sequential

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from torch import Tensor, nn

    from ..adapter import Adapter
    from .plan import Plan
    from .receipt import Receipt
    from .weight_access import Target, WeightAccess

Patched = dict[Address, Replacement]
__all__ = ["Blocks", "Change", "Order", "Patcher", "is_sequential"]


class Patcher:
    """Applies adapters to model parts and takes them off without a trace.

    Parts are diffusers / transformers modules or plain state dicts with the part's own keys (any known spelling), a
    transformer's also as its maker has it, with q, k and v in one weight.
    Weights in fp8 or int8 with a scale beside them are computed in float32 and stored in that form again.
    order: "base" computes every delta from the untouched weight and sums them; "sequential" feeds each delta the weight
    the one before left, as A1111 and ComfyUI do (the same for LoRA, not for DoRA, OFT, BOFT, GLoRA and IA3).
    As a context manager it clears when left.

    Several Patchers may serve one model, in any order: what is on the model is a property of the model, so the last
    `set` counts and any `clear` puts the originals back. Calls from several threads wait for each other; a model that
    computes meanwhile is the caller's to stop.

    A copy (``copy.deepcopy``), a pickle and a saved state dict of a patched model hold patched weights as their own:
    clear first. What is loaded into a patched model stays, with a note; writing through ``.data`` is not noticed.
    """

    def __init__(
        self,
        *,
        unet: nn.Module | dict[str, Tensor] | None = None,
        text_encoder: nn.Module | dict[str, Tensor] | None = None,
        text_encoder_2: nn.Module | dict[str, Tensor] | None = None,
        text_encoder_3: nn.Module | dict[str, Tensor] | None = None,
        transformer: nn.Module | dict[str, Tensor] | None = None,
        order: Order = "base",
    ) -> None:
        models = {
            UNET: unet,
            TRANSFORMER: transformer,
            TEXT_ENCODER: text_encoder,
            TEXT_ENCODER_2: text_encoder_2,
            TEXT_ENCODER_3: text_encoder_3,
        }
        self._models = {part: model for part, model in models.items() if model is not None}
        self._parts: dict[str, WeightAccess] = {
            part: access_weights(part, model) for part, model in self._models.items()
        }
        self._seen: Patched = {}
        """What this Patcher last knew to be patched: a model that was cast may hold new objects."""
        self._writer = WeightWriter(self._parts, order)

    def set(
        self,
        adapters: Sequence[tuple[Adapter, float, float] | tuple[Adapter, float, float, Blocks | None]],
        *,
        allow_empty: bool = False,
        allow_mismatch: bool = False,
    ) -> Receipt:
        """Make exactly these adapters active: (adapter, unet strength, text encoder strength[, block weights]).

        Replaces what was set before, also by another Patcher. Raises BadWeights when an adapter matches nothing, unless
        allow_empty, when it was made for another base model than this, unless allow_mismatch, when weights are stored
        in a form that cannot be computed with, and when a result would be NaN or infinite; BadParameter for strengths
        that are no finite numbers. After any exception the model is as it was without adapters.
        """
        with LOCK:
            try:
                self._look_again()
                patched, written = self._find_patched()
                way_out = "set allow_mismatch"
                plan = make_plan(self._parts, adapters, allow_mismatch=allow_mismatch, way_out=way_out)
                receipt = replace(make_receipt(adapters, plan), notes=_describe_written(written))
                check_receipt(receipt, allow_empty=allow_empty)
                scales = self._find_scales(plan)
                self._drop_unused(patched, plan, {*plan.targets, *scales.values()})
                with torch.inference_mode(mode=False), torch.no_grad():
                    self._allocate_buffers(patched, plan, scales.values())
                    self._seen = patched
                    for address, targets in plan.targets.items():
                        self._patch(patched, address, targets, scales.get(address))
            except BaseException:
                self.clear()
                raise
            return receipt

    def clear(self) -> None:
        """Put every original back and free what patching took."""
        with LOCK:
            self._look_again()
            patched, written = self._find_patched()
            self._restore(patched, list(patched))
            self._seen = {}
            self._writer.forget()
        for note in _describe_written(written):
            log.warning(note)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Patcher belongs to its model and is neither copied nor pickled; make one for the copy")

    def __enter__(self) -> Patcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def _look_again(self) -> None:
        """Learn what a model holds whose modules or keys were replaced, added or removed; those that it held before get
        their originals back."""
        if changed := [part for part, weights in self._parts.items() if not weights.is_current()]:
            patched, _ = self._find_patched()
            self._restore(patched, [address for address in patched if address[0] in changed])
            self._seen = {address: one for address, one in self._seen.items() if address[0] not in changed}
            self._parts.update({part: access_weights(part, self._models[part]) for part in changed})

    def _find_patched(self) -> tuple[Patched, list[str]]:
        """What of the model is patched, by whichever Patcher, and which patched weights somebody wrote into.

        A checkpoint loaded over patched weights makes those the new originals: nothing old is put back. Weights that
        were only moved or cast (``model.to(...)``, offloading) get their originals back, moved and cast as they were.
        """
        found: Patched = {}
        written: list[str] = []
        for part, weights in self._parts.items():
            for key, now in list(weights.items()):
                patched = ORIGINALS.find(now)
                if patched is not None and is_ours(now, patched):
                    found[part, key] = patched
                    continue
                known = patched or self._seen.get((part, key))
                if known is not None and now is not known.original and is_moved(now, known):
                    weights.put(key, move_like(known.original, now))
                elif patched is not None and patched.version is not None:
                    written.append(f"{part}.{key}")
                ORIGINALS.remove(now)
        return found, written

    def _restore(self, patched: Patched, addresses: Iterable[Address]) -> None:
        for address in addresses:
            part, key = address
            self._parts[part].put(key, patched.pop(address).original)

    def _find_scales(self, plan: Plan) -> dict[Address, Address]:
        """Weight that is to be patched → its scale, which may have to grow with it."""
        found: dict[Address, Address] = {}
        for part, key in plan.targets:
            if self._parts[part].get(key) is not None:
                scale = self._parts[part].find_storage(key).scale
                if scale is not None:
                    found[part, key] = part, scale
        return found

    def _drop_unused(self, patched: Patched, plan: Plan, needed: set[Address]) -> None:
        """Drop what is no longer needed; when that is most of the memory, restart so that it is released."""
        self._restore(patched, [address for address in patched if address not in needed])
        taken = sum({id(p.allocation): p.allocation.nbytes for p in patched.values()}.values())
        if 2 * sum(one.buffer.nbytes for one in patched.values()) < taken:
            self._restore(patched, list(patched))
        self._writer.keep_changes(plan)

    def _allocate_buffers(self, patched: Patched, plan: Plan, scales: Iterable[Address]) -> None:
        wanted = [address for address in (*plan.targets, *scales) if address not in patched]
        found = {address: self._parts[address[0]].get(address[1]) for address in wanted}
        originals = {address: original for address, original in found.items() if original is not None}
        buffers = allocate_like(originals)
        for address, original in found.items():
            if original is None:
                buffers[address] = self._allocate_bias(address[0], plan.targets[address])
        allocation = Allocation(sum(buffer.nbytes for buffer in buffers.values()))
        for address, original in found.items():
            patched[address] = Replacement(original, buffers[address], allocation)

    def _allocate_bias(self, part: str, targets: dict[Target, list[Change]]) -> Tensor:
        """Room for a bias that the layer does not have, like its weight."""
        ((module, _), changes), *_ = targets.items()
        weights, bias = self._parts[part], changes[0].delta.bias
        weight = weights.get(weights.slots[module, "weight"].key)
        assert bias is not None
        assert weight is not None
        dtype = weight.dtype if weight.element_size() > 1 else torch.float32
        return torch.empty(bias.numel(), dtype=dtype, device=weight.device)

    def _patch(
        self, patched: Patched, address: Address, targets: dict[Target, list[Change]], scale: Address | None
    ) -> None:
        one = patched[address]
        one.version = None  # should this be interrupted, the half-written buffer is still known as ours
        try:
            if scale is None:
                self._writer.write(address, targets, one)
            else:
                patched[scale].version = None
                self._writer.write_codes(address, targets, one, patched[scale])
        except BadWeights as error:
            raise BadWeights(error.what, where=error.where or ".".join(address), fix=error.fix) from error
        self._put(address, one)
        if scale is not None:
            self._put(scale, patched[scale])

    def _put(self, address: Address, one: Replacement) -> None:
        """Let the model hold the buffer, and remember what it stands for."""
        weights, key = self._parts[address[0]], address[1]
        now = weights.get(key)
        if now is None or now is one.original or now.data_ptr() != one.buffer.data_ptr():
            now = weights.wrap(key, one.buffer)
            ORIGINALS.add(now, one)
            weights.put(key, now)
        one.version = read_version(now)


def _describe_written(keys: list[str]) -> tuple[str, ...]:
    if not keys:
        return ()
    what = f"{len(keys)} weights were written while adapters were applied (such as {keys[0]}); they stay as written"
    return (f"{what}: if that was computed from what they held, as by training, load the model again",)
