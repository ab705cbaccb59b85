"""Prompts over the steps: what steers the UNet at each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ...adapters.prompts.emphasis import parse_emphasis
from ...adapters.prompts.prompt import split_subprompts
from ...adapters.prompts.schedule import list_texts
from ..denoising.units import Conditioning
from .texts import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ..request import Weighting
    from .loras import ModelLoras, Strengths
    from .texts import TextReader


class TextCache:
    """Schedules that were encoded, each once for each state of the LoRAs."""

    def __init__(self, reader: TextReader, loras: ModelLoras) -> None:
        self.loras, self._reader = loras, reader
        self._texts: dict[tuple[Strengths, tuple[str, ...]], list[Text]] = {}

    def __len__(self) -> int:
        """Number of schedules that were encoded."""
        return len(self._texts)

    def read(self, texts: Sequence[str], strengths: Strengths) -> list[Text]:
        """Encode the texts of a schedule, with LoRAs at these strengths on the text encoders."""
        key = strengths, tuple(texts)
        if key not in self._texts:
            self.loras.patch_encoders(strengths)
            self._texts[key] = self._reader.read_together(texts)
        return self._texts[key]


class ScheduledPrompt:
    """One prompt, without tags, over the steps of one pass.

    ids: SDXL's sizes. negative: AND has no meaning then. zeroed: an empty text is all zeros (A1111 with SDXL).
    first_pass: steps of the pass before this one, 0 where this is the first. old: A1111's old reading of schedules.
    """

    def __init__(
        self,
        text: str,
        cache: TextCache,
        weighting: Weighting,
        *,
        ids: Tensor | None = None,
        negative: bool = False,
        zeroed: bool = False,
        first_pass: int = 0,
        old: bool = False,
    ) -> None:
        """Raises BadParameter for weights that are no numbers and brackets that are nested too deeply."""
        self._cache, self._ids, self._first_pass, self._old = cache, ids, first_pass, old
        self._negative, self._zeroed = negative, zeroed and not text
        self._scheduled = weighting == "a1111"
        parts = split_subprompts(text) if self._scheduled and not negative else [(text, 1.0)]
        self._parts = parts
        self._schedules: dict[int, list[list[tuple[int, str]]]] = {}
        for part, _ in parts:
            for _, own in self._list_texts(part, 2):
                parse_emphasis(own, weighting)

    def at(self, step: int, total: int) -> list[list[Conditioning]]:
        """What steers the one picture at a step, counted from 0 of total: a part for each text between ANDs.

        The UNet gets the LoRAs of that step, when this is the prompt. As in A1111, a text whose last step is N, counted
        from 1, is still read at step N counted from 0.
        """
        if total not in self._schedules:
            self._schedules[total] = [self._list_texts(text, total) for text, _ in self._parts]
        loras, hires = self._cache.loras, self._first_pass > 0
        if not self._negative:
            loras.patch_unet(step, total, hires=hires)
        strengths = loras.find_encoder_strengths(step, total, hires=hires)
        found = [self._read(schedule, step, strengths) for schedule in self._schedules[total]]
        weights = [weight for _, weight in self._parts]
        parts = zip(found, weights, strict=True)
        return [[Conditioning(states=t.states, pooled=t.pooled, ids=self._ids, weight=weight) for t, weight in parts]]

    def _read(self, schedule: Sequence[tuple[int, str]], step: int, strengths: Strengths) -> Text:
        found = self._cache.read([text for _, text in schedule], strengths)[find_place(schedule, step)]
        if not self._zeroed:
            return found
        return Text(torch.zeros_like(found.states), None if found.pooled is None else torch.zeros_like(found.pooled))

    def _list_texts(self, text: str, total: int) -> list[tuple[int, str]]:
        if not self._scheduled:
            return [(total, text)]
        if self._first_pass:
            return list_texts(text, self._first_pass, hires_steps=total, old=self._old)
        return list_texts(text, total, old=self._old)


def find_place(schedule: Sequence[tuple[int, str]], step: int) -> int:
    """Which of the texts with their last steps holds at a step counted from 0."""
    return next((place for place, (last, _) in enumerate(schedule) if step <= last), len(schedule) - 1)
