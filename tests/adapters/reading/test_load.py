"""Every dialect, and the account of every key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.support.adapter_models import BIGG, CLIP, SD15, SDXL, lora
from tests.support.official import sample

from underdrawing.adapters import load_adapter
from underdrawing.adapters.adapter import Adapter
from underdrawing.adapters.modules.architectures import ARCHITECTURES, CLIP_L, OPENCLIP_BIGG
from underdrawing.adapters.modules.spellings import to_ldm_name
from underdrawing.adapters.reading.files import read_file
from underdrawing.adapters.tools.convert import convert
from underdrawing.core.errors import BadWeights


def accounted(adapter: Adapter, path: Path) -> None:
    keys = set(adapter.used) | set(adapter.unused)
    raw = read_file(path)
    assert not set(adapter.used) & set(adapter.unused)
    assert keys >= set(raw.tensors)


@pytest.mark.parametrize(
    ("file", "dialect", "modules", "unused"),
    [
        ("kohya/lora_attn.safetensors", "kohya", 264, 0),
        ("lycoris/net_locon.safetensors", "kohya", 354, 0),
        ("lycoris/net_locon_dora.safetensors", "kohya", 354, 0),
        ("lycoris/net_loha.safetensors", "kohya", 354, 0),
        ("lycoris/net_lokr.safetensors", "kohya", 354, 0),
        ("cloneofsimo/attn.safetensors", "cloneofsimo", 192, 0),
        ("cloneofsimo/attn.pt", "cloneofsimo", 192, 0),
        ("cloneofsimo/attn.text_encoder.pt", "cloneofsimo", 48, 0),
        ("peft/lora", "diffusers", 128, 0),
        ("peft/pm_lora", "peft", 128, 0),
    ],
)
def test_official_files_are_understood_whole(file: str, dialect: str, modules: int, unused: int) -> None:
    adapter = load_adapter(sample(file))
    assert (adapter.dialect, len(adapter.modules), len(adapter.unused)) == (dialect, modules, unused)
    assert adapter.finite
    accounted(adapter, adapter.path)
    json.dumps(adapter.report())


def test_both_forms_of_cloneofsimo_are_the_same() -> None:
    first, second = (load_adapter(sample(f"cloneofsimo/{name}")) for name in ("attn.pt", "attn.safetensors"))
    assert set(first.embeddings) == set(second.embeddings) == {"<s1>", "<s2>"}
    for name, delta in first.modules.items():
        base = torch.zeros(delta.extent.rows, delta.extent.cols)  # type: ignore[union-attr]
        assert torch.allclose(delta.apply(base), second.modules[name].apply(base), atol=1e-4)


@pytest.mark.parametrize(
    ("folder", "strength", "expected"), [("pm_lora", 1.0, "pm_lora_delta.pt"), ("lora", 0.6, "lora_delta_fuse0.6.pt")]
)
def test_peft_deltas_are_those_of_peft(folder: str, strength: float, expected: str) -> None:
    adapter = load_adapter(sample(f"peft/{folder}"))
    deltas = torch.load(sample(f"peft/{expected}"), weights_only=True)
    # the pipeline-style file was trained at alpha 2, rank 4, holds neither, and diffusers fused it before saving
    scale = 0.5 if folder == "lora" else 1.0
    for name, delta in adapter.modules.items():
        reference = deltas[f"{name.removeprefix('unet.')}.weight"]
        mine = delta.apply(torch.zeros_like(reference), strength) * scale
        assert (mine - reference).norm() <= 1e-5 * reference.norm()


def saved(tmp_path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> Path:
    save_file(tensors, tmp_path / "a.safetensors", metadata)
    return tmp_path / "a.safetensors"


def test_kohya_sdxl_in_ldm_names(tmp_path: Path) -> None:
    names = frozenset(SDXL.modules())
    ldm = {to_ldm_name(name, names): module for name, module in SDXL.modules().items()}
    tensors = (
        lora(ldm, "lora_unet_")
        | lora(CLIP.modules(), "lora_te1_text_model_")
        | lora(BIGG.modules(), "lora_te2_text_model_")
    )
    del tensors["lora_te2_text_model_text_projection.lora_up.weight"]
    tensors = {
        k.replace("text_model_text_projection", "text_projection"): v
        for k, v in tensors.items()
        if "text_projection.lora" not in k
    }
    adapter = load_adapter(saved(tmp_path, tensors))
    layers = sum(m.kind in ("Linear", "Conv2d") for m in SDXL.modules().values())
    assert len(adapter.modules) == layers + 72 + 192
    assert set(adapter.unused) == {"lora_te2_text_projection.alpha"}


@pytest.mark.parametrize(
    ("style", "dialect"),
    [
        ("unet.{}.lora_A.weight", "diffusers"),
        ("unet.{}.lora.down.weight", "diffusers"),
        ("base_model.model.{}.lora_A.weight", "peft"),
        ("base_model.model.{}.lora_A.default.weight", "peft"),
        ("unet.{}.lora_A.weight ldm", "diffusers"),
        ("diffusion_model.{}.lora_A.weight ldm", "comfy"),
        ("diffusion_model.{}.lora_down.weight ldm", "comfy"),
    ],
)
def test_dotted_spellings_of_every_unet_module(tmp_path: Path, style: str, dialect: str) -> None:
    modules = {n: m for n, m in SD15.modules().items() if m.kind in ("Linear", "Conv2d")}
    style, _, spelling = style.partition(" ")
    names = {n: to_ldm_name(n, frozenset(SD15.modules())) if spelling else n for n in modules}
    other = style.replace("lora_A", "lora_B").replace("down", "up")
    tensors: dict[str, torch.Tensor] = {}
    for name, module in modules.items():
        ones = (1,) * (len(module.shape) - 2)
        tensors[style.format(names[name])] = torch.randn(2, *module.shape[1:])
        tensors[other.format(names[name])] = torch.randn(module.shape[0], 2, *ones)
    adapter = load_adapter(saved(tmp_path, tensors))
    assert adapter.dialect == dialect
    assert set(adapter.modules) == {f"unet.{n}" for n in modules}
    assert not adapter.unused


def test_old_attention_processors(tmp_path: Path) -> None:
    blocks = (
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1",
        "unet.mid_block.attentions.0.transformer_blocks.0.attn2",
    )
    tensors: dict[str, torch.Tensor] = {}
    for block in blocks:
        for name in ("to_q", "to_k", "to_v", "to_out"):
            tensors[f"{block}.processor.{name}_lora.down.weight"] = torch.randn(2, 8)
            tensors[f"{block}.processor.{name}_lora.up.weight"] = torch.randn(8, 2)
    adapter = load_adapter(saved(tmp_path, tensors))
    assert len(adapter.modules) == 8
    assert f"unet.{blocks[0]}.to_out.0" in adapter.modules
    assert f"{blocks[1]}.to_q" in adapter.modules


PROCESSOR = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora"
POSITION = "unet:3"
LAYER = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_linear_layer"


@pytest.mark.parametrize("stem", [PROCESSOR, LAYER])
def test_alpha_beside_factors_of_old_files(stem: str, tmp_path: Path) -> None:
    factors = {f"{stem}.down.weight": torch.ones(2, 8), f"{stem}.up.weight": torch.ones(8, 2)}
    adapter = load_adapter(saved(tmp_path, {**factors, f"{stem}.alpha": torch.tensor(8.0)}))
    (delta,) = adapter.modules.values()
    assert delta.change(torch.zeros(8, 8))[0, 0] == 8
    assert not adapter.unused


@pytest.mark.parametrize("stem", [PROCESSOR, LAYER, POSITION])
def test_an_unknown_sibling_refuses_the_module_of_old_files(stem: str, tmp_path: Path) -> None:
    dot, end = (":", "") if stem == POSITION else (".", ".weight")
    count = 144 if stem == POSITION else 1
    tensors: dict[str, torch.Tensor] = {}
    for number in range(count):
        own = f"unet:{number}" if stem == POSITION else stem
        tensors[f"{own}{dot}down{end}"] = torch.ones(2, 8)
        tensors[f"{own}{dot}up{end}"] = torch.ones(8, 2)
    tensors[f"{stem}{dot}gate"] = torch.ones(8)
    if count == 1:
        with pytest.raises(BadWeights, match="gate is not known"):
            load_adapter(saved(tmp_path, tensors))
        return
    adapter = load_adapter(saved(tmp_path, tensors))
    assert len(adapter.modules) == count - 1
    assert {key for key in adapter.unused if key.startswith(f"{stem}:")} == {
        f"{stem}:{word}" for word in ("down", "up", "gate")
    }


def test_alpha_from_the_header_and_from_the_config(tmp_path: Path) -> None:
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    up, down = torch.randn(8, 4), torch.randn(4, 8)
    header = {"lora_adapter_metadata": json.dumps({"unet.r": 4, "unet.lora_alpha": 2, "unet.use_rslora": False})}
    path = saved(tmp_path, {f"unet.{name}.lora_A.weight": down, f"unet.{name}.lora_B.weight": up}, header)
    assert torch.allclose(
        load_adapter(path).modules[f"unet.{name}"].apply(torch.zeros(8, 8)), up @ down * 0.5, atol=1e-6
    )
    path = saved(
        tmp_path, {f"base_model.model.{name}.lora_A.weight": down, f"base_model.model.{name}.lora_B.weight": up}
    )
    config = {"r": 4, "lora_alpha": 2, "use_rslora": True, "alpha_pattern": {"attn1.to_q": 6}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    expected = up @ down * 6 / 4**0.5
    assert torch.allclose(load_adapter(path).modules[f"unet.{name}"].apply(torch.zeros(8, 8)), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("header", "scale"),
    [
        ({"unet.r": 4, "unet.lora_alpha": 8}, 2.0),
        ({"r": 4, "lora_alpha": 8}, 2.0),
        ({"r": 4}, 2.0),
        ({"lora_alpha": 2}, 0.5),
        ({"r": 4, "lora_alpha": 8, "use_rslora": True}, 4.0),
        ({"text_encoder.r": 4, "text_encoder.lora_alpha": 8}, 1.0),
        ({"r": 4, "lora_alpha": 4, "alpha_pattern": {"down_blocks.*attn1.to_q": 32}}, 8.0),
        ({"unet.r": 4, "unet.lora_alpha": 4, "unet.alpha_pattern": {"down_blocks.*attn1.to_q": 32}}, 8.0),
    ],
)
@pytest.mark.parametrize("prefix", ["unet.", "", "unet.base_model.model."])
def test_the_header_s_alpha_with_and_without_the_part(
    tmp_path: Path, header: dict[str, object], scale: float, prefix: str
) -> None:
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    up, down = torch.randn(8, 4), torch.randn(4, 8)
    metadata = {"lora_adapter_metadata": json.dumps(header)}
    path = saved(tmp_path, {f"{prefix}{name}.lora_A.weight": down, f"{prefix}{name}.lora_B.weight": up}, metadata)
    found = load_adapter(path).modules[f"unet.{name}"].apply(torch.zeros(8, 8))
    assert torch.allclose(found, up @ down * scale, atol=1e-4)


def test_a_header_that_cannot_be_read_is_noted(tmp_path: Path) -> None:
    factors = {"lora_A.weight": torch.ones(2, 4, 3, 3), "lora_B.weight": torch.ones(8, 2, 1, 1)}
    for text in ("{", "[1]", "x" * (2 << 20)):
        metadata = {"lora_adapter_metadata": text}
        adapter = load_adapter(saved(tmp_path, {f"unet.conv_in.{s}": t for s, t in factors.items()}, metadata))
        assert any("cannot be read" in note for note in adapter.notes)


def test_omi_names_both_text_encoders_and_the_unet(tmp_path: Path) -> None:
    """OneTrainer until July 2026: `clip_l.`, `clip_g.`, and the UNet in LDM's names."""
    ldm = frozenset(SDXL.modules())
    dotted = {f"clip_l.text_model.{n}": m for n, m in CLIP.modules().items()}
    dotted |= {f"clip_g.text_model.{n}": m for n, m in BIGG.modules().items() if n != "text_projection"}
    dotted |= {f"unet.{to_ldm_name(n, ldm)}": m for n, m in SDXL.modules().items()}
    tensors: dict[str, torch.Tensor] = {}
    for name, module in dotted.items():
        if module.kind == "Linear":
            tensors[f"{name}.lora_down.weight"] = torch.zeros(2, module.shape[1])
            tensors[f"{name}.lora_up.weight"] = torch.zeros(module.shape[0], 2)
            tensors[f"{name}.alpha"] = torch.tensor(2.0)
    adapter = load_adapter(saved(tmp_path, tensors))
    assert adapter.unused == {}
    assert len(adapter.modules) == len(tensors) // 3
    assert {"unet", "text_encoder", "text_encoder_2"} == {name.partition(".")[0] for name in adapter.modules}


