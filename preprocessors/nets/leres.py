"""LeReS, distance from one picture: ResNeXt-101 32x8d and a decoder that merges its four levels.

Paper: Yin, Zhang, Wang, Niklaus, Mai, Chen and Shen, "Learning to Recover 3D Scene Shape from a Single Image", CVPR
2021 (arXiv:2012.09365). The weights (aim-uofa/AdelaiDepth, res101.pth) are for non-commercial use. Keys: the 712 of the
published network; batch norms are folded into their convolutions while the file is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import nn
from torch.nn import functional as F

from ...core.images.geometry import Size, find_padded_size
from ...core.images.resize import pad_batch
from ...core.networks.batching import run_in_chunks
from ...core.networks.cache import load_network
from ..layers.batch_norm_folding import fold_by_name
from ..layers.imagenet import normalise
from ..layers.key_renaming import rename_prefixes, strip_prefix
from ..maps.depth import is_flat
from ..weights.leres_files import RES101

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from ...core.images.types import Images, Values
    from ...core.networks.placement import Placement

MULTIPLE = 32
"""Sides the network is given are multiples of this."""

STAGES = ((64, 3, 1), (128, 4, 2), (256, 23, 2), (512, 3, 2))
"""Planes, number of blocks and stride of the encoder's stages; a stage puts out four times its planes."""

RULES = (
    ("depth_model.", ""),
    ("encoder_modules.encoder.", "encoder."),
    ("decoder_modules.", "decoder."),
)
"""Beginnings of the published names and what they are called here."""

PARTNERS = (
    (r"\bbn(\d)$", r"conv\1"),
    (r"\bdownsample\.1$", "downsample.0"),
    (r"\bconv_branch\.2$", "conv_branch.1"),
    (r"\badapt_conv\.1$", "adapt_conv.0"),
)
"""Batch norms and the convolutions before them."""


class Bottleneck(nn.Module):
    """1x1, 3x3 in 32 groups, and 1x1 convolution beside a shortcut."""

    def __init__(self, source: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(source, channels, 1)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, groups=32)
        self.conv3 = nn.Conv2d(channels, channels, 1)
        self.downsample = nn.Sequential(nn.Conv2d(source, channels, 1, stride)) if source != channels else None

    def forward(self, x: Tensor) -> Tensor:
        """[B, source, H, W] -> [B, channels, H / stride, W / stride]."""
        h = F.relu(self.conv1(x), inplace=True)
        h = self.conv3(F.relu(self.conv2(h), inplace=True))
        return F.relu(h.add_(x if self.downsample is None else self.downsample(x)), inplace=True)


