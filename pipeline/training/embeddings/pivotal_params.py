"""Parameters of pivotal tuning."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ....core.params import about, between
from ..networks.params import NetworkParams
from .params import EmbeddingParams
from .templates import Template

STEPS = 1000


class PivotalParams(NetworkParams, frozen=True):
    """Those of a LoRA, which is the second stage, and those of the word, which is the first."""

    text_rate: Annotated[
        float, between(0, 100, "Learning rate of the text encoders in the second stage; 0: not trained", step=1e-6)
    ] = 1e-5
    token: Annotated[str, about("The new word; empty: the name of the result")] = ""
    vectors: Annotated[int, between(1, 75, "Vectors of the word; each takes the room of a token")] = 1
    init: Annotated[str, about("Start: words, <zero>, <rand> or <rand-0.017>, which is the deviation")] = "<rand>"
    template: Annotated[Template, about("Sentences for pictures without caption; word: the word alone")] = "object"
    norm_decay: Annotated[bool, about("Pull the vectors to the usual length of vectors after each step")] = True
    word_steps: Annotated[int, between(1, 10_000_000, "Steps of the first stage", step=100)] = STEPS
    word_rate: Annotated[float, between(1e-9, 100, "Learning rate of the first stage", step=1e-4)] = 5e-4
    bundle: Annotated[bool, about("Put the word into the LoRA's file too; diffusers refuses such files")] = True
    continue_inversion: Annotated[bool, about("Train the word on in the second stage")] = False


def make_word_params(params: PivotalParams) -> EmbeddingParams:
    """Parameters of the first stage."""
    names = [name for name in EmbeddingParams.__struct_fields__ if name in PivotalParams.__struct_fields__]
    common = EmbeddingParams(**{name: getattr(params, name) for name in names})
    return msgspec.structs.replace(
        common, steps=params.word_steps, epochs=0.0, repeats=1, rate=params.word_rate, weight_decay=0.0, warm_up=0
    )