def test_missing_alpha_is_said(tmp_path: Path) -> None:
    name = "unet.conv_in"
    path = saved(
        tmp_path, {f"{name}.lora_A.weight": torch.ones(2, 4, 3, 3), f"{name}.lora_B.weight": torch.ones(8, 2, 1, 1)}
    )
    assert "no alpha" in load_adapter(path).notes[0]


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("lora_controlnet", "Control-LoRA"),
        ("model.diffusion_model.input_blocks.0.0.weight", "checkpoint"),
        ("cond_stage_model.transformer.text_model.final_layer_norm.weight", "checkpoint"),
        ("down_blocks.0.resnets.0.conv1.weight", "UNet"),
        ("lora_unet_double_blocks_0_img_attn_proj.lora_up.weight", "Flux"),
        ("lora_unet_joint_blocks_0_x.lora_up.weight", "SD3"),
        ("lora_te3_encoder.lora_up.weight", "SD3"),
        ("emb_params", "embedding"),
        ("lora_unet_conv_in.lora_A.0", "DyLoRA"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path: Path, key: str, word: str) -> None:
    with pytest.raises(BadWeights, match=word):
        load_adapter(saved(tmp_path, {key: torch.ones(2, 2)}))


def test_a_hypernetwork_is_refused_by_name(tmp_path: Path) -> None:
    torch.save({768: ({"linear.0.weight": torch.ones(1)},), "name": "x", "step": 1}, tmp_path / "h.pt")
    with pytest.raises(BadWeights, match="hypernetwork"):
        load_adapter(tmp_path / "h.pt")


