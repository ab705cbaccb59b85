"""Conversion: what goes round comes back equal."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Literal

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.support.adapter_models import BIGG, CLIP, SD15, SDXL, lora
from tests.support.official import sample

from underdrawing.adapters import load_adapter
from underdrawing.adapters.applying.bake import bake
from underdrawing.adapters.tools.combine import merge, resize
from underdrawing.adapters.tools.convert import convert
from underdrawing.adapters.tools.svd import RankRule
from underdrawing.core.errors import BadParameter, BadWeights

if TYPE_CHECKING:
    from torch import Tensor

    from underdrawing.adapters.adapter import Adapter
    from underdrawing.adapters.tools.convert import Naming

STEM = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
NAME = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


def made(folder: Path, tensors: dict[str, Tensor]) -> Adapter:
    save_file(tensors, folder / "in.safetensors")
    return load_adapter(folder / "in.safetensors")


def turned(adapter: Adapter, folder: Path, naming: Naming, dense: RankRule | None = None) -> dict[str, object]:
    """Converted and loaded again, parts of PEFT's form together."""
    output = folder / "peft" if naming == "peft" else folder / "out.safetensors"
    convert(adapter, output, naming, dense=dense)
    files = sorted(output.rglob("adapter_model.safetensors")) if naming == "peft" else [output]
    loaded = [load_adapter(file) for file in files]
    assert not any(entry.unused for entry in loaded)
    return {name: delta for entry in loaded for name, delta in entry.modules.items()}


def same(adapter: Adapter, modules: dict[str, object], tolerance: float = 0.0) -> None:
    assert modules.keys() == adapter.modules.keys()
    for name, delta in adapter.modules.items():
        shape, blocks = (8, 8), getattr(delta, "blocks", None)
        if delta.extent is not None:
            shape = (delta.extent.rows, delta.extent.cols)
        elif blocks is not None:
            shape = (blocks.shape[-3] * blocks.shape[-1], 8)
        base = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        before, after = delta._change(base), modules[name]._change(base)  # type: ignore[attr-defined]
        assert (before - after).norm() <= tolerance * before.norm() + 1e-7 * base.norm() * bool(tolerance), name
        bias, again = delta.bias_change(None), modules[name].bias_change(None)  # type: ignore[attr-defined]
        assert (bias is None) == (again is None)
        assert bias is None or torch.allclose(bias, again, rtol=1e-6)


@pytest.mark.parametrize(
    ("file", "namings"),
    [
        ("kohya/lora_attn.safetensors", "kohya peft diffusers"),
        ("lycoris/net_locon.safetensors", "kohya peft diffusers"),
        ("lycoris/net_locon_dora.safetensors", "kohya"),
        ("lycoris/net_loha.safetensors", "kohya peft"),
        ("lycoris/net_lokr.safetensors", "kohya"),
        ("cloneofsimo/attn.safetensors", "kohya peft diffusers"),
        ("cloneofsimo/attn.pt", "kohya"),
        ("peft/lora", "kohya peft diffusers"),
        ("peft/pm_lora", "kohya peft diffusers"),
    ],
)
def test_official_files_come_back_equal(tmp_path: Path, file: str, namings: str) -> None:
    adapter = load_adapter(sample(file))
    for naming in namings.split():
        same(adapter, turned(adapter, tmp_path, naming), 1e-7)  # type: ignore[arg-type]


def make_file(folder: Path, large: bool, rank: int, alpha: float, step: slice = slice(None)) -> Adapter:
    """A LoRA of SDXL's UNet and large text encoder, or of SD1's UNet; step: of these modules alone."""
    tensors = lora(dict(list((SDXL if large else SD15).modules().items())[step]), "lora_unet_", rank=rank, alpha=alpha)
    if large:
        tensors |= lora(dict(list(BIGG.modules().items())[step]), "lora_te2_text_model_", rank=rank + 1, alpha=1.0)
        tensors |= {k.replace("text_model_text_projection", "text_projection"): tensors.pop(k) for k in list(tensors)}
    odd = next(key for key in tensors if key.endswith(".alpha"))
    tensors[odd] = torch.tensor(7.5)
    adapter = made(folder, tensors)
    assert not adapter.unused
    return adapter