class Encoder(nn.Module):
    """ResNeXt-101 32x8d without its classifier: features at 1/4, 1/8, 1/16 and 1/32."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3)
        self.layer1, self.layer2, self.layer3, self.layer4 = _build_stages()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """[B, 3, H, W] -> 256, 512, 1024 and 2048 channels."""
        h = F.max_pool2d(F.relu(self.conv1(x), inplace=True), 3, 2, padding=1)
        quarter = self.layer1(h)
        eighth = self.layer2(quarter)
        sixteenth = self.layer3(eighth)
        return quarter, eighth, sixteenth, self.layer4(sixteenth)


def _build_stages() -> list[nn.Sequential]:
    stages: list[nn.Sequential] = []
    source = 64
    for planes, count, stride in STAGES:
        sources = [source] + [4 * planes] * (count - 1)
        blocks = [Bottleneck(one, 4 * planes, stride if i == 0 else 1) for i, one in enumerate(sources)]
        stages.append(nn.Sequential(*blocks))
        source = 4 * planes
    return stages


class Transfer(nn.Module):
    """3x3 convolution, and two more beside a shortcut.

    The first ReLU of the published branch works in place, so the shortcut carries what it leaves.
    """

    def __init__(self, source: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(source, channels, 3, padding=1)
        first, second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.conv_branch = nn.ModuleDict({"1": first, "4": second})

    def forward(self, x: Tensor) -> Tensor:
        """[B, source, H, W] -> [B, channels, H, W]."""
        x = F.relu(self.conv1(x), inplace=True)
        h = F.relu(self.conv_branch["1"](x), inplace=True)
        return F.relu(self.conv_branch["4"](h).add_(x), inplace=True)


class Fusion(nn.Module):
    """Adds a level of the encoder to what comes from below it, and doubles the size."""

    def __init__(self, source: int, channels: int) -> None:
        super().__init__()
        self.ftb1, self.ftb2 = Transfer(source, channels), Transfer(channels, channels)

    def forward(self, level: Tensor, below: Tensor) -> Tensor:
        """[B, source, H, W] and [B, channels, H, W] -> [B, channels, 2 H, 2 W]."""
        return _upsample(self.ftb2(self.ftb1(level).add_(below)))


class Decoder(nn.Module):
    """From the four levels to one number a pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.conv1 = Transfer(2048, 512), nn.Conv2d(512, 256, 3, padding=1)
        self.ffm2, self.ffm1, self.ffm0 = Fusion(1024, 256), Fusion(512, 256), Fusion(256, 256)
        last = {"0": nn.Conv2d(256, 128, 3, padding=1), "3": nn.Conv2d(128, 1, 3, padding=1)}
        self.outconv = nn.ModuleDict({"adapt_conv": nn.ModuleDict(last)})

    def forward(self, quarter: Tensor, eighth: Tensor, sixteenth: Tensor, last: Tensor) -> Tensor:
        """Features at 1/4 to 1/32 -> [B, 1, H, W], float32."""
        h = _upsample(self.conv1(self.conv(last)))
        h = self.ffm0(quarter, self.ffm1(eighth, self.ffm2(sixteenth, h)))
        convs = self.outconv["adapt_conv"]
        return _upsample(convs["3"](F.relu(convs["0"](h), inplace=True)).float())  # type: ignore[index, operator]


class LeReS(nn.Module):
    """Distance [B, H, W], float32, of standardised pictures [B, 3, H, W] with sides that are multiples of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()

    def forward(self, x: Tensor) -> Tensor:
        """Encode, decode."""
        return self.decoder(*self.encoder(x))[:, 0]


def _upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)


def build(metadata: Mapping[str, str]) -> LeReS:
    """There is one file of this network, so metadata decides nothing."""
    return LeReS()


def convert(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Published names and batch norms to ours."""
    return fold_by_name(rename_prefixes(strip_prefix(tensors), RULES), PARTNERS, eps=1e-5)


def estimate_distance(images: Images, placement: Placement, *, reference_compat: bool = False) -> Values:
    """Distance float32 [B, H, W], larger is farther, of uint8 [B, H, W, 3].

    The network sees the pictures edge-padded to multiples of 32. reference_compat: see `normalise`.
    """
    size = Size(*images.shape[1:3])
    net = load_network(RES101, build, placement, convert)
    padded = pad_batch(images, find_padded_size(size, MULTIPLE))
    values = run_in_chunks(lambda x: net(normalise(x, reference_compat=reference_compat)), padded, placement)
    return np.ascontiguousarray(values[:, : size.height, : size.width])


def render_nearness(
    distance: NDArray[np.float32],
    remove_near: float,
    remove_background: float,
    span: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Grey map [H, W] of one picture's distances, 255 the nearest; black where all are equal.

    span: the nearest and the farthest distance in place of the picture's own.
    remove_near, remove_background: percent of the range that becomes white or black. By way of 16 bits, as in the packs
    whose maps this has to equal.
    """
    if is_flat(distance) if span is None else span[1] <= span[0]:
        return np.zeros(distance.shape, np.uint8)
    low, high = (distance.min(), distance.max()) if span is None else map(np.float32, span)
    distance = distance if span is None else distance.clip(low, high)
    wide = (np.float32(65535) * (distance - low) / (high - low)).astype(np.uint16)
    levels = ((wide.astype(np.uint32) + 128) // 257).astype(np.uint8)
    levels = np.where(levels > remove_near / 100 * 255, levels, np.uint8(0)) if remove_near else levels
    near = 255 - levels
    return np.where(near > remove_background / 100 * 255, near, np.uint8(0)) if remove_background else near
