"""Metadata of a result, from what a session knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .metadata import Facts, build_metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...models.model import Model
    from ..params import TrainParams
    from ..sets import TrainingSet

OPTIONS = {
    "rate": "learning_rate",
    "optimiser": "optimizer",
    "schedule": "lr_scheduler",
    "batch": "total_batch_size",
    "accumulate": "gradient_accumulation_steps",
    "min_snr": "min_snr_gamma",
    "noise_offset": "noise_offset",
    "clip_skip": "clip_skip",
}
"""Our parameters under kohya's names."""


def make_description(
    title: str, params: TrainParams, kind: str, words: tuple[str, ...] = ()
) -> Callable[[Model, TrainingSet, int], dict[str, str]]:
    """What a session asks for metadata. title: of the result. kind: as `build_metadata`. words: trigger words."""

    def describe(model: Model, sets: TrainingSet, steps: int) -> dict[str, str]:
        size = sets.pictures.items[0].size
        facts = Facts(
            title=title,
            size=(size.width, size.height),
            seed=params.seed,
            steps=steps,
            words=words,
            tags=sets.count_tags(),
            options={theirs: getattr(params, ours) for ours, theirs in OPTIONS.items()},
        )
        return build_metadata(model, facts, kind=kind)

    return describe
