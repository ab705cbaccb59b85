"""RT-DETR finds people (for other networks animals too), ViTPose their 17 points. Imported lazily.

Needs torch, transformers and OpenCV.

RT-DETR: Zhao et al. 2023, arXiv:2304.08069, PekingU/rtdetr_r50vd_coco_o365. ViTPose: Xu et al. 2022, arXiv:2204.12484,
usyd-community/vitpose-base-simple (both Apache-2.0). The crop and the decoding are unbiased (UDP, Huang et al. 2020,
arXiv:1911.07524) with the refinement of DARK (Zhang et al. 2020, arXiv:1910.06278), as ViTPose was published with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch.nn import functional

from ...core.errors import BadParameter
from ...core.networks.cache import assembled
from ..layers.imagenet import MEAN, STD
from ..layers.pretrained import Pretrained, model_class
from ..people.regions import Regions, pieces
from ..weights.vitpose_files import DETECTOR, ESTIMATOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from ...core.networks.network import Network
    from ...core.networks.placement import Placement
    from ...core.weights.record import Weight

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]

SIDE = 640
"""Side of the square that RT-DETR sees; the picture is stretched to it."""
PERSON = 0
CROP = (192, 256)
"""Width and height of what ViTPose sees."""
MARGIN = 1.25
_MEAN, _SPREAD = (np.array(numbers)[:, None, None] for numbers in (MEAN, STD))
SLOPE, START = (1 / 255 / _SPREAD).astype(np.float32), (_MEAN / _SPREAD).astype(np.float32)
"""Levels times SLOPE less START are what the network sees."""
BLUR, RADIUS = 0.8, 5
"""Sigma and radius, in cells of a heat map, of the Gauss that DARK smooths with."""


def detector_config() -> Any:
    """Configuration of the published RT-DETR: ResNet-50-vd, 80 classes of COCO."""
    return model_class("RTDetrConfig")(num_labels=80)


def estimator_config() -> Any:
    """Configuration of the published ViTPose: ViT-B, the simple decoder, 17 points."""
    backbone = model_class("VitPoseBackboneConfig")(
        image_size=[256, 192],
        patch_size=[16, 16],
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        out_indices=[12],
    )
    return model_class("VitPoseConfig")(
        backbone_config=backbone, num_labels=17, scale_factor=4, use_simple_decoder=True
    )


DETECT = Pretrained("RTDetrForObjectDetection", detector_config, unused=("bbox_embed.", "class_embed."))
"""The heads of the decoder stand in some files twice; those under model.decoder are used."""
ESTIMATE = Pretrained("VitPoseForPoseEstimation", estimator_config)


def found(image: Image, placement: Placement, *, sure: float, most: int) -> Array:
    """Points of everybody in a picture [H, W, 3] RGB: float32 [N, 17, 3], x, y in its pixels and confidence.

    sure: how sure a person must be. most: at most so many people, surest first.
    """
    boxes = figures(image, placement, (PERSON,), sure=sure)[:most]
    nobody = np.zeros((0, 17, 3), np.float32)
    return np.concatenate([nobody, *(_points(image, piece, placement) for piece in pieces(boxes))])


def figures(image: Image, placement: Placement, classes: Sequence[int], *, sure: float) -> Array:
    """Boxes [N, 4] of these COCO classes, left, top, right, bottom in pixels of the picture, surest first."""
    output = _network(DETECTOR, DETECT, placement)(squared(image))
    return boxes_of(output.logits[0].float(), output.pred_boxes[0].float(), image.shape[:2], classes, sure=sure)


def _network(weight: Weight, load: Pretrained, placement: Placement) -> Network:
    if placement.backend != "torch":
        what = f"the backend {placement.backend} does not run its networks, which are built for one size of picture"
        raise BadParameter(what, where=weight.id, fix="leave --backend at torch")
    return assembled(weight, load, placement)


def squared(image: Image) -> Tensor:
    """Picture stretched to RT-DETR's square: float32 [1, 3, SIDE, SIDE], 0..1, rounded to 8 bit as in its training."""
    pixels = torch.tensor(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    small = functional.interpolate(pixels, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
    return small.round().clamp(0, 255) / 255


def boxes_of(
    logits: Tensor, boxes: Tensor, size: tuple[int, ...], classes: Sequence[int] = (PERSON,), *, sure: float
) -> Array:
    """Decode RT-DETR's queries: logits [Q, 80], boxes [Q, 4] as shares (centre, width and height).

    What looks like two of the classes is found once.
    """
    scores = logits[:, list(classes)].amax(1).sigmoid()
    order = scores.argsort(descending=True, stable=True)
    kept = order[scores[order] > sure]
    centres, sizes = boxes[kept, :2], boxes[kept, 2:]
    corners = torch.cat([centres - sizes / 2, centres + sizes / 2], 1).cpu().numpy()
    height, width = size
    return corners * np.array([width, height, width, height], np.float32)


def _points(image: Image, boxes: Array, placement: Placement) -> Array:
    areas = regions(boxes)
    heat = _network(ESTIMATOR, ESTIMATE, placement)(torch.from_numpy(crops(image, areas))).heatmaps.float()
    return placed(decoded(heat).numpy(), areas, (heat.shape[3], heat.shape[2]))


def regions(boxes: Array) -> Regions:
    """Boxes widened to the crop's shape, then with a margin."""
    aspect = CROP[0] / CROP[1]
    wide, high = (boxes[:, 2:] - boxes[:, :2]).T
    sizes = np.stack([np.maximum(wide, high * aspect), np.maximum(high, wide / aspect)], 1) * MARGIN
    return Regions((boxes[:, :2] + boxes[:, 2:]) * np.float32(0.5), sizes.astype(np.float32))


def crops(image: Image, areas: Regions) -> Array:
    """Cut regions out, black beyond the picture: float32 [N, 3, 256, 192], normalised."""
    return areas.cut(CROP, SLOPE, START, lambda centre, extent: _crop(image, centre, extent))


def _crop(image: Image, centre: Array, extent: Array) -> Image:
    """A region's first and last pixel fall on the crop's first and last pixel."""
    kx, ky = ((CROP[axis] - 1) / max(float(extent[axis]), 1e-6) for axis in (0, 1))
    x, y = (float(extent[axis]) / 2 - float(centre[axis]) for axis in (0, 1))
    matrix = np.array([[kx, 0, kx * x], [0, ky, ky * y]])
    return np.asarray(cv2.warpAffine(image, matrix, CROP, flags=cv2.INTER_LINEAR), np.uint8)


def placed(points: Array, areas: Regions, size: tuple[int, int]) -> Array:
    """From cells of a heat map of this width and height to pixels of the picture."""
    return areas.placed(points[..., :2] / (np.array(size, np.float32) - 1), points[..., 2:]).astype(np.float32)


def decoded(heat: Tensor) -> Tensor:
    """Highest cells of heat maps [N, K, H, W], refined: [N, K, 3], x, y in cells and height, on the processor.

    The refinement is one step of Newton's method on the logarithm of the smoothed map, from its highest cell.
    """
    width = heat.shape[3]
    height, cell = heat.flatten(2).max(-1)
    peak = torch.stack([cell % width, cell.div(width, rounding_mode="floor")], -1)
    near = smoothed(heat, peak).clamp(0.001, 50).log()
    moved = peak.cpu().double() - _newton(near.cpu().double())
    return torch.cat([moved.float(), height.cpu()[..., None]], -1)


def smoothed(heat: Tensor, peak: Tensor) -> Tensor:
    """The 3 x 3 cells around peaks [N, K, 2] of heat maps [N, K, H, W] as a Gauss leaves them: [N, K, 3, 3].

    For the Gauss a map is mirrored beyond its border, the last cell doubled; beyond it the border's cells are repeated.
    """
    kernel = torch.exp(-0.5 * (torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64) / BLUR) ** 2)
    kernel = (kernel / kernel.sum()).float().to(heat)
    (figures, points, height, width), length = heat.shape, len(kernel)
    rows = _sources(peak[..., 1], height).reshape(figures, points, -1, 1).expand(-1, -1, -1, width)
    lines = torch.einsum("nkrsw,s->nkrw", heat.gather(2, rows).reshape(figures, points, 3, length, width), kernel)
    columns = _sources(peak[..., 0], width).reshape(figures, points, 1, -1).expand(-1, -1, 3, -1)
    return lines.gather(3, columns).reshape(figures, points, 3, 3, length) @ kernel


def _sources(peak: Tensor, length: int) -> Tensor:
    """Cells that a peak and its two neighbours on a line are made of: [N, K, 3, 2 * RADIUS + 1]."""
    near = (peak[..., None] + torch.arange(-1, 2, device=peak.device)).clamp(0, length - 1)
    cells = (near[..., None] + torch.arange(-RADIUS, RADIUS + 1, device=peak.device)) % (2 * length)
    return torch.minimum(cells, 2 * length - 1 - cells)


def _newton(near: Tensor) -> Tensor:
    """Step from the middle of [..., 3, 3] (rows, columns) to the top: [..., 2], x and y."""
    middle, left, right = near[..., 1, 1], near[..., 1, 0], near[..., 1, 2]
    above, below = near[..., 0, 1], near[..., 2, 1]
    slope = torch.stack([(right - left) / 2, (below - above) / 2], -1)
    tiny = torch.finfo(torch.float32).eps
    xx, yy = right - 2 * middle + left + tiny, below - 2 * middle + above + tiny
    xy = (near[..., 2, 2] - right - below + 2 * middle - left - above + near[..., 0, 0]) / 2
    area = xx * yy - xy * xy
    step = torch.stack([yy * slope[..., 0] - xy * slope[..., 1], xx * slope[..., 1] - xy * slope[..., 0]], -1)
    return torch.where(area[..., None] != 0, step / area[..., None], torch.zeros_like(step))
