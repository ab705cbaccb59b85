"""Pictures that continue over their edges: convolutions see the opposite edge beyond each, as with A1111's "Tiling"."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..models.model import Model


@contextmanager
def tile_convolutions(model: Model, *, wanted: bool = True) -> Generator[None]:
    """While entered, UNet and VAE pad with the opposite edges. Raises nothing; what runs elsewhere stays as it is."""
    networks = [network for network in (model.unet, model.vae) if isinstance(network, nn.Module)] if wanted else []
    layers: list[Any] = [layer for network in networks for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    before = [layer.padding_mode for layer in layers]
    try:
        for layer in layers:
            layer.padding_mode = "circular"
        yield
    finally:
        for layer, mode in zip(layers, before, strict=True):
            layer.padding_mode = mode
