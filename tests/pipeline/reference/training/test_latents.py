from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from underdrawing.checkpoints.layouts.reference_shape import SCALING_FACTOR
from underdrawing.pipeline.reference.training import latents
from underdrawing.pipeline.reference.world.captions import describe_scene
from underdrawing.pipeline.reference.world.scene import render_scene
from underdrawing.pipeline.reference.world.spec import mirror_spec


class Vae(nn.Module):
    """The ends of an AutoencoderKL, around linear maps."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        super().__init__()
        self.inward = nn.Conv2d(3, 8, 8, stride=8)
        self.quant_conv = nn.Conv2d(8, 8, 1)
        self.post_quant_conv = nn.Conv2d(4, 4, 1)
        self.outward = nn.ConvTranspose2d(4, 3, 8, stride=8)

    def encode(self, pictures: Tensor) -> Any:
        mean, log_variance = self.quant_conv(self.inward(pictures)).chunk(2, 1)
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=mean, logvar=log_variance))

    def decode(self, z: Tensor) -> Tensor:
        return self.outward(self.post_quant_conv(z))


def test_whitened_latents_decode_to_the_same_and_have_unit_size() -> None:
    torch.manual_seed(0)
    vae = Vae()
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (40, 32, 32, 3)).astype(np.uint8)
    planes = torch.randn(4, 3, 32, 32)
    before = vae.decode(vae.encode(planes).latent_dist.mean)
    latents.whiten(vae, pictures)
    assert torch.allclose(vae.decode(vae.encode(planes).latent_dist.mean), before, atol=1e-4)
    z = torch.cat([*latents._encode(vae, pictures)]) * SCALING_FACTOR
    flat = z.permute(1, 0, 2, 3).flatten(1)
    assert flat.mean(1) == pytest.approx(torch.zeros(4), abs=1e-3)
    assert flat @ flat.T / flat.shape[1] == pytest.approx(torch.eye(4), abs=1e-2)


def test_the_first_caption_is_whole_and_mirrored_ones_change_sides() -> None:
    spec = render_scene(5).spec
    plain, mirrored = (latents.list_captions(5, mirrored=m) for m in (False, True))
    assert plain[0] == describe_scene(spec)
    assert mirrored[0] == describe_scene(mirror_spec(spec))
    assert plain[0] != mirrored[0]
    assert len(plain) == latents.VARIANTS


def test_tokens_are_clips() -> None:
    pytest.importorskip("transformers", reason="the extra pipeline is not installed")
    tokens = latents.tokenize(["a red ball", ""])
    assert tokens.shape == (2, 77)
    start, end = int(tokens[1, 0]), int(tokens[1, 1])
    assert tokens[0, :5].tolist() == [start, *tokens[0, 1:4].tolist(), end]
    assert len(set(tokens[0, :5].tolist())) == 5
    assert set(tokens[1, 1:].tolist()) == {end}


def test_words_of_captions_are_one_token_each() -> None:
    pytest.importorskip("transformers", reason="the extra pipeline is not installed")
    caption = "a shiny purple ball on the left, an orange tree in the middle, a person in white waving, snow, at night"
    count = len(caption.replace(",", " ,").split())
    tokens = latents.tokenize([caption])[0]
    assert int((tokens != tokens[-1]).sum()) == 1 + count
