"""Resizes pictures as `core.images.geometry` plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .geometry import Size
    from .types import Images, Masks

A = TypeVar("A", bound="NDArray[Any]")


def resize_image(image: NDArray[Any], size: Size) -> NDArray[Any]:
    """Resize one [H, W] or [H, W, C] picture: AREA where it shrinks, CUBIC where it grows."""
    height, width = image.shape[:2]
    if (height, width) == tuple(size):
        return image
    import cv2  # a picture that has its size already needs none

    method = cv2.INTER_AREA if size.height * size.width < height * width else cv2.INTER_CUBIC
    resized = np.asarray(cv2.resize(image, (size.width, size.height), interpolation=method))
    return resized.reshape(*size, *image.shape[2:])  # OpenCV drops a last dimension of 1


def resize_images(images: Images, size: Size) -> Images:
    """Resize uint8 [B, H, W, 3] to [B, *size, 3]."""
    return np.stack([resize_image(image, size) for image in images])


def resize_masks(masks: Masks, size: Size) -> Masks:
    """Resize bool [B, H, W]; a pixel belongs to the mask when at least half of it does."""
    return np.stack([resize_image(mask.astype(np.float32), size) >= 0.5 for mask in masks])


def pad_batch(batch: A, size: Size) -> A:
    """Repeat the right and bottom edge of [B, H, W, ...] up to size."""
    height, width = batch.shape[1:3]
    if (height, width) == tuple(size):
        return batch
    grow = [(0, 0), (0, size.height - height), (0, size.width - width)] + [(0, 0)] * (batch.ndim - 3)
    return np.pad(batch, grow, mode="edge")  # type: ignore[return-value]
