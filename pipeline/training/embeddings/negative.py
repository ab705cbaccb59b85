"""Training of a word for the negative prompt, by what guidance with it gives.

The captions of pictures are guided away from the word, as classifier-free guidance does (J. Ho and T. Salimans 2022,
arXiv:2207.12598), and the guided answer is held against the true noise. So the word learns what takes mistakes away at
this strength of guidance; no spoilt pictures are needed. Learning the negative branch instead of choosing it: X. Li and
others 2024, arXiv:2412.19637, there with rewards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ....core.errors import BadParameter
from ..data.texts import CaptionEncoder
from ..rules import Rule
from .embedding import EmbeddingTraining

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from torch import Tensor

    from ...models.model import Model
    from ..trainable import Batch
    from .params import EmbeddingParams

_CAPTIONS = "leave it out: with --negative captions are read as they are"
_PRIOR = "leave it out: with --negative the word stands in no caption"
NEGATIVE_RULES = (
    Rule("template", _CAPTIONS, none_of=("negative",)),
    Rule("drop_captions", "leave it out: with --negative the word stands for the empty caption", none_of=("negative",)),
    Rule("prior", _PRIOR, none_of=("negative",)),
    Rule("prior_count", _PRIOR, none_of=("negative",)),
)
"""On options that have no effect on a word for the negative prompt."""


class NegativeTraining(EmbeddingTraining):
    """Vectors for one word that is named in negative prompts. params.negative: strength of guidance, above 1."""

    def __init__(self, model: Model, token: str, params: EmbeddingParams) -> None:
        """Raises BadParameter as `EmbeddingTraining`, and for a strength that guides nowhere."""
        super().__init__(model, token, params)
        check_strength(params.negative)
        self._word = CaptionEncoder(model, _Word(self), clip_skip=params.clip_skip, windows=1)

    def vectors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """None: captions do not hold the word."""
        return {}

    def write_caption(self, caption: str, number: int) -> str:
        """The caption as it is."""
        return caption

    def check_captions(self, captions: Collection[str]) -> None:
        """Raise BadParameter for pictures without caption: guidance away from the word needs somewhere to go."""
        if any(not caption.strip() for caption in captions):
            fix = "write NAME.txt beside each picture, or give --trigger as the caption of those that have none"
            raise BadParameter("pictures without caption, with --negative", where="captions", fix=fix)

    def predict(self, model: Model, batch: Batch) -> Any:
        """The guided answer to a batch, [B, C, h, w]; gradients flow through the word's branch alone."""
        strength, count = self.params.negative, len(batch.steps)
        with torch.no_grad():
            wanted = super().predict(model, batch)
        states = self._word.encode([self.token])
        rows = (count, -1, -1)
        added = batch.added if states.pooled is None else {**batch.added, "text_embeds": states.pooled.expand(rows[:2])}
        fields = {"added_cond_kwargs": added} if added else {}
        hidden = states.hidden.expand(rows)
        unwanted = model.unet(batch.noisy, batch.steps, hidden, return_dict=False, **fields)[0]
        return unwanted + strength * (wanted - unwanted)

    def list_preview_fields(self, folder: Path, prompt: str) -> dict[str, Any]:
        """The word as negative prompt, and the strength as CFG."""
        return {"negative": self.token, "cfg": self.params.negative}


class _Word:
    """What encodes the word: as a training of it whose captions hold it."""

    def __init__(self, training: EmbeddingTraining) -> None:
        self.parts, self._training = training.parts, training

    def vectors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The word's."""
        return EmbeddingTraining.vectors(self._training)


def check_strength(strength: float) -> None:
    """Raise BadParameter for a CFG at which a negative prompt does nothing."""
    if strength <= 1:
        what = f"at a CFG of {strength:g} a negative prompt has no effect"
        raise BadParameter(what, where="negative", fix="give the CFG that pictures are made with, such as 7")
