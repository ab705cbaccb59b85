"""Canny edges of many sizes of the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, number
from ..core.params import Params, between

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = tuple(tenths / 10 for tenths in range(2, 11))
"""Shares of the picture's sides, smallest first."""
FADE = 0.75
"""What is left of the smaller sizes when the next one is added."""
ENDS = (1, 99)
"""Percentiles that become black and white."""

WIDGETS = (
    number("low_threshold", 64, 0, 255, "low_threshold"),
    number("high_threshold", 128, 0, 255, "high_threshold"),
    RESOLUTION,
)


class PyramidParams(Params, frozen=True):
    """Gradient sums of a 3 x 3 Sobel filter, |dx| + |dy|, at which lines begin and go on."""

    low_threshold: Annotated[int, between(0, 255, "A line goes on while its gradient is above this")] = 64
    high_threshold: Annotated[int, between(0, 255, "A line starts where its gradient is above this")] = 128


class CannyPyramid(Annotator[PyramidParams]):
    """Canny edges found at nine sizes of the picture, laid over each other: bright where many sizes agree.

    Colours are looked at one by one. Made for Stability AI's control LoRA, whose canny maps came in many sizes.
    """

    spec = Spec(
        id="canny_pyramid",
        title="Canny edges, pyramid",
        kind=Kind.SOFT_EDGES,
        licence="Apache-2.0 (own code)",
        commercial=True,
        source="lllyasviel/Fooocus (PyraCanny)",
        aliases=(Alias("PyraCannyPreprocessor", "comfyui", {}, "PyraCanny", WIDGETS),),
        consumers=("stabilityai/control-lora, canny", "SDXL union, type 2"),
    )

    def run(self, request: Request[PyramidParams]) -> ControlMap:
        """Grey maps, stretched between the 1st and 99th percentile of each."""
        from .maps.edges import to_rgb
        from .maps.filters import apply_each

        low, high = request.params.low_threshold, request.params.high_threshold
        return ControlMap(to_rgb(apply_each(request.images, lambda picture: _stretched(_summed(picture, low, high)))))


def _summed(picture: NDArray[Any], low: int, high: int) -> NDArray[Any]:
    """Weights of the edges, all sizes and colours: float32 [H, W]."""
    import cv2
    import numpy as np

    height, width = picture.shape[:2]
    total: NDArray[Any] = np.zeros((1, 1, 3), np.float32)
    for number_, share in enumerate(SIZES):
        size = max(1, int(width * share)), max(1, int(height * share))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        edges = np.stack([cv2.Canny(channel, low, high) for channel in cv2.split(small)], axis=-1) / np.float32(255)
        below = cv2.resize(total, size, interpolation=cv2.INTER_LINEAR)
        total = FADE * below + (1 - FADE) * edges if number_ else edges
    return total.sum(axis=-1)


def _stretched(weights: NDArray[Any]) -> NDArray[Any]:
    """Bytes between the percentiles; black where there is nothing to stretch."""
    import numpy as np

    low, high = np.percentile(weights, ENDS)
    if high <= low:
        return np.zeros(weights.shape, np.uint8)
    return np.clip((weights - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
