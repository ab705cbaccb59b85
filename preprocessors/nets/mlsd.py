"""M-LSD, mobile line segment detection: a MobileNetV2 backbone and a pyramid that predicts centres and ends of lines.

Paper: Gu et al., "Towards Light-weight and Real-time Line Segment Detection", AAAI 2022 (arXiv:2106.00186). The two
arrangements and their keys are those of the PyTorch port lhwcv/mlsd_pytorch; code and weights are Apache-2.0.

The published network sees RGB and a plane of ones, all divided by 127.5 and less 1, and returns 16 channels of which
the last nine count and the first five of these describe lines; here the rest is left out at load. Batch norms are
folded into the convolutions.

Coarse features are enlarged twice over. The port does it behind a 1x1 convolution and its ReLU, with corners aligned;
the authors' network does it before, with pixels' centres where they belong (half pixels). Both run on the same weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from ...core.images.geometry import Size, find_padded_size
from ...core.images.resize import pad_batch
from ...core.networks.batching import iter_chunks
from ...core.networks.cache import load_network
from ..layers.batch_norm_folding import FoldedConv2d, check_tensors, fold_by_index, published_shapes
from ..layers.row_tiling import run_in_row_tiles
from ..maps.mlsd_lines import decode_segments
from ..weights.mlsd_files import CONTROLNET, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ...core.images.types import Images
    from ...core.networks.cache import Tensors
    from ...core.networks.placement import Placement
    from ..maps.mlsd_lines import Segments
    from ..weights.mlsd_files import Checkpoint, Model

MULTIPLE = 64
"""Sides the network is given are multiples of this, as in A1111; its own scales ask for 32."""

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1))
"""Expansion, channels, number of blocks and first stride of the backbone's stages; the tiny one lacks the last."""

OUTPUT = slice(7, 12)
"""Channels of the published output that describe lines: centre, and (x, y) from the centre to both ends."""
PUBLISHED_CHANNELS = 16


