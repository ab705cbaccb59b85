"""Keypoints by ViTPose: cropping of boxes, decoding of heatmaps. Needs torch, transformers and OpenCV.

Crop and decoding are unbiased (UDP, Huang et al. 2020, arXiv:1911.07524) with the refinement of DARK (Zhang et al.
2020, arXiv:1910.06278), as ViTPose was published with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from ..layers.imagenet import MEAN, STD
from ..layers.pretrained import load_torch_network
from ..nets.vitpose import VITPOSE_MODEL
from ..weights.vitpose_files import VITPOSE
from .crops import Regions, split_batches

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ...core.networks.placement import Placement

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]

CROP = (192, 256)
"""Width and height of the network's input."""
MARGIN = 1.25
"""Side of a crop over the side of its box."""
_MEAN, _STD = (np.array(numbers)[:, None, None] for numbers in (MEAN, STD))
SCALE, OFFSET = (1 / 255 / _STD).astype(np.float32), (_MEAN / _STD).astype(np.float32)
"""The network's input is levels * SCALE - OFFSET."""
SIGMA, RADIUS = 0.8, 5
"""Standard deviation and radius, in heatmap cells, of DARK's Gaussian."""


def estimate_keypoints(image: Image, boxes: Array, placement: Placement) -> Array:
    """Keypoints of boxes [N, 4] in an image [H, W, 3] RGB: float32 [N, 17, 3], x, y in its pixels and confidence."""
    none = np.zeros((0, 17, 3), np.float32)
    return np.concatenate([none, *(_estimate_batch(image, batch, placement) for batch in split_batches(boxes))])


def _estimate_batch(image: Image, boxes: Array, placement: Placement) -> Array:
    regions = crop_regions(boxes)
    crops = torch.from_numpy(crop_images(image, regions))
    heatmaps = load_torch_network(VITPOSE, VITPOSE_MODEL, placement)(crops).heatmaps.float()
    return to_image(decode_heatmaps(heatmaps).numpy(), regions, (heatmaps.shape[3], heatmaps.shape[2]))


def crop_regions(boxes: Array) -> Regions:
    """Boxes widened to the crop's aspect ratio, then with a margin."""
    aspect = CROP[0] / CROP[1]
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    sizes = np.stack([np.maximum(width, height * aspect), np.maximum(height, width / aspect)], 1) * MARGIN
    return Regions((boxes[:, :2] + boxes[:, 2:]) * np.float32(0.5), sizes.astype(np.float32))


def crop_images(image: Image, regions: Regions) -> Array:
    """Crop regions, black beyond the image: float32 [N, 3, 256, 192], normalised."""
    return regions.crop(CROP, SCALE, OFFSET, lambda centre, extent: _crop(image, centre, extent))


def _crop(image: Image, centre: Array, extent: Array) -> Image:
    """A region's first and last pixel fall on the crop's first and last pixel."""
    kx, ky = ((CROP[axis] - 1) / max(float(extent[axis]), 1e-6) for axis in (0, 1))
    x, y = (float(extent[axis]) / 2 - float(centre[axis]) for axis in (0, 1))
    matrix = np.array([[kx, 0, kx * x], [0, ky, ky * y]])
    return np.asarray(cv2.warpAffine(image, matrix, CROP, flags=cv2.INTER_LINEAR), np.uint8)


def to_image(keypoints: Array, regions: Regions, size: tuple[int, int]) -> Array:
    """From cells of a heatmap of this width and height to pixels of the image."""
    fractions = keypoints[..., :2] / (np.array(size, np.float32) - 1)
    return regions.to_image(fractions, keypoints[..., 2:]).astype(np.float32)


def decode_heatmaps(heatmaps: Tensor) -> Tensor:
    """Highest cells of heatmaps [N, K, H, W], refined: [N, K, 3], x, y in cells and confidence, on the CPU.

    The refinement is one step of Newton's method on the logarithm of the blurred heatmap, from its highest cell.
    """
    width = heatmaps.shape[3]
    confidence, cell = heatmaps.flatten(2).max(-1)
    peaks = torch.stack([cell % width, cell.div(width, rounding_mode="floor")], -1)
    patches = blur_around(heatmaps, peaks).clamp(0.001, 50).log()
    refined = peaks.cpu().double() - _newton_step(patches.cpu().double())
    return torch.cat([refined.float(), confidence.cpu()[..., None]], -1)


def blur_around(heatmaps: Tensor, peaks: Tensor) -> Tensor:
    """The 3 x 3 cells around peaks [N, K, 2] of heatmaps [N, K, H, W] after a Gaussian blur: [N, K, 3, 3].

    The blur mirrors a heatmap at its border, the last cell doubled; beyond the border the blurred cells are repeated.
    """
    kernel = torch.exp(-0.5 * (torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64) / SIGMA) ** 2)
    kernel = (kernel / kernel.sum()).float().to(heatmaps)
    (people, keypoints, height, width), length = heatmaps.shape, len(kernel)
    rows = _source_cells(peaks[..., 1], height).reshape(people, keypoints, -1, 1).expand(-1, -1, -1, width)
    lines = heatmaps.gather(2, rows).reshape(people, keypoints, 3, length, width)
    blurred = torch.einsum("nkrsw,s->nkrw", lines, kernel)
    columns = _source_cells(peaks[..., 0], width).reshape(people, keypoints, 1, -1).expand(-1, -1, 3, -1)
    return blurred.gather(3, columns).reshape(people, keypoints, 3, 3, length) @ kernel


def _source_cells(peaks: Tensor, length: int) -> Tensor:
    """Cells under the kernel at a peak and its two neighbours on a line: [N, K, 3, 2 * RADIUS + 1]."""
    near = (peaks[..., None] + torch.arange(-1, 2, device=peaks.device)).clamp(0, length - 1)
    cells = (near[..., None] + torch.arange(-RADIUS, RADIUS + 1, device=peaks.device)) % (2 * length)
    return torch.minimum(cells, 2 * length - 1 - cells)


def _newton_step(patches: Tensor) -> Tensor:
    """Step from the middle of [..., 3, 3] (rows, columns) to the maximum: [..., 2], x and y."""
    middle, left, right = patches[..., 1, 1], patches[..., 1, 0], patches[..., 1, 2]
    above, below = patches[..., 0, 1], patches[..., 2, 1]
    gradient = torch.stack([(right - left) / 2, (below - above) / 2], -1)
    tiny = torch.finfo(torch.float32).eps
    xx, yy = right - 2 * middle + left + tiny, below - 2 * middle + above + tiny
    xy = (patches[..., 2, 2] - right - below + 2 * middle - left - above + patches[..., 0, 0]) / 2
    determinant = xx * yy - xy * xy
    step = torch.stack(
        [yy * gradient[..., 0] - xy * gradient[..., 1], xx * gradient[..., 1] - xy * gradient[..., 0]], -1
    )
    return torch.where(determinant[..., None] != 0, step / determinant[..., None], torch.zeros_like(step))
