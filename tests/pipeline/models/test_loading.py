from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.support.tiny_diffusion import (
    FAMILIES,
    load_tokenizers,
    make_ldm_table,
    make_model,
    require_diffusers,
    write_checkpoint,
    write_folder,
)

from underdrawing.core.errors import BadWeights, UnsafeFile, WeightsMissing
from underdrawing.core.networks.cache import unload
from underdrawing.core.networks.placement import Placement
from underdrawing.core.tensor_files.safetensors_io import write_safetensors
from underdrawing.pipeline.models import reference_files
from underdrawing.pipeline.models.loading import load_model

require_diffusers()

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from underdrawing.pipeline.models.model import Model

PLACEMENT = Placement()
HALF = Placement(dtype="bfloat16")
Table = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def table() -> Table:
    """SD1's weights in the original layout."""
    return make_ldm_table("sd1")


@pytest.fixture(scope="module", autouse=True)
def _forget() -> Iterator[None]:
    yield
    unload()


def write(path: Path, table: Table, **metadata: str) -> Path:
    if path.suffix == ".safetensors":
        return write_safetensors(path, table, metadata)
    torch.save({"state_dict": table, "epoch": 3, "global_step": 9}, path)
    return path


def load(path: Path, placement: Placement = PLACEMENT, vae: str = "") -> Model:
    return load_model(str(path), placement=placement, vae=vae)


def assert_same(found: Any, expected: Any) -> None:
    one, other = found.state_dict(), expected.state_dict()
    assert one.keys() == other.keys()
    assert [name for name, value in one.items() if not torch.equal(value, other[name])] == []


@pytest.mark.parametrize(
    ("family", "form"), [*((family, "file") for family in FAMILIES), ("sd1", "folder"), ("sdxl_refiner", "folder")]
)
def test_every_weight_arrives(tmp_path: Path, family: str, form: str) -> None:
    path = tmp_path / "a.safetensors"
    model = load(write_checkpoint(path, family) if form == "file" else write_folder(tmp_path / "a", family))
    expected = make_model(family)
    assert (model.family, model.prediction, model.channels, model.factor) == (family, "epsilon", 4, 8)
    assert model.scaling_factor == expected.scaling_factor
    assert bool(model.short_hash) is (form == "file")
    assert_same(model.unet, expected.unet)
    assert_same(model.vae, expected.vae)
    tokens = torch.arange(77)[None]
    for found, encoder, tokenizer, own in zip(
        model.text_encoders, expected.text_encoders, model.tokenizers, load_tokenizers(family), strict=True
    ):
        assert_same(found, encoder)
        torch.testing.assert_close(found(tokens)[0], encoder(tokens)[0], rtol=0, atol=1e-5)  # computed buffers too
        assert tokenizer("a cat").input_ids == own("a cat").input_ids
        assert tokenizer.pad_token_id == own.pad_token_id