@pytest.mark.parametrize("naming", ["kohya", "peft", "diffusers"])
@pytest.mark.parametrize("large", [False, True])
def test_every_module_comes_back_equal(tmp_path: Path, large: bool, naming: Naming) -> None:
    adapter = make_file(tmp_path, large, 1, 0.5)
    same(adapter, turned(adapter, tmp_path, naming), 1e-7)


@given(
    st.integers(1, 5),
    st.floats(0.01, 64, allow_nan=False),
    st.sampled_from(["kohya", "peft", "diffusers"]),
    st.booleans(),
    st.integers(0, 19),
)
@settings(max_examples=20, deadline=None)
def test_random_files_come_back_equal(
    tmp_path_factory: pytest.TempPathFactory, rank: int, alpha: float, naming: Naming, large: bool, first: int
) -> None:
    folder = tmp_path_factory.mktemp("turn")
    adapter = make_file(folder, large, rank, alpha, slice(first, None, 20))
    same(adapter, turned(adapter, folder, naming), 1e-7)


def kinds() -> dict[str, dict[str, Tensor]]:
    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))

    pair = {"lora_up.weight": random(8, 2), "lora_down.weight": random(2, 8), "alpha": torch.tensor(1.5)}
    loha = {"hada_w1_a": random(8, 2), "hada_w1_b": random(2, 8), "hada_w2_a": random(8, 2), "hada_w2_b": random(2, 8)}
    return {
        "dora out": {**pair, "dora_scale": random(8, 1)},
        "dora in": {**pair, "dora_scale": random(1, 8)},
        "lora and diff": {**pair, "diff": random(8, 8), "diff_b": random(8)},
        "loha": {**loha, "alpha": torch.tensor(0.5)},
        "loha dora": {**loha, "dora_scale": random(8, 1)},
        "lokr": {
            "lokr_w1": random(2, 4),
            "lokr_w2_a": random(4, 1),
            "lokr_w2_b": random(1, 2),
            "alpha": torch.tensor(3.0),
        },
        "lokr full": {"lokr_w1": random(2, 4), "lokr_w2": random(4, 2), "alpha": torch.tensor(3.0)},
        "full": {"diff": random(8, 8)},
        "set": {"set_weight": random(8, 8)},
        "bias": {"diff_b": random(8)},
        "ia3": {"weight": random(8), "on_input": torch.tensor(1)},
        "glora": {f"{n}.weight": random(8, 2) if n in ("a1", "b1") else random(2, 8) for n in ("a1", "a2", "b1", "b2")},
        "oft": {"oft_blocks": random(2, 4, 4), "alpha": torch.tensor(0.01), "rescale": random(8, 1)},
        "boft": {"oft_blocks": random(2, 4, 2, 2), "alpha": torch.tensor(0.0)},
    }


@pytest.mark.parametrize("kind", list(kinds()))
def test_every_kind_keeps_its_own_tensors_under_kohya_names(tmp_path: Path, kind: str) -> None:
    adapter = made(tmp_path, {f"{STEM}.{suffix}": tensor for suffix, tensor in kinds()[kind].items()})
    assert list(adapter.modules) == [NAME]
    same(adapter, turned(adapter, tmp_path, "kohya"), 1e-7)


@pytest.mark.parametrize("alpha", [None, 3.0, 9999999999.0])
def test_whole_operands_of_a_lokr_get_an_alpha_that_changes_nothing(tmp_path: Path, alpha: float | None) -> None:
    """LyCORIS loads no module without one; nobody multiplies by it."""
    kind = {name: tensor for name, tensor in kinds()["lokr full"].items() if name != "alpha"}
    pair = {"lora_up.weight": torch.randn(8, 2), "lora_down.weight": torch.randn(2, 8), "alpha": torch.tensor(1.5)}
    tensors = {f"{STEM}.{suffix}": tensor for suffix, tensor in kind.items()}
    tensors |= {f"{STEM}.alpha": torch.tensor(alpha)} if alpha is not None else {}
    tensors |= {f"{STEM.replace('to_q', 'to_k')}.{suffix}": tensor for suffix, tensor in pair.items()}
    adapter = made(tmp_path, tensors)
    same(adapter, turned(adapter, tmp_path, "kohya"), 1e-7)
    with safe_open(tmp_path / "out.safetensors", "pt") as file:  # type: ignore[no-untyped-call]
        assert file.get_tensor(f"{STEM}.alpha").item() == 1


