"""Convolutions in float32 on x86 CPUs with less work than torch's: Winograd's minimal filtering of 3 x 3.

F(2 x 2, 3 x 3) computes four neighbours of an output with 16 multiplications in place of 36 (S. Winograd, 1980; A.
Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, 2015). Tiles and kernels are transformed piece by
piece, so that they stay in the cache and no copy of the weights is kept: weights that a LoRA replaces count at the next
call. Kernels that no cache holds, of pictures of few pixels, are read once, in a product with the pixels around each:
torch copies them into another order at every call. Results equal torch's but for rounding, whose size is the same.
Frozen layers of a network that is trained find the gradient of their input in the same ways, and keep no input for it.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

from .pixels import filter_pixels, find_pixel_gradient
from .products import QuickLinear, is_traced, learns, multiply, multiply_each, prefers_onednn

if TYPE_CHECKING:
    from torch import Tensor

FEWEST_CHANNELS = 128
"""Of input and output: below, transforming costs what the multiplications save."""
FEWEST_TILES = 64
"""Of a call: below, transforming kernels costs more than it saves."""
FEWEST_TILES_BACK = 256
"""Of a gradient."""
LARGE_KERNELS = 40_000_000
"""Bytes of kernels above which torch's way is slow with few pixels."""
TILE_BYTES, KERNEL_BYTES = 12_000_000, 8_000_000
"""Of transformed tiles and kernels at a time."""
MACHINES = ("x86_64", "amd64")
_SIDE = torch.tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
_KERNEL = torch.kron(_SIDE, _SIDE)
"""Turns the 9 numbers of a kernel into 16."""
_TURNED = torch.kron(_SIDE.flip(1), _SIDE.flip(1))
"""The same of a kernel that is turned by 180 degrees."""


class QuickConv2d(nn.Conv2d):
    """A convolution that is filtered in the faster way, of which one is torch's own."""

    def forward(self, input: Tensor) -> Tensor:
        """Filter [B, C, H, W]; the output has its channels last where the way was not torch's."""
        if not _suits(input, self.weight) or learns(self.weight, self.bias):
            return super().forward(input)
        if learns(input):
            return _FilterFrozen.apply(input, self.weight, self.bias)  # type: ignore[return-value]
        return _filter(input, self.weight, self.bias)


