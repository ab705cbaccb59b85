"""Strengths that are no numbers, other base models and damaged files are refused before anything is written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tests.support.adapter_models import model as tiny_model
from tests.support.transformer_models import make_weights, shrink

from underdrawing.adapters import Patcher, load_adapter
from underdrawing.adapters.applying.bake import bake
from underdrawing.adapters.applying.fitness import check_strength
from underdrawing.adapters.modules.layers import Module
from underdrawing.adapters.prompts.block_weights import parse_blocks
from underdrawing.adapters.prompts.requests import truncate_ranks
from underdrawing.adapters.tools.combine import merge
from underdrawing.core.errors import BadParameter, BadWeights

if TYPE_CHECKING:
    from pathlib import Path

    from underdrawing.adapters.adapter import Adapter

STEM = "down_blocks.1.attentions.0.transformer_blocks.0"
UNET = "model.diffusion_model.input_blocks.4.1.transformer_blocks.0"


def lora(folder: Path, width: int, *, name: str = "style", damage: float | None = None, alpha: float = 4.0) -> Adapter:
    stem = f"lora_unet_{STEM.replace('.', '_')}"
    tensors: dict[str, torch.Tensor] = {}
    for layer, columns in (("attn2_to_k", width), ("attn1_to_q", 16)):
        tensors[f"{stem}_{layer}.lora_up.weight"] = torch.randn(16, 4)
        tensors[f"{stem}_{layer}.lora_down.weight"] = torch.randn(4, columns)
        tensors[f"{stem}_{layer}.alpha"] = torch.tensor(alpha, dtype=torch.float64)
    if damage is not None:
        tensors[f"{stem}_attn1_to_q.lora_up.weight"][0, 0] = damage
    save_file(tensors, folder / f"{name}.safetensors")
    return load_adapter(folder / f"{name}.safetensors")


def base(folder: Path, width: int) -> Path:
    tensors = {f"{UNET}.attn2.to_k.weight": torch.randn(16, width), f"{UNET}.attn1.to_q.weight": torch.randn(16, 16)}
    save_file(tensors, folder / "base.safetensors")
    return folder / "base.safetensors"


def model(width: int, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    layers = {f"{STEM}.attn2.to_k": (16, width), f"{STEM}.attn1.to_q": (16, 16)}
    return tiny_model({name: Module("Linear", shape, bias=False) for name, shape in layers.items()}, dtype=dtype)


BAD: list[Any] = [math.nan, math.inf, -math.inf, 1e39, -1e300, 10**400, "much", None]


@pytest.mark.parametrize("strength", BAD, ids=[str(value)[:9] for value in BAD])
@pytest.mark.parametrize("side", [0, 1])
def test_strengths_that_are_no_finite_numbers(tmp_path: Path, strength: Any, side: int) -> None:
    adapter, unet = lora(tmp_path, 768), model(768)
    before = dict(unet.named_parameters())
    pair = [1.0, 1.0]
    pair[side] = strength
    request: Any = (adapter, *pair)
    with pytest.raises(BadParameter, match="style"):
        Patcher(unet=unet).set([request])
    assert all(parameter is before[name] for name, parameter in unet.named_parameters())
    with pytest.raises(BadParameter, match="style"):
        bake(base(tmp_path, 768), [request], tmp_path / "out.safetensors")
    with pytest.raises(BadParameter, match="style"):
        merge([request], tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_block_weights_times_strength_may_not_overflow(tmp_path: Path) -> None:
    blocks = parse_blocks(",".join(["1e30"] * 26))
    with pytest.raises(BadParameter):
        Patcher(unet=model(768)).set([(lora(tmp_path, 768), 1e30, 1.0, blocks)])


def test_alphas_that_overflow_refuse_their_modules(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match="alpha"):
        lora(tmp_path, 768, alpha=1e300)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_results_that_overflow_are_refused_and_the_model_is_as_before(tmp_path: Path, dtype: torch.dtype) -> None:
    unet = model(768, dtype)
    before = dict(unet.named_parameters())
    with pytest.raises(BadWeights, match="infinite"):
        Patcher(unet=unet).set([(lora(tmp_path, 768), 1e38, 1.0)])
    assert all(parameter is before[name] for name, parameter in unet.named_parameters())


def test_nan_in_the_model_is_said_to_be_its_own(tmp_path: Path) -> None:
    unet = model(768)
    next(iter(unet.parameters())).data[0, 0] = math.nan
    with pytest.raises(BadWeights, match="in the model itself"):
        Patcher(unet=unet).set([(lora(tmp_path, 768), 1.0, 1.0)])


@pytest.mark.parametrize(("own", "other"), [(768, 1024), (1024, 768), (2048, 768), (768, 2048)])
def test_another_base_model_is_an_error_unless_allowed(tmp_path: Path, own: int, other: int) -> None:
    adapter, unet, checkpoint = lora(tmp_path, own), model(other), base(tmp_path, other)
    with pytest.raises(BadWeights, match=r"made for SD.* and this model is SD"):
        Patcher(unet=unet).set([(adapter, 1.0, 1.0)])
    with pytest.raises(BadWeights, match=r"was made for.*allow_mismatch \(--allow-mismatch\)"):
        bake(checkpoint, [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors")
    receipt = Patcher(unet=unet).set([(adapter, 1.0, 1.0)], allow_mismatch=True)
    assert (receipt.applied, receipt.skipped) == (3, 3)
    bake(checkpoint, [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors", allow_mismatch=True)
    assert (tmp_path / "out.safetensors").exists()


def test_sources_for_different_base_models_are_not_merged(tmp_path: Path) -> None:
    sources = [(lora(tmp_path, 768), 1.0), (lora(tmp_path, 1024, name="other"), 1.0)]
    with pytest.raises(BadWeights, match="was made for"):
        merge(sources, tmp_path / "out.safetensors")


@pytest.mark.parametrize("damage", [math.nan, math.inf])
def test_damaged_modules_stop_a_bake_unless_skipped(tmp_path: Path, damage: float) -> None:
    adapter, checkpoint = lora(tmp_path, 768, damage=damage), base(tmp_path, 768)
    with pytest.raises(BadWeights, match="NaN or infinite"):
        bake(checkpoint, [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors")
    receipt = bake(checkpoint, [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors", skip_damaged=True)
    assert (receipt.applied, receipt.skipped) == (3, 3)
    before, after = load_file(checkpoint), load_file(tmp_path / "out.safetensors")
    key = f"{UNET}.attn1.to_q.weight"
    assert torch.equal(before[key], after[key])


@given(st.floats())
def test_a_strength_is_a_finite_float32_or_refused(value: float) -> None:
    try:
        assert check_strength(value, "here") == value
    except BadParameter:
        assert not math.isfinite(float(torch.tensor(value, dtype=torch.float32)))


ALIKE = ("chroma", "flux2", "qwen_image", "pixart", "sana", "flux1")
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")


def attention_lora(folder: Path, architecture: str, metadata: dict[str, str] | None = None) -> tuple[Adapter, Any]:
    """A LoRA of the first block's attention alone, and the model that it is for."""
    modules = shrink(architecture)
    names = [name for name in modules if name.startswith("transformer_blocks.0.attn") and name.endswith(ATTENTION)]
    tensors: dict[str, torch.Tensor] = {}
    for name in names:
        rows, columns = modules[name].shape
        tensors[f"transformer.{name}.lora_A.weight"] = torch.randn(2, columns)
        tensors[f"transformer.{name}.lora_B.weight"] = torch.randn(rows, 2)
    save_file(tensors, folder / f"{architecture}.safetensors", metadata)
    return load_adapter(folder / f"{architecture}.safetensors"), make_weights(modules)


