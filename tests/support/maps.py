"""Runs an annotator on pictures as they are, past reading, resizing and loading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from underdrawing.core.annotator import Request
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks.placement import Placement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from underdrawing.core.annotator import Annotator, ControlMap


def map_of(
    annotator: type[Annotator[Any]], pictures: NDArray[np.uint8], masks: Any = None, **params: Any
) -> ControlMap:
    """Map of one picture [H, W, 3] or several [B, H, W, 3]; masks: bool [B, H, W]."""
    batch = pictures if pictures.ndim == 4 else pictures[None]
    chosen = annotator.params(**params)
    return annotator(Placement(), chosen).run(Request(batch, chosen, Size(*batch.shape[1:3]), masks))


def grey(rows: Any) -> NDArray[np.uint8]:
    """RGB [H, W, 3] from numbers [H, W]."""
    import numpy as np

    return np.repeat(np.array(rows, np.uint8)[..., None], 3, axis=-1)


def blurred(picture: NDArray[Any], sigma: float, radius: int) -> NDArray[np.float64]:
    """Gaussian blur by its definition, mirrored without repeating the border, float64 [H, W, C]."""
    import numpy as np

    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    padded = np.pad(picture.astype(np.float64), ((radius, radius), (radius, radius), (0, 0)), mode="reflect")
    height, width = picture.shape[:2]
    down = np.sum([weight * padded[i : i + height] for i, weight in enumerate(kernel)], axis=0)
    return np.sum([weight * down[:, i : i + width] for i, weight in enumerate(kernel)], axis=0)