class PointConv2d(nn.Conv2d):
    """A convolution of single pixels as the matrix product that it is, which leaves channels last."""

    def forward(self, input: Tensor) -> Tensor:
        """Filter [B, C, H, W]."""
        if input.ndim != 4 or is_traced() or learns(input, self.weight, self.bias):
            return super().forward(input)
        return multiply(input.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def quicken_layers(module: nn.Module) -> None:
    """Let every convolution and linear layer of a module take the faster way. Names and weights stay what they are."""
    if platform.machine().lower() not in MACHINES:
        return
    for part in module.modules():
        if type(part) is nn.Linear and prefers_onednn():
            part.__class__ = QuickLinear
        if type(part) is not nn.Conv2d or part.groups != 1 or part.stride != (1, 1):
            continue
        if part.kernel_size == (1, 1) and part.padding == (0, 0):
            part.__class__ = PointConv2d
        elif _has_form(part):
            part.__class__ = QuickConv2d


def _has_form(module: nn.Conv2d) -> bool:
    """Whether kernels are 3 x 3, with borders of one zero, and enough of them."""
    plain = module.padding_mode == "zeros" and module.dilation == (1, 1)
    sides = module.kernel_size == (3, 3) and module.padding == (1, 1)
    return plain and sides and min(module.in_channels, module.out_channels) >= FEWEST_CHANNELS


def _suits(x: Tensor, weight: Tensor) -> bool:
    """Whether a call is one of those whose ways were compared."""
    if x.ndim != 4 or x.device.type != "cpu" or x.dtype != torch.float32 or weight.dtype != torch.float32:
        return False
    return not is_traced()


def _count_tiles(x: Tensor) -> int:
    """Tiles of a picture [B, C, H, W]; none where its sides are odd."""
    return 0 if x.shape[2] % 2 or x.shape[3] % 2 else x.shape[0] * (x.shape[2] // 2) * (x.shape[3] // 2)


def _is_large(weight: Tensor) -> bool:
    return weight.numel() * weight.element_size() >= LARGE_KERNELS


def _filter(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The answer of a layer without gradients, in the faster way."""
    tiles = _count_tiles(x)
    if tiles >= FEWEST_TILES:
        return filter_tiles(x, weight, bias)
    if _is_large(weight):
        return filter_pixels(x, weight, bias)
    return functional.conv2d(x, weight, bias, padding=1)


def _find_frozen_gradient(gradient: Tensor, shape: torch.Size, weight: Tensor) -> Tensor:
    """The gradient of an input of that shape, in the faster way."""
    tiles, large = _count_tiles(gradient), _is_large(weight)
    if large and gradient.numel() <= 4 * FEWEST_TILES * gradient.shape[1]:
        return find_pixel_gradient(gradient, weight)
    if tiles >= FEWEST_TILES_BACK or (large and tiles):
        return filter_tiles(gradient, weight, None, back=True)
    return _find_gradient(gradient, shape, weight, ((1, 1), (1, 1), (1, 1), False, [0, 0], 1))


class _FilterFrozen(Function):
    """A frozen layer, with the gradient of its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # type: ignore[override]
        """The answer; of the input nothing is kept."""
        ctx.save_for_backward(weight)
        ctx.shape = x.shape
        return _filter(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:  # type: ignore[override]
        """The gradient of the input."""
        (weight,) = ctx.saved_tensors
        return _find_frozen_gradient(gradient, ctx.shape, weight), None, None


def _find_gradient(gradient: Tensor, shape: torch.Size, weight: Tensor, settings: tuple[Any, ...]) -> Tensor:
    """The gradient of an input of that shape; torch wants an input for its shape alone."""
    like = torch.empty(shape, dtype=gradient.dtype, device=gradient.device, memory_format=torch.channels_last)
    backward = torch.ops.aten.convolution_backward
    return backward(gradient, like, weight, None, *settings, [True, False, False])[0]


def convolve(module: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """What a layer of a module that was quickened answers with a weight of the same form, without gradients."""
    if isinstance(module, QuickConv2d) and weight.shape == module.weight.shape and _suits(x, weight):
        return _filter(x, weight, bias)
    return functional.conv2d(x, weight, bias, module.stride, module.padding, module.dilation, module.groups)


def find_input_gradient(module: nn.Conv2d, gradient: Tensor, shape: torch.Size, weight: Tensor) -> Tensor:
    """The gradient of the input of a layer, of that shape, from that of its answer."""
    if isinstance(module, QuickConv2d) and weight.shape == module.weight.shape and _suits(gradient, weight):
        return _find_frozen_gradient(gradient, shape, weight)
    settings = (module.stride, module.padding, module.dilation, False, [0, 0], module.groups)
    return _find_gradient(gradient, shape, weight, settings)


def filter_tiles(x: Tensor, weight: Tensor, bias: Tensor | None, *, back: bool = False) -> Tensor:
    """Convolve x [B, C, H, W], H and W even, with weight [O, C, 3, 3] and borders of one zero.

    back: x is the gradient of an answer [B, O, H, W], and the answer is that of the input [B, C, H, W]. Float32 on the
    CPU, with channels last; fastest where x and weight have them last. Of transformed tiles and kernels, what takes
    less memory is held whole where one piece does not hold it, and the other goes by in pieces.
    """
    count, channels, height, width = x.shape
    outputs, lines = weight.shape[1 if back else 0], height // 2
    pixels, kernels = x.permute(0, 2, 3, 1), weight.permute(0, 2, 3, 1).flatten(1, 2)
    answer = x.new_empty(count, lines, 2, width // 2, 2, outputs)
    one = 16 * 4 * channels
    rows, step = max(1, TILE_BYTES // (count * width // 2 * one)), max(16, KERNEL_BYTES // one)
    if rows < lines and step < outputs:
        rows, step = (rows, outputs) if outputs < count * lines * width else (lines, step)
    used = _transform_kernels(kernels, back=back) if step >= outputs else None
    for top in range(0, lines, rows):
        tiles = _transform_tiles(_pad(pixels, 2 * top - 1, min(2 * (top + rows), height) + 1))
        for first in range(0, outputs, step):
            some = slice(first, first + step)
            part = kernels[..., some] if back else kernels[some]
            turned = _transform_kernels(part, back=back) if used is None else used
            products = multiply_each(tiles.flatten(2, 4).flatten(0, 1), turned)
            into = answer[:, top : top + rows, :, :, :, some]
            _gather(products.view(*tiles.shape[:5], -1), None if bias is None else bias[some], into)
    return answer.view(count, height, width, outputs).permute(0, 3, 1, 2)


def _transform_kernels(kernels: Tensor, *, back: bool) -> Tensor:
    """Kernels [O, 9, C] as [16, C, O]; back: turned by 180 degrees, as [16, O, C]."""
    return torch.matmul(_TURNED, kernels).permute(1, 0, 2) if back else torch.matmul(_KERNEL, kernels).permute(1, 2, 0)


def _pad(pixels: Tensor, top: int, bottom: int) -> Tensor:
    """Rows of [B, H, W, C] from top to bottom with zeros beside them, and above and below where there are none."""
    height = pixels.shape[1]
    inside = pixels[:, max(top, 0) : min(bottom, height)]
    return functional.pad(inside, (0, 0, 1, 1, max(-top, 0), max(bottom - height, 0)))


def _transform_tiles(padded: Tensor) -> Tensor:
    """Tiles [4, 4, B, rows, columns, C] of 4 x 4 pixels that overlap by 2, of [B, 2 rows + 2, 2 columns + 2, C]."""
    count, height, width, channels = padded.shape
    rows, columns = height // 2 - 1, width // 2 - 1
    sheet, line, pixel, _ = padded.stride()
    lines = padded.as_strided((4, count, rows, width, channels), (line, sheet, 2 * line, pixel, 1))
    down = _combine(lines, padded.new_empty(lines.shape), 0)
    part, sheet, line, pixel, _ = down.stride()
    pixels = down.as_strided((4, 4, count, rows, columns, channels), (part, pixel, sheet, line, 2 * pixel, 1))
    return _combine(pixels, padded.new_empty(pixels.shape), 1)


def _combine(four: Tensor, into: Tensor, axis: int) -> Tensor:
    """What is multiplied, along an axis of four neighbours."""
    (a, b, c, d), (w, x, y, z) = four.unbind(axis), into.unbind(axis)
    torch.sub(a, c, out=w)
    torch.add(b, c, out=x)
    torch.sub(c, b, out=y)
    torch.sub(b, d, out=z)
    return into


def _gather(products: Tensor, bias: Tensor | None, into: Tensor) -> None:
    """Sum products [4, 4, B, rows, columns, O] to outputs [B, rows, 2, columns, 2, O]."""
    half = products.new_empty(2, *products.shape[1:])
    _sum(products, half[0], half[1])
    if bias is not None:
        half[:, 1].add_(bias)  # it is in both sums
    upper, lower = (into[:, :, :, :, side].permute(2, 0, 1, 3, 4) for side in (0, 1))
    _sum(half.transpose(0, 1), upper, lower)


def _sum(four: Tensor, first: Tensor, second: Tensor) -> None:
    a, b, c, d = four
    torch.add(a, b, out=first)
    first += c
    torch.sub(b, c, out=second)
    second -= d