def test_broken_keys_are_named_and_the_rest_applies(tmp_path: Path) -> None:
    tensors = lora(SD15.modules(), "lora_unet_")
    tensors["lora_unet_conv_in.lora_up.weight"][0] = float("nan")
    tensors["lora_unet_nowhere.lora_up.weight"] = torch.ones(1, 1)
    tensors["lora_unet_conv_out.alpha"] = torch.ones(3)
    tensors["something else"] = torch.ones(1)
    adapter = load_adapter(saved(tmp_path, tensors))
    assert not adapter.finite
    assert "NaN" in adapter.unused["lora_unet_conv_in.lora_up.weight"]
    assert "nowhere" in adapter.unused["lora_unet_nowhere.lora_up.weight"]
    assert {k for k in adapter.unused if "conv_out" in k} == {
        f"lora_unet_conv_out.{s}" for s in ("lora_up.weight", "lora_down.weight", "alpha")
    }
    assert "something else" in adapter.unused
    accounted(adapter, adapter.path)


def test_full_size_counts(tmp_path: Path) -> None:
    """A plain kohya file of SD1.5 has 264 modules, of SDXL 986 (rank 1, real widths)."""
    attention = {n: m for n, m in ARCHITECTURES["sd15"].networks["unet"].modules().items() if ".attentions." in n}
    tensors = lora(attention, "lora_unet_", rank=1) | lora(CLIP_L.modules(), "lora_te_text_model_", rank=1)
    adapter = load_adapter(saved(tmp_path, tensors))
    assert (len(adapter.modules), len(adapter.used), adapter.base_model) == (264, 792, "sd15")
    names = frozenset(ARCHITECTURES["sdxl"].networks["unet"].modules())
    layers = ARCHITECTURES["sdxl"].networks["unet"].modules().items()
    attention = {to_ldm_name(n, names): m for n, m in layers if ".attentions." in n}
    tensors = lora(attention, "lora_unet_", rank=1) | lora(CLIP_L.modules(), "lora_te1_text_model_", rank=1)
    big = {n: m for n, m in OPENCLIP_BIGG.modules().items() if n != "text_projection"}
    adapter = load_adapter(saved(tmp_path, tensors | lora(big, "lora_te2_text_model_", rank=1)))
    assert (len(adapter.modules), adapter.base_model) == (986, "sdxl")


