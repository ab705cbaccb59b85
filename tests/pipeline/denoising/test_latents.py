from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.support.fake_diffusion import make_fake_model

from underdrawing import BadWeights
from underdrawing.pipeline.denoising.latents import decode, encode, encode_planes


def test_levels_are_cut_off() -> None:
    """-1 to 1 in the VAE; latents are scaled."""
    levels = torch.tensor([-3.0, -1.0, 0.0, 0.999, 1.0, 3.0, 0.0, 0.0])
    latents = (levels * 0.5).expand(1, 4, 8, 8)
    assert decode(make_fake_model(), latents)[0, 0, ::8, 0].tolist() == [0, 0, 127, 254, 255, 255, 127, 127]


def test_pictures_come_back() -> None:
    model = make_fake_model()
    small = np.random.default_rng(1).integers(0, 256, (2, 4, 5, 3), np.uint8)
    pictures = small.repeat(8, 1).repeat(8, 2)
    latents = encode(model, pictures)
    assert latents.shape == (2, 4, 4, 5)
    assert latents.dtype == torch.float32
    assert np.abs(decode(model, latents).astype(int) - pictures).max() <= 1


def test_planes_and_pictures_are_encoded_alike() -> None:
    model = make_fake_model()
    pictures = np.full((1, 16, 16, 3), 255, np.uint8)
    assert torch.equal(encode(model, pictures), encode_planes(model, torch.ones(1, 3, 16, 16)))


def test_nan_is_an_error() -> None:
    with pytest.raises(BadWeights, match="VAE answers NaN"):
        decode(make_fake_model(), torch.full((1, 4, 2, 2), float("nan")))
