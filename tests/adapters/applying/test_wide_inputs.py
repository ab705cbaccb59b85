"""Control LoRAs that widen the input layer: baked with columns of zeros, refused on a live model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.transformer_models import PREFIX, make_adapter, make_lora, make_weights, shrink, to_original

from underdrawing.adapters import Patcher, load_adapter
from underdrawing.adapters.applying.bake import bake
from underdrawing.adapters.applying.wide_inputs import find_channels, find_input, widen_config
from underdrawing.adapters.deltas.dense import Dense
from underdrawing.adapters.deltas.dora import Dora
from underdrawing.adapters.deltas.lowrank import LowRank
from underdrawing.adapters.deltas.products import Hadamard, Kronecker
from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS
from underdrawing.adapters.modules.transformers.flux1 import ARCHITECTURE as FLUX1
from underdrawing.adapters.modules.transformers.wan import ARCHITECTURE as WAN
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from torch import Tensor

    from underdrawing.adapters.adapter import Adapter
    from underdrawing.adapters.deltas.base import Delta

MODULES = {model.id: shrink(model.id) for model in (FLUX1, WAN)}


@pytest.fixture(autouse=True)
def files_of_adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Baking notes the hashes of the files."""
    monkeypatch.chdir(tmp_path)
    for name in ("control", "style", "plain", "whole"):
        Path(f"{name}.safetensors").write_bytes(b"")


def make_control(model: str, factor: int = 2, rank: int = 2) -> Adapter:
    """A LoRA whose input layer is some times as wide as the model's."""
    name = find_input(model)
    assert name is not None
    rows, channels, *kernel = MODULES[model][name.removeprefix(PREFIX)].shape
    up, down = torch.randn(rows, rank), torch.randn(rank, factor * channels, *kernel)
    wide = LowRank(up=up.reshape(rows, rank, *(1,) * len(kernel)) if len(kernel) == 2 else up, down=down.flatten(1))
    return make_adapter(model, {**make_lora(MODULES[model]), name: wide}, "control")


def expect(weight: Tensor, control: Adapter, strength: float) -> Tensor:
    """The input layer as diffusers widens it, in float64."""
    delta = next(delta for name, delta in control.modules.items() if find_input(control.base_model) == name)
    assert isinstance(delta, LowRank)
    change = (delta.up.double().flatten(1) @ delta.down.double()).reshape(weight.shape[0], -1, *weight.shape[2:])
    change *= strength
    change[:, : weight.shape[1]] += weight.double()
    return change


