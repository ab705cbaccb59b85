from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tests.support.tiny_diffusion import require_diffusers

from underdrawing.checkpoints.layouts.reference_shape import SCALING_FACTOR
from underdrawing.core.networks.placement import Placement
from underdrawing.core.tensor_files.safetensors_io import read_safetensors, write_safetensors
from underdrawing.pipeline.models import reference_files
from underdrawing.pipeline.models.controls.loading import load_control
from underdrawing.pipeline.models.loading import load_model
from underdrawing.pipeline.models.vaes import read_vae
from underdrawing.pipeline.reference import networks
from underdrawing.pipeline.reference.checkpoint import write_checkpoint
from underdrawing.pipeline.reference.training.controls import build_control
from underdrawing.pipeline.training.controls.files import build_control_lora
from underdrawing.pipeline.training.controls.low_rank import LowRankControl

require_diffusers()

if TYPE_CHECKING:
    from pathlib import Path

    from underdrawing.pipeline.models.model import Model

PLACEMENT = Placement()
PICTURE = torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference model with random weights, as training exports it."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    unet = networks.build_unet()
    parts = {"unet": unet, "vae": networks.build_vae(), "text_encoder": networks.build_text_encoder(704)}
    for name, module in parts.items():
        module.save_pretrained(folder / name)
    control = build_control(unet)
    control.save_pretrained(folder / "controlnet_canny")
    names = frozenset(name for name, _ in unet.named_modules())
    write_safetensors(folder / "control_lora_depth.safetensors", build_control_lora(LowRankControl(control, 4), names))
    return folder


def predict(model: Model) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(1, 4, 16, 16, generator=generator)
    tokens = model.tokenizers[0](["a red ball"], padding="max_length", return_tensors="pt").input_ids
    text = model.text_encoders[0](tokens).last_hidden_state
    torch.nn.init.constant_(model.unet.conv_out.weight, 0.01)
    return model.unet(latents, torch.tensor(500), text).sample + model.vae.decode(latents).sample.mean()


def test_the_reference_model_and_its_single_file(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_files, "FOLDER", folder)
    model = load_model("reference", placement=PLACEMENT)
    assert (model.family, model.sample_size, model.scaling_factor) == ("sd1", 128, SCALING_FACTOR)
    expected = predict(model)
    for name in ("canny", "depth", "control_lora_depth"):
        assert load_control(name, model=model).family == "sd1"
    assert load_control(annotator="depth_dav2", model=model).form == "control_lora"
    path = write_checkpoint(folder, tmp_path / "other.safetensors")
    single = load_model(str(path), placement=PLACEMENT)
    assert torch.equal(predict(single), expected), "heads and groups, which no shape says, are in the file's header"
    write_safetensors(tmp_path / "plain.safetensors", read_safetensors(path))
    plain = load_model(str(tmp_path / "plain.safetensors"), placement=PLACEMENT)
    assert torch.equal(predict(plain), expected), "without a header the shapes tell that it is the reference model"
    assert (plain.sample_size, plain.reference, single.reference, model.reference) == (128, True, True, True)
    assert any("CFG is 3" in note for note in plain.notes)
    assert load_control(annotator="canny", model=plain).path == load_control("canny", model=model).path
    assert torch.equal(read_vae(path, "sd1", PLACEMENT)[0](PICTURE).sample, model.vae(PICTURE).sample)


def test_controls_are_loaded_once_for_a_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_files, "FOLDER", folder)
    model = load_model("reference", placement=PLACEMENT)
    assert load_control("canny", model=model) is load_control("canny", model=model)
    first = load_control("depth", model=model)
    assert load_control("depth", model=model) is first
    assert first.short_hash


@pytest.mark.parametrize(
    ("annotator", "network", "noted"),
    [
        ("canny", "control_lora_canny", False),
        ("anyline", "control_lora_canny", True),
        ("teed", "controlnet_softedge", True),
        ("hed", "control_lora_softedge", False),
        ("depth_dav2", "control_lora_depth", False),
        ("", "control_lora_scribble", False),
    ],
)
def test_maps_that_a_control_was_not_trained_on_are_noted(annotator: str, network: str, noted: bool) -> None:
    assert bool(reference_files.explain_maps(annotator, network)) == noted
