"""Extraction, and the factorisation under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tests.support.adapter_checkpoints import sd15, sdxl
from tests.support.adapter_models import BIGG, CLIP, SD15, SDXL, lora

from underdrawing.adapters import load_adapter
from underdrawing.adapters.applying.bake import bake
from underdrawing.adapters.tools.extract import Extraction, extract
from underdrawing.adapters.tools.svd import RankRule, balance, factor_product, find_leading
from underdrawing.core.errors import BadParameter, BadWeights

if TYPE_CHECKING:
    from pathlib import Path


def truncation(matrix: torch.Tensor, rank: int) -> float:
    return float(torch.linalg.svdvals(matrix.double())[rank:].norm())


@pytest.mark.parametrize("shape", [(600, 700), (900, 500), (64, 300), (5, 3)])
@pytest.mark.parametrize("decay", [0.0, 0.5, 2.0])
def test_leading_triplets_are_as_good_as_the_full_svd(shape: tuple[int, int], decay: float) -> None:
    generator, least = torch.Generator().manual_seed(3), min(shape)
    left = torch.linalg.qr(torch.randn(shape[0], least, generator=generator))[0]
    right = torch.linalg.qr(torch.randn(shape[1], least, generator=generator))[0]
    matrix = (left * torch.arange(1.0, least + 1) ** -decay) @ right.T
    rank = min(16, least)
    factors = find_leading(matrix, rank)
    up, down = balance(factors, rank)
    error = float((matrix.double() - up.double() @ down.double()).norm())
    assert error <= truncation(matrix, rank) * 1.005 + 2e-6 * float(matrix.norm())
    assert float((up.norm(dim=0) - down.norm(dim=1)).abs().max()) < 1e-4
    assert factors.error(rank) == pytest.approx(error / float(matrix.norm()), abs=2e-3)


@given(st.integers(1, 12), st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_triplets_of_a_product(rank: int, rows: int, columns: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    up, down = torch.randn(rows, rank, generator=generator), torch.randn(rank, columns, generator=generator)
    factors = factor_product(up, down)
    product = factors.left * factors.values @ factors.right
    assert torch.allclose(product, up @ down, atol=1e-4)
    expected = torch.linalg.svdvals(up @ down)[: len(factors.values)]
    assert torch.allclose(factors.values[: len(expected)], expected, atol=1e-4)


def test_a_matrix_of_zeros_and_one_of_exact_rank() -> None:
    assert find_leading(torch.zeros(300, 400), 4).error(4) == 0
    up, down = torch.randn(500, 3), torch.randn(3, 600)
    one, two = balance(find_leading(up @ down, 32), 32)
    assert torch.allclose(one @ two, up @ down, atol=1e-3)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (RankRule(3), 3),
        (RankRule(9), 4),
        (RankRule(4, "ratio", 3.0), 2),
        (RankRule(4, "cumulative", 0.8), 2),
        (RankRule(4, "frobenius", 0.8), 1),
        (RankRule(4, "frobenius", 0.99), 3),
        (RankRule(2, "frobenius", 1.0), 2),
    ],
)
def test_rules(rule: RankRule, expected: int) -> None:
    factors = factor_product(torch.diag(torch.tensor([8.0, 4.0, 2.0, 1.0])), torch.eye(4))
    assert rule.rank(factors) == expected


@pytest.mark.parametrize("bad", [(0,), (4, "ratio", 0.5), (4, "frobenius", 1.5), (4, "cumulative", 0.0)])
def test_bad_rules(bad: tuple[int]) -> None:
    with pytest.raises(BadParameter):
        RankRule(*bad)


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_what_was_baked_is_extracted(tmp_path: Path, family: str) -> None:
    if family == "sd15":
        tensors, base = lora(SD15.modules(), "lora_unet_") | lora(CLIP.modules(), "lora_te_text_model_"), sd15()
    else:
        tensors, base = lora(SDXL.modules(), "lora_unet_") | lora(BIGG.modules(), "lora_te2_text_model_"), sdxl()
    tensors = {key: value for key, value in tensors.items() if "text_projection" not in key}
    save_file(tensors, tmp_path / "lora.safetensors")
    save_file(base, tmp_path / "base.safetensors")
    adapter = load_adapter(tmp_path / "lora.safetensors")
    bake(tmp_path / "base.safetensors", [(adapter, 1.0, 1.0)], tmp_path / "tuned.safetensors")
    how = Extraction(RankRule(2), RankRule(2), dtype="float32")
    report = extract(tmp_path / "tuned.safetensors", tmp_path / "base.safetensors", tmp_path / "x.safetensors", how)
    found = load_adapter(tmp_path / "x.safetensors")
    assert found.modules.keys() == adapter.modules.keys()
    assert report.modules == len(adapter.modules)
    assert not found.unused
    for name, delta in adapter.modules.items():
        base_weight = torch.zeros(delta.extent.rows, delta.extent.cols)  # type: ignore[union-attr]
        one, two = delta._change(base_weight), found.modules[name]._change(base_weight)
        assert (one - two).norm() <= 1e-4 * one.norm() + 1e-5, name
    key = next(key for key in load_file(tmp_path / "x.safetensors") if key.endswith("attn1_to_q.lora_up.weight"))
    assert ("input_blocks" in key or "output_blocks" in key or "middle" in key) == (family == "sdxl")


def test_still_parts_convolutions_and_norms_are_left_out(tmp_path: Path) -> None:
    base, tuned = sd15(), sd15()
    tuned["model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"] += torch.randn(8, 8)
    tuned["model.diffusion_model.input_blocks.0.0.weight"] += 1
    tuned["model.diffusion_model.out.0.weight"] += 1
    tuned["model.diffusion_model.out.2.bias"] += 1
    tuned["cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight"] += 0.001
    save_file(base, tmp_path / "base.safetensors")
    save_file(tuned, tmp_path / "tuned.safetensors")
    seen: list[tuple[int, int]] = []
    report = extract(
        tmp_path / "tuned.safetensors",
        tmp_path / "base.safetensors",
        tmp_path / "x.safetensors",
        Extraction(RankRule(4), clamp=0.99, least=0.01),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert list(load_adapter(tmp_path / "x.safetensors").modules) == [
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    ]
    assert set(report.dropped) == {
        "unet.conv_in",
        "unet.conv_norm_out",
        "unet.conv_out (bias)",
        "text_encoder.encoder.layers.0.mlp.fc1",
    }
    assert seen[-1][0] == seen[-1][1]
    assert "rank 4" in str(report)


def test_clamping_cuts_at_the_quantile(tmp_path: Path) -> None:
    base, tuned = sd15(), sd15()
    key = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
    tuned[key] = tuned[key] + torch.randn(8, 8)
    save_file(base, tmp_path / "base.safetensors")
    save_file(tuned, tmp_path / "tuned.safetensors")
    both = tmp_path / "tuned.safetensors", tmp_path / "base.safetensors"
    extract(*both, tmp_path / "free.safetensors", Extraction(RankRule(8), dtype="float32"))
    how = Extraction(RankRule(8), dtype="float32", clamp=0.9)
    report = extract(*both, tmp_path / "cut.safetensors", how)
    free, cut = (load_file(tmp_path / f"{name}.safetensors") for name in ("free", "cut"))
    values = torch.cat([free[k].flatten() for k in sorted(free) if k.endswith("weight")])
    bound = float(values.kthvalue(round(0.9 * values.numel())).values)
    for name in free:
        if name.endswith("weight"):
            assert torch.equal(cut[name], free[name].clamp(-bound, bound))
    (up, down), change = (
        (cut[name] for name in sorted(cut, reverse=True) if name.endswith("weight")),
        tuned[key] - base[key],
    )
    assert report.errors.keys() == {"unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"}
    (error,) = report.errors.values()
    assert error == pytest.approx(float((change - up @ down).norm() / change.norm()), rel=1e-4)
    assert error > 0.01


def test_an_inpainting_checkpoint_as_the_tuned_side(tmp_path: Path) -> None:
    """Its nine input channels are no LoRA of the base's four, and are reported; everything else is extracted."""
    base = sd15()
    tuned = {name: tensor.clone() for name, tensor in base.items()}
    first = "model.diffusion_model.input_blocks.0.0.weight"
    other = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
    tuned[first] = torch.randn(8, 9, 3, 3)
    tuned[other] += 0.1
    save_file(base, tmp_path / "base.safetensors")
    save_file(tuned, tmp_path / "tuned.safetensors")
    report = extract(tmp_path / "tuned.safetensors", tmp_path / "base.safetensors", tmp_path / "out.safetensors")
    assert report.modules == 1
    assert report.dropped == {"unet.conv_in": "the shapes differ: [8, 9, 3, 3] and [8, 4, 3, 3]"}


