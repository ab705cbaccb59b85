"""Passes of a run: a batch drawn, noised, answered by the model and judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import torch

from ..data.captions import Changes
from ..trainable import Batch
from .chance import draw_noise, make_generator, make_number
from .order import Order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ...models.model import Model
    from ..data.latents import Item, LatentCache, Latents
    from ..data.texts import CaptionEncoder
    from ..trainable import Trainable
    from .objective import Objective


class PassOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How samples of a pass are drawn. flip: whether half of them are mirrored."""

    batch: int = 1
    repeats: int = 1
    flip: bool = False
    noise_offset: float = 0.0
    changes: Changes = Changes()
    seed: int = 0


class _Row(NamedTuple):
    latents: Latents
    noise: Tensor
    step: int
    flip: bool
    caption: str


class Pictures:
    """A set of pictures that batches are drawn from.

    label: tells its random numbers from those of another set; empty for the pictures that are trained on. Captions of
    others, those of the class, stay as they are: a new word in them would take the class for its meaning.
    """

    def __init__(self, items: Sequence[Item], cache: LatentCache, options: PassOptions, label: str = "") -> None:
        self.items, self.cache, self.options, self._label = items, cache, options, label
        counts = [item.sample.repeats * options.repeats for item in items]
        self.order = Order([item.size for item in items], counts, options.batch, make_number(options.seed, label))

    def draw(
        self, number: int, model: Model, trainable: Trainable, objective: Objective, encoder: CaptionEncoder
    ) -> tuple[Batch, Tensor | None]:
        """The batch of a pass, and masks [B, 1, h, w] where some sample has one."""
        items = [self.items[index] for index in self.order.find(number)]
        rows = [self._draw_row(item, number, place, objective, trainable) for place, item in enumerate(items)]
        device = model.placement.device
        latents = torch.stack([row.latents.values for row in rows]).to(device)
        noise = torch.stack([row.noise for row in rows]).to(device)
        steps = torch.tensor([row.step for row in rows], device=device)
        captions = tuple(row.caption for row in rows)
        states = encoder.encode(captions)
        added = {} if states.pooled is None else {"text_embeds": states.pooled, "time_ids": make_ids(items).to(device)}
        batch = Batch(
            latents=latents,
            noise=noise,
            noisy=objective.add_noise(latents, noise, steps),
            target=objective.find_target(latents, noise, steps),
            steps=steps,
            states=states.hidden,
            added=added,
            samples=tuple(item.sample for item in items),
            captions=captions,
            flips=tuple(row.flip for row in rows),
            size=(items[0].size.height, items[0].size.width),
        )
        return batch, _stack_masks([row.latents.mask for row in rows], latents)

    def _draw_row(self, item: Item, number: int, place: int, objective: Objective, trainable: Trainable) -> _Row:
        """One sample of a pass, whose random numbers depend on nothing else."""
        options, seed = self.options, make_number(self.options.seed, self._label)
        generator = make_generator(seed, "sample", number, place)
        step = int(torch.randint(objective.steps, (1,), generator=generator))
        flip = options.flip and float(torch.rand(1, generator=generator)) < 0.5
        latents = self.cache.read(item, flip=flip)
        noise = draw_noise(tuple(latents.values.shape), options.noise_offset, seed, "noise", number, place)
        caption = item.sample.caption
        if not self._label:
            caption = trainable.write_caption(caption, make_number(seed, "words", number, place))
        caption = options.changes.apply(caption, make_number(seed, "caption", number, place))
        return _Row(latents, noise, step, flip, caption)


def make_ids(items: Sequence[Item]) -> Tensor:
    """SDXL's numbers: original size, what is cropped at the top and left, size; float32 [B, 6]."""
    rows = [[*item.original, *item.crop, *item.size] for item in items]
    return torch.tensor(rows, dtype=torch.float32)


def _stack_masks(masks: Sequence[Tensor | None], like: Tensor) -> Tensor | None:
    if all(mask is None for mask in masks):
        return None
    full = torch.ones(1, *like.shape[-2:])
    return torch.stack([full if mask is None else mask for mask in masks]).to(like.device)


class Passes:
    """Computes the loss of a pass: that of the pictures, and of class pictures with their weight."""

    def __init__(
        self,
        model: Model,
        trainable: Trainable,
        objective: Objective,
        encoder: CaptionEncoder,
        pictures: Pictures,
        prior: Pictures | None = None,
        prior_weight: float = 1.0,
    ) -> None:
        self._model, self._trainable, self._objective, self._encoder = model, trainable, objective, encoder
        self.pictures, self.prior, self._prior_weight = pictures, prior, prior_weight
        self._bf16 = model.placement.dtype == "bfloat16"

    def compute_loss(self, number: int) -> Tensor:
        """Loss of a pass, counted from 0 over the whole run."""
        loss = self._judge(self.pictures, number)
        return loss if self.prior is None else loss + self._prior_weight * self._judge(self.prior, number)

    def _judge(self, pictures: Pictures, number: int) -> Tensor:
        kind = torch.device(self._model.placement.device).type
        with torch.autocast(kind, torch.bfloat16, enabled=self._bf16):
            batch, masks = pictures.draw(number, self._model, self._trainable, self._objective, self._encoder)
            answer = self._trainable.predict(self._model, batch)
        return self._objective.judge(answer, batch.target, batch.steps, masks)