@pytest.mark.parametrize("kind", ["lora and diff", "lokr", "full", "dora in", "oft", "ia3", "glora", "set"])
def test_what_peft_lacks_is_refused_by_name_or_made_dense(tmp_path: Path, kind: str) -> None:
    tensors = {k: v for k, v in kinds()[kind].items() if k != "diff_b"}
    adapter = made(tmp_path, {f"{STEM}.{suffix}": tensor for suffix, tensor in tensors.items()})
    forms: tuple[Literal["peft", "diffusers"], ...] = ("peft", "diffusers")
    for naming in forms:
        with pytest.raises(BadWeights, match="form has no"):
            turned(adapter, tmp_path, naming)
        if kind in ("lora and diff", "lokr", "full"):
            modules = turned(adapter, tmp_path, naming, RankRule(8))
            base = torch.zeros(8, 8)
            assert torch.allclose(modules[NAME]._change(base), adapter.modules[NAME]._change(base), atol=1e-5)  # type: ignore[attr-defined]
        else:
            with pytest.raises(BadWeights, match="form has no"):
                turned(adapter, tmp_path, naming, RankRule(8))


def test_peft_and_diffusers_hold_alpha_where_their_readers_look(tmp_path: Path) -> None:
    tensors = lora(SD15.modules(), "lora_unet_", rank=2, alpha=3.0) | lora(
        CLIP.modules(), "lora_te_text_model_", rank=4
    )
    tensors[f"{STEM}.alpha"] = torch.tensor(0.5)
    tensors["lora_unet_conv_in.dora_scale"] = torch.ones(8, 1, 1, 1)
    with pytest.raises(BadWeights, match="mixes"):
        convert(made(tmp_path, tensors), tmp_path / "peft", "peft")
    del tensors["lora_unet_conv_in.dora_scale"]
    adapter = made(tmp_path, tensors)
    report = convert(adapter, tmp_path / "peft", "peft")
    config = json.loads((tmp_path / "peft" / "unet" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["rank_pattern"]) == (2, 3, {})
    assert config["alpha_pattern"] == {NAME.removeprefix("unet."): 0.5}
    assert config["auto_mapping"] == {"base_model_class": "UNet2DConditionModel"}
    assert len(report.files) == 4
    convert(adapter, tmp_path / "d.safetensors", "diffusers")
    with safe_open(tmp_path / "d.safetensors", "pt") as file:  # type: ignore[no-untyped-call]
        told = json.loads(file.metadata()["lora_adapter_metadata"])
        names = set(file.keys())
    assert (told["unet.r"], told["text_encoder.r"], told["unet.lora_alpha"]) == (2, 4, 3)
    assert "text_encoder.text_model.encoder.layers.0.mlp.fc1.lora_A.weight" in names
    assert f"{NAME}.lora_B.weight" in names


def test_biases_of_lora_b(tmp_path: Path) -> None:
    tensors = {f"unet.conv_in.lora_{n}.weight": torch.randn(s) for n, s in (("A", (2, 4, 3, 3)), ("B", (8, 2, 1, 1)))}
    tensors["unet.conv_in.lora_B.bias"] = torch.randn(8)
    adapter = made(tmp_path, tensors)
    for naming in ("kohya", "peft", "diffusers"):
        same(adapter, turned(adapter, tmp_path, naming), 1e-7)  # type: ignore[arg-type]


def test_sdxl_gets_ldm_names(tmp_path: Path) -> None:
    tensors = lora(SDXL.modules(), "lora_unet_") | lora(CLIP.modules(), "lora_te1_text_model_")
    convert(made(tmp_path, tensors), tmp_path / "out.safetensors")
    names = {key.partition(".")[0] for key in load_file(tmp_path / "out.safetensors")}
    assert "lora_unet_output_blocks_2_2_conv" in names
    assert "lora_te1_text_model_encoder_layers_0_mlp_fc1" in names
    assert not any("up_blocks" in name for name in names)


def test_learned_tokens_lie_beside(tmp_path: Path) -> None:
    adapter = load_adapter(sample("cloneofsimo/attn.safetensors"))
    report = convert(adapter, tmp_path / "style.safetensors")
    assert sorted(file.name for file in report.files) == [
        "style.s1.safetensors",
        "style.s2.safetensors",
        "style.safetensors",
    ]
    assert torch.equal(load_file(tmp_path / "style.s1.safetensors")["<s1>"], adapter.embeddings["<s1>"]["text_encoder"])


def test_inputs_and_unknown_namings_are_refused(tmp_path: Path) -> None:
    adapter = made(tmp_path, lora(SD15.modules(), "lora_unet_"))
    with pytest.raises(BadParameter, match="input"):
        convert(adapter, adapter.path)
    with pytest.raises(BadParameter, match="folder"):
        convert(adapter, tmp_path, "peft")
    with pytest.raises(BadParameter, match="naming"):
        convert(adapter, tmp_path / "x.safetensors", "a1111")  # type: ignore[arg-type]


MODULES = {
    "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k": (16, (768,)),
    "lora_unet_down_blocks_1_resnets_0_conv1": (16, (8, 3, 3)),
    "lora_te_text_model_encoder_layers_0_mlp_fc1": (24, (8,)),
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(1, 7), st.floats(2**-10, 1e4, width=32)), min_size=3, max_size=3),
    st.sampled_from([torch.float16, torch.bfloat16, torch.float32]),
    st.sampled_from([torch.float32, torch.float16, torch.int64]),
    st.sampled_from(["peft", "diffusers"]),
)
def test_there_and_back_is_bit_equal(
    tmp_path: Path,
    shapes: list[tuple[int, float]],
    dtype: torch.dtype,
    alpha_dtype: torch.dtype,
    naming: Literal["peft", "diffusers"],
) -> None:
    folder = Path(mkdtemp(dir=tmp_path))
    tensors: dict[str, Tensor] = {}
    for (name, (rows, columns)), (rank, alpha) in zip(MODULES.items(), shapes, strict=True):
        kernel = [1] * len(columns[1:])
        tensors[f"{name}.lora_up.weight"] = torch.randn(rows, rank, *kernel).to(dtype)
        tensors[f"{name}.lora_down.weight"] = torch.randn(rank, *columns).to(dtype)
        tensors[f"{name}.alpha"] = torch.tensor(alpha).to(alpha_dtype)
        if alpha >= 1:
            tensors[f"{name}.diff_b"] = torch.randn(rows)
    adapter = made(folder, tensors)
    there = folder / "peft" if naming == "peft" else folder / "there.safetensors"
    convert(adapter, there, naming)
    convert(load_adapter(there), folder / "back.safetensors")
    back = load_file(folder / "back.safetensors")
    assert back.keys() == tensors.keys()
    for key, tensor in tensors.items():
        assert back[key].dtype == tensor.dtype, key
        assert torch.equal(back[key], tensor), key


