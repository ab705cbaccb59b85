"""The engine on OpenVINO itself: small networks of diffusers answer as they do in torch."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.support.fake_diffusion import make_fake_model, make_fake_unit
from tests.support.tiny_diffusion import require_diffusers

from underdrawing.core.errors import BadParameter, MissingExtra
from underdrawing.core.networks.placement import Placement
from underdrawing.pipeline.engines import networks, openvino
from underdrawing.pipeline.engines.networks import EngineControl, EngineUnet, EngineVae
from underdrawing.pipeline.generate import generate

if TYPE_CHECKING:
    from pathlib import Path

require_diffusers()

needed = pytest.mark.skipif(
    find_spec("openvino") is None, reason="needs the extra: pip install 'underdrawing[openvino]'"
)
PLACEMENT = Placement(backend="openvino")
SMALL: dict[str, Any] = {
    "block_out_channels": (32,),
    "down_block_types": ("CrossAttnDownBlock2D",),
    "layers_per_block": 1,
    "cross_attention_dim": 32,
    "attention_head_dim": 2,
}


def build(kind: str, **config: Any) -> Any:
    torch.manual_seed(3)
    return getattr(import_module("diffusers"), kind)(**config).eval().requires_grad_(False)


def is_near(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return float((found - expected).abs().max()) <= 1e-4 * float(expected.abs().max())


@needed
def test_networks_answer_as_in_torch() -> None:
    """At two sizes and lengths, with one compiled network; the residuals of one are what the other takes."""
    notes: list[str] = []
    unet = build("UNet2DConditionModel", up_block_types=("CrossAttnUpBlock2D",), **SMALL)
    control = build("ControlNetModel", conditioning_embedding_out_channels=(4,), **SMALL)
    control.controlnet_cond_embedding = torch.nn.Identity()
    for parameter in control.parameters():
        if not parameter.any():
            parameter.fill_(0.05)
    own = EngineUnet(unet, PLACEMENT, notes.append, name="the UNet")
    steering = EngineControl(control, PLACEMENT, notes.append, name="canny")
    with torch.no_grad():
        for count, side, length in ((2, 4, 7), (1, 6, 9)):
            latents, steps = torch.randn(count, 4, side, side), torch.full((count,), 500.0)
            more = {"encoder_hidden_states": torch.randn(count, length, 32), "return_dict": False}
            hint = torch.rand(count, 32, side, side)
            down, middle = steering(latents, steps, controlnet_cond=hint, **more)
            expected = control(latents, steps, controlnet_cond=hint, **more)
            assert all(is_near(a, b) for a, b in zip([*down, middle], [*expected[0], expected[1]], strict=True))
            residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
            steered = own(latents, steps, **more, **residuals)[0]
            assert is_near(steered, unet(latents, steps, **more, **residuals)[0])
            plain = own(latents, steps, **more)[0]
            assert is_near(plain, unet(latents, steps, **more)[0])
            assert not is_near(plain, steered)
    assert notes == []


@needed
def test_a_vae_answers_as_in_torch() -> None:
    blocks = {"down_block_types": ["DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D"]}
    vae = build("AutoencoderKL", block_out_channels=[32], layers_per_block=1, latent_channels=4, **blocks)
    notes: list[str] = []
    own = EngineVae(vae, PLACEMENT, notes.append, name="the VAE")
    latents = torch.randn(1, 4, 6, 8)
    with torch.no_grad():
        planes = own.decode(latents, return_dict=False)[0]
        assert is_near(planes, vae.decode(latents, return_dict=False)[0])
        assert is_near(own.encode(planes, return_dict=False)[0].mean, vae.encode(planes, return_dict=False)[0].mean)
    assert notes == []


def test_other_devices_and_a_missing_package_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise MissingExtra("the OpenVINO backend needs the package openvino", fix="pip install openvino")

    monkeypatch.setattr(openvino, "load_openvino", lambda: None)
    with pytest.raises(BadParameter, match="not on cuda"):
        openvino.OpenVinoEngine(Placement(device="cuda", backend="openvino"), print)
    monkeypatch.setattr(openvino, "load_openvino", refuse)
    with pytest.raises(MissingExtra):
        openvino.OpenVinoEngine(PLACEMENT, print)


def test_what_it_takes_and_what_stays_in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "load_openvino", lambda: None)
    notes: list[str] = []
    engine, model = openvino.OpenVinoEngine(PLACEMENT, notes.append), make_fake_model()
    taken = engine.take_model(model)
    assert isinstance(taken.unet, EngineUnet)
    assert isinstance(taken.vae, EngineVae)
    assert taken.placement == PLACEMENT
    assert isinstance(engine.take_control(make_fake_unit().network).network, EngineControl)
    assert notes == []
    adapter = make_fake_unit(form="t2i").network
    assert engine.take_control(adapter) is adapter
    assert notes == ["fake runs in torch: OpenVINO has no engine for networks of its kind here"]


class Traced:
    """torch in OpenVINO's place. outputs: as many as there were."""

    def __init__(self, trace: Any, example: tuple[torch.Tensor, ...], *_: Any) -> None:
        with torch.no_grad():
            found = trace(*example)
        self.trace, self.outputs = trace, found if isinstance(found, tuple) else (found,)

    def __call__(self, inputs: list[Any]) -> list[Any]:
        found = self.trace(*map(torch.from_numpy, inputs))
        return [value.numpy() for value in (found if isinstance(found, tuple) else (found,))]


def test_a_run_gives_the_same_picture_and_says_what_a_lora_kept_in_torch(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino, "load_openvino", lambda: None)
    monkeypatch.setattr(networks, "compile_module", Traced)
    small: dict[str, Any] = {"checkpoint": "tiny", "width": 64, "height": 64, "steps": 2, "seed": 5, "device": "cpu"}
    small |= {"model_folders": [tiny_folder], "lora_folders": [tiny_folder], "dtype": "float32"}
    for prompt, notes in (("a cat", 0), ("a cat <lora:style:1>", 1)):
        plain, other = (generate(prompt, backend=backend, **small)[0] for backend in ("torch", "openvino"))
        assert np.abs(plain.pixels.astype(int) - other.pixels).max() <= 1
        found = [note for note in other.notes if "runs in torch" in note]
        assert found == ["the UNet runs in torch: a LoRA is on it, and OpenVINO has its weights without it"] * notes
        assert not [note for note in plain.notes if "torch" in note]
