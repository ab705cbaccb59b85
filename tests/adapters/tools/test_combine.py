"""Merging and resizing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.adapter_models import CLIP, SD15, SDXL, lora
from tests.support.official import sample

from underdrawing.adapters import load_adapter
from underdrawing.adapters.deltas.dense import Norm
from underdrawing.adapters.tools.combine import merge, resize
from underdrawing.adapters.tools.svd import RankRule
from underdrawing.core.errors import BadParameter, BadWeights

if TYPE_CHECKING:
    from torch import Tensor

    from underdrawing.adapters.adapter import Adapter
    from underdrawing.adapters.deltas.base import Delta

STEM = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
NAME = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


def made(folder: Path, name: str, tensors: dict[str, Tensor]) -> Adapter:
    save_file(tensors, folder / f"{name}.safetensors")
    return load_adapter(folder / f"{name}.safetensors")


def change(delta: Delta) -> Tensor:
    extent = delta.extent
    assert extent is not None
    return delta._change(torch.zeros(extent.rows, extent.cols))


@pytest.fixture
def pair(tmp_path: Path) -> list[Adapter]:
    encoder = lora(CLIP.modules(), "lora_te_text_model_", seed=7)
    first = lora(SD15.modules(), "lora_unet_", rank=2, alpha=3.0, seed=1) | encoder
    second = lora(SD15.modules(), "lora_unet_", rank=3, alpha=1.0, seed=2)
    return [made(tmp_path, "first", first), made(tmp_path, "second", second)]


def test_side_by_side_is_exact(pair: list[Adapter], tmp_path: Path) -> None:
    report = merge([(pair[0], 0.5, 2.0), (pair[1], -1.5)], tmp_path / "sum.safetensors")
    both = load_adapter(tmp_path / "sum.safetensors")
    assert both.modules.keys() == pair[0].modules.keys()
    assert report.ranks == {2: 72, 5: len(both.modules) - 72}
    for name, delta in both.modules.items():
        if name.startswith("unet."):
            expected = 0.5 * change(pair[0].modules[name]) - 1.5 * change(pair[1].modules[name])
        else:
            expected = 2.0 * change(pair[0].modules[name])
        assert delta.scale == 1  # type: ignore[attr-defined]
        assert torch.allclose(change(delta), expected, atol=1e-6)
    file = load_file(tmp_path / "sum.safetensors")
    assert float(file[f"{STEM}.alpha"]) == 5
    assert file["lora_unet_conv_in.lora_down.weight"].shape == (5, 4, 3, 3)


def test_svd_is_the_best_of_that_rank(pair: list[Adapter], tmp_path: Path) -> None:
    wishes = [(pair[0], 1.0), (pair[1], 1.0)]
    with pytest.raises(BadParameter):
        merge(wishes, tmp_path / "sum.safetensors", how="svd")
    report = merge(wishes, tmp_path / "sum.safetensors", how="svd", rule=RankRule(3), dtype="float32")
    both = load_adapter(tmp_path / "sum.safetensors")
    exact = change(pair[0].modules[NAME]) + change(pair[1].modules[NAME])
    best = torch.linalg.svdvals(exact)[3:].norm()
    assert float((exact - change(both.modules[NAME])).norm()) == pytest.approx(float(best), rel=1e-3)
    assert report.errors[NAME] == pytest.approx(float(best / exact.norm()), rel=1e-3)
    assert report.ranks.keys() <= {2, 3}


def test_half_precision_stays_where_scales_allow(tmp_path: Path) -> None:
    half = {k: v.half() for k, v in lora(SD15.modules(), "lora_unet_", rank=2, alpha=1.0).items()}
    adapter = made(tmp_path, "half", half)
    merge([(adapter, 1.0), (adapter, -2.0)], tmp_path / "a.safetensors")
    merge([(adapter, 0.3)], tmp_path / "b.safetensors")
    dtypes = [load_file(tmp_path / f"{n}.safetensors")[f"{STEM}.lora_up.weight"].dtype for n in "ab"]
    assert dtypes == [torch.float16, torch.float32]


def test_other_kinds_are_summed_whole(tmp_path: Path) -> None:
    def factor(*shape: int) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))

    loha = {
        f"{STEM}.hada_{n}": factor(8, 2) if n.endswith("a") else factor(2, 8) for n in ("w1_a", "w1_b", "w2_a", "w2_b")
    }
    conv = {f"lora_unet_conv_in.hada_{n}": factor(8, 2) if n.endswith("a") else factor(2, 36)
            for n in ("w1_a", "w1_b", "w2_a", "w2_b")}  # fmt: skip
    diff = {f"{STEM}.diff": factor(8, 8), f"{STEM}.diff_b": factor(8), "lora_unet_conv_norm_out.w_norm": factor(8)}
    sources = [made(tmp_path, "loha", loha | conv), made(tmp_path, "diff", diff)]
    report = merge(
        [(sources[0], 1.0), (sources[1], 0.5)], tmp_path / "sum.safetensors", rule=RankRule(8), dtype="float32"
    )
    both = load_adapter(tmp_path / "sum.safetensors")
    expected = change(sources[0].modules[NAME]) + 0.5 * diff[f"{STEM}.diff"]
    assert torch.allclose(change(both.modules[NAME]), expected, atol=1e-4)
    assert torch.allclose(both.modules[NAME].bias, 0.5 * diff[f"{STEM}.diff_b"])  # type: ignore[arg-type]
    assert torch.allclose(change(both.modules["unet.conv_in"]), change(sources[0].modules["unet.conv_in"]), atol=1e-4)
    assert load_file(tmp_path / "sum.safetensors")["lora_unet_conv_in.lora_down.weight"].shape == (8, 4, 3, 3)
    norm = both.modules["unet.conv_norm_out"]
    assert isinstance(norm, Norm)
    assert torch.equal(norm.diff, 0.5 * diff["lora_unet_conv_norm_out.w_norm"])
    assert any("loha" in note for note in report.notes)


def test_kinds_that_need_the_weight_are_refused_by_name(pair: list[Adapter], tmp_path: Path) -> None:
    tensors = lora(SD15.modules(), "lora_unet_")
    dora = made(tmp_path, "dora", tensors | {f"{STEM}.dora_scale": torch.ones(8, 1)})
    for call in (
        lambda: merge([(pair[0], 1.0), (dora, 1.0)], tmp_path / "x.safetensors"),
        lambda: resize(dora, tmp_path / "x.safetensors", RankRule(1)),
    ):
        with pytest.raises(BadWeights, match="1 dora"):
            call()
    assert not (tmp_path / "x.safetensors").exists()


def test_misfits_and_inputs_are_refused(pair: list[Adapter], tmp_path: Path) -> None:
    other = made(tmp_path, "xl", lora(SDXL.modules(), "lora_unet_"))
    with pytest.raises(BadWeights, match="different weights"):
        merge([(pair[0], 1.0), (other, 1.0)], tmp_path / "x.safetensors")
    with pytest.raises(BadParameter, match="input"):
        merge([(pair[0], 1.0)], pair[0].path)


@pytest.mark.parametrize("rule", [RankRule(1), RankRule(2, "ratio", 1.5), RankRule(2, "frobenius", 0.9), RankRule(5)])
def test_resize(pair: list[Adapter], tmp_path: Path, rule: RankRule) -> None:
    seen: list[tuple[int, int]] = []
    report = resize(
        pair[1],
        tmp_path / "small.safetensors",
        rule,
        dtype="float32",
        progress=lambda done, total: seen.append((done, total)),
    )
    small = load_adapter(tmp_path / "small.safetensors")
    for name, delta in small.modules.items():
        exact = change(pair[1].modules[name])
        assert delta.rank is not None
        best = float(torch.linalg.svdvals(exact)[delta.rank :].norm())
        assert float((exact - change(delta)).norm()) == pytest.approx(best, rel=1e-3, abs=1e-5)
    assert seen[-1] == (len(small.modules), len(small.modules))
    assert max(report.ranks) <= min(rule.most, 3)


@pytest.mark.parametrize(
    "file", ["kohya/lora_attn.safetensors", "lycoris/net_locon.safetensors", "lycoris/net_loha.safetensors"]
)
def test_official_files_with_themselves(tmp_path: Path, file: str) -> None:
    adapter = load_adapter(sample(file))
    merge([(adapter, 0.25), (adapter, 0.75)], tmp_path / "x.safetensors", rule=RankRule(128))
    both = load_adapter(tmp_path / "x.safetensors")
    assert both.modules.keys() == adapter.modules.keys()
    for name, delta in adapter.modules.items():
        exact = change(delta)
        assert (exact - change(both.modules[name])).norm() <= 1e-5 * exact.norm() + 1e-7


def test_factors_that_fit_no_kernel_are_refused_by_name(tmp_path: Path) -> None:
    stem = "lora_unet_down_blocks_0_resnets_0_conv1"
    adapter = made(
        tmp_path, "flat", {f"{stem}.lora_up.weight": torch.ones(8, 2), f"{stem}.lora_down.weight": torch.ones(2, 8)}
    )
    with pytest.raises(BadWeights, match=r"fit no convolution with a kernel of \[3, 3\]"):
        merge([(adapter, 1)], tmp_path / "out.safetensors")
