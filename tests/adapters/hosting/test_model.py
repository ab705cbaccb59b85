"""What a host has loaded decides how a file is read, and whether it is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from tests.support.fake_networks import draw_factors, spell
from tests.support.transformer_models import make_weights, shrink, to_original, write_attention

from underdrawing.adapters.hosting.model import A1111_MODELS, ENGINES, HostModel

if TYPE_CHECKING:
    from pathlib import Path

READER = "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"


def load(architecture: str, *flags: str) -> HostModel:
    return HostModel.of(
        to_original(architecture, make_weights(shrink(architecture))), flags, frozenset(ENGINES.values())
    )


def load_unet(width: int, *flags: str) -> HostModel:
    return HostModel.of({READER: torch.ones(8, width)}, flags, A1111_MODELS)


@pytest.mark.parametrize("architecture", ["flux1", "chroma", "sd3", "qwen_image", "flux2"])
def test_transformers_are_known_by_their_weights(architecture: str) -> None:
    assert load(architecture).base_model == architecture


@pytest.mark.parametrize(("width", "name"), [(768, "sd15"), (1024, "sd21"), (2048, "sdxl"), (1280, "sdxl_refiner")])
def test_unets_are_known_by_their_weights_before_flags(width: int, name: str) -> None:
    assert load_unet(width, "sdxl").base_model == name


def test_flags_count_where_weights_say_nothing_and_unknown_stays_unknown() -> None:
    assert load_unet(100, "sd15").base_model == "sd15"
    assert load_unet(100).base_model == HostModel.of({}, (), A1111_MODELS).base_model == "unknown"


def test_packed_weights_have_the_shapes_of_what_they_hold(tmp_path: Path) -> None:
    packed: dict[str, Any] = {}
    for key, value in make_weights(shrink("chroma")).items():
        packed[key] = SimpleNamespace(shape=(value.numel() // 2, 1), quant_state=SimpleNamespace(shape=value.shape))
        if key.endswith(".weight"):
            packed |= {f"{key}.{name}": torch.ones(3) for name in ("absmax", "quant_map", "quant_state.nf4")}
    adapter, remark = HostModel.of(packed, (), frozenset(ENGINES.values())).read(write_attention(tmp_path, "chroma"))
    assert adapter.base_model == "chroma"
    assert "read as a file for Chroma" in remark


@pytest.mark.parametrize("architecture", ["chroma", "flux1", "flux2", "qwen_image"])
def test_files_that_fit_several_models_are_read_as_ones_for_what_is_loaded(tmp_path: Path, architecture: str) -> None:
    path, model = write_attention(tmp_path, architecture), load(architecture)
    adapter, remark = model.read(path)
    first, nothing = HostModel().read(path)
    assert adapter.base_model == architecture
    assert bool(remark) == (first.base_model != architecture)
    assert not nothing
    assert not model.find_refusal(adapter)
    assert not HostModel().find_refusal(first)


@pytest.mark.parametrize(("width", "flags"), [(768, ()), (100, ("sd15",)), (100, ())])
def test_a_file_for_a_transformer_is_refused_by_unets(tmp_path: Path, width: int, flags: tuple[str, ...]) -> None:
    model = load_unet(width, *flags)
    refusal = model.find_refusal(model.read(write_attention(tmp_path, "flux1"))[0])
    start = "was made for Flux.1, and this model "
    assert refusal.startswith(start + ("is SD 1.x" if width == 768 or flags else "has a UNet"))
    assert refusal.endswith("Next: use an adapter for this base model")


def test_the_next_step_is_one_that_the_host_can_take(tmp_path: Path) -> None:
    wide = {name: value for name, value in spell(draw_factors(), "kohya").items() if "lora_unet" in name}
    down = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    wide |= {f"{down}.lora_up.weight": torch.ones(8, 2), f"{down}.lora_down.weight": torch.ones(2, 2048)}
    save_file(wide, tmp_path / "xl.safetensors")
    model = load_unet(768)
    assert model.find_refusal(model.read(tmp_path / "xl.safetensors")[0]).endswith("or load a checkpoint of SDXL")
    forge = load("chroma")
    flux = load("flux1").read(write_attention(tmp_path, "flux1"))[0]
    assert forge.find_refusal(flux).endswith("or load a checkpoint of Flux.1")
