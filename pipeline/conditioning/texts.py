"""One text, without schedules: its windows through every text encoder, weighted as A1111 or ComfyUI does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from ...adapters.prompts.chunks import pad_to_longest, split_comfyui
from ...adapters.prompts.emphasis import Fragment, parse_emphasis
from ...adapters.prompts.encoding import encode_comfyui, read_rows, split_for_encoders, weight_a1111

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

    from ...adapters.prompts.chunks import Chunk
    from ...adapters.prompts.encoding import A1111Emphasis, Rows
    from ...adapters.prompts.prompt_embeddings import EmbeddingFolder, PromptEmbeddings
    from ..host_settings import Emphasis
    from ..request import Weighting
    from .encoders import Encoder


EMPHASIS: dict[Emphasis, A1111Emphasis] = {
    "Original": "original",
    "No norm": "no-norm",
    "Ignore": "ignore",
    "None": "ignore",
}
"""What A1111's emphasis modes do with weights; with "None" brackets are words."""


class Text(NamedTuple):
    """What a text is to the UNet. states [1, 77 n, D] float32; pooled [1, P] float32 or None."""

    states: Tensor
    pooled: Tensor | None


class TextReader:
    """Encodes texts. held: what names in them can mean. note: takes what became of names. emphasis: A1111's mode."""

    def __init__(
        self,
        encoders: Sequence[Encoder],
        held: EmbeddingFolder,
        weighting: Weighting,
        note: Callable[[str], None],
        emphasis: Emphasis = "Original",
    ) -> None:
        self._encoders, self._held, self._note = encoders, held, note
        self._weighting: Weighting = weighting
        self._plain = emphasis == "None"
        self._emphasis: A1111Emphasis = EMPHASIS[emphasis]
        self._widths = {encoder.part: encoder.width for encoder in encoders}
        self._used: set[str] = set()

    def list_embeddings(self) -> dict[str, Path]:
        """Name → file of the embeddings that stood in texts so far."""
        found = ((name, self._held.find_file(name)) for name in sorted(self._used))
        return {name: path for name, path in found if path is not None}

    def read(self, text: str) -> Text:
        """Encode. Raises BadParameter, UnknownName, BadWeights for weights and embeddings that cannot be used."""
        return self.read_together([text])[0]

    def read_together(self, texts: Sequence[str]) -> list[Text]:
        """Encode the texts of one schedule. Raises as `read`.

        A1111 encodes them as one batch: each gets as many windows as the longest, and weights keep the mean of all.
        """
        if self._weighting == "comfyui":
            return [self._read_comfyui(text) for text in texts]
        distinct = list(dict.fromkeys(texts))
        places = [distinct.index(text) for text in texts]
        tables = self._split_together(distinct)
        states: list[Tensor] = []
        pooled: list[Tensor | None] = [None] * len(distinct)
        for encoder in self._encoders:
            windows, vectors = tables[encoder.part]
            hidden: list[Tensor] = []
            for index, chunks in enumerate(windows):
                ids = torch.tensor([chunk.ids for chunk in chunks], dtype=torch.int64)
                answer = encoder.encode(ids, read_rows(chunks, vectors))
                hidden.append(answer.hidden)
                pooled[index] = pooled[index] if answer.pooled is None else answer.pooled[:1]
            weights = torch.tensor([[chunk.weights for chunk in chunks] for chunks in windows])
            states.append(_weight_together(torch.stack(hidden)[places], weights[places], self._emphasis))
        joined = torch.cat(states, dim=-1)
        return [Text(joined[index : index + 1], pooled[place]) for index, place in enumerate(places)]

    def _split_together(self, texts: Sequence[str]) -> dict[str, tuple[list[list[Chunk]], dict[str, Tensor]]]:
        """Windows of texts, as many of each, and vectors of embeddings, for each text encoder."""
        rows: dict[str, dict[str, Tensor]] = {encoder.part: {} for encoder in self._encoders}
        windows: dict[str, list[list[Chunk]]] = {encoder.part: [] for encoder in self._encoders}
        for text in texts:
            found = self._resolve([Fragment(text, 1.0)] if self._plain else parse_emphasis(text, "a1111"))
            own = {encoder.part: found.vectors.get(encoder.part, {}) for encoder in self._encoders}
            chunks = split_for_encoders(
                found.fragments, {e.part: (e.tokenize, e.special, own[e.part]) for e in self._encoders}
            )
            for part, names in own.items():
                rows[part] |= names
                windows[part].append(chunks[part])
                self._note_embeddings(chunks[part])
        special = {encoder.part: encoder.special for encoder in self._encoders}
        return {part: (pad_to_longest(own, special[part]), rows[part]) for part, own in windows.items()}

    def _resolve(self, fragments: list[Fragment]) -> PromptEmbeddings:
        found = self._held.resolve(fragments, self._widths, bare=self._weighting == "a1111")
        for note in found.notes:
            self._note(note)
        return found

    def _note_embeddings(self, chunks: Sequence[Chunk]) -> None:
        self._used |= {row.name for chunk in chunks for row in chunk.substitutions}

    def _read_comfyui(self, text: str) -> Text:
        """ComfyUI cuts what the text encoders give to the shorter of both."""
        fragments = parse_emphasis(text, "comfyui")
        vectors = self._resolve(fragments).vectors
        pooled: list[Tensor] = []
        hidden: list[Tensor] = []
        for encoder in self._encoders:
            own = vectors.get(encoder.part, {})
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


def _weight_together(hidden: Tensor, weights: Tensor, emphasis: A1111Emphasis) -> Tensor:
    """States [B, 77 n, D] of hidden states [B, n, 77, D] with weights [B, n, 77], window by window."""
    windows = zip(hidden.unbind(1), weights.unbind(1), strict=True)
    return torch.cat([weight_a1111(window, own, emphasis) for window, own in windows], dim=1)
