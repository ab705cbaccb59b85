"""Types of batches of pictures, masks and raw values; for annotations only, so that numpy is not loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Images = NDArray[np.uint8]
    """uint8 [B, H, W, 3] RGB."""
    Masks = NDArray[np.bool_]
    """bool [B, H, W], true where the picture is to be repainted."""
    Values = NDArray[np.float32]
    """float32 [B, H, W] or [B, H, W, C]."""
    Pixels = NDArray[np.uint8]
    """uint8 [H, W, 3] RGB: one picture."""
    Plane = NDArray[np.float32]
    """float32 [H, W]: one number for each pixel."""
