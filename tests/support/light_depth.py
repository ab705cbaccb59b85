"""Narrow stand-ins of Depth Anything: few channels, a block per tap."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from underdrawing.preprocessors.nets.depth_anything import Backbone, Builder, DepthAnything
from underdrawing.preprocessors.weights.depth_files import METRES, DepthAnything1, DepthAnything2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TINY = Backbone(8, 1, 4, (4, 4, 8, 8), 8, dict.fromkeys((1, 2), (1, 2, 3, 4)))


def build(model: str) -> Callable[[Mapping[str, str]], DepthAnything]:
    """Builder of the stand-in of a model."""
    return lambda metadata: DepthAnything(TINY, TINY.taps[2], 20 if model in METRES else 0)


BUILDERS = {
    Builder(version, model): build(model)
    for version, models in ((1, DepthAnything1), (2, DepthAnything2))
    for model in get_args(models)
}
