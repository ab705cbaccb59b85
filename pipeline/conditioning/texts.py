"""One text, without schedules: its windows through every text encoder, weighted as A1111 or ComfyUI does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from ...adapters.prompts.chunks import split_comfyui
from ...adapters.prompts.emphasis import parse_emphasis
from ...adapters.prompts.encoding import encode_comfyui, read_rows, split_for_encoders, weight_encoders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from ...adapters.prompts.chunks import Chunk
    from ...adapters.prompts.encoding import Rows
    from ...adapters.prompts.prompt_embeddings import EmbeddingFolder
    from ..request import Weighting
    from .encoders import Encoder


class Text(NamedTuple):
    """What a text is to the UNet. states [1, 77 n, D] float32; pooled [1, P] float32 or None."""

    states: Tensor
    pooled: Tensor | None


class TextReader:
    """Encodes texts. held: what names in them can mean. note: takes what became of names."""

    def __init__(
        self, encoders: Sequence[Encoder], held: EmbeddingFolder, weighting: Weighting, note: Callable[[str], None]
    ) -> None:
        self._encoders, self._held, self._note = encoders, held, note
        self._weighting: Weighting = weighting
        self._widths = {encoder.part: encoder.width for encoder in encoders}
        self._used: set[str] = set()

    def list_embeddings(self) -> dict[str, Path]:
        """Name → file of the embeddings that stood in texts so far."""
        found = ((name, self._held.find_file(name)) for name in sorted(self._used))
        return {name: path for name, path in found if path is not None}

    def read(self, text: str) -> Text:
        """Encode. Raises BadParameter, UnknownName, BadWeights for weights and embeddings that cannot be used."""
        fragments = parse_emphasis(text, self._weighting)
        found = self._held.resolve(fragments, self._widths, bare=self._weighting == "a1111")
        for note in found.notes:
            self._note(note)
        vectors = {encoder.part: found.vectors.get(encoder.part, {}) for encoder in self._encoders}
        if self._weighting == "comfyui":
            return self._read_comfyui(text, vectors)
        tables = {e.part: (e.tokenize, e.special, vectors[e.part]) for e in self._encoders}
        chunks = split_for_encoders(found.fragments, tables)
        hidden: list[Tensor] = []
        pooled: Tensor | None = None
        for encoder in self._encoders:
            ids = torch.tensor([chunk.ids for chunk in chunks[encoder.part]], dtype=torch.int64)
            self._note_embeddings(chunks[encoder.part])
            answer = encoder.encode(ids, read_rows(chunks[encoder.part], vectors[encoder.part]))
            hidden.append(answer.hidden.reshape(1, -1, answer.hidden.shape[-1]))
            pooled = pooled if answer.pooled is None else answer.pooled[:1]
        windows = [chunks[encoder.part] for encoder in self._encoders]
        states = weight_encoders(torch.cat(hidden, dim=-1), windows, self._encoders[0].width)
        return Text(states, pooled)

    def _note_embeddings(self, chunks: Sequence[Chunk]) -> None:
        self._used |= {row.name for chunk in chunks for row in chunk.substitutions}

    def _read_comfyui(self, text: str, vectors: Mapping[str, Mapping[str, Tensor]]) -> Text:
        """ComfyUI cuts what the text encoders give to the shorter of both."""
        fragments = parse_emphasis(text, "comfyui")
        pooled: list[Tensor] = []
        hidden: list[Tensor] = []
        for encoder in self._encoders:
            own = vectors[encoder.part]
            counts = {name: len(rows) for name, rows in own.items()}
            chunks = split_comfyui(fragments, encoder.tokenize, encoder.special, embeddings=counts)
            self._note_embeddings(chunks)

            def run(ids: Tensor, rows: Rows, encoder: Encoder = encoder) -> Tensor:
                answer = encoder.encode(ids, rows)
                if answer.pooled is not None:
                    pooled.append(answer.pooled[:1])
                return answer.hidden

            hidden.append(encode_comfyui(chunks, run, own, special=encoder.special))
        length = min(states.shape[1] for states in hidden)
        states = torch.cat([states[:, :length] for states in hidden], dim=-1)
        return Text(states, pooled[-1] if pooled else None)
