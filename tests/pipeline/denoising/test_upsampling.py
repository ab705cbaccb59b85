from __future__ import annotations

import torch
from tests.support import tiny_diffusion
from torch.nn import functional

from underdrawing.pipeline.denoising.upsampling import double_before_fitting

tiny_diffusion.require_diffusers()


@torch.no_grad()
def test_what_cannot_be_halved_is_doubled_first_while_it_lasts() -> None:
    unet = tiny_diffusion.build_unet("sd1")
    generator = torch.Generator().manual_seed(0)
    states, step = torch.randn(1, 77, 32, generator=generator), torch.tensor([500.0])
    even, odd = torch.randn(1, 4, 8, 8, generator=generator), torch.randn(1, 4, 12, 8, generator=generator)

    def call(latents: torch.Tensor) -> torch.Tensor:
        return unet(latents, step, encoder_hidden_states=states, return_dict=False)[0]

    before = call(even), call(odd)
    with double_before_fitting(unet):
        assert torch.equal(call(even), before[0])
        found = call(odd)
        upsampler = unet.up_blocks[0].upsamplers[0]
        planes = torch.randn(1, 64, 2, 2, generator=generator)
        fitted = upsampler(planes, (3, 4))
    assert not torch.equal(found, before[1])
    assert torch.equal(call(odd), before[1])
    assert torch.equal(fitted, functional.interpolate(upsampler(planes, None), (3, 4)))
