from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
import torch

pytest.importorskip("diffusers", reason="the extra pipeline is not installed")
pytest.importorskip("transformers", reason="the extra pipeline is not installed")

from safetensors.torch import save_file

from underdrawing.core.errors import BadWeights
from underdrawing.pipeline.reference.training.deepening import deepen, rename_key
from underdrawing.pipeline.reference.training.starting import load_start

if TYPE_CHECKING:
    from pathlib import Path

WIDTHS: dict[str, Any] = {"block_out_channels": (8, 16, 16, 8), "norm_num_groups": 4}
WORDS = 8


def build(kind: str, depth: int) -> Any:
    torch.manual_seed(depth)
    diffusers, transformers = import_module("diffusers"), import_module("transformers")
    if kind == "text":
        sizes = {"hidden_size": WORDS, "intermediate_size": 16, "num_attention_heads": 2, "vocab_size": 20}
        ends = {"bos_token_id": 18, "eos_token_id": 19}
        config = transformers.CLIPTextConfig(num_hidden_layers=depth + 1, **sizes, **ends)
        return transformers.CLIPTextModel(config)
    if kind == "vae":
        blocks = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
        return diffusers.AutoencoderKL(layers_per_block=depth, **blocks, **WIDTHS)
    options = {"layers_per_block": depth, "cross_attention_dim": WORDS, "attention_head_dim": 2, **WIDTHS}
    unet = diffusers.UNet2DConditionModel(sample_size=8, **options)
    if kind == "unet":
        return unet
    control = diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 4, 8, 8))
    for layer in (*control.controlnet_down_blocks, control.controlnet_mid_block):
        torch.nn.init.normal_(layer.weight)
    return control


def answer(kind: str, module: Any) -> list[torch.Tensor]:
    torch.manual_seed(9)
    if kind == "text":
        return [module(torch.arange(20)[None]).last_hidden_state]
    if kind == "vae":
        return [module(torch.randn(1, 3, 16, 16)).sample]
    inputs = (torch.randn(1, 4, 8, 8), torch.tensor([300]), torch.randn(1, 5, WORDS))
    if kind == "unet":
        return [module(*inputs).sample]
    down, middle = module(*inputs, torch.rand(1, 3, 64, 64), return_dict=False)
    return [*down, middle]


@torch.no_grad()
@pytest.mark.parametrize("kind", ["unet", "vae", "text"])
def test_a_deepened_module_answers_as_before(kind: str, tmp_path: Path) -> None:
    shallow, deep = build(kind, 1), build(kind, 2)
    shallow.save_pretrained(tmp_path)
    load_start(deep, tmp_path)
    for found, wanted in zip(answer(kind, deep), answer(kind, shallow), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_deepened_controlnet_steers_as_before(tmp_path: Path) -> None:
    shallow, deep = build("control", 1), build("control", 2)
    shallow.save_pretrained(tmp_path)
    load_start(deep, tmp_path)
    found, wanted = answer("control", deep), answer("control", shallow)
    assert not any(found[index].any() for index in (1, 4, 7, 10))
    for new, old in ((0, 0), (2, 1), (3, 2), (5, 3), (6, 4), (8, 5), (9, 6), (11, 7), (-1, -1)):
        torch.testing.assert_close(found[new], wanted[old], rtol=1e-4, atol=1e-5)


def test_further_layers_learn() -> None:
    shallow, deep = build("unet", 1), build("unet", 2)
    deep.load_state_dict(deepen(shallow.state_dict(), deep.state_dict()))
    answer("unet", deep)[0].square().mean().backward()
    assert deep.up_blocks[1].resnets[1].conv2.weight.grad.abs().max() > 0


def test_a_layer_without_one_of_its_weights_is_refused(tmp_path: Path) -> None:
    weights = build("vae", 2).state_dict()
    del weights["encoder.down_blocks.0.resnets.1.conv1.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(BadWeights, match=r"down_blocks\.0\.resnets\.1\.conv1\.weight"):
        load_start(build("vae", 2), tmp_path)


@pytest.mark.parametrize(
    ("name", "deeper"),
    [
        ("up_blocks.3.attentions.1.norm.bias", "up_blocks.3.attentions.2.norm.bias"),
        ("decoder.up_blocks.3.resnets.1.norm1.bias", "decoder.up_blocks.3.resnets.1.norm1.bias"),
        ("controlnet_down_blocks.7.bias", "controlnet_down_blocks.11.bias"),
        ("conv_in.bias", "conv_in.bias"),
    ],
)
def test_names_of_two_layers_a_block(name: str, deeper: str) -> None:
    assert rename_key(name, 2) == deeper
