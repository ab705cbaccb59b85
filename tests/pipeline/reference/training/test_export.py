from __future__ import annotations

import json
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
import torch
from tests.support.reference_runs import write_base, write_state

from underdrawing.core.files import hash_file
from underdrawing.core.tensor_files.safetensors_io import read_safetensors
from underdrawing.pipeline.models.reference_files import FOLDER
from underdrawing.pipeline.reference import networks
from underdrawing.pipeline.reference.checkpoint import write_checkpoint
from underdrawing.pipeline.reference.training import controls, export
from underdrawing.pipeline.reference.training.control_files import STRENGTHS, strengthen
from underdrawing.pipeline.reference.training.export import export_run
from underdrawing.pipeline.reference.training.starting import load_start
from underdrawing.pipeline.training.controls.low_rank import LowRankControl

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    find_spec("diffusers") is None or find_spec("transformers") is None, reason="the extra pipeline is not installed"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with random weights, in which canny's ControlNet is whole."""
    folder = tmp_path_factory.mktemp("run")
    unet = write_base(folder)
    control = controls.build_control(unet)
    write_state(folder / "control_canny.safetensors", control)
    low = LowRankControl(control, controls.RANK)
    with torch.no_grad():
        for value in low.up.values():
            value.normal_(std=0.02)
    write_state(folder / "control_pose.safetensors", low)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "WHOLE", ("canny",))
        export_run(folder, folder / "weights")
    return folder


def test_a_pipeline_loads_the_folder_and_draws(run: Path) -> None:
    diffusers = import_module("diffusers")
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(str(run / "weights"), local_files_only=True)
    options = {"num_inference_steps": 2, "height": 128, "width": 128, "output_type": "np"}
    picture = pipeline.to(torch.float32)("a red ball", **options).images[0]
    assert picture.shape == (128, 128, 3)


def test_one_file_holds_the_same_unet_and_vae(run: Path) -> None:
    diffusers = import_module("diffusers")
    path = write_checkpoint(run / "weights", run / "reference.safetensors")
    tensors = read_safetensors(path)
    assert len([name for name in tensors if name.startswith("model.diffusion_model.")]) == 686
    assert len([name for name in tensors if name.startswith("first_stage_model.")]) == 248
    for part, model in (("unet", diffusers.UNet2DConditionModel), ("vae", diffusers.AutoencoderKL)):
        options = {"config": str(run / "weights"), "subfolder": part, "local_files_only": True}
        loaded = model.from_single_file(dict(tensors), **options).state_dict()
        folder = model.from_pretrained(str(run / "weights" / part)).state_dict()
        assert loaded.keys() == folder.keys()
        assert all(torch.equal(value.float(), folder[name].float()) for name, value in loaded.items())


def test_controls_have_their_forms(run: Path) -> None:
    import_module("diffusers").ControlNetModel.from_pretrained(str(run / "weights" / "controlnet_canny"))
    lora = read_safetensors(run / "weights" / "control_lora_pose.safetensors")
    assert "lora_controlnet" in lora
    assert {name for name in lora if name.startswith("zero_convs.0")} == {
        "zero_convs.0.0.weight",
        "zero_convs.0.0.bias",
    }
    assert lora["middle_block.0.in_layers.2.up"].shape[1] == controls.RANK


def test_training_starts_from_what_was_written(run: Path) -> None:
    module = LowRankControl(controls.build_control(networks.build_unet()), controls.RANK)
    controls._load_control(module, "pose", run / "weights", networks.build_unet())
    trained = read_safetensors(run / "control_pose.safetensors")
    for name, value in module.named_parameters():
        assert torch.allclose(value, trained[f"average.{name}"], atol=2e-3), name


def test_the_manifest_says_what_was_trained(run: Path) -> None:
    manifest = json.loads((run / "weights" / "manifest.json").read_bytes())
    assert manifest["training"]["base"] == {"steps": 3, "samples": 48, "minutes": 1.0, "validation": 0.5}
    assert "vae/diffusion_pytorch_model.safetensors" in manifest["files"]
    assert manifest["licence"] == "Apache-2.0"


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the package comes without weights")
def test_the_packages_weights_are_those_of_its_manifest() -> None:
    files = json.loads((FOLDER / "manifest.json").read_bytes())["files"]
    there = {path.relative_to(FOLDER).as_posix(): path for path in FOLDER.rglob("*.safetensors")}
    assert there.keys() == files.keys()
    assert sum(path.stat().st_size for path in there.values()) <= 45_000_000
    for name, path in there.items():
        assert files[name] == {"sha256": hash_file(path), "size": path.stat().st_size}


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the package comes without weights")
def test_training_starts_from_the_packages_weights() -> None:
    unet, words = networks.build_unet(), len(json.loads((FOLDER / "tokenizer" / "vocab.json").read_bytes()))
    for name, module in {
        "unet": unet,
        "vae": networks.build_vae(),
        "text_encoder": networks.build_text_encoder(words),
    }.items():
        load_start(module, FOLDER / name)
    module = LowRankControl(controls.build_control(unet), controls.RANK)
    for path in FOLDER.glob("control_lora_*.safetensors"):
        controls._load_control(module, path.stem.removeprefix("control_lora_"), FOLDER, unet)
        assert all(value.isfinite().all() for value in module.parameters())


def test_only_the_outputs_of_a_control_are_strengthened() -> None:
    inner = ("input_hint_block.0.weight", "input_blocks.1.0.in_layers.2.up", "label_emb.0.0.bias")
    outer = ("zero_convs.0.0.weight", "zero_convs.11.0.bias", "middle_block_out.0.weight")
    made = strengthen({name: torch.full((2,), 2.0) for name in (*inner, *outer)}, 1.5)
    assert {name: float(value[0]) for name, value in made.items()} == dict.fromkeys(inner, 2.0) | dict.fromkeys(
        outer, 3.0
    )


def test_a_control_alone_is_exported_and_trained_on(run: Path, tmp_path: Path) -> None:
    """From weights that were exported before; what the export multiplies does not add up."""
    unet = networks.build_unet()
    load_start(unet, run / "weights" / "unet")
    weak = controls.start_control("depth", unet, None)
    for value in weak.direct.values():
        value.data.fill_(0.5)
    write_state(tmp_path / "control_depth.safetensors", weak)
    export_run(tmp_path, tmp_path / "weights", run / "weights")
    written = read_safetensors(tmp_path / "weights" / "control_lora_depth.safetensors")
    assert float(written["zero_convs.0.0.weight"].flatten()[0]) == pytest.approx(0.5 * STRENGTHS["depth"], rel=1e-3)
    again = controls.start_control("depth", unet, tmp_path / "weights")
    for name, value in again.direct.items():
        torch.testing.assert_close(value.detach(), weak.direct[name].detach(), rtol=1e-3, atol=1e-4)
