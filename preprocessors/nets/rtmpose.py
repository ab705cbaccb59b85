"""RTMPose's network: CSPNeXt and a SimCC head, two curves a keypoint. Needs torch.

RTMPose: Jiang et al. 2023, arXiv:2303.07399; the gated attention of its head: Hua et al. 2022, arXiv:2202.10447;
DWPose: Yang et al. 2023, arXiv:2307.15880. https://github.com/open-mmlab/mmpose,
https://github.com/IDEA-Research/DWPose (Apache-2.0). Keys: mmpose's, in a table called state_dict; batch norms are
folded while the file is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from ...core.networks.cache import load_network
from ..weights.rtmpose_files import AP10K_TORCH, SIMCC_SPLIT
from .csp import fold_batch_norms
from .cspnext import STAGES, CspNext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ...core.networks.placement import Placement
    from ...core.weights.record import Weight

    Array = NDArray[np.float32]
    Tensors = dict[str, Tensor]

EPS = 1e-5
"""Epsilon of its batch norms."""
STRIDE = 32
"""Pixels of the crop per cell of the features."""
HIDDEN, GATE, KEY = 256, 512, 128
"""Dimensions of a keypoint's token, of the gated attention's values, and of its queries and keys."""
MIN_RMS = 1e-5
"""Smallest root mean square that is divided by."""
CPU_BATCH = 8
"""Crops of a batch on the CPU, where larger batches take memory and gain nothing."""


class Variant(NamedTuple):
    """What the published networks differ in. size: width and height of the crop."""

    depth: float
    width: float
    keypoints: int
    size: tuple[int, int]


WHOLE_BODY = Variant(1, 1, 133, (288, 384))
ANIMAL = Variant(0.67, 0.75, 17, (256, 256))


class ScaleNorm(nn.Module):
    """Each row divided by its root mean square, times one factor."""

    def __init__(self) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] -> the same."""
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32) * x.shape[-1] ** -0.5
        return x / length.clamp(min=MIN_RMS).to(x.dtype) * self.g


class GatedAttention(nn.Module):
    """Gated attention between keypoints: squared ReLU instead of a softmax, and a scaled shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.ln = ScaleNorm()
        self.uv = nn.Linear(HIDDEN, 2 * GATE + KEY, bias=False)
        self.gamma, self.beta = nn.Parameter(torch.ones(2, KEY)), nn.Parameter(torch.zeros(2, KEY))
        self.o = nn.Linear(GATE, HIDDEN, bias=False)
        self.res_scale = nn.ParameterDict({"scale": nn.Parameter(torch.ones(HIDDEN))})

    def forward(self, x: Tensor) -> Tensor:
        """[B, K, HIDDEN] -> the same."""
        gate, value, base = F.silu(self.uv(self.ln(x)), inplace=True).split([GATE, GATE, KEY], -1)
        query, key = (base[:, :, None] * self.gamma + self.beta).unbind(2)
        weights = F.relu(query @ key.transpose(1, 2) / KEY**0.5).square()
        return x * self.res_scale["scale"] + self.o(gate * (weights @ value))


class Head(nn.Module):
    """From features to curves over columns and rows."""

    def __init__(self, source: int, keypoints: int, size: tuple[int, int]) -> None:
        super().__init__()
        width, height = size
        cells = width // STRIDE * (height // STRIDE)
        self.final_layer = nn.Conv2d(source, keypoints, 7, padding=3)
        self.mlp = nn.Sequential(ScaleNorm(), nn.Linear(cells, HIDDEN, bias=False))
        self.gau = GatedAttention()
        self.cls_x = nn.Linear(HIDDEN, width * SIMCC_SPLIT, bias=False)
        self.cls_y = nn.Linear(HIDDEN, height * SIMCC_SPLIT, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, source, H / 32, W / 32] -> [B, K, W * SIMCC_SPLIT] and [B, K, H * SIMCC_SPLIT]."""
        h = self.gau(self.mlp(self.final_layer(x).flatten(2)))
        return self.cls_x(h), self.cls_y(h)


class RtmPose(nn.Module):
    """The whole network; it takes crops of one size, RGB, normalised."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.backbone = CspNext(variant.depth, variant.width)
        self.head = Head(int(STAGES[-1][0] * variant.width), variant.keypoints, variant.size)
        self.example_side = variant.size[::-1]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 3, H, W] -> curves [B, K, W * SIMCC_SPLIT] and [B, K, H * SIMCC_SPLIT]."""
        return self.head(self.backbone(x))


def build_whole_body(metadata: Mapping[str, str]) -> RtmPose:
    """133 keypoints of a person: RTMPose-l, as DWPose is published."""
    return RtmPose(WHOLE_BODY)


def build_animal(metadata: Mapping[str, str]) -> RtmPose:
    """17 keypoints of an animal: RTMPose-m."""
    return RtmPose(ANIMAL)


def convert(tensors: Tensors) -> Tensors:
    """Published tensors with their batch norms folded."""
    return fold_batch_norms(tensors, EPS)


def load_rtmpose(weight: Weight, placement: Placement) -> Callable[[Array], tuple[Array, Array]]:
    """Network of a published file: crops float32 [N, 3, H, W] -> both curves, float32. Raises as `networks.cache`."""
    net = load_network(weight, build_animal if weight == AP10K_TORCH else build_whole_body, placement, convert)

    def run(batch: Array) -> tuple[Array, Array]:
        length = CPU_BATCH if placement.device == "cpu" else len(batch)
        across, down = zip(*(net(piece) for piece in torch.from_numpy(batch).split(length)), strict=True)
        return torch.cat(across).float().cpu().numpy(), torch.cat(down).float().cpu().numpy()

    return run
