"""Threads of small models: their layers are so small that further threads only wait for the first."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..models.model import Model

SMALL = 30_000_000
"""Parameters of a UNet below which one thread is faster than several."""


@contextmanager
def limit_threads(model: Model) -> Generator[None]:
    """Compute with one thread on a CPU where the model is small; its bytes are the same on any number of cores then."""
    threads = torch.get_num_threads()
    small = sum(parameter.numel() for parameter in model.unet.parameters()) < SMALL
    if not small or model.placement.device != "cpu":
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