def test_a_folder_of_several_parts_works_in_every_tool(tmp_path: Path) -> None:
    tensors: dict[str, Tensor] = {}
    for name, (rows, columns) in MODULES.items():
        tensors[f"{name}.lora_up.weight"] = torch.randn(rows, 2, *[1] * len(columns[1:]))
        tensors[f"{name}.lora_down.weight"] = torch.randn(2, *columns)
    convert(made(tmp_path, tensors), tmp_path / "peft", "peft")
    folder, out = load_adapter(tmp_path / "peft"), tmp_path / "out.safetensors"
    assert sorted(path.name for path in (tmp_path / "peft").iterdir()) == ["text_encoder", "unet"]
    base = {
        "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": torch.randn(16, 768),
        "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight": torch.randn(24, 8),
    }
    save_file(base, tmp_path / "base.safetensors")
    assert resize(folder, out, RankRule(1)).modules == 3
    assert merge([(folder, 1.0), (folder, 0.5)], out).modules == 3
    assert convert(folder, out, "diffusers").modules == 3
    assert bake(tmp_path / "base.safetensors", [(folder, 1.0, 1.0)], out).adapters[0].modules == 2
    inside = tmp_path / "peft" / "unet" / "adapter_model.safetensors"
    for call in (
        lambda: resize(folder, inside, RankRule(1)),
        lambda: convert(folder, inside),
        lambda: convert(folder, tmp_path / "peft", "peft"),
        lambda: bake(tmp_path / "base.safetensors", [(folder, 1.0, 1.0)], inside),
    ):
        with pytest.raises(BadParameter):
            call()


