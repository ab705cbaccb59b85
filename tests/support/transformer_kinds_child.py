"""Run by test_transformer_kinds_live.py with ComfyUI's own Python: kinds of adapters on small transformers, as JSON.

Arguments: ComfyUI's folder, a folder to work in, whose folder `package` holds this package under its name.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import Any

COMFYUI, WORK = Path(sys.argv[1]), Path(sys.argv[2])
sys.argv = [sys.argv[0], "--cpu", "--base-directory", str(WORK)]
sys.path[:0] = [str(COMFYUI), str(WORK / "package")]
import_module("comfy.options").enable_args_parsing()

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

torch.set_num_threads(1)
sd, lora = import_module("comfy.sd"), import_module("comfy.lora")
FLUX = {
    **{"in_channels": 4, "patch_size": 2, "out_channels": 4, "context_in_dim": 32, "hidden_size": 48},
    **{"mlp_ratio": 4.0, "num_heads": 2, "depth": 2, "depth_single_blocks": 2, "axes_dim": [8, 8, 8]},
    **{"theta": 10000, "qkv_bias": True},
}
EMBEDDER = {"target": "torch.nn.Linear", "params": {"in_features": 32, "out_features": 128}}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "flux1": ("Flux", {"image_model": "flux", "vec_in_dim": 24, "guidance_embed": True, **FLUX}),
    "chroma": (
        "Chroma",
        {
            **{**FLUX, "image_model": "chroma", "in_channels": 64, "out_channels": 64},
            **{"in_dim": 64, "out_dim": 48, "hidden_dim": 64, "n_layers": 2},
        },
    ),
    "sd3": (
        "SD3",
        {
            **{"in_channels": 16, "patch_size": 2, "out_channels": 16, "depth": 2, "input_size": None},
            **{"num_patches": 64, "adm_in_channels": 24, "context_embedder_config": EMBEDDER, "qkv_bias": True},
            **{"pos_embed_max_size": 8, "pos_embed_scaling_factor": None, "qk_norm": "rms"},
            "x_block_self_attn_layers": [0],
        },
    ),
    "qwen_image": (
        "QwenImage",
        {
            **{"image_model": "qwen_image", "in_channels": 64, "out_channels": 16, "num_layers": 2},
            **{"attention_head_dim": 24, "num_attention_heads": 2, "joint_attention_dim": 32},
            "axes_dims_rope": (8, 8, 8),
        },
    ),
    "wan": (
        "WAN21_T2V",
        {
            **{"image_model": "wan2.1", "model_type": "t2v", "dim": 48, "out_dim": 16, "num_heads": 2, "ffn_dim": 96},
            **{"num_layers": 2, "patch_size": (1, 2, 2), "freq_dim": 32, "window_size": (-1, -1), "qk_norm": True},
            **{"cross_attn_norm": True, "eps": 1e-6, "in_dim": 16, "text_dim": 32},
        },
    ),
    "lumina2": (
        "Lumina2",
        {
            **{"image_model": "lumina2", "patch_size": 2, "in_channels": 4, "dim": 48, "cap_feat_dim": 32},
            **{"n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "qk_norm": True, "axes_dims": [4, 4, 4]},
            "axes_lens": [30, 32, 32],
        },
    ),
    "hunyuan_video": (
        "HunyuanVideo",
        {
            **{**FLUX, "image_model": "hunyuan_video", "in_channels": 16, "out_channels": 16, "patch_size": [1, 2, 2]},
            **{"vec_in_dim": 24, "guidance_embed": True, "byt5": False, "meanflow": False, "theta": 256},
        },
    ),
    "ltx": (
        "LTXV",
        {
            **{"image_model": "ltxv", "in_channels": 16, "cross_attention_dim": 48, "attention_head_dim": 24},
            **{"num_attention_heads": 2, "caption_channels": 32, "num_layers": 2},
        },
    ),
    "pixart": (
        "PixArtSigma",
        {
            **{"image_model": "pixart_sigma", "input_size": 8, "hidden_size": 48, "depth": 2, "num_heads": 2},
            **{"caption_channels": 32, "micro_condition": False, "model_max_length": 8},
        },
    ),
    "auraflow": (
        "AuraFlow",
        {
            **{"cond_seq_dim": 32, "max_seq": 16, "n_double_layers": 2, "n_layers": 4, "dim": 48, "n_heads": 2},
            "global_conddim": 48,
        },
    ),
    "anima": (
        "CosmosT2IPredict2",
        {
            **{"image_model": "cosmos_predict2", "max_img_h": 8, "max_img_w": 8, "max_frames": 4, "in_channels": 16},
            **{"out_channels": 16, "patch_spatial": 2, "patch_temporal": 1, "model_channels": 48, "num_blocks": 2},
            **{"num_heads": 2, "crossattn_emb_channels": 32, "pos_emb_cls": "rope3d", "use_adaln_lora": True},
            "adaln_lora_dim": 8,
        },
    ),
}
SPELLINGS = ("comfy", "kohya")
ALPHA = {**dict.fromkeys(("lora", "loha", "lokr", "dora", "dora along inputs"), 1.0), "boft": 0.0}
"""Kinds with an alpha in the file; what BOFT has for one is its constraint, 0 for none."""


def build(kind: str, config: dict[str, Any]) -> Any:
    """The host's model of that kind, random, as a MODEL."""
    model = getattr(import_module("comfy.supported_models"), kind)(dict(config)).get_model({}, "", device="cpu")
    torch.manual_seed(0)
    for tensor in model.diffusion_model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape) * 0.1)
    return import_module("comfy.model_patcher").ModelPatcher(model, torch.device("cpu"), torch.device("cpu"))


