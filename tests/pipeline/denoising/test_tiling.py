from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from underdrawing.pipeline.denoising.tiling import tile_convolutions


def make_model() -> Any:
    torch.manual_seed(0)
    return SimpleNamespace(unet=nn.Conv2d(1, 1, 3, padding=1), vae=object())


def test_convolutions_see_the_opposite_edge_while_it_lasts() -> None:
    model, picture = make_model(), torch.arange(16.0).reshape(1, 1, 4, 4)
    plain = model.unet(picture)
    with tile_convolutions(model):
        turned = model.unet(picture.roll((1, 2), (2, 3))).roll((-1, -2), (2, 3))
        torch.testing.assert_close(model.unet(picture), turned)
        assert not torch.equal(model.unet(picture), plain)
    assert torch.equal(model.unet(picture), plain)
    with tile_convolutions(model, wanted=False):
        assert torch.equal(model.unet(picture), plain)
