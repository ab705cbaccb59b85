"""PiDiNet, pixel difference networks: an edge detector of 0.7 million numbers. Needs torch.

Paper: Su et al., "Pixel Difference Networks for Efficient Edge Detection", ICCV 2021 (arXiv:2108.07009). Arrangement
and keys are those of hellozhuo/pidinet's table5_pidinet (carv4, 60 channels, spatial attention, dilation 24), whose
licence allows research only. As in ControlNet's annotators the network sees BGR in 0..1.

A difference convolution weighs differences between neighbours; it equals a plain convolution whose kernel is worked
out from its weights. That is done once, at load, as are the factors of the input and of the last layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ...core.images.geometry import Size, find_padded_size
from ...core.images.resize import pad_batch
from ...core.networks.batching import run_in_chunks
from ...core.networks.cache import load_network
from ..layers.batch_norm_folding import check_tensors
from ..layers.key_renaming import strip_prefix
from ..layers.row_tiling import is_eager_cpu, run_in_row_tiles
from ..weights.pidinet_files import WEIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ...core.images.types import Images, Values
    from ...core.networks.cache import Tensors
    from ...core.networks.placement import Placement

MULTIPLE = 64
"""Sides the network is given are multiples of this, as in A1111; its own scales ask for 8."""

WIDTHS = ((60, 3), (120, 4), (240, 4), (240, 4))
"""Channels and number of blocks of each stage; every stage but the first begins at half the size."""

KINDS = ("central", "angular", "radial", "plain")
"""Differences of the stem, the first block and so on, over and over: to the middle, round the clock, outwards, none."""

THIN = 24
"""Channels of a stage's features in its head."""

DILATIONS = (5, 7, 9, 11)

CLOCKWISE = [3, 0, 1, 6, 4, 2, 7, 8, 5]
"""Next place of a 3x3 kernel, read row by row, round its middle."""
OUTER, INNER = [0, 2, 4, 10, 14, 20, 22, 24], [6, 7, 8, 11, 13, 16, 17, 18]
"""Places of a 5x5 kernel that the eight outer weights of a radial difference take, with plus and with minus."""