def load_kinds() -> dict[str, Any]:
    """Functions that draw the tensors of a layer, by name."""
    path = WORK / "package" / "underdrawing" / "tests" / "support" / "adapter_kinds.py"
    spec = importlib.util.spec_from_file_location("adapter_kinds", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kinds = {kind.__name__: kind for kind in module.KINDS if kind.__name__ not in ("tucker", "ia3")}

    def draw_dora_along_inputs(layer: Any) -> dict[str, torch.Tensor]:
        return {**kinds["lora"](layer), "dora_scale": torch.rand(1, layer.shape[1]) + 0.5}

    return {**kinds, "boft without alpha": kinds["boft"], "dora along inputs": draw_dora_along_inputs}


def make_file(
    model: Any, name: str, kohya: bool, kinds: dict[str, Any]
) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """A file of all linear layers, of each kind in turn, among the host's; weight → its kind."""
    layers = import_module("underdrawing.adapters.modules.layers")
    torch.manual_seed(1)
    table, made, used = model.model_state_dict(), dict[str, torch.Tensor](), dict[str, str]()
    own = [key for key in table if key.endswith(".weight") and table[key].ndim == 2]
    for number, key in enumerate(sorted(own)):
        stem = key.removesuffix(".weight")
        bias = f"{stem}.bias" in table
        if kohya:
            stem = f"lora_unet_{stem.removeprefix('diffusion_model.').replace('.', '_')}"
        kind = list(kinds)[number % len(kinds)]
        tensors = kinds[kind](layers.Module("Linear", tuple(table[key].shape), bias))
        made |= {f"{stem}.{suffix}": value for suffix, value in tensors.items() if bias or suffix != "diff_b"}
        made |= {f"{stem}.alpha": torch.tensor(ALPHA[kind])} if kind in ALPHA else {}
        used[key] = kind
    models = import_module("underdrawing.adapters.modules.architectures").ARCHITECTURES
    save_file(made, WORK / "models" / "loras" / f"{name}.safetensors", dict(models[name].metadata))
    return made, used


def compare(name: str, model: Any, kohya: bool, kinds: dict[str, Any]) -> dict[str, Any]:
    """One file through our node and through the host; by kind, how far the weights are apart, and how often."""
    tensors, used = make_file(model, name, kohya, kinds)
    answer = (
        import_module("underdrawing.comfy_nodes.lora")
        .UnderdrawingLoraLoader()
        .load(model, f"{name}.safetensors", 1.0, 0.0)
    )
    ours, receipt = answer["result"][0], answer["ui"]["receipt"][0]["adapters"][0]
    theirs = sd.load_lora_for_models(model, None, dict(tensors), 1.0, 0.0)[0]
    table, apart, unchanged = model.model_state_dict(), defaultdict[str, float](float), defaultdict[str, int](int)
    for key, kind in used.items():
        one, two = (
            lora.calculate_weight(patched.patches.get(key, []), table[key].float().clone(), key)
            for patched in (ours, theirs)
        )
        apart[kind] = max(apart[kind], float((one - two).abs().max()))
        unchanged[f"{kind} here"] += torch.equal(one, table[key].float())
        unchanged[f"{kind} host"] += torch.equal(two, table[key].float())
    return {
        "apart": apart,
        "unchanged": {kind: number for kind, number in unchanged.items() if number},
        "base_model": receipt["base_model"],
        "applied": receipt["applied"],
        "keys": receipt["keys"],
        "skipped": receipt["skipped"],
        "count": len(tensors),
    }


def measure() -> dict[str, Any]:
    """Every model, in ComfyUI's names and in kohya's."""
    kinds, made = load_kinds(), dict[str, Any]()
    for name, arguments in MODELS.items():
        model = build(*arguments)
        made |= {f"{name} {spelling}": compare(name, model, spelling == "kohya", kinds) for spelling in SPELLINGS}
    return made


with torch.inference_mode():
    (WORK / "told.json").write_text(json.dumps(measure()), encoding="utf-8")
