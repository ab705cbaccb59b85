"""Normal BAE, surface normals from one picture: EfficientNet-B5 and a decoder that refines them pixel by pixel.

Papers: Bae, Budvytis and Cipolla, "Estimating and Exploiting the Aleatoric Uncertainty
in Surface Normal Estimation", ICCV 2021 (arXiv:2109.09881), code and weights (scannet.pt) MIT; Tan and Le,
"EfficientNet", ICML 2019 (arXiv:1905.11946). The arrangement (TensorFlow's "same" padding, epsilon 1e-3 in the
encoder's norms) and the keys are those of the published network.

What follows one another without anything between is multiplied out while the file is loaded, which changes rounding
alone: batch norms; the encoder's last two 1x1 convolutions with the decoder's first. Enlarging works on each channel by
itself, so whatever works on each pixel by itself may come before it, on a quarter of the pixels; see `Merge`, `Head`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ...core.networks.batching import run_in_chunks
from ...core.networks.cache import load_network
from ..layers.batch_norm_folding import fold_by_name
from ..layers.imagenet import normalise
from ..layers.key_renaming import rename_prefixes, strip_prefix
from ..layers.row_tiling import is_eager_cpu
from ..weights.bae_files import SCANNET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from ...core.images.types import Images, Values
    from ...core.networks.placement import Placement

STAGES = ((3, 1, 1, 24, 3), (3, 2, 6, 40, 5), (5, 2, 6, 64, 5), (3, 2, 6, 128, 7), (5, 1, 6, 176, 7), (5, 2, 6, 304, 9),
          (3, 1, 6, 512, 3))  # fmt: skip
"""Kernel, stride, expansion, channels and number of blocks of each stage of EfficientNet-B5."""

STEM, LAST, BELOW = 48, 2048, 512
"""Channels of the stem, of the encoder's head, and of what goes into the head."""

DECODER_STAGES = (0, 1, 2, 4)
"""Stages whose features the decoder takes, at 1/2, 1/4, 1/8 and 1/16."""

RULES = (("encoder.original_model.", "encoder."), ("decoder.", ""))
"""Beginnings of the published names and what they are called here."""

IN_ENCODER = (
    (r"^encoder\.bn1$", "encoder.conv_stem"),
    (r"^(encoder\.blocks\.0\.\d+)\.bn1$", r"\1.conv_dw"),
    (r"^(encoder\.blocks\.0\.\d+)\.bn2$", r"\1.conv_pw"),
    (r"^(encoder\.blocks\.\d+\.\d+)\.bn1$", r"\1.conv_pw"),
    (r"^(encoder\.blocks\.\d+\.\d+)\.bn2$", r"\1.conv_dw"),
    (r"^(encoder\.blocks\.\d+\.\d+)\.bn3$", r"\1.conv_pwl"),
)
IN_DECODER = ((r"^(up\d\._net)\.1$", r"\1.0"), (r"^(up\d\._net)\.4$", r"\1.3"))
"""Batch norms and the convolutions before them."""

TILE_VALUES = 2**19
"""Numbers in a band of rows that the last layers go over at once: 2 MiB of float32."""

UNUSED = "encoder.bn2."
"""The norm after the encoder's head, which the file holds and the decoder does not look at."""