@pytest.mark.parametrize("architecture", ALIKE)
def test_a_file_that_fits_several_models_is_read_as_one_for_the_model_given(tmp_path: Path, architecture: str) -> None:
    adapter, weights = attention_lora(tmp_path, architecture)
    before = dict(weights)
    with Patcher(transformer=weights) as patcher:
        receipt = patcher.set([(truncate_ranks(adapter, 1), 1.0, 1.0)])
        changed = {key for key in before if weights[key] is not before[key]}
    assert not receipt.skipped
    assert changed == {f"{module.removeprefix('transformer.')}.weight" for module in adapter.modules}
    assert receipt.adapters[0].base_model == architecture
    assert any("could be" in note or "read as" in note for note in receipt.adapters[0].notes)
    save_file(weights, tmp_path / "model.safetensors")
    assert not bake(tmp_path / "model.safetensors", [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors").skipped


@pytest.mark.parametrize("width", [768, 100])
def test_a_file_for_a_transformer_on_a_unet_is_said_to_be_one(tmp_path: Path, width: int) -> None:
    """Also where the width is that of no base model, as in the reference model."""
    adapter, _ = attention_lora(tmp_path, "flux1")
    with pytest.raises(BadWeights, match=r"was made for Flux\.1, and this model (is SD 1\.x|has a UNet)"):
        Patcher(unet=model(width)).set([(adapter, 1.0, 1.0)])
    with pytest.raises(BadWeights, match=r"nothing of it fits this model \(it was made for Flux\.1\)"):
        Patcher(unet=model(width)).set([(adapter, 1.0, 1.0)], allow_mismatch=True)


def test_a_file_whose_names_and_shapes_the_model_lacks_is_refused(tmp_path: Path) -> None:
    adapter, _ = attention_lora(tmp_path, "sana")
    for other in ("flux1", "wan"):
        with pytest.raises(BadWeights, match="was made for"):
            Patcher(transformer=make_weights(shrink(other))).set([(adapter, 1.0, 1.0)])
    narrow = make_weights(shrink("pixart", divisor=256))
    with pytest.raises(BadWeights, match=r"was made for|nothing of it fits"):
        Patcher(transformer=narrow).set([(adapter, 1.0, 1.0)])


def test_what_the_header_says_is_not_read_again(tmp_path: Path) -> None:
    adapter, _ = attention_lora(tmp_path, "chroma", {"modelspec.architecture": "flux-1-dev/lora"})
    assert not adapter.could_be
    with pytest.raises(BadWeights, match="was made for"):
        Patcher(transformer=make_weights(shrink("chroma"))).set([(adapter, 1.0, 1.0)])


def test_files_that_could_be_for_one_model_are_merged_as_such(tmp_path: Path) -> None:
    plain, _ = attention_lora(tmp_path, "chroma")
    stated, _ = attention_lora(tmp_path / "", "chroma", {"modelspec.architecture": "chroma/lora"})
    report = merge([(plain, 1.0), (stated, 1.0)], tmp_path / "both.safetensors")
    assert report.base_model == "chroma"
