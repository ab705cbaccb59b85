"""Parameters of a new word."""

from __future__ import annotations

from typing import Annotated

from ....core.params import about, between
from ..params import TrainParams
from .templates import Template


class EmbeddingParams(TrainParams, frozen=True):
    """Those of all training, and what is trained in place of a word."""

    rate: Annotated[float, between(0, 100, "Learning rate", step=1e-4)] = 5e-3
    weight_decay: Annotated[float, between(0, 1, "Weight decay", step=0.001)] = 0.0
    token: Annotated[str, about("The new word; empty: the name of the result")] = ""
    vectors: Annotated[int, between(1, 75, "Vectors of the word; each takes the room of a token")] = 1
    init: Annotated[str, about("Start: words, <zero>, <rand> or <rand-0.017>, which is the deviation")] = "<rand>"
    template: Annotated[Template, about("Sentences for pictures without caption; word: the word alone")] = "object"
    norm_decay: Annotated[bool, about("Pull the vectors to the usual length of vectors after each step")] = False
    negative: Annotated[
        float, between(0, 100, "Train it for the negative prompt at this CFG, on captions without it; 0: off", step=0.5)
    ] = 0.0
