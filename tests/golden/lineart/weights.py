"""Random weights of the line networks that give live maps: neither flat nor saturated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.random_weights import tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

GAIN = {"lineart": 1.0, "anime": 0.2, "manga": 0.35, "teed": 0.8}


def weights(network: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Tensors under official keys. The manga network's last layer is spread over 0..255, where its maps lie."""
    made = tensors(shapes, seed=1, gain=GAIN[network])
    if network == "manga":
        made["conv15.model.2.weight"] *= 8
        made["conv15.model.2.bias"] += 190
    return made
