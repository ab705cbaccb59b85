from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tests.support.tiny_diffusion import build_controlnet, make_model, require_diffusers

from underdrawing.core.errors import BadParameter, BadWeights
from underdrawing.core.tensor_files.safetensors_io import write_safetensors
from underdrawing.pipeline.models.controls.reading import read_control
from underdrawing.pipeline.training.controls.files import build_control_lora
from underdrawing.pipeline.training.controls.low_rank import LowRankControl

require_diffusers()

if TYPE_CHECKING:
    from pathlib import Path

    from underdrawing.pipeline.models.model import Model


def make_low_rank(model: Model, family: str) -> LowRankControl:
    """Differences from the UNet's weights where it has them, in memory."""
    control, base = build_controlnet(family), model.unet.state_dict()
    control.load_state_dict({k: base[k] for k in control.state_dict() if k in base}, strict=False)
    low = LowRankControl(control, 4)
    generator = torch.Generator().manual_seed(4)
    for up in low.up.values():
        up.data = torch.randn(up.shape, generator=generator).half().float()
    for value in (*low.down.values(), *low.direct.values()):
        value.data = value.data.half().float()
    return low


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_the_unets_weights_and_the_differences(tmp_path: Path, family: str) -> None:
    model = make_model(family)
    low = make_low_rank(model, family)
    names = frozenset(name for name, _ in model.unet.named_modules())
    path = write_safetensors(tmp_path / "control_lora_canny.safetensors", build_control_lora(low, names))
    control = read_control(path, model)
    assert (control.form, control.family, control.notes) == ("control_lora", family, ())
    for name, value in control.network.state_dict().items():
        torch.testing.assert_close(value, low.merge()[name].detach(), atol=1e-5, rtol=1e-5)


def test_weights_that_the_file_lacks_are_the_unets(tmp_path: Path) -> None:
    model = make_model("sd1")
    names = frozenset(name for name, _ in model.unet.named_modules())
    table = build_control_lora(make_low_rank(model, "sd1"), names)
    own = {key: value for key, value in table.items() if ".norm" not in key and "in_layers.0" not in key}
    control = read_control(write_safetensors(tmp_path / "a.safetensors", own), model)
    key = "down_blocks.0.resnets.0.norm1.weight"
    assert torch.equal(control.network.state_dict()[key], model.unet.state_dict()[key])
    control.network.state_dict()[key].add_(1)
    assert not torch.equal(control.network.state_dict()[key], model.unet.state_dict()[key]), "a copy"
    table.pop("middle_block_out.0.weight")
    with pytest.raises(BadWeights, match=r"1 keys are missing: controlnet_mid_block\.weight"):
        read_control(write_safetensors(tmp_path / "b.safetensors", table), model)


def test_another_unet_is_named(tmp_path: Path) -> None:
    model, other = make_model("sd1"), make_model("sdxl")
    names = frozenset(name for name, _ in other.unet.named_modules())
    path = write_safetensors(tmp_path / "a.safetensors", build_control_lora(make_low_rank(other, "sdxl"), names))
    with pytest.raises(BadParameter, match="for SDXL, and the model tiny_sd1 is of SD1"):
        read_control(path, model)