def test_bundled_tokens_come_along() -> None:
    path = sample("embeddings/bundled_sd1.safetensors")
    adapter = load_adapter(path)
    assert adapter.embeddings["mytok"]["text_encoder"].shape[1] == 768
    assert load_file(path).keys() == {*adapter.used, *adapter.unused}


def test_broken_tokens_are_named(tmp_path: Path) -> None:
    tensors = lora(CLIP.modules(), "lora_te_text_model_")
    tensors["bundle_emb.bad.string_to_param.*"] = torch.full((2, 768), float("nan"))
    tensors["bundle_emb.odd.string_to_param.*"] = torch.ones(2, 3, 768)
    tensors |= {f"bundle_emb.other.{word}": torch.ones(2, 4096) for word in ("t5", "llama", "gemma2_2b")}
    tensors["bundle_emb.good.string_to_param.*"] = torch.ones(2, 768, dtype=torch.float16)
    adapter = load_adapter(saved(tmp_path, tensors))
    assert list(adapter.embeddings) == ["good"]
    assert adapter.embeddings["good"]["text_encoder"].dtype == torch.float32
    assert "NaN" in adapter.unused["bundle_emb.bad.string_to_param.*"]
    assert "shape" in adapter.unused["bundle_emb.odd.string_to_param.*"]
    for word, model in [("t5", "Flux.1"), ("llama", "HunyuanVideo"), ("gemma2_2b", "Lumina 2")]:
        assert model in adapter.unused[f"bundle_emb.other.{word}"]
    assert not adapter.finite


