"""Folds batch norms into the convolutions before them, when a file is loaded. Imported lazily (needs torch).

In inference a batch norm is a factor and an offset per channel, which a convolution can take into its kernel and bias:
the same function, without a pass over the features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from ...core.networks.cache import compare
from .batch_norms import COUNTER, NORM
from .batch_norms import fold as into_convolution

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    Tensors = dict[str, Tensor]
    Shapes = dict[str, tuple[int, ...]]

EPS = 1e-5
"""What torch's batch norm adds to the variance."""


class Folded(nn.Conv2d):
    """Convolution that is published with a batch norm behind it, at the next index of the same sequence.

    biased: whether the published convolution has a bias of its own besides.
    """

    def __init__(
        self,
        source: int,
        width: int,
        kernel: int = 1,
        *,
        biased: bool = False,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(source, width, kernel, stride, padding, dilation, groups)
        self.biased = biased


def published(module: nn.Module) -> Shapes:
    """Keys and shapes of the file that fits a module of `Folded` convolutions."""
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    for name, norm, biased in _pairs(module):
        width = shapes[f"{name}.bias"]
        if not biased:
            del shapes[f"{name}.bias"]
        shapes |= {f"{norm}.{part}": width for part in NORM}
        shapes[f"{norm}.{COUNTER}"] = ()
    return shapes


def strictly(tensors: Mapping[str, Tensor], shapes: Shapes, where: str) -> None:
    """Raise BadWeights unless a file's tensors have exactly these keys and shapes."""
    compare(shapes, {name: tuple(value.shape) for name, value in tensors.items()}, where)


def fold(tensors: Mapping[str, Tensor], module: nn.Module) -> Tensors:
    """Turn published tensors (checked before) into those of a module of `Folded` convolutions, as float32."""
    folded = {name: value.float() for name, value in tensors.items()}
    for name, norm, _ in _pairs(module):
        into_convolution(folded, name, norm, EPS)
    return folded


def _pairs(module: nn.Module) -> Iterator[tuple[str, str, bool]]:
    """Names of every folded convolution and of its batch norm, and whether the convolution has a bias in the file."""
    for name, conv in module.named_modules():
        if isinstance(conv, Folded):
            index = name.rpartition(".")[2]
            yield name, f"{name.removesuffix(index)}{int(index) + 1}", conv.biased