@pytest.mark.parametrize(("dtype", "suffix"), [(torch.float16, ".ckpt"), (torch.bfloat16, ".safetensors")])
def test_dtypes_become_that_of_the_placement(tmp_path: Path, table: Table, dtype: torch.dtype, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", {name: value.to(dtype) for name, value in table.items()})
    model = load(path, HALF)
    assert {value.dtype for value in model.unet.parameters()} == {torch.bfloat16}
    expected = table["model.diffusion_model.out.2.weight"].to(dtype).to(torch.bfloat16)
    assert torch.equal(model.unet.conv_out.weight, expected)


@pytest.mark.parametrize("placement", [PLACEMENT, HALF])
def test_kernels_have_their_channels_last(tmp_path: Path, table: Table, placement: Placement) -> None:
    model = load(write(tmp_path / "a.safetensors", table), placement)
    kernels = [value for network in (model.unet, model.vae) for value in network.parameters() if value.ndim == 4]
    assert kernels
    assert all(value.is_contiguous(memory_format=torch.channels_last) for value in kernels)


def test_content_counts_and_not_the_ending(tmp_path: Path, table: Table) -> None:
    assert load(write(tmp_path / "a.safetensors", table).rename(tmp_path / "a.ckpt")).family == "sd1"


def test_a_hash_behind_the_name_is_compared(tmp_path: Path, table: Table) -> None:
    path = write(tmp_path / "a.safetensors", table)
    digest = load(path).short_hash
    assert load_model(f"a [{digest}]", folders=[tmp_path], placement=PLACEMENT).notes == ()
    model = load_model("a.safetensors [0123456789]", folders=[tmp_path], placement=PLACEMENT)
    assert model.notes == (f"the hash of a is {digest}, 0123456789 was named: the file is another one",)
    assert load_model("a", folders=[tmp_path], placement=PLACEMENT).notes == (), "the note belongs to that call"


@pytest.mark.parametrize(("content", "words"), [(b"GGUF\0\0\0\3" * 9, "GGUF"), (b"<html>", "web page"), (b"", "empty")])
def test_files_of_no_weights_are_named(tmp_path: Path, content: bytes, words: str) -> None:
    for name in ("a.safetensors", "b.ckpt", "c.gguf"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadWeights, match=f"{words}|too short|cannot be read"):
            load(tmp_path / name)


def test_programs_in_checkpoints_are_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": print}}, tmp_path / "a.ckpt")
    with pytest.raises(UnsafeFile):
        load(tmp_path / "a.ckpt")


def test_a_model_is_loaded_once_until_its_file_changes(tmp_path: Path, table: Table) -> None:
    path = write(tmp_path / "a.safetensors", table)
    model = load(path)
    assert load(path) is model
    write(path, {**table, "more": torch.zeros(3)})
    again = load(path)
    assert again is not model
    assert again.notes == ("1 keys belong to no network and are not used: more",)
    unload()
    assert load(path) is not again


def test_missing_keys_are_named(tmp_path: Path, table: Table) -> None:
    key = "model.diffusion_model.middle_block.1.proj_in.weight"
    path = write(tmp_path / "a.safetensors", {name: value for name, value in table.items() if name != key})
    with pytest.raises(BadWeights, match=r"UNet: 1 keys are missing: mid_block\.attentions\.0\.proj_in\.weight"):
        load(path)


def test_wrong_shapes_are_named(tmp_path: Path, table: Table) -> None:
    path = write(tmp_path / "a.safetensors", {**table, "first_stage_model.quant_conv.bias": torch.zeros(3)})
    with pytest.raises(BadWeights, match=r"VAE: 1 have another shape: quant_conv\.bias \[3\] instead of \[8\]"):
        load(path)


def test_a_missing_vae_is_named_and_another_taken(tmp_path: Path, table: Table) -> None:
    plain = {name: value for name, value in table.items() if not name.startswith("first_stage_model.")}
    path = write(tmp_path / "a.safetensors", plain)
    with pytest.raises(BadWeights, match=r"without a VAE.*--vae"):
        load(path)
    other = {name.removeprefix("first_stage_model."): value for name, value in table.items() if name not in plain}
    other["decoder.conv_out.bias"] = torch.full((3,), 0.5)
    for named, vae in (("b.pt", other), ("c.safetensors", {f"first_stage_model.{k}": v for k, v in other.items()})):
        model = load(path, vae=str(write(tmp_path / named, vae)))
        assert model.vae_name == named
        assert model.vae.decoder.conv_out.bias.tolist() == [0.5] * 3


def test_positions_are_counted_whatever_a_file_says(tmp_path: Path, table: Table) -> None:
    key = "cond_stage_model.transformer.text_model.embeddings.position_ids"
    path = write(tmp_path / "a.safetensors", {**table, key: torch.full((1, 77), 3.0)})
    model = load(path)
    assert model.notes == ()
    tokens = torch.arange(77)[None]
    assert torch.equal(model.text_encoders[0](tokens)[0], make_model("sd1").text_encoders[0](tokens)[0])


def test_sd2_leaves_the_last_layer_of_its_text_encoder_out(tmp_path: Path) -> None:
    whole = make_ldm_table("sd2")
    start = "cond_stage_model.model.transformer.resblocks."
    for layer in range(3, 24):
        whole |= {f"{start}{layer}{k[len(start) + 1 :]}": v for k, v in whole.items() if k.startswith(f"{start}2.")}
    model = load(write(tmp_path / "a.safetensors", whole))
    assert model.text_encoders[0].config.num_hidden_layers == 23
    assert model.notes == ("predicts noise: its weights look so",)


def test_velocity_models_are_known_by_their_marks(tmp_path: Path, table: Table) -> None:
    marks = {"v_pred": torch.tensor([]), "ztsnr": torch.tensor([])}
    model = load(write(tmp_path / "a.safetensors", {**table, **marks}))
    assert model.prediction == "v_prediction"
    assert float(model.alphas[-1]) < 1e-6
    assert model.notes == ("predicts v: the file is marked v_pred",)


@pytest.mark.parametrize(("channels", "words"), [(9, ""), (8, "InstructPix2Pix"), (5, "depth-to-image")])
def test_inpainting_models_and_their_kin(tmp_path: Path, table: Table, channels: int, words: str) -> None:
    key = "model.diffusion_model.input_blocks.0.0.weight"
    path = write(tmp_path / "a.safetensors", {**table, key: torch.randn(32, channels, 3, 3)})
    if not words:
        assert load(path).channels == channels
        return
    with pytest.raises(BadWeights, match=words):
        load(path)


def test_files_in_the_wrong_place_are_named(tmp_path: Path) -> None:
    lora = {"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight": torch.zeros(4, 64)}
    with pytest.raises(BadWeights, match="is a LoRA, a checkpoint is needed"):
        load(write(tmp_path / "a.safetensors", lora))


def test_folders_in_variants_parts_and_pickles(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", save={"variant": "fp16", "max_shard_size": "2MB"})
    assert len(list((folder / "unet").glob("*-of-*.safetensors"))) > 1
    model = load(folder)
    assert_same(model.unet, make_model("sd1").unet)
    assert any("variant fp16" in note for note in model.notes)
    plain = write_folder(tmp_path / "b", prediction="v_prediction")
    for part, name in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        torch.save(getattr(make_model("sd1"), part, model.text_encoders[0]).state_dict(), plain / part / f"{name}.bin")
        (plain / part / f"{name}.safetensors").unlink()
    again = load(plain)
    assert_same(again.unet, model.unet)
    assert again.prediction == "v_prediction"


def test_folders_of_other_pipelines_are_named(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    with pytest.raises(BadWeights, match="is a FluxPipeline"):
        load(tmp_path)


def test_the_reference_model_is_named_where_it_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_files, "FOLDER", tmp_path)
    with pytest.raises(WeightsMissing, match="the reference model is not part of this installation"):
        load_model("reference", placement=PLACEMENT)
    write_folder(tmp_path / "weights")
    monkeypatch.setattr(reference_files, "FOLDER", tmp_path / "weights")
    model = load_model("reference", placement=PLACEMENT)
    assert (model.name, model.path) == ("reference", None)