@pytest.mark.parametrize("suffix", ["alpha", "lora_up.weight", "unheard_of"])
def test_a_file_with_nan_anywhere_is_not_finite(tmp_path: Path, suffix: str) -> None:
    stem = "lora_unet_mid_block_attentions_0_proj_in"
    tensors = lora(SD15.modules(), "lora_unet_")
    tensors[f"{stem}.{suffix}"] = torch.full_like(tensors.get(f"{stem}.{suffix}", torch.zeros(1)), torch.nan)
    adapter = load_adapter(saved(tmp_path, tensors))
    assert not adapter.finite
    assert f"{stem}.{suffix}" in adapter.unused


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"ss_base_model_version": "sdxl_base_v1-0"}, "sdxl"),
        ({"ss_base_model_version": "sd_v1"}, "sd15"),
        ({"ss_v2": "True"}, "sd21"),
        ({"modelspec.architecture": "stable-diffusion-xl-v1-refiner/lora"}, "sdxl_refiner"),
        ({"ss_base_model_version": "else"}, "unknown"),
    ],
)
def test_the_trainer_s_word_on_the_base_model_counts_last(
    tmp_path: Path, metadata: dict[str, str], expected: str
) -> None:
    stem = "lora_te_text_model_encoder_layers_0_mlp_fc1"
    tensors = {f"{stem}.lora_up.weight": torch.zeros(8, 2), f"{stem}.lora_down.weight": torch.zeros(2, 8)}
    assert load_adapter(saved(tmp_path, tensors, metadata)).base_model == expected
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    tensors = {f"{name}.lora_up.weight": torch.zeros(8, 2), f"{name}.lora_down.weight": torch.zeros(2, 768)}
    assert load_adapter(saved(tmp_path, tensors, metadata)).base_model == "sd15"


