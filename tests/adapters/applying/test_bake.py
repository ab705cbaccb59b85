"""Baking: what changes, what must not, and what is said about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.support.adapter_checkpoints import UNET, sd15, sdxl
from tests.support.adapter_models import BIGG, CLIP, SD15, SDXL, lora, unet

from underdrawing.adapters import Patcher, load_adapter
from underdrawing.adapters.applying.bake import bake
from underdrawing.adapters.modules.targets import find_slots
from underdrawing.adapters.prompts.block_weights import parse_blocks
from underdrawing.core.errors import BadParameter, BadWeights
from underdrawing.core.files import hash_file

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from underdrawing.adapters.adapter import Adapter

TO_K = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_k"


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    tensors = lora(SD15.modules(), "lora_unet_") | lora(CLIP.modules(), "lora_te_text_model_")
    tensors["lora_unet_conv_norm_out.w_norm"] = torch.ones(8)
    tensors["lora_unet_conv_norm_out.b_norm"] = torch.full((8,), 2.0)
    tensors["lora_unet_conv_out.diff_b"] = torch.full((4,), 3.0)
    save_file(tensors, tmp_path / "style.safetensors")
    return load_adapter(tmp_path / "style.safetensors")


def parts(checkpoint: dict[str, Tensor]) -> dict[tuple[str, str], Tensor]:
    return {target: slot.view(checkpoint[slot.key]) for target, slot in find_slots(checkpoint).items()}  # type: ignore[misc]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_every_module_changes_as_its_delta_says(adapter: Adapter, tmp_path: Path, dtype: torch.dtype) -> None:
    before = sd15(dtype)
    save_file(before, tmp_path / "base.safetensors", metadata={"modelspec.title": "base"})
    receipt = bake(tmp_path / "base.safetensors", [(adapter, 0.5, -1.0)], tmp_path / "out.safetensors")
    assert receipt.skipped == 0
    after = load_file(tmp_path / "out.safetensors")
    assert list(after) == list(load_file(tmp_path / "base.safetensors"))
    old, new = parts(before), parts(after)
    for (module, kind), value in new.items():
        delta, strength = adapter.modules.get(module), 0.5 if module.startswith("unet.") else -1.0
        expected: Tensor | None = old[module, kind]
        assert expected is not None
        if delta is not None and kind == "weight" and delta.changes_weight:
            expected = delta.apply(expected, strength)
        elif delta is not None and kind == "bias":
            expected = delta.apply_bias(expected, strength)
        assert value.dtype == dtype
        assert expected is not None
        assert torch.allclose(value.float(), expected.float(), atol=1e-6, rtol=torch.finfo(dtype).eps), (module, kind)
    untouched = {key for key in before if not key.startswith((UNET, "cond_stage_model"))}
    assert len(untouched) == 3
    assert all(torch.equal(before[key], after[key]) for key in untouched)


def test_provenance(adapter: Adapter, tmp_path: Path) -> None:
    save_file(sd15(), tmp_path / "base.safetensors", metadata={"modelspec.title": "base"})
    blocks = parse_blocks("MID")
    bake(tmp_path / "base.safetensors", [(adapter, 0.5, 0.25, blocks)], tmp_path / "one.safetensors")
    bake(tmp_path / "one.safetensors", [(adapter, -0.5, 0.0)], tmp_path / "two.safetensors")
    with safe_open(tmp_path / "two.safetensors", "pt") as file:  # type: ignore[no-untyped-call]
        metadata = file.metadata()
    assert metadata["modelspec.title"] == "base"
    first, second = json.loads(metadata["underdrawing"])["steps"]
    assert first["adapters"] == [
        {"name": "style", "sha256": hash_file(adapter.path), "unet": 0.5, "text_encoder": 0.25, "blocks": "lbw=MID"}
    ]
    assert first["checkpoint"] == "base.safetensors"
    assert second["adapters"][0]["unet"] == -0.5


def test_sdxl_with_fused_rows_and_transposed_projection(tmp_path: Path) -> None:
    tensors = lora(SDXL.modules(), "lora_unet_") | lora(BIGG.modules(), "lora_te2_text_model_")
    tensors |= {k.replace("text_model_text_projection", "text_projection"): tensors.pop(k) for k in list(tensors)}
    save_file(tensors, tmp_path / "xl.safetensors")
    adapter, before = load_adapter(tmp_path / "xl.safetensors"), sdxl()
    assert "text_encoder_2.text_projection" in adapter.modules
    save_file(before, tmp_path / "base.safetensors")
    assert bake(tmp_path / "base.safetensors", [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors").skipped == 0
    old, new = parts(before), parts(load_file(tmp_path / "out.safetensors"))
    for module, delta in adapter.modules.items():
        assert torch.allclose(new[module, "weight"], delta.apply(old[module, "weight"]), atol=1e-5), module


def test_a_pickled_checkpoint_comes_out_as_safetensors(adapter: Adapter, tmp_path: Path) -> None:
    before = sd15()
    torch.save({"state_dict": before, "global_step": 3}, tmp_path / "base.ckpt")
    save_file(before, tmp_path / "base.safetensors")
    bake(tmp_path / "base.ckpt", [(adapter, 1.0, 1.0)], tmp_path / "one.safetensors")
    bake(tmp_path / "base.safetensors", [(adapter, 1.0, 1.0)], tmp_path / "two.safetensors")
    one, two = load_file(tmp_path / "one.safetensors"), load_file(tmp_path / "two.safetensors")
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_part_in_diffusers_names_is_as_the_patcher_makes_it(adapter: Adapter, tmp_path: Path) -> None:
    model = unet(dtype=torch.float16)
    save_file(model.state_dict(), tmp_path / "unet.safetensors")
    bake(tmp_path / "unet.safetensors", [(adapter, 0.7, 1.0)], tmp_path / "out.safetensors")
    Patcher(unet=model).set([(adapter, 0.7, 1.0)])
    baked = load_file(tmp_path / "out.safetensors")
    assert all(torch.equal(tensor, baked[name]) for name, tensor in model.state_dict().items())


def test_a_bias_that_the_layer_lacks_is_added(tmp_path: Path) -> None:
    stem = f"lora_unet_{TO_K.replace('.', '_')}"
    save_file({f"{stem}.diff": torch.ones(8, 8), f"{stem}.diff_b": torch.ones(8)}, tmp_path / "b.safetensors")
    before = sd15(torch.float16)
    save_file(before, tmp_path / "base.safetensors")
    bake(
        tmp_path / "base.safetensors",
        [(load_adapter(tmp_path / "b.safetensors"), 0.5, 1.0)],
        tmp_path / "o.safetensors",
    )
    after = load_file(tmp_path / "o.safetensors")
    (new,) = set(after) - set(before)
    assert new == f"{UNET}input_blocks.1.1.transformer_blocks.0.attn1.to_k.bias"
    assert torch.equal(after[new], torch.full((8,), 0.5, dtype=torch.float16))


def test_overflow_is_refused_and_nothing_written(adapter: Adapter, tmp_path: Path) -> None:
    save_file(sd15(torch.float16), tmp_path / "base.safetensors")
    with pytest.raises(BadWeights, match="infinite"):
        bake(tmp_path / "base.safetensors", [(adapter, 1e7, 1.0)], tmp_path / "out.safetensors")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["base.safetensors", "style.safetensors"]


def test_inputs_are_never_overwritten(adapter: Adapter, tmp_path: Path) -> None:
    base = tmp_path / "base.safetensors"
    save_file(sd15(), base)
    for output in (base, adapter.path, tmp_path / "sub" / ".." / "base.safetensors", tmp_path / "out.ckpt"):
        with pytest.raises(BadParameter):
            bake(base, [(adapter, 1.0, 1.0)], output)


def test_nothing_matched_is_an_error_and_progress_is_told(adapter: Adapter, tmp_path: Path) -> None:
    save_file({f"{UNET}input_blocks.0.0.weight": torch.randn(6, 4, 3, 3)}, tmp_path / "odd.safetensors")
    with pytest.raises(BadWeights, match="nothing"):
        bake(tmp_path / "odd.safetensors", [(adapter, 1.0, 1.0)], tmp_path / "out.safetensors")
    seen: list[tuple[int, int]] = []
    save_file(sd15(), tmp_path / "base.safetensors")
    bake(
        tmp_path / "base.safetensors",
        [(adapter, 1.0, 1.0)],
        tmp_path / "out.safetensors",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (len(sd15()), len(sd15()))
