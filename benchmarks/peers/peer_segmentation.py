"""Segmentation as the documentation of transformers and diffusers shows it, on random weights."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import transformers as library
from tests.support import random_weights

from underdrawing.core.images.geometry import Size
from underdrawing.preprocessors.maps import palettes
from underdrawing.preprocessors.nets import segmentation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

transformers: Any = library
RECIPES = {
    "segformer_b0": segmentation.build_segformer("b0"),
    "segformer_b5": segmentation.build_segformer("b5"),
    "upernet": segmentation.UPERNET,
    "mask2former": segmentation.MASK2FORMER,
    "oneformer_ade20k": segmentation.ONEFORMER_ADE20K,
}
PALETTE = np.frombuffer(palettes.ADE20K.palette, np.uint8).reshape(-1, 3)
TASK = [*segmentation.TASK, *[0] * (segmentation.TASK_LENGTH - len(segmentation.TASK))]


def painted_by_loop(shown: NDArray[Any]) -> Image:
    """One boolean mask and one assignment per class, as the documentation of diffusers and mmsegmentation do."""
    image = np.zeros((*shown.shape, 3), np.uint8)
    for label, colour in enumerate(PALETTE):
        image[shown == label, :] = colour
    return image


class Documented:
    """The documented calls: image processor, network, post-processing, loop over the colours."""

    def __init__(self, name: str, model: Any, size: Size) -> None:
        self.task = "oneformer" in name
        kind = "Mask2FormerImageProcessor" if self.task or name == "mask2former" else "SegformerImageProcessor"
        make = getattr(transformers, f"{kind}Pil", None) or getattr(transformers, kind)
        self.prepare, self.model = make(size={"height": size.height, "width": size.width}), model

    def __call__(self, image: Image) -> Image:
        """Labels and colours of one picture."""
        x = self.prepare(image, return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            found = self.model(x, torch.tensor([TASK])) if self.task else self.model(x)
        post = self.prepare.post_process_semantic_segmentation
        if self.task:
            make = getattr(transformers, "OneFormerImageProcessorPil", None) or transformers.OneFormerImageProcessor
            return painted_by_loop(
                make.post_process_semantic_segmentation(None, found, target_sizes=[image.shape[:2]])[0].numpy()
            )
        return painted_by_loop(post(found, target_sizes=[image.shape[:2]])[0].numpy())


def published(name: str) -> tuple[Any, dict[str, torch.Tensor]]:
    """The library's own module, of the published size, and the random tensors in it."""
    recipe = RECIPES[name]
    config = recipe.load.config()
    if name == "upernet":
        config.use_auxiliary_head, config.auxiliary_in_channels = True, 384
    kind = getattr(transformers, recipe.load.model.replace("OneFormerModel", "OneFormerForUniversalSegmentation"))
    model = kind(config).eval()
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items() if value.is_floating_point()}
    made = {key: random_weights.tensor(key, shape) for key, shape in shapes.items() if shape}
    model.load_state_dict(made, strict=False)
    return model, {key: value.clone() for key, value in model.state_dict().items()}


def seen(name: str, image: Image) -> Size:
    """What the network sees of a picture."""
    return segmentation.compute_input_size(Size(*image.shape[:2]), RECIPES[name].short, RECIPES[name].longest)


def segformer_maps() -> tuple[Callable[[Image], Image], dict[str, torch.Tensor]]:
    """Documented calls of SegFormer b0, and its tensors."""
    model, tensors = published("segformer_b0")
    made: dict[Size, Documented] = {}

    def call(image: Image) -> Image:
        size = seen("segformer_b0", image)
        if size not in made:
            made[size] = Documented("segformer_b0", model, size)
        return made[size](image)

    return call, tensors