@pytest.mark.parametrize("spelling", ["diffusers", "maker"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("model", list(MODULES))
def test_baking_adds_columns_of_zeros_and_the_change(
    tmp_path: Path, model: str, dtype: torch.dtype, spelling: str
) -> None:
    torch.manual_seed(0)
    weights = make_weights(MODULES[model], dtype=dtype)
    weights = weights if spelling == "diffusers" else to_original(model, weights)
    save_file(weights, tmp_path / "model.safetensors")
    control = make_control(model)
    receipt = bake(tmp_path / "model.safetensors", [(control, 0.5, 0.0)], tmp_path / "out.safetensors")
    assert receipt.skipped == 0
    assert "channels now instead of" in " ".join(receipt.notes)
    result = load_file(tmp_path / "out.safetensors")
    assert result.keys() == weights.keys()
    (wide,) = (key for key in weights if weights[key].shape != result[key].shape)
    found = expect(weights[wide], control, 0.5)
    assert found.shape == result[wide].shape
    assert (result[wide].double() - found).abs().max() <= torch.finfo(dtype).eps * found.abs().max()


def test_what_fits_the_narrow_layer_goes_along(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights, name = make_weights(MODULES[FLUX1.id]), f"{PREFIX}x_embedder"
    save_file(weights, tmp_path / "model.safetensors")
    rows, columns = weights["x_embedder.weight"].shape
    plain = LowRank(up=torch.randn(rows, 1), down=torch.randn(1, columns))
    whole = Dense(diff=torch.randn(rows, columns))
    requests = [
        (make_adapter(FLUX1.id, {name: plain}, "plain"), 1.0, 0.0),
        (make_control(FLUX1.id), 1.0, 0.0),
        (make_adapter(FLUX1.id, {name: whole}, "whole"), 1.0, 0.0),
    ]
    assert bake(tmp_path / "model.safetensors", requests, tmp_path / "out.safetensors").skipped == 0
    found = expect(weights["x_embedder.weight"] + plain.up @ plain.down + whole.diff, requests[1][0], 1.0)
    assert torch.allclose(load_file(tmp_path / "out.safetensors")["x_embedder.weight"].double(), found, atol=1e-5)


def make_narrow(rows: int, columns: int) -> dict[str, Delta]:
    """Changes of kinds whose factors cannot get columns of zeros."""
    low = LowRank(up=torch.randn(rows, 1), down=torch.randn(1, columns))
    first, second = (torch.randn(rows, 2), torch.randn(2, columns)), (torch.randn(rows, 2), torch.randn(2, columns))
    return {
        "loha": Hadamard(w1_a=first[0], w1_b=first[1], w2_a=second[0], w2_b=second[1]),
        "lokr": Kronecker(w1=torch.randn(2, 2), w2=torch.randn(rows // 2, columns // 2)),
        "dora along the outputs": Dora(inner=low, magnitude=torch.rand(rows) + 0.5, axis="out"),
        "dora along the inputs": Dora(inner=low, magnitude=torch.rand(columns) + 0.5, axis="in"),
    }


@pytest.mark.parametrize("kind", list(make_narrow(2, 2)))
def test_every_kind_made_for_the_narrow_layer_goes_along(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    weights, name = make_weights(MODULES[FLUX1.id]), f"{PREFIX}x_embedder"
    save_file(weights, tmp_path / "model.safetensors")
    before = weights["x_embedder.weight"]
    delta, control = make_narrow(*before.shape)[kind], make_control(FLUX1.id)
    requests = [(make_adapter(FLUX1.id, {name: delta}), 0.5, 0.0), (control, 1.0, 0.0)]
    receipt = bake(tmp_path / "model.safetensors", requests, tmp_path / "out.safetensors")
    assert receipt.skipped == 0
    assert receipt.adapters[0].algorithms == {delta.algorithm: 1}
    found = expect(delta.apply(before, 0.5), control, 1.0)
    assert torch.allclose(load_file(tmp_path / "out.safetensors")["x_embedder.weight"].double(), found, atol=1e-5)


def test_a_folder_says_how_wide_its_network_is_now(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    weights, config = make_weights(MODULES[FLUX1.id]), folder / "config.json"
    save_file(weights, folder / "diffusion_pytorch_model.safetensors")
    config.write_text('{"_class_name": "FluxTransformer2DModel", "in_channels": 8, "out_channels": null}')
    bake(folder, [(make_control(FLUX1.id), 1.0, 0.0)], tmp_path / "out")
    told: dict[str, Any] = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (told["in_channels"], told["out_channels"]) == (16, 8)
    assert load_file(tmp_path / "out" / "diffusion_pytorch_model.safetensors")["x_embedder.weight"].shape[1] == 16
    config.unlink()
    with pytest.raises(BadWeights, match="in_channels"):
        bake(folder, [(make_control(FLUX1.id), 1.0, 0.0)], tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_live_model_refuses_it_with_the_next_step() -> None:
    weights = make_weights(MODULES[FLUX1.id])
    before, control, patcher = dict(weights), make_control(FLUX1.id), Patcher(transformer=weights)
    with pytest.raises(BadWeights, match=r"control LoRA: its input layer takes 16 channels.*bake"):
        patcher.set([(control, 1.0, 0.0)])
    assert all(weights[key] is before[key] for key in before)
    patcher.set([(control, 0.0, 0.0)])
    receipt = patcher.set([(control, 1.0, 0.0)], allow_mismatch=True)
    assert any("does not fit" in reason for reason in receipt.adapters[0].reasons())
    wide = make_weights({**MODULES[FLUX1.id], "x_embedder": MODULES[FLUX1.id]["x_embedder"]._replace(shape=(96, 16))})
    assert Patcher(transformer=wide).set([(control, 1.0, 0.0)]).skipped == 0


def test_other_models_and_strength_0_leave_a_checkpoint_as_wide_as_it_was(tmp_path: Path) -> None:
    weights = make_weights(MODULES[FLUX1.id])
    save_file(weights, tmp_path / "model.safetensors")
    control = make_control(FLUX1.id, factor=9)
    style = make_adapter(FLUX1.id, make_lora(MODULES[FLUX1.id]))
    for number, request in enumerate([(make_control(FLUX1.id), 0.0, 0.0), (control, 1.0, 0.0)]):
        bake(tmp_path / "model.safetensors", [(style, 1.0, 0.0), request], tmp_path / f"{number}.safetensors")
        result = load_file(tmp_path / f"{number}.safetensors")
        assert all(result[key].shape == weights[key].shape for key in weights)


def test_comfyui_s_shape_of_the_widened_weight_is_read(tmp_path: Path) -> None:
    rows, columns = MODULES[FLUX1.id]["x_embedder"].shape
    name = "diffusion_model.img_in"
    tensors = {f"{name}.lora_A.weight": torch.randn(2, 2 * columns), f"{name}.lora_B.weight": torch.randn(rows, 2)}
    tensors |= {
        f"diffusion_model.double_blocks.{number}.img_attn.proj.lora_{side}.weight": torch.randn(*shape)
        for number in range(2)
        for side, shape in (("A", (2, rows)), ("B", (rows, 2)))
    }
    tensors[f"{name}.reshape_weight"] = torch.tensor([rows, 2 * columns])
    save_file(tensors, tmp_path / "control.safetensors")
    adapter = load_adapter(tmp_path / "control.safetensors")
    assert not adapter.unused
    assert find_channels(adapter.modules[f"{PREFIX}x_embedder"], (rows, columns)) == 2 * columns


def test_every_transformer_has_an_input_layer() -> None:
    found = {name: find_input(name) for name in TRANSFORMER_MODELS}
    assert None not in found.values(), found
    assert find_input("sdxl") is None
    assert find_channels(LowRank(up=torch.ones(4, 1), down=torch.ones(1, 6)), (5, 3)) is None
    with pytest.raises(BadWeights, match="in_channels"):
        widen_config({"in_channels": None}, 8, 16)


def test_codes_of_eight_bits_are_widened_too(tmp_path: Path) -> None:
    weights = make_weights(MODULES[FLUX1.id])
    codes, scale = (weights["x_embedder.weight"] * 50).to(torch.float8_e4m3fn), torch.tensor(0.02)
    stored = {**weights, "x_embedder.weight": codes, "x_embedder.scale_weight": scale}
    save_file(stored, tmp_path / "model.safetensors")
    control = make_control(FLUX1.id)
    assert bake(tmp_path / "model.safetensors", [(control, 0.1, 0.0)], tmp_path / "out.safetensors").skipped == 0
    result = load_file(tmp_path / "out.safetensors")
    found = expect(codes.float() * scale, control, 0.1)
    value = result["x_embedder.weight"].double() * result["x_embedder.scale_weight"].double()
    assert (value - found).abs().max() <= 0.07 * found.abs().max()
    bake(tmp_path / "model.safetensors", [(control, 0.1, 0.0)], tmp_path / "wide.safetensors", dtype="float32")
    assert torch.allclose(load_file(tmp_path / "wide.safetensors")["x_embedder.weight"].double(), found, atol=1e-5)