def test_a_folder_with_a_folder_for_each_part(tmp_path: Path) -> None:
    tensors = lora(SD15.modules(), "lora_unet_", rank=4, alpha=2.0) | lora(CLIP.modules(), "lora_te_text_model_")
    tensors |= lora(BIGG.modules(), "lora_te2_text_model_")
    before = load_adapter(saved(tmp_path, tensors))
    convert(before, tmp_path / "peft", "peft")
    after = load_adapter(tmp_path / "peft")
    assert after.modules.keys() == before.modules.keys()
    assert not after.unused
    assert len(after.used) == 2 * len(after.modules)
    for name in ("unet.conv_in", "text_encoder.encoder.layers.0.mlp.fc1", "text_encoder_2.encoder.layers.3.mlp.fc1"):
        extent = before.modules[name].extent
        assert extent is not None
        base = torch.zeros(extent.rows, extent.cols // 9, 3, 3) if extent.kernel else torch.zeros(extent[:2])
        assert torch.allclose(after.modules[name].apply(base), before.modules[name].apply(base), atol=1e-6)


@pytest.mark.parametrize(
    ("entry", "scale"),
    [({"lora_alpha": "4"}, 2), ({"lora_alpha": None}, 1), ({"alpha_pattern": {"to_q": "1"}}, 0.5), ({"r": "2"}, 4)],
)
def test_numbers_of_the_header_may_be_text(entry: dict[str, object], scale: float, tmp_path: Path) -> None:
    (delta,) = load_adapter(header_file(tmp_path, entry)).modules.values()
    assert delta.change(torch.zeros(8, 8))[0, 0] == 2 * scale


@pytest.mark.parametrize("entry", [{"lora_alpha": "many"}, {"lora_alpha": [8]}, {"lora_alpha": True}, {"r": "nan"}])
def test_what_is_no_number_in_the_header_is_refused(entry: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match="which is no number"):
        load_adapter(header_file(tmp_path, entry))


def header_file(folder: Path, entry: dict[str, object]) -> Path:
    stem = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    table = {f"unet.{key}": value for key, value in {"r": 2, "lora_alpha": 8, **entry}.items()}
    save_file(
        {f"{stem}.lora_A.weight": torch.ones(2, 8), f"{stem}.lora_B.weight": torch.ones(8, 2)},
        folder / "style.safetensors",
        {"lora_adapter_metadata": json.dumps(table)},
    )
    return folder / "style.safetensors"


def test_two_alphas_of_one_module_are_noted(tmp_path: Path) -> None:
    file = header_file(tmp_path, {})
    tensors = load_file(file)
    stem = next(iter(tensors)).partition(".lora_")[0]
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    save_file({**tensors, f"{stem}.alpha": torch.tensor(2.0)}, file, metadata)
    adapter = load_adapter(file)
    assert adapter.modules[stem].change(torch.zeros(8, 8))[0, 0] == 8
    assert any("the metadata's counts" in note for note in adapter.notes)
