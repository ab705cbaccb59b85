"""SDXL's numbers beside a prompt: sizes, crop, and the refiner's score of beauty."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.model import Family

SCORES = {False: 6.0, True: 2.5}
"""A1111's aesthetic scores of the refiner: of the prompt, and of the negative prompt."""


def make_size_ids(family: Family, width: int, height: int, *, negative: bool = False) -> Tensor | None:
    """Original size, crop from the top left, and size wanted, float32 [1, 6]; of the refiner [1, 5] with its score.

    None for models without such numbers. Nothing is cropped, and the original size is that of the picture, as in A1111.
    """
    import torch

    if family == "sdxl":
        return torch.tensor([[height, width, 0, 0, height, width]], dtype=torch.float32)
    if family == "sdxl_refiner":
        return torch.tensor([[height, width, 0, 0, SCORES[negative]]], dtype=torch.float32)
    return None