class Stem(nn.Conv2d):
    """First convolution, of RGB in 0..255.

    Its kernels sum up to 0, so that only differences count. Rounded to bfloat16 they would not, and brightness would
    shine through; so the kernel is the sum of two, of which the second is what rounding takes off the first.
    """

    def __init__(self, width: int) -> None:
        super().__init__(6, width, 3, padding=1, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, width, H, W]; whole numbers up to 255 are exact in any format."""
        return super().forward(torch.cat((input, input), dim=1))

    @staticmethod
    def split(kernel: Tensor) -> Tensor:
        """[width, 3, 3, 3] -> [width, 6, 3, 3]."""
        coarse = kernel.bfloat16().float()
        return torch.cat((coarse, kernel - coarse), dim=1)


class Block(nn.Module):
    """Convolution per channel, ReLU and 1x1 convolution, added to the input, which it takes over."""

    def __init__(self, source: int, width: int, kernel: int, *, widens: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(source, source, kernel, padding=kernel // 2, groups=source, bias=False)
        self.conv2 = nn.Conv2d(source, width, 1, bias=False)
        self.shortcut = nn.Conv2d(source, width, 1) if widens else None

    def forward(self, x: Tensor) -> Tensor:
        """[B, source, H, W] -> [B, width, H, W]."""
        seen = F.relu(self.conv1(x), inplace=True)
        return add_pointwise(x if self.shortcut is None else self.shortcut(x), seen, self.conv2)


class Stage(nn.Module):
    """Blocks of one scale, and the 1x1 convolution that thins their features for the head."""

    def __init__(self, blocks: list[nn.Module], width: int, *, shrinks: bool) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.thin = nn.Conv2d(width, THIN, 1)
        self.shrinks = shrinks

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """[B, source, H, W] -> thin features [B, THIN, H, W] and, if it shrinks, all [B, width, H / 2, W / 2]."""
        x = self.blocks(x)
        thin = self.thin(F.relu(x))
        return (thin, F.max_pool2d(x, 2)) if self.shrinks else (thin,)


def add_pointwise(x: Tensor, seen: Tensor, conv: nn.Conv2d) -> Tensor:
    """Add a 1x1 convolution of other features to x in place.

    On the CPU as one matrix product that adds to what is there: torch's own 1x1 convolution needs a second pass.
    """
    ours, theirs = (one.permute(0, 2, 3, 1) for one in (x, seen))
    if not (is_eager_cpu(x) and ours.is_contiguous() and theirs.is_contiguous()):
        return conv(seen).add_(x)
    ours.view(-1, ours.shape[3]).addmm_(theirs.view(-1, theirs.shape[3]), conv.weight.flatten(1).t())
    return x


class Head(nn.Module):
    """One logit a pixel of thin features: from four dilations, weighed by an attention of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(nn.Conv2d(THIN, THIN, 3, padding=d, dilation=d, bias=False) for d in DILATIONS)
        self.attention1 = nn.Conv2d(THIN, 4, 1)
        self.attention2 = nn.Conv2d(4, 1, 3, padding=1, bias=False)
        self.reduce = nn.Conv2d(THIN, 1, 1, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """[B, THIN, H, W] -> [B, 1, H, W]; the attention weighs all channels alike, so it may follow their sum."""
        seen = self.dilated[0](x)
        for conv in self.dilated[1:]:
            seen.add_(conv(x))
        logit = self.reduce(seen)
        weight = torch.sigmoid(self.attention2(self.attention1(seen.relu_())))
        return (logit.mul_(weight),)


class PiDiNet(nn.Module):
    """Edge probability [B, H, W] (float32) of RGB pictures [B, 3, H, W] in 0..255, sides of 8 and more."""

    def __init__(self) -> None:
        super().__init__()
        stages: list[Stage] = []
        source, layer = WIDTHS[0][0], 1
        for number, (width, count) in enumerate(WIDTHS):
            blocks: list[nn.Module] = [] if number else [Stem(round_channels(width))]
            for index in range(count):
                kernel = 5 if _kind_of(layer) == "radial" else 3
                blocks.append(
                    Block(round_channels(source), round_channels(width), kernel, widens=number > 0 and index == 0)
                )
                source, layer = width, layer + 1
            stages.append(Stage(blocks, round_channels(width), shrinks=number + 1 < len(WIDTHS)))
        self.stages = nn.ModuleList(stages)
        self.heads = nn.ModuleList(Head() for _ in WIDTHS)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of all heads, interpolated to the picture's size (half-pixel centres), summed, squashed."""
        size = x.shape[-2:]
        total = self.bias.float()
        for stage, head, (width, _) in zip(self.stages, self.heads, WIDTHS, strict=True):
            thin, *rest = run_in_row_tiles(stage, [x], halo=6, channels=width, strides=(1, 2))
            (logit,) = run_in_row_tiles(head, [thin], halo=12, channels=THIN, strides=(1,))
            total = total + F.interpolate(logit.float(), size=size, mode="bilinear", align_corners=False)
            x = rest[0] if rest else x
        return torch.sigmoid(total[:, 0])


def round_channels(channels: int) -> int:
    """Channels with empty ones added: products of matrices are faster with a multiple of 16."""
    return -(-channels // 16) * 16


def _kind_of(layer: int) -> str:
    """Kind of the convolution of the stem (0) or of a block, counted through all stages."""
    return KINDS[layer % len(KINDS)]


def plain_kernel(kernel: Tensor, kind: str) -> Tensor:
    """Kernel of the plain convolution that equals a difference convolution of this 3x3 one [O, I, 3, 3]."""
    if kind == "central":
        kernel = kernel.clone()
        kernel[:, :, 1, 1] -= kernel.sum(dim=(2, 3))
    elif kind == "angular":
        flat = kernel.flatten(2)
        kernel = (flat - flat[:, :, CLOCKWISE]).view_as(kernel)
    elif kind == "radial":
        flat = kernel.flatten(2)
        wide = kernel.new_zeros(*kernel.shape[:2], 25)
        wide[:, :, OUTER], wide[:, :, INNER] = flat[:, :, 1:], -flat[:, :, 1:]
        kernel = wide.unflatten(2, (5, 5))
    return kernel


def official_shapes() -> dict[str, tuple[int, ...]]:
    """Keys (without "module.") and shapes of the published file."""
    source = WIDTHS[0][0]
    shapes: dict[str, tuple[int, ...]] = {"init_block.weight": (source, 3, 3, 3)}
    for stage, (width, count) in enumerate(WIDTHS):
        for index in range(count):
            block = _block_name(stage, index)
            shapes[f"{block}.conv1.weight"] = (source, 1, 3, 3)
            shapes[f"{block}.conv2.weight"] = (width, source, 1, 1)
            if stage and not index:
                shapes |= {f"{block}.shortcut.weight": (width, source, 1, 1), f"{block}.shortcut.bias": (width,)}
            source = width
        shapes |= {f"dilations.{stage}.conv1.weight": (THIN, width, 1, 1), f"dilations.{stage}.conv1.bias": (THIN,)}
        shapes |= {f"dilations.{stage}.conv2_{n}.weight": (THIN, THIN, 3, 3) for n in (1, 2, 3, 4)}
        shapes |= {f"attentions.{stage}.conv1.weight": (4, THIN, 1, 1), f"attentions.{stage}.conv1.bias": (4,)}
        shapes[f"attentions.{stage}.conv2.weight"] = (1, 4, 3, 3)
        shapes |= {f"conv_reduces.{stage}.conv.weight": (1, THIN, 1, 1), f"conv_reduces.{stage}.conv.bias": (1,)}
    return shapes | {"classifier.weight": (1, len(WIDTHS), 1, 1), "classifier.bias": (1,)}


def _block_name(stage: int, index: int) -> str:
    return f"block{stage + 1}_{index + 1}"


def convert(tensors: Tensors) -> Tensors:
    """Turn the published tensors into ours; raises BadWeights unless they are exactly these.

    The stem takes RGB in 0..255 in place of BGR in 0..1. The last layer's factor of each head goes into that head.
    """
    given = {name: value.float() for name, value in strip_prefix(tensors).items()}
    check_tensors(given, official_shapes(), WEIGHT.id)
    ours: Tensors = {
        "stages.0.blocks.0.weight": Stem.split(plain_kernel(given["init_block.weight"], _kind_of(0)).flip(1) / 255),
        "bias": given["classifier.bias"].clone(),
    }
    layer = 1
    for stage, (_, count) in enumerate(WIDTHS):
        for index in range(count):
            source, target = _block_name(stage, index), f"stages.{stage}.blocks.{index + (stage == 0)}"
            ours[f"{target}.conv1.weight"] = plain_kernel(given[f"{source}.conv1.weight"], _kind_of(layer))
            for part in ("conv2.weight", "shortcut.weight", "shortcut.bias"):
                if f"{source}.{part}" in given:
                    ours[f"{target}.{part}"] = given[f"{source}.{part}"]
            layer += 1
        ours |= _convert_head(given, stage)
        ours["bias"] += given["classifier.weight"][0, stage, 0] * given[f"conv_reduces.{stage}.conv.bias"]
    return _pad_channels(ours)


def _pad_channels(tensors: Tensors) -> Tensors:
    """Fill kernels and biases up with zeros to our module's numbers of channels."""
    with torch.device("meta"):
        module = build({})
    filled: Tensors = {}
    for name, value in module.state_dict().items():
        filled[name] = torch.zeros(value.shape)
        filled[name][tuple(slice(length) for length in tensors[name].shape)] = tensors[name]
    return filled


def _convert_head(given: Tensors, stage: int) -> Tensors:
    """Tensors of one head and of the convolution before it."""
    factor = given["classifier.weight"][0, stage]
    ours = {
        f"stages.{stage}.thin.weight": given[f"dilations.{stage}.conv1.weight"],
        f"stages.{stage}.thin.bias": given[f"dilations.{stage}.conv1.bias"],
        f"heads.{stage}.attention1.weight": given[f"attentions.{stage}.conv1.weight"],
        f"heads.{stage}.attention1.bias": given[f"attentions.{stage}.conv1.bias"],
        f"heads.{stage}.attention2.weight": given[f"attentions.{stage}.conv2.weight"],
        f"heads.{stage}.reduce.weight": given[f"conv_reduces.{stage}.conv.weight"] * factor,
    }
    dilated = {f"heads.{stage}.dilated.{n}.weight": given[f"dilations.{stage}.conv2_{n + 1}.weight"] for n in range(4)}
    return ours | dilated


def build(metadata: Mapping[str, str]) -> PiDiNet:
    """Every file of this network has the same shapes, so its metadata decides nothing."""
    return PiDiNet()


def predict_edges(images: Images, placement: Placement) -> Values:
    """Edge probability float32 [B, H, W] of uint8 [B, H, W, 3].

    The network sees the pictures edge-padded to multiples of 64, as in A1111, and the padding is cropped away again.
    """
    size = Size(*images.shape[1:3])
    padded = pad_batch(images, find_padded_size(size, MULTIPLE))
    values = run_in_chunks(load_network(WEIGHT, build, placement, convert), padded, placement)
    return np.ascontiguousarray(values[:, : size.height, : size.width])
