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
    "warm_up": "lr_warmup_steps",
    "max_grad_norm": "max_grad_norm",
    "batch": "batch_size_per_device",
    "accumulate": "gradient_accumulation_steps",
    "min_snr": "min_snr_gamma",
    "noise_offset": "noise_offset",
    "clip_skip": "clip_skip",
    "buckets": "enable_bucket",
    "flip": "flip_aug",
    "shuffle_tags": "shuffle_caption",
    "keep_tags": "keep_tokens",
    "drop_captions": "caption_dropout_rate",
    "drop_tags": "caption_tag_dropout_rate",
}
"""Our parameters under kohya's names."""


def make_description(
    title: str, params: TrainParams, kind: str, words: tuple[str, ...] = ()
) -> Callable[[Model, TrainingSet, int], dict[str, str]]:
    """What a session asks for metadata. title: of the result. kind: as `build_metadata`. words: trigger words."""

    def describe(model: Model, sets: TrainingSet, steps: int) -> dict[str, str]:
        size, order = sets.pictures.items[0].size, sets.pictures.order
        counts = {
            "num_train_images": order.samples,
            "num_batches_per_epoch": order.passes,
            "num_epochs": max(1, -(-steps * params.accumulate // order.passes)),
            "mixed_precision": "bf16" if model.placement.dtype == "bfloat16" else "no",
        }
        facts = Facts(
            title=title,
            size=(size.width, size.height),
            seed=params.seed,
            steps=steps,
            words=words,
            tags=sets.count_tags(),
            options={theirs: getattr(params, ours) for ours, theirs in OPTIONS.items()} | counts,
        )
        return build_metadata(model, facts, kind=kind)

    return describe
