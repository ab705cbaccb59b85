"""Narrow stand-ins of Depth Anything: few channels, a block per tap; and shallow ones, for tests of any weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from torch import nn

from underdrawing.preprocessors.nets.depth_anything import Backbone, Builder, DepthAnything
from underdrawing.preprocessors.weights.depth_files import METRES, DepthAnything1, DepthAnything2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TINY = Backbone(8, 1, 4, (4, 4, 8, 8), 8, dict.fromkeys((1, 2), (1, 2, 3, 4)))


def build(model: str) -> Callable[[Mapping[str, str]], DepthAnything]:
    """Builder of the stand-in of a model."""
    return lambda metadata: DepthAnything(TINY, TINY.taps[2], 20 if model in METRES else 0)


def build_shallow(model: str) -> Callable[[Mapping[str, str]], DepthAnything]:
    """Builder of a stand-in whose attention, the square of the picture's patches, is computed once and not four times.

    The last convolutions, which work on every pixel, have four channels between them in place of 32.
    """

    def make(metadata: Mapping[str, str]) -> DepthAnything:
        made = build(model)(metadata)
        made.pretrained.blocks = nn.ModuleList([made.pretrained.blocks[0], *(nn.Identity() for _ in range(3))])
        first, relu, _ = made.depth_head.scratch.output_conv2
        assert isinstance(first, nn.Conv2d)
        narrow = nn.Conv2d(first.in_channels, 4, 3, padding=1)
        made.depth_head.scratch.output_conv2 = nn.Sequential(narrow, relu, nn.Conv2d(4, 1, 1))
        return made

    return make


BUILDERS = {
    Builder(version, model): build_shallow(model)
    for version, models in ((1, DepthAnything1), (2, DepthAnything2))
    for model in get_args(models)
}
"""What `random_weights.stand_in` builds instead."""