class SamePadConv2d(nn.Conv2d):
    """Convolution padded as TensorFlow's "same" does for sides that are multiples of the stride."""

    def __init__(self, source: int, channels: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__(source, channels, kernel, stride, padding=kernel // 2 if stride == 1 else 0, groups=groups)
        before, after = (kernel - 2) // 2, (kernel - 1) // 2
        self.margins = () if stride == 1 else (before, after, before, after)

    def forward(self, input: Tensor) -> Tensor:
        """[B, source, H, W] -> [B, channels, H / stride, W / stride]."""
        return super().forward(F.pad(input, self.margins) if self.margins else input)


class SqueezeExcite(nn.Module):
    """Scales each channel by a number made of the means of all."""

    def __init__(self, channels: int, middle: int) -> None:
        super().__init__()
        self.conv_reduce, self.conv_expand = nn.Conv2d(channels, middle, 1), nn.Conv2d(middle, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, H, W] -> the same, scaled; x is overwritten."""
        scale = self.conv_expand(F.silu(self.conv_reduce(x.mean((2, 3), keepdim=True))))
        return x.mul_(torch.sigmoid(scale))


class DepthwiseSeparable(nn.Module):
    """Depthwise convolution, squeeze and projection; a shortcut where shapes allow."""

    def __init__(self, source: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = SamePadConv2d(source, source, kernel, stride, groups=source)
        self.se, self.conv_pw = SqueezeExcite(source, source // 4), nn.Conv2d(source, channels, 1)
        self.shortcut = stride == 1 and source == channels

    def forward(self, x: Tensor) -> Tensor:
        """[B, source, H, W] -> [B, channels, H / stride, W / stride]."""
        h = self.conv_pw(self.se(F.silu(self.conv_dw(x), inplace=True)))
        return h.add_(x) if self.shortcut else h


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, squeeze and projection; a shortcut where shapes allow."""

    def __init__(self, source: int, channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = source * expansion
        self.conv_pw, self.conv_dw = (
            nn.Conv2d(source, middle, 1),
            SamePadConv2d(middle, middle, kernel, stride, groups=middle),
        )
        self.se, self.conv_pwl = SqueezeExcite(middle, source // 4), nn.Conv2d(middle, channels, 1)
        self.shortcut = stride == 1 and source == channels

    def forward(self, x: Tensor) -> Tensor:
        """[B, source, H, W] -> [B, channels, H / stride, W / stride]."""
        h = F.silu(self.conv_dw(F.silu(self.conv_pw(x), inplace=True)), inplace=True)
        h = self.conv_pwl(self.se(h))
        return h.add_(x) if self.shortcut else h


class Encoder(nn.Module):
    """EfficientNet-B5 up to its last stage."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = SamePadConv2d(3, STEM, 3, 2)
        self.blocks = nn.ModuleList(nn.Sequential(*stage) for stage in _stages())

    def forward(self, x: Tensor) -> list[Tensor]:
        """[B, 3, H, W] -> features at 1/2, 1/4, 1/8, 1/16 and 1/32: 24, 40, 64, 176 and 512 channels."""
        h = F.silu(self.conv_stem(x), inplace=True)
        every: list[Tensor] = []
        for stage in self.blocks:
            h = stage(h)
            every.append(h)
        return [*(every[i] for i in DECODER_STAGES), h]


def _stages() -> Iterator[list[nn.Module]]:
    source = STEM
    for kernel, stride, expansion, channels, count in STAGES:
        sources = [source] + [channels] * (count - 1)
        strides = [stride] + [1] * (count - 1)
        yield [
            DepthwiseSeparable(one, channels, kernel, step)
            if expansion == 1
            else InvertedResidual(one, channels, kernel, step, expansion)
            for one, step in zip(sources, strides, strict=True)
        ]
        source = channels


class Merge(nn.Module):
    """3x3 convolution of what comes from below, enlarged, beside a level of the encoder.

    Each of the kernel's nine columns of weights is applied before enlarging, on a quarter of the pixels; the results
    are enlarged, shifted to their places and added, first across, then down. taps: in the order across, down, channel.
    """

    def __init__(self, below: int, level: int, channels: int, *, bias: bool = False) -> None:
        super().__init__()
        self.taps = nn.Conv2d(below, 9 * channels, 1, bias=bias)
        self.level = nn.Conv2d(level, channels, 3, padding=1)

    def forward(self, below: Tensor, level: Tensor) -> Tensor:
        """[B, below, H / 2, W / 2] and [B, level, H, W] -> [B, channels, H, W]."""
        left, middle, right = _upsample(self.taps(below), below.shape[-2], level.shape[-1]).chunk(3, 1)
        column = middle + F.pad(left, (1, -1)) + F.pad(right, (-1, 1))
        above, middle, under = _upsample(column, *level.shape[-2:]).chunk(3, 1)
        return middle + F.pad(above, (0, 0, 1, -1)) + F.pad(under, (0, 0, -1, 1)) + self.level(level)


class MergeRows(nn.Module):
    """The same where below has few channels: only enlarging across waits for the weights. taps: across, channel."""

    def __init__(self, below: int, level: int, channels: int) -> None:
        super().__init__()
        self.taps = nn.Conv2d(below, 3 * channels, (3, 1), padding=(1, 0), bias=False)
        self.level = nn.Conv2d(level, channels, 3, padding=1)

    def forward(self, below: Tensor, level: Tensor) -> Tensor:
        """[B, below, H / 2, W / 2] and [B, level, H, W] -> [B, channels, H, W]."""
        tall = self.taps(_upsample(below, level.shape[-2], below.shape[-1]))
        left, middle, right = _upsample(tall, *level.shape[-2:]).chunk(3, 1)
        return middle + F.pad(left, (1, -1)) + F.pad(right, (-1, 1)) + self.level(level)


class Up(nn.Module):
    """Joins a level of the encoder; two convolutions."""

    def __init__(self, join: nn.Module, channels: int) -> None:
        super().__init__()
        self._net = nn.ModuleDict({"0": join, "3": nn.Conv2d(channels, channels, 3, padding=1)})

    def forward(self, below: Tensor, level: Tensor) -> Tensor:
        """[B, below, H / 2, W / 2] and [B, level, H, W] -> [B, channels, H, W]."""
        h = F.leaky_relu(self._net["0"](below, level), inplace=True)
        return F.leaky_relu(self._net["3"](h), inplace=True)


class Head(nn.Sequential):
    """Refines a guess for every pixel: four layers that see that pixel alone, the first before enlarging.

    On the CPU the others go over bands of rows, which stay in its cache.
    """

    def __init__(self, source: int) -> None:
        widths = (source + 4, 128, 128, 128, 4)
        layers = [layer for pair in pairwise(widths) for layer in (nn.Conv2d(*pair, 1), nn.ReLU(inplace=True))]
        super().__init__(*layers[:-1])

    def forward(self, features: Tensor, guess: Tensor) -> Tensor:  # type: ignore[override]
        """[B, source, H, W] and [B, 4, H, W] -> [B, 4, 2 H, 2 W], float32."""
        first, *others = self
        h = first(torch.cat([features, guess], 1))
        bands = _iter_row_tiles(h) if is_eager_cpu(h) else [_upsample(h, 2 * h.shape[-2], 2 * h.shape[-1])]
        return _normalise_direction(torch.cat([_run_layers(others, band) for band in bands], 2))


def _run_layers(layers: list[nn.Module], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


def _iter_row_tiles(x: Tensor) -> Iterator[Tensor]:
    """Cut `_enlarged(x)` of twice the size into bands of rows, one after another."""
    height, width = x.shape[-2:]
    at = torch.arange(2 * height, device=x.device) * ((height - 1) / (2 * height - 1))
    above = at.long()
    below, weight = (above + 1).clamp(max=height - 1), (at - above)[:, None]
    step = max(1, TILE_VALUES // (2 * width * x.shape[1]))
    for start in range(0, 2 * height, step):
        rows = slice(start, start + step)
        mixed = torch.lerp(x[:, :, above[rows]].float(), x[:, :, below[rows]].float(), weight[rows])
        yield _upsample(mixed.to(x.dtype), mixed.shape[-2], 2 * width)


class NormalBAE(nn.Module):
    """Normals [B, 3, H, W] (float32, length 1) of standardised pictures [B, 3, H, W]; sides % 32 = 0."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.up1 = Up(Merge(BELOW, 176, 1024, bias=True), 1024)
        self.up2, self.up3 = Up(Merge(1024, 64, 512), 512), Up(Merge(512, 40, 256), 256)
        self.up4 = Up(MergeRows(256, 24, 128), 128)
        self.out_conv_res8 = nn.Conv2d(512, 4, 3, padding=1)
        self.out_conv_res4, self.out_conv_res2, self.out_conv_res1 = Head(512), Head(256), Head(128)

    def forward(self, x: Tensor) -> Tensor:
        """Encode, decode to half size, guess at 1/8, refine at 1/4, 1/2 and full size."""
        half, quarter, eighth, sixteenth, last = self.encoder(x)
        at8 = self.up2(self.up1(last, sixteenth), eighth)
        at4 = self.up3(at8, quarter)
        at2 = self.up4(at4, half)
        guess = self.out_conv_res4(at8, _normalise_direction(self.out_conv_res8(at8)).to(x.dtype))
        guess = self.out_conv_res2(at4, guess.to(x.dtype))
        return self.out_conv_res1(at2, guess.to(x.dtype))[:, :3]


def _upsample(x: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=True)


def _normalise_direction(x: Tensor) -> Tensor:
    """[B, 4, H, W] -> direction of length 1 and concentration (more than 0.01), float32."""
    direction, kappa = x.float().split([3, 1], 1)
    length = torch.linalg.vector_norm(direction, dim=1, keepdim=True) + 1e-10
    return torch.cat([direction / length, F.elu(kappa) + 1.01], 1)


def build(metadata: Mapping[str, str]) -> NormalBAE:
    """There is one file of this network, so metadata decides nothing."""
    return NormalBAE()


def convert(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Published names to ours, with everything multiplied out; what is missing or does not fit is left to be named."""
    kept = rename_prefixes(strip_prefix(tensors), RULES)
    kept = {name: tensor for name, tensor in kept.items() if not name.startswith(UNUSED)}
    kept = fold_by_name(fold_by_name(kept, IN_ENCODER, eps=1e-3), IN_DECODER, eps=1e-5, conv_bias=True)
    for name, below in (("up1", LAST), ("up2", 1024), ("up3", 512), ("up4", 256)):
        _split_convolution(kept, f"{name}._net.0", below, rows=name == "up4")
    _compose_convolutions(kept)
    points = {name for name, tensor in kept.items() if name.startswith("out_conv_res") and tensor.ndim == 3}
    return {name: tensor.unsqueeze(-1) if name in points else tensor for name, tensor in kept.items()}


def _split_convolution(tensors: dict[str, Tensor], conv: str, below: int, *, rows: bool) -> None:
    """Divide a convolution into the two of `Merge` or `MergeRows`, in place."""
    names = (f"{conv}.weight", f"{conv}.bias")
    if any(name not in tensors for name in names) or tensors[names[0]].shape[2:] != (3, 3):
        return
    weight, tensors[f"{conv}.level.bias"] = (tensors.pop(name) for name in names)
    taps, source = weight[:, :below], min(below, weight.shape[1])
    taps = taps.permute(3, 0, 1, 2)[..., None] if rows else taps.permute(3, 2, 0, 1)[..., None, None]
    tensors[f"{conv}.taps.weight"] = taps.reshape(-1, source, 3 if rows else 1, 1)
    tensors[f"{conv}.level.weight"] = weight[:, below:]


def _compose_convolutions(tensors: dict[str, Tensor]) -> None:
    """Multiply the encoder's head and the decoder's first convolution into the taps of up1, in place."""
    names = ("encoder.conv_head.weight", "conv2.weight", "conv2.bias", "up1._net.0.taps.weight")
    shapes = ((LAST, BELOW, 1, 1), (LAST, LAST, 1, 1), (LAST,), (9 * 1024, LAST, 1, 1))
    if any(name not in tensors or tensors[name].shape != shape for name, shape in zip(names, shapes, strict=True)):
        return
    head, conv, bias, taps = (tensors.pop(name).flatten(1 if name.endswith("weight") else 0).float() for name in names)
    tensors["up1._net.0.taps.weight"] = (taps @ (conv @ head))[..., None, None]
    tensors["up1._net.0.taps.bias"] = taps @ bias


def estimate_normals(images: Images, placement: Placement) -> Values:
    """Normals float32 [B, H, W, 3] of uint8 [B, H, W, 3] with sides that are multiples of 32.

    Components x, y, z in -1..1: along the picture's left, up, and towards the viewer.
    """
    net = load_network(SCANNET, build, placement, convert)
    values = run_in_chunks(lambda x: net(normalise(x)), images, placement)
    return np.ascontiguousarray(values.transpose(0, 2, 3, 1))


def render_normals(normals: Values) -> Images:
    """Red, green and blue of components -1..1; cut off and not rounded, as in the maps that ControlNet learnt from."""
    unit = np.clip((normals + np.float32(1)) * np.float32(0.5), 0, 1)
    return (unit * np.float32(255)).astype(np.uint8)
