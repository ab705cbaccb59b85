"""Captions as the UNet reads them, with gradients where text encoders or vectors are trained."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch

from ....adapters.prompts.chunks import pad_to_longest
from ....adapters.prompts.emphasis import Fragment
from ....adapters.prompts.encoding import read_rows, split_for_encoders
from ...conditioning.encoders import build_encoders

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor

    from ....adapters.prompts.chunks import Chunk
    from ...models.model import Model

MEMORY = 256 << 20
"""Bytes of encoded captions that are held."""


class States(NamedTuple):
    """hidden float32 [B, 77 n, D]; pooled float32 [B, P] of SDXL, None for others."""

    hidden: Tensor
    pooled: Tensor | None


class Words(Protocol):
    """What captions are encoded for, as `Trainable`: networks that are trained, and words that stand for vectors."""

    @property
    def parts(self) -> frozenset[str]:
        """Networks that must be computed with gradients, by their ids."""
        ...

    def vectors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Word → part → [N, D]."""
        ...


class CaptionEncoder:
    """Encodes the captions of batches. windows: most windows of a caption. frozen: whether nothing of it is trained.

    cut: captions that were longer.
    """

    def __init__(self, model: Model, trainable: Words, *, clip_skip: int, windows: int) -> None:
        self._encoders = build_encoders(model, clip_skip)
        self._trainable, self._windows = trainable, windows
        parts = trainable.parts
        self._learns = {encoder.part for encoder in self._encoders if encoder.part in parts}
        self.frozen = not self._learns and not trainable.vectors()
        self._held: OrderedDict[tuple[str, int], States] = OrderedDict()
        self._size = 0
        self.cut = set[str]()

    def encode(self, captions: Sequence[str]) -> States:
        """States of a batch; a caption counts as many windows as the longest."""
        tables = [self._split(caption) for caption in captions]
        count = max(len(next(iter(table.values()))) for table in tables)
        if not self.frozen:
            return self._compute(tables)
        found = [self._read(caption, table, count) for caption, table in zip(captions, tables, strict=True)]
        pooled = [one.pooled for one in found if one.pooled is not None]
        return States(torch.cat([one.hidden for one in found]), torch.cat(pooled) if pooled else None)

    def count_cut(self, captions: Iterable[str]) -> int:
        """How many captions are longer than what is read of them."""
        for caption in captions:
            self._split(caption)
        return len(self.cut)

    def _split(self, caption: str) -> dict[str, list[Chunk]]:
        vectors = self._trainable.vectors()
        own = {e.part: {word: rows[e.part] for word, rows in vectors.items() if e.part in rows} for e in self._encoders}
        chunks = split_for_encoders(
            [Fragment(caption, 1.0)],
            {e.part: (e.tokenize, e.special, own[e.part]) for e in self._encoders},
            backtrack=20 if self._windows > 1 else 0,
        )
        if any(len(windows) > self._windows for windows in chunks.values()):
            self.cut.add(caption)
        return {part: windows[: self._windows] for part, windows in chunks.items()}

    def _read(self, caption: str, table: dict[str, list[Chunk]], count: int) -> States:
        """What was encoded before, or is now. count: of windows."""
        key = (caption, count)
        if key not in self._held:
            filled = {
                e.part: pad_to_longest([table[e.part], [table[e.part][0]] * count], e.special)[:1]
                for e in self._encoders
            }
            with torch.no_grad():
                self._held[key] = states = self._compute([{part: rows[0] for part, rows in filled.items()}])
            self._size += _measure(states)
            while self._size > MEMORY and len(self._held) > 1:
                self._size -= _measure(self._held.popitem(last=False)[1])
        self._held.move_to_end(key)
        return self._held[key]

    def _compute(self, tables: Sequence[dict[str, list[Chunk]]]) -> States:
        hidden: list[Tensor] = []
        pooled: Tensor | None = None
        vectors = self._trainable.vectors()
        for encoder in self._encoders:
            filled = pad_to_longest([table[encoder.part] for table in tables], encoder.special)
            chunks = [chunk for windows in filled for chunk in windows]
            own = {word: rows[encoder.part] for word, rows in vectors.items() if encoder.part in rows}
            ids = torch.tensor([chunk.ids for chunk in chunks], dtype=torch.int64)
            with torch.set_grad_enabled(torch.is_grad_enabled() and (encoder.part in self._learns or bool(own))):
                answer = encoder.compute(ids, read_rows(chunks, own))
            hidden.append(answer.hidden.reshape(len(tables), -1, answer.hidden.shape[-1]))
            if answer.pooled is not None:
                pooled = answer.pooled.reshape(len(tables), -1, answer.pooled.shape[-1])[:, 0]
        return States(torch.cat(hidden, dim=-1), pooled)


def _measure(states: States) -> int:
    return 4 * (states.hidden.numel() + (0 if states.pooled is None else states.pooled.numel()))
