from __future__ import annotations

import torch
from tests.support.tiny_diffusion import build_unet, require_diffusers

from underdrawing.pipeline.training.controls.building import build_control

require_diffusers()


def test_a_control_begins_as_the_unet() -> None:
    unet = build_unet("sd1")
    own, control = unet.state_dict(), build_control(unet, (8, 16, 32, 64)).state_dict()
    shared = [name for name in control if name in own]
    assert len(shared) > 100
    assert all(torch.equal(control[name], own[name]) for name in shared)


def test_a_map_keeps_its_strength_through_the_reader() -> None:
    torch.manual_seed(0)
    reader = build_control(build_unet("sd1"), (8, 16, 32, 64)).controlnet_cond_embedding
    hint = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        x = reader.conv_in(hint)
        first = float(x.std())
        for block in reader.blocks:
            x = block(torch.nn.functional.silu(x))
    assert float(x.std()) > 0.3 * first
