"""Sampler, schedule and prompts of the second pass, its own or those of the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..conditioning.loras import LoraUse, read_loras
from ..sampling.names import find_sampler

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..request import Request
    from ..sampling.names import Choice


class PromptTexts(NamedTuple):
    """Prompt and negative prompt of each pass, without tags; LoRAs of both; what became of other tags."""

    first: tuple[str, str]
    second: tuple[str, str]
    uses: tuple[LoraUse, ...]
    notes: tuple[str, ...]

    def choose(self, *, second: bool) -> tuple[str, str]:
        """Those of a pass."""
        return self.second if second else self.first


def read_prompts(request: Request, folders: Sequence[Path], spare: Sequence[Path] = ()) -> PromptTexts:
    """Read prompts and the LoRAs they name. Raises as read_loras."""
    prompt = read_loras(request.prompt, folders, spare)
    first = (prompt.text, request.negative)
    hires = request.hires
    if hires is None:
        return PromptTexts(first, first, prompt.uses, prompt.notes)
    negative = hires.negative or request.negative
    if not hires.prompt:
        return PromptTexts(first, (prompt.text, negative), prompt.uses, prompt.notes)
    second = read_loras(hires.prompt, folders, spare)
    uses = (*_bind(prompt.uses, hires=False), *_bind(second.uses, hires=True))
    return PromptTexts(first, (second.text, negative), uses, (*prompt.notes, *second.notes))


def _bind(uses: Sequence[LoraUse], *, hires: bool) -> tuple[LoraUse, ...]:
    return tuple(LoraUse(use.adapter, use.call, hires) for use in uses)


def find_second_sampler(choice: Choice, request: Request) -> Choice:
    """Sampler and schedule of the second pass. choice: those of the first. Raises UnknownName.

    As in A1111 another sampler without a schedule of its own takes the first one's, where that was chosen, and its own
    automatic one otherwise.
    """
    hires = request.hires
    if hires is None or not (hires.sampler or hires.scheduler):
        return choice
    scheduler = hires.scheduler
    if not scheduler and not choice.automatic:
        scheduler = choice.scheduler
    return find_sampler(hires.sampler or request.sampler, scheduler)