def test_equal_or_foreign_checkpoints_are_refused(tmp_path: Path) -> None:
    save_file(sd15(), tmp_path / "base.safetensors")
    save_file(sd15(), tmp_path / "same.safetensors")
    save_file({"conv.weight": torch.ones(2, 2)}, tmp_path / "foreign.safetensors")
    for other, match in (("same", "differs"), ("foreign", "in common|no module")):
        with pytest.raises(BadWeights, match=match):
            extract(tmp_path / f"{other}.safetensors", tmp_path / "base.safetensors", tmp_path / "x.safetensors")
    with pytest.raises(BadParameter):
        extract(tmp_path / "same.safetensors", tmp_path / "base.safetensors", tmp_path / "base.safetensors")
    assert not (tmp_path / "x.safetensors").exists()


def test_two_base_models_are_an_error_unless_allowed(tmp_path: Path) -> None:
    stem = "model.diffusion_model.input_blocks.4.1.transformer_blocks.0"
    for name, width in (("one", 768), ("two", 1024)):
        tensors = {f"{stem}.attn2.to_k.weight": torch.randn(8, width), f"{stem}.attn1.to_q.weight": torch.randn(8, 8)}
        save_file(tensors, tmp_path / f"{name}.safetensors")
    pair = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    with pytest.raises(BadWeights, match=r"is SD 1\.x, and two\.safetensors is SD 2\.x.*\(--allow-mismatch\)"):
        extract(*pair, tmp_path / "out.safetensors")
    report = extract(*pair, tmp_path / "out.safetensors", Extraction(RankRule(2), allow_mismatch=True))
    assert report.modules == 1
