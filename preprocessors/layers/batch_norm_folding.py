"""Batch norm folding: batch norms multiplied into the convolutions before them when a file is loaded (needs torch).

In inference a batch norm is a factor and an offset per channel, which a convolution can take into its kernel and bias:
the same function, without a pass over the features. Two ways tell which norm follows which convolution: rules on the
published names (`fold_by_name`), or an index of a sequence, the norm's one above the convolution's (`FoldedConv2d`,
`fold_by_index`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from torch import nn

from ...core.networks.cache import check_shapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    Tensors = dict[str, Tensor]
    Shapes = dict[str, tuple[int, ...]]

NORM, COUNTER = ("weight", "bias", "running_mean", "running_var"), "num_batches_tracked"
"""Tensors of a batch norm; the counter has no effect in inference."""
EPS = 1e-5
"""Epsilon of torch's batch norm, which is added to the variance."""


def fold_by_name(
    tensors: Mapping[str, Tensor], rules: Sequence[tuple[str, str]], eps: float, *, conv_bias: bool = False
) -> Tensors:
    """Tensors in which a convolution's weight and bias stand for the convolution and the norm that follows it.

    rules: (pattern of a norm's name, its convolution's name), as for `re.sub`. conv_bias: the convolutions have biases
    of their own. A norm whose name matches no rule, that is incomplete or that fits no convolution is passed on, so
    that a strict comparison names it.
    """
    result = dict(tensors)
    norms = [name.removesuffix(".running_mean") for name in result if name.endswith(".running_mean")]
    for norm in norms:
        conv = _conv_of(norm, rules)
        if conv is not None and _fits(result, conv, norm, conv_bias=conv_bias):
            fold_pair(result, conv, norm, eps)
    return result


def fold_pair(tensors: Tensors, conv: str, norm: str, eps: float) -> None:
    """Replace a convolution and its norm by one convolution, in float32, computed in float64."""
    gain, shift, mean, variance = (tensors.pop(f"{norm}.{part}").double() for part in NORM)
    tensors.pop(f"{norm}.{COUNTER}", None)
    scale, weight = gain / torch.sqrt(variance + eps), tensors[f"{conv}.weight"]
    bias = tensors.get(f"{conv}.bias", torch.zeros_like(mean)).double()
    tensors[f"{conv}.weight"] = (weight.double() * scale.reshape(-1, *[1] * (weight.ndim - 1))).float()
    tensors[f"{conv}.bias"] = (shift + (bias - mean) * scale).float()


def _conv_of(norm: str, rules: Sequence[tuple[str, str]]) -> str | None:
    for pattern, conv in rules:
        name, count = re.subn(pattern, conv, norm)
        if count:
            return name
    return None


def _fits(tensors: Mapping[str, Tensor], conv: str, norm: str, *, conv_bias: bool) -> bool:
    weight, bias = tensors.get(f"{conv}.weight"), tensors.get(f"{conv}.bias")
    if weight is None or (bias is None and conv_bias):
        return False
    parts = [tensors.get(f"{norm}.{part}") for part in NORM] + ([] if bias is None else [bias])
    return all(part is not None and part.shape == weight.shape[:1] for part in parts)


class FoldedConv2d(nn.Conv2d):
    """Convolution that is published with a batch norm behind it, at the next index of the same sequence.

    conv_bias: whether the published convolution has a bias of its own besides.
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        kernel: int = 1,
        *,
        conv_bias: bool = False,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(channels_in, channels, kernel, stride, padding, dilation, groups)
        self.conv_bias = conv_bias


def published_shapes(module: nn.Module) -> Shapes:
    """Keys and shapes of the file that fits a module of `FoldedConv2d` convolutions."""
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    for conv, norm, conv_bias in _pairs(module):
        channels = shapes[f"{conv}.bias"]
        if not conv_bias:
            del shapes[f"{conv}.bias"]
        shapes |= {f"{norm}.{part}": channels for part in NORM}
        shapes[f"{norm}.{COUNTER}"] = ()
    return shapes


def check_tensors(tensors: Mapping[str, Tensor], shapes: Shapes, where: str) -> None:
    """Raise BadWeights unless a file's tensors have exactly these keys and shapes."""
    check_shapes(shapes, {name: tuple(value.shape) for name, value in tensors.items()}, where)


def fold_by_index(tensors: Mapping[str, Tensor], module: nn.Module) -> Tensors:
    """Turn published tensors (checked before) into those of a module of `FoldedConv2d` convolutions, in float32."""
    result = {name: value.float() for name, value in tensors.items()}
    for conv, norm, _ in _pairs(module):
        fold_pair(result, conv, norm, EPS)
    return result


def _pairs(module: nn.Module) -> Iterator[tuple[str, str, bool]]:
    """Names of every folded convolution and of its batch norm, and whether the convolution has a bias in the file."""
    for name, conv in module.named_modules():
        if isinstance(conv, FoldedConv2d):
            index = name.rpartition(".")[2]
            yield name, f"{name.removesuffix(index)}{int(index) + 1}", conv.conv_bias