class ConvReLU6(nn.Sequential):
    """Convolution of the backbone and ReLU6; a stride of 2 pads right and bottom only, as TFLite does."""

    def __init__(self, source: int, width: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(FoldedConv2d(source, width, kernel, stride=stride, padding=padding, groups=groups))
        self.margins = (0, 0, 0, 0) if stride == 1 else (0, 1, 0, 1)

    def forward(self, input: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, width, H / stride, W / stride]."""
        x = F.pad(input, self.margins) if any(self.margins) else input
        return F.relu6(self[0](x), inplace=True)


class InvertedResidual(nn.Module):
    """Inverted residual of MobileNetV2: widened by a 1x1 convolution, filtered per channel, narrowed again."""

    def __init__(self, source: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = source * expansion
        widen = [ConvReLU6(source, wide, 1)] if expansion > 1 else []
        self.conv = nn.Sequential(*widen, ConvReLU6(wide, wide, 3, stride, wide), FoldedConv2d(wide, width))
        self.skips = stride == 1 and source == width

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, width, H / stride, W / stride]."""
        y = self.conv(x)
        return y.add_(x) if self.skips else y


class Backbone(nn.Module):
    """Features of [B, 4, H, W] at 1/2 (16 channels), 1/4 (24), 1/8 (32), 1/16 (64) and, of five stages, 1/16 (96)."""

    def __init__(self, stages: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = [ConvReLU6(4, 32, 3, 2)]
        self.ends: list[int] = []
        source = 32
        for expansion, width, count, stride in STAGES[:stages]:
            for index in range(count):
                blocks.append(InvertedResidual(source, width, stride if index == 0 else 1, expansion))
                source = width
            self.ends.append(len(blocks))
        self.features = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features at the end of each stage."""
        taps = run_in_row_tiles(self._early, [x], halo=16, channels=48, strides=(2, 4))
        for start, end in zip(self.ends[1:], self.ends[2:], strict=False):
            taps.append(self.features[start:end](taps[-1]))
        return taps

    def _early(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The first two stages, whose features are the largest."""
        half = self.features[: self.ends[0]](x)
        return half, self.features[self.ends[0] : self.ends[1]](half)


class Join(nn.Module):
    """Fine features and coarse ones, each through a 1x1 convolution and ReLU, side by side at the fine size."""

    def __init__(self, fine: int, coarse: int, width: int = 64, *, original: bool = False) -> None:
        super().__init__()
        self.original = original
        self.conv1 = nn.Sequential(FoldedConv2d(coarse, width, conv_bias=True))
        self.conv2 = nn.Sequential(FoldedConv2d(fine, width, conv_bias=True))

    def both(self, fine: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """[B, fine, H, W] and [B, coarse, h, w] -> two of [B, width, H, W]."""
        smaller = coarse.shape[2:] != fine.shape[2:]
        if smaller and self.original:
            coarse = enlarge(coarse, original=True)
        coarse = F.relu(self.conv1(coarse), inplace=True)
        if smaller and not self.original:
            coarse = enlarge(coarse, original=False)
        return F.relu(self.conv2(fine), inplace=True), coarse

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """[B, fine, H, W] and [B, coarse, h, w] -> [B, 2 width, H, W]."""
        return torch.cat(self.both(fine, coarse), dim=1)


class Mix(nn.Module):
    """3x3 convolution around which its input is added, then a 3x3 convolution, each with ReLU."""

    def __init__(self, source: int, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(FoldedConv2d(source, source, 3, conv_bias=True, padding=1))
        self.conv2 = nn.Sequential(FoldedConv2d(source, width, 3, conv_bias=True, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """[B, source, H, W] -> [B, width, H, W]."""
        x = F.relu(self.conv1(x), inplace=True).add_(x)
        return F.relu(self.conv2(x), inplace=True)


class Head(nn.Module):
    """A wide and a narrow 3x3 convolution with ReLU, then what is said of each pixel."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(FoldedConv2d(width, width, 3, conv_bias=True, padding=5, dilation=5))
        self.conv2 = nn.Sequential(FoldedConv2d(width, width, 3, conv_bias=True, padding=1))
        self.conv3 = nn.Conv2d(width, OUTPUT.stop - OUTPUT.start, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, H, W] -> [B, 5, H, W], float32 whatever the format before: half a pixel of 200 is 8 bits."""
        x = F.relu(self.conv1(x), inplace=True)
        x = F.relu(self.conv2(x), inplace=True)
        return F.conv2d(x.float(), self.conv3.weight.float(), self.conv3.bias.float())  # type: ignore[union-attr]


class Large(nn.Module):
    """Centre logit and ends of lines, float32 [B, 5, H / 2, W / 2], of RGB [B, 3, H, W] in 0..255, sides of 32 n."""

    head = "block23"

    def __init__(self, *, original: bool = False) -> None:
        super().__init__()
        self.backbone = Backbone(5)
        self.block15, self.block16 = Join(64, 96), Mix(128)
        self.block17, self.block18 = Join(32, 64, original=original), Mix(128)
        self.block19, self.block20 = Join(24, 64, original=original), Mix(128)
        self.block21, self.block22 = Join(16, 64, original=original), Mix(128)
        self.block23 = Head()

    def forward(self, x: Tensor) -> Tensor:
        """From the coarsest features to the finest."""
        c1, c2, c3, c4, c5 = self.backbone(add_ones_channel(x))
        x = self.block16(self.block15(c4, c5))
        x = self.block18(self.block17(c3, x))
        x = self.block20(self.block19(c2, x))
        return run_in_row_tiles(self._last, self.block21.both(c1, x), halo=8, channels=128, strides=(1,))[0]

    def _last(self, *parts: Tensor) -> tuple[Tensor]:
        """Two thirds of all the work, at half the picture's size."""
        return (self.block23(self.block22(torch.cat(parts, dim=1))),)


class Tiny(nn.Module):
    """As `Large`, from fewer scales; worked out at a quarter of the picture's size and enlarged."""

    head = "block16"

    def __init__(self, *, original: bool = False) -> None:
        super().__init__()
        self.original = original
        self.backbone = Backbone(4)
        self.block12, self.block13 = Join(32, 64, original=original), Mix(128)
        self.block14, self.block15 = Join(24, 64, 32, original=original), Mix(64)
        self.block16 = Head()

    def forward(self, x: Tensor) -> Tensor:
        """From the coarsest features to the finest."""
        _, c2, c3, c4 = self.backbone(add_ones_channel(x))
        x = self.block13(self.block12(c3, c4))
        x = self.block16(self.block15(self.block14(c2, x)))
        return enlarge(x, original=self.original)


def enlarge(x: Tensor, *, original: bool) -> Tensor:
    """[B, C, H, W] -> [B, C, 2 H, 2 W], bilinear. original: with half pixels in place of aligned corners."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=not original)


def add_ones_channel(x: Tensor) -> Tensor:
    """RGB 0..255 and a plane of ones -> 255 times the published input, whole numbers that bfloat16 holds exactly."""
    plane = torch.ones_like(x[:, :1])
    return torch.cat((x, plane), dim=1).mul_(2).sub_(255)


def build_large(metadata: Mapping[str, str]) -> Large:
    """Every file of this network has the same shapes, so its metadata decides nothing."""
    return Large()


def build_tiny(metadata: Mapping[str, str]) -> Tiny:
    """Every file of this network has the same shapes, so its metadata decides nothing."""
    return Tiny()


def build_original_large(metadata: Mapping[str, str]) -> Large:
    """The same, enlarging features as the authors' network does."""
    return Large(original=True)


def build_original_tiny(metadata: Mapping[str, str]) -> Tiny:
    """The same, enlarging features as the authors' network does."""
    return Tiny(original=True)


Build = Callable[["Mapping[str, str]"], Large | Tiny]
BUILD: dict[Model, Build] = {"large": build_large, "tiny": build_tiny}
BUILD_ORIGINAL: dict[Model, Build] = {"large": build_original_large, "tiny": build_original_tiny}


def official_shapes(model: Model) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the published file."""
    with torch.device("meta"):
        module = BUILD[model]({})
    shapes = published_shapes(module)
    head = f"{module.head}.conv3"
    shapes[f"{head}.weight"] = (PUBLISHED_CHANNELS, *shapes[f"{head}.weight"][1:])
    shapes[f"{head}.bias"] = (PUBLISHED_CHANNELS,)
    return shapes


def make_converter(model: Model, where: str) -> Callable[[Tensors], Tensors]:
    """Turn the published tensors into ours; raises BadWeights, naming `where`, unless they are exactly these.

    Tensors without any of a batch norm are ours already (the bundled files) and are passed on.
    """

    def convert(tensors: Tensors) -> Tensors:
        if not any(name.endswith(".running_mean") for name in tensors):
            return tensors
        check_tensors(tensors, official_shapes(model), where)
        with torch.device("meta"):
            module = BUILD[model]({})
        ours = fold_by_index(tensors, module)
        ours["backbone.features.0.0.weight"] /= 255
        for part in ("weight", "bias"):
            ours[f"{module.head}.conv3.{part}"] = ours[f"{module.head}.conv3.{part}"][OUTPUT]
        return ours

    return convert


def detect_segments(
    images: Images,
    model: Model,
    score: float,
    distance: float,
    placement: Placement,
    *,
    checkpoint: Checkpoint = "bundled",
    original: bool = False,
) -> list[Segments]:
    """Line segments of uint8 [B, H, W, 3], float64 [n, 4] of (x1, y1, x2, y2) in pixels for each picture.

    original: enlarge features as the authors' network does. The network sees the pictures edge-padded to multiples of
    64, as in A1111; segments may end in the padding.
    """
    padded = pad_batch(images, find_padded_size(Size(*images.shape[1:3]), MULTIPLE))
    weight = (WEIGHTS if checkpoint == "bundled" else CONTROLNET)[model]
    build = (BUILD_ORIGINAL if original else BUILD)[model]
    net = load_network(weight, build, placement, make_converter(model, weight.id))
    return [lines for chunk in iter_chunks(padded, placement) for lines in decode_segments(net(chunk), score, distance)]
