"""Text encoders of a model: windows of tokens in, hidden states and pooled vectors out."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ...adapters.modules.parts import TEXT_ENCODER, TEXT_ENCODER_2
from ...adapters.prompts.chunks import Special

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from torch import Tensor

    from ...adapters.prompts.encoding import Rows
    from ..models.model import Model

_NORM = "final_layer_norm"


class Encoded(NamedTuple):
    """hidden [B, 77, D] float32. pooled [B, P] float32; None for encoders without a projection."""

    hidden: Tensor
    pooled: Tensor | None


class Encoder:
    """One text encoder with its tokenizer. skip: layers counted from the end, 1 for the last; normed: whether the
    model's last norm is applied to another than the last one."""

    def __init__(self, part: str, network: Any, tokenizer: Any, *, skip: int = 1, normed: bool = True) -> None:
        self.part, self.network, self._tokenizer = part, network, tokenizer
        self._skip, self._normed = skip, normed
        comma = self.tokenize(",")
        self.special = Special(
            start=int(tokenizer.bos_token_id),
            end=int(tokenizer.eos_token_id),
            pad=int(tokenizer.pad_token_id),
            comma=comma[0] if len(comma) == 1 else None,
        )

    @property
    def width(self) -> int:
        """Of the vectors that stand for tokens, which is that of the hidden states."""
        return int(self.network.get_input_embeddings().weight.shape[1])

    def tokenize(self, text: str) -> Sequence[int]:
        """Ids without start and end, however many."""
        return self._tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]

    @torch.no_grad()
    def encode(self, ids: Tensor, rows: Rows) -> Encoded:
        """Hidden states of windows, ids int64 [B, 77], with rows put over their tokens' vectors."""
        return self.compute(ids, rows)

    def compute(self, ids: Tensor, rows: Rows) -> Encoded:
        """The same with gradients, for training."""
        device = self.network.get_input_embeddings().weight.device
        with self._replace_vectors(rows):
            answer = self.network(ids.to(device), output_hidden_states=True)
        hidden = answer.last_hidden_state if self._skip == 1 else answer.hidden_states[-self._skip]
        if self._skip > 1 and self._normed:
            hidden = self._find_norm()(hidden)
        pooled = getattr(answer, "text_embeds", None)
        return Encoded(hidden.float(), None if pooled is None else pooled.float())

    def _find_norm(self) -> Any:
        """Of the whole encoder; transformers 5 has it one level higher than 4."""
        return next(module for name, module in self.network.named_modules() if name.rpartition(".")[2] == _NORM)

    @contextmanager
    def _replace_vectors(self, rows: Rows) -> Generator[None]:
        if not any(rows):
            yield
            return

        def put(_: Any, __: Any, vectors: Tensor) -> Tensor:
            vectors = vectors.clone()
            for index, own in enumerate(rows):
                for position, vector in own:
                    vectors[index, position] = vector.to(vectors)
            return vectors

        handle = self.network.get_input_embeddings().register_forward_hook(put)
        try:
            yield
        finally:
            handle.remove()


def build_encoders(model: Model, clip_skip: int = 1) -> list[Encoder]:
    """Text encoders of a model with the layers that A1111 reads.

    SD1: clip_skip, counted from 1, with the last norm. SD2: the last, which is OpenCLIP's penultimate. SDXL and its
    refiner: the penultimate ones without the norm.
    """
    parts = (TEXT_ENCODER_2,) if model.family == "sdxl_refiner" else (TEXT_ENCODER, TEXT_ENCODER_2)
    large = model.family in ("sdxl", "sdxl_refiner")
    skip = 2 if large else clip_skip if model.family == "sd1" else 1
    return [
        Encoder(part, network, tokenizer, skip=skip, normed=not large)
        for part, network, tokenizer in zip(parts, model.text_encoders, model.tokenizers, strict=False)
    ]


def explain_clip_skip(model: Model, clip_skip: int) -> str:
    """What a user should know of a clip skip that is not used; empty when there is nothing."""
    if clip_skip == 1 or model.family == "sd1":
        return ""
    return f"clip skip {clip_skip} is not used: this model has a layer of its own that is read, as in A1111"


def find_layer_count(model: Model) -> int:
    """Layers of the first text encoder, beyond which nothing can be skipped."""
    return int(model.text_encoders[0].config.num_hidden_layers)