@pytest.mark.parametrize("naming", ["peft", "diffusers", "kohya"])
@pytest.mark.parametrize(
    ("module", "width"),
    [
        ("input_blocks_4_1_transformer_blocks_0_attn2_to_k", 768),
        ("down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", 768),
        ("input_blocks_4_1_transformer_blocks_0_attn2_to_k", 2048),
    ],
)
def test_names_come_back_as_they_were_spelt(tmp_path: Path, naming: Naming, module: str, width: int) -> None:
    stem = f"lora_unet_{module}"
    tensors = {f"{stem}.lora_up.weight": torch.randn(8, 2), f"{stem}.lora_down.weight": torch.randn(2, width)}
    tensors[f"{stem}.alpha"] = torch.tensor(1.0)
    there = tmp_path / "peft" if naming == "peft" else tmp_path / "there.safetensors"
    convert(made(tmp_path, tensors), there, naming)
    convert(load_adapter(there), tmp_path / "back.safetensors")
    back = load_file(tmp_path / "back.safetensors")
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[key], tensors[key]) for key in tensors)


@pytest.mark.parametrize("naming", ["kohya", "peft", "diffusers"])
def test_factors_of_no_rank_raise_nothing_raw(naming: Naming, tmp_path: Path) -> None:
    tensors = {f"{STEM}.lora_up.weight": torch.zeros(8, 0), f"{STEM}.lora_down.weight": torch.zeros(0, 8)}
    with contextlib.suppress(BadWeights):
        adapter = made(tmp_path, tensors)
        convert(adapter, tmp_path / ("out" if naming == "peft" else "out.safetensors"), naming)


BLOCK = "transformer_blocks_0_attn1_to_q"
ENCODER = "text_model_encoder_layers_0_self_attn_q_proj"
LAST = "text_model_encoder_layers_31_self_attn_q_proj"


@pytest.mark.parametrize("naming", ["peft", "diffusers"])
@pytest.mark.parametrize(
    ("stems", "width"),
    [
        ((f"lora_unet_down_blocks_1_attentions_0_{BLOCK}", f"lora_te1_{ENCODER}", f"lora_te2_{LAST}"), 2048),
        ((f"lora_unet_input_blocks_4_1_{BLOCK}", f"lora_te1_{ENCODER}"), 2048),
        ((f"lora_unet_down_blocks_1_attentions_0_{BLOCK}", f"lora_te_{ENCODER}"), 768),
        ((f"lora_unet_input_blocks_4_1_{BLOCK}", f"lora_te_{ENCODER}"), 768),
        ((f"lora_unet_input_blocks_4_1_{BLOCK}", f"lora_te_{LAST}"), 1280),
        ((f"lora_te1_{ENCODER}",), 768),
        ((f"lora_te_{ENCODER}",), 768),
    ],
)
@pytest.mark.parametrize("with_alpha", [True, False])
def test_kohya_spelling_survives_other_forms(
    stems: tuple[str, ...], width: int, naming: Naming, with_alpha: bool, tmp_path: Path
) -> None:
    tensors: dict[str, Tensor] = {}
    cross = {stem.replace("attn1_to_q", "attn2_to_k") for stem in stems if "attn1" in stem}
    for number, stem in enumerate((*stems, *sorted(cross))):
        wide = width if stem in cross else 1280 if "31" in stem else 768
        tensors[f"{stem}.lora_down.weight"] = torch.randn(2, wide).half()
        tensors[f"{stem}.lora_up.weight"] = torch.randn(8, 2).half()
        if with_alpha:
            tensors[f"{stem}.alpha"] = torch.tensor(number + 1.0).half()
    output = tmp_path / ("peft" if naming == "peft" else "out.safetensors")
    convert(made(tmp_path, tensors), output, naming)
    convert(load_adapter(output), tmp_path / "again.safetensors", "kohya")
    again = load_file(tmp_path / "again.safetensors")
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[key], tensor) and again[key].dtype == tensor.dtype for key, tensor in tensors.items())
