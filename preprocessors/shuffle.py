"""Content shuffle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, Widget
from ..core.errors import BadImage
from ..core.params import Params, between

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..core.images.geometry import Size

CELL = 256
"""Distance of the random displacements in pixels; between them the flow is bicubic."""

PARTS = 32
"""Places are whole numbers of 1/32 pixel, for which every OpenCV gives the same bytes; for floats 4 and 5 differ."""
LONGEST = 32766
"""Longest side OpenCV can displace."""


WIDGETS = (
    RESOLUTION,
    Widget(name="seed", default=0, low=0, high=2**64 - 1, step=1, field="seed", modulo=2**32),
)


class ShuffleParams(Params, frozen=True):
    """Which of the possible shuffles."""

    seed: Annotated[
        int, between(0, 2**32 - 1, "Same seed, same shuffle (0 too); every picture of a batch gets the same")
    ] = 0


class Shuffle(Annotator[ShuffleParams]):
    """The picture poured together by a smooth random flow: its colours and textures without its composition."""

    spec = Spec(
        id="shuffle",
        title="Content shuffle",
        kind=Kind.SHUFFLE,
        licence="Apache-2.0 (own code)",
        commercial=True,
        source="lllyasviel/ControlNet-v1-1-nightly",
        aliases=(
            Alias("ShufflePreprocessor", "comfyui", {}, "Content Shuffle", WIDGETS),
            Alias("ContentShuffleDetector", "controlnet_aux"),
        ),
        consumers=("control_v11e_sd15_shuffle",),
    )

    def run(self, request: Request[ShuffleParams]) -> ControlMap:
        """Shuffled pictures; raises BadImage when a side is longer than LONGEST."""
        import cv2
        import numpy as np

        from .maps.filters import apply_each

        if max(request.size) > LONGEST:
            raise BadImage(f"a side of {max(request.size)} pixels is too long to shuffle", fix=f"keep it to {LONGEST}")
        random = np.random.Generator(np.random.PCG64(request.params.seed))
        x = np.rint(_field(random, request.size) * ((request.size.width - 1) * PARTS)).astype(np.int32)
        y = np.rint(_field(random, request.size) * ((request.size.height - 1) * PARTS)).astype(np.int32)
        whole = np.stack([x // PARTS, y // PARTS], axis=-1).astype(np.int16)
        parts = (y % PARTS * PARTS + x % PARTS).astype(np.uint16)

        def pour(picture: NDArray[Any]) -> NDArray[Any]:
            return cv2.remap(picture, whole, parts, cv2.INTER_LINEAR)

        return ControlMap(apply_each(request.images, pour))


def _field(random: np.random.Generator, size: Size) -> NDArray[np.float64]:
    """Smooth random numbers, float64 [H, W], lowest 0 and highest 1 (0 everywhere on a single pixel)."""
    import numpy as np

    down, across = _weights(size.height), _weights(size.width)
    noise = down @ random.random((down.shape[1], across.shape[1])) @ across.T
    noise -= noise.min()
    noise /= max(noise.max(), np.finfo(np.float64).tiny)
    return noise


def _weights(side: int) -> NDArray[np.float64]:
    """Bicubic weights [side, grid] that take a grid of random numbers to the pixels of one side.

    The grid reaches a cell beyond either end, which is cut off, so that the border is as lively as the middle.
    """
    import cv2
    import numpy as np

    grid = np.eye(side // CELL + 2)
    weights = cv2.resize(grid, (grid.shape[1], side + 2 * CELL), interpolation=cv2.INTER_CUBIC)
    return np.asarray(weights[CELL : CELL + side], np.float64)
