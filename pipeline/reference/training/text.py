"""Training of the text encoder: what a caption says must be readable from its tokens.

Stable Diffusion's text encoder is trained before the UNet and stays as it is. Here the questions that a picture would
be judged by take the place of CLIP's pictures; answering them is learnt from captions alone, which is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ....checkpoints.layouts.reference_shape import TEXT
from ..networks import build_text_encoder
from ..scoring.attributes import PLACED, UNASKED, WHOLE, encode_specs
from ..world.captions import vary_caption
from ..world.spec import sample_spec
from .data import HELD_OUT
from .latents import tokenize
from .loop import Part
from .starting import load_start

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from ....core.networks.placement import Placement
    from ..world.spec import SceneSpec

CAPTIONS, JUDGED = 20_000, 256
FIRST = 100_000
"""Seed of the first caption: other things than those that the UNet sees."""

WHOLE_EVERY = 4
"""One step in four sees all 77 tokens; the others end where the longest caption does, which changes no token before."""


class Captions(msgspec.Struct, frozen=True):
    """N captions: tokens int64 [N, 77]; ends [N], where each ends; things [N, 3], where the thing of each place ends.

    things is -1 where a place is empty. said: answers that the caption gives, by attribute, -1 for none: of places
    where it names them; here: those of the thing of each place, whether its place is named or not.
    """

    tokens: Tensor
    ends: Tensor
    things: Tensor
    said: dict[str, Tensor]
    here: dict[str, Tensor]


class Reader(nn.Module):
    """Linear answers to what is asked of a caption; only trained with, not kept."""

    def __init__(self) -> None:
        super().__init__()
        width = TEXT["hidden_size"]
        self.places = nn.Linear(width, 3 * sum(PLACED.values()))
        self.whole = nn.Linear(width, sum(WHOLE.values()))
        self.here = nn.Linear(width, sum(PLACED.values()))

    def forward(self, words: Tensor) -> dict[str, Tensor]:
        """Logits of all attributes from one token of each caption, [N, width]: [N, answers, 3] or [N, answers]."""
        places = self.places(words).unflatten(1, (-1, 3)).split([*PLACED.values()], 1)
        whole = self.whole(words).split([*WHOLE.values()], 1)
        return dict(zip(PLACED, places, strict=True)) | dict(zip(WHOLE, whole, strict=True))

    def read_things(self, words: Tensor) -> dict[str, Tensor]:
        """Logits of the thing that a token ends, [N, 3, width] to [N, answers, 3]."""
        return dict(zip(PLACED, self.here(words).transpose(1, 2).split([*PLACED.values()], 1), strict=True))


class TextPart(Part):
    """Text encoder and reader."""

    name = "text"
    batches = (32, 512)
    decay = 0.998

    def __init__(self, placement: Placement, *, start: Path | None = None, batch: int = 0) -> None:
        super().__init__(placement, batch)
        self._text: Any = build_text_encoder(int(tokenize([""]).max()) + 1)
        if start is not None:
            load_start(self._text, start / "text_encoder")
        self.module = nn.ModuleDict({"text_encoder": self._text, "reader": Reader()}).to(self.device)
        self.plain = [p for name, p in self._text.named_parameters() if "embedding" in name]
        self._turn = 0
        self._data = draw_captions(range(FIRST, FIRST + CAPTIONS), self.device)
        self._held = draw_captions(range(HELD_OUT, HELD_OUT + JUDGED), self.device)

    def compute_loss(self, share: float) -> Tensor:
        """Mean cross entropy of all answers: of the whole caption at its end and after it, of things where they end."""
        chosen = self.choose(len(self._data.tokens))
        self._turn += 1
        length = None if self._turn % WHOLE_EVERY == 0 else int(self._data.ends[chosen].max()) + 2
        words = self._encode(self._data.tokens[chosen, :length])
        rows = torch.arange(len(chosen), device=self.device)
        ends, said = self._data.ends[chosen], {name: value[chosen] for name, value in self._data.said.items()}
        later = ends + (torch.rand(len(chosen), device=self.device) * (words.shape[1] - ends)).long()
        losses = [compare_answers(self._read(words[rows, at]), said) for at in (ends, later)]
        things = words[rows[:, None], self._data.things[chosen].clamp(min=0)]
        here = {name: value[chosen] for name, value in self._data.here.items()}
        losses.append(compare_answers(self._reader.read_things(things), here))
        return torch.stack(losses).mean()

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Share of right answers about kinds and colours, on captions that are not trained on."""
        words = self._encode(self._held.tokens)
        found = self._read(words[torch.arange(len(words), device=self.device), self._held.ends])
        shares: dict[str, float] = {}
        for name in ("kind", "colour"):
            asked = self._held.said[name] != UNASKED
            shares[name] = float((found[name].argmax(1) == self._held.said[name])[asked].float().mean())
        return shares

    @property
    def _reader(self) -> Any:
        return self.module["reader"]  # type: ignore[index]

    def _read(self, words: Tensor) -> dict[str, Tensor]:
        return self._reader(words)

    def _encode(self, tokens: Tensor) -> Tensor:
        with self.autocast():
            words = self._text(tokens).last_hidden_state
        return words.float()


def compare_answers(found: dict[str, Tensor], right: dict[str, Tensor]) -> Tensor:
    """Mean over the attributes of the cross entropy of what is asked."""
    losses = [
        F.cross_entropy(logits, right[name], ignore_index=UNASKED)
        for name, logits in found.items()
        if bool((right[name] != UNASKED).any())
    ]
    return torch.stack(losses).mean()


def draw_captions(seeds: range, device: torch.device) -> Captions:
    """Captions of scenes that need not be rendered."""
    specs: list[SceneSpec] = []
    texts: list[str] = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        specs.append(sample_spec(rng))
        texts.append(vary_caption(specs[-1], rng))
    tokens = tokenize(texts)
    here = encode_specs(specs)
    said = {name: value.copy() for name, value in here.items()}
    for row, (spec, text) in enumerate(zip(specs, texts, strict=True)):
        _leave_out(said, row, spec, text.split(", "))
    things = _find_things(specs, texts)
    here["kind"][things < 0] = UNASKED
    return Captions(
        tokens.to(device),
        _find_ends(tokens).to(device),
        torch.from_numpy(things).to(device),
        {name: torch.from_numpy(value).to(device) for name, value in said.items()},
        {name: torch.from_numpy(here[name]).to(device) for name in PLACED},
    )


def _find_things(specs: Sequence[SceneSpec], texts: Sequence[str]) -> NDArray[np.int64]:
    """Place of the token with which each thing's part of the caption ends, [N, 3]; -1 where there is none."""
    at = [(row, thing.place) for row, spec in enumerate(specs) for thing in spec.things]
    parts = [text.split(", ") for text in texts]
    starts = [
        ", ".join(parts[row][: number + 1]) for row, spec in enumerate(specs) for number in range(len(spec.things))
    ]
    things = np.full((len(specs), 3), -1)
    things[tuple(np.array(at).T)] = _find_ends(tokenize(starts)).numpy() - 1
    return things


def _find_ends(tokens: Tensor) -> Tensor:
    """Where each row has its first end of text."""
    return tokens.argmax(1)


def _leave_out(said: dict[str, NDArray[np.int64]], row: int, spec: SceneSpec, parts: list[str]) -> None:
    """Nothing is asked that the caption does not say."""
    if " on the " not in parts[0] and " in the " not in parts[0]:
        for name in PLACED:
            said[name][row] = UNASKED
    for name, text in (("ground", spec.ground), ("time", spec.time)):
        if text not in parts:
            said[name][row] = UNASKED
