"""What a run knows of itself, for the metadata of its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .export.metadata import Facts

if TYPE_CHECKING:
    from pathlib import Path

    from ..models.model import Model
    from .params import TrainParams
    from .sets import TrainingSet


def collect_facts(output: Path, model: Model, sets: TrainingSet, params: TrainParams, steps: int) -> Facts:
    """Facts in kohya's words, without dates and folders: the same run gives the same."""
    side = params.resolution or model.sample_size
    order = sets.pictures.order
    options: dict[str, int | float | str | bool | None] = {
        "num_train_images": order.samples,
        "num_batches_per_epoch": order.passes,
        "num_epochs": max(1, -(-steps * params.accumulate // order.passes)),
        "batch_size_per_device": params.batch,
        "gradient_accumulation_steps": params.accumulate,
        "learning_rate": params.rate,
        "optimizer": params.optimiser,
        "lr_scheduler": params.schedule,
        "lr_warmup_steps": params.warm_up,
        "max_grad_norm": params.max_grad_norm,
        "min_snr_gamma": params.min_snr or None,
        "noise_offset": params.noise_offset or None,
        "clip_skip": params.clip_skip,
        "mixed_precision": "bf16" if model.placement.dtype == "bfloat16" else "no",
        "enable_bucket": params.buckets,
        "shuffle_caption": params.shuffle_tags,
        "keep_tokens": params.keep_tags,
        "caption_dropout_rate": params.drop_captions,
        "caption_tag_dropout_rate": params.drop_tags,
        "flip_aug": params.flip,
    }
    return Facts(
        title=output.stem,
        size=(side, side),
        seed=params.seed,
        steps=steps,
        words=(params.trigger,) if params.trigger else (),
        tags=sets.count_tags(),
        options=options,
    )
