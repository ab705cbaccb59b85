"""Run by test_transformers_live.py with ComfyUI's own Python: our node and the host on small transformers, as JSON.

Arguments: ComfyUI's folder, a folder to work in, whose folder `package` holds this package under its name.
"""

from __future__ import annotations

import json
import sys
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
WAN = {
    **{"model_type": "t2v", "dim": 48, "out_dim": 16, "num_heads": 2, "ffn_dim": 96, "num_layers": 2},
    **{"patch_size": (1, 2, 2), "freq_dim": 32, "window_size": (-1, -1), "qk_norm": True, "cross_attn_norm": True},
    **{"eps": 1e-6, "in_dim": 16, "text_dim": 32},
}
LUMINA = {
    **{"patch_size": 2, "in_channels": 4, "dim": 48, "cap_feat_dim": 32, "n_layers": 2, "n_heads": 4},
    **{"n_kv_heads": 2, "qk_norm": True, "axes_dims": [4, 4, 4], "axes_lens": [30, 32, 32]},
}
QWEN = {
    **{"in_channels": 64, "out_channels": 16, "num_layers": 2, "attention_head_dim": 24, "num_attention_heads": 2},
    **{"joint_attention_dim": 32, "axes_dims_rope": (8, 8, 8)},
}
EMBEDDER = {"target": "torch.nn.Linear", "params": {"in_features": 32, "out_features": 128}}
SD3 = {
    **{"in_channels": 16, "patch_size": 2, "out_channels": 16, "depth": 2, "input_size": None, "num_patches": 64},
    **{"adm_in_channels": 24, "context_embedder_config": EMBEDDER, "pos_embed_max_size": 8, "qkv_bias": True},
    **{"pos_embed_scaling_factor": None, "qk_norm": "rms", "x_block_self_attn_layers": [0]},
}
CHROMA = {**FLUX, "in_channels": 64, "out_channels": 64, "in_dim": 64, "out_dim": 48, "hidden_dim": 64, "n_layers": 2}
CHANNELS = {"flux1": 4, "lumina2": 4}
"""Of the latents; 16 of the other models."""
STEPS = 4
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "flux1": ("Flux", {"image_model": "flux", "vec_in_dim": 24, "guidance_embed": True, **FLUX}),
    "chroma": ("Chroma", {"image_model": "chroma", **CHROMA}),
    "sd3": ("SD3", SD3),
    "qwen_image": ("QwenImage", {"image_model": "qwen_image", **QWEN}),
    "wan": ("WAN21_T2V", {"image_model": "wan2.1", **WAN}),
    "lumina2": ("Lumina2", {"image_model": "lumina2", **LUMINA}),
}


def build(kind: str, config: dict[str, Any]) -> Any:
    """The host's model of that kind, random, as a MODEL."""
    model = getattr(import_module("comfy.supported_models"), kind)(dict(config)).get_model({}, "", device="cpu")
    torch.manual_seed(0)
    for tensor in model.diffusion_model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape) * 0.1)
    return import_module("comfy.model_patcher").ModelPatcher(model, torch.device("cpu"), torch.device("cpu"))


def list_layers(model: Any) -> dict[str, dict[str, torch.Size]]:
    """Spelling of a file → its modules and the shapes of their weights, of all linear layers."""
    adapting = import_module("underdrawing.comfy_nodes.adapting")
    (weights,) = adapting.parts_of(model, None).values()
    table = {key.removeprefix("diffusion_model."): tensor for key, tensor in model.model_state_dict().items()}
    own = {key: table[key] for key in table if key.endswith(".weight") and table[key].ndim == 2}
    names = {key.removesuffix(".weight"): tensor.shape for key, tensor in own.items()}
    apart: dict[str, torch.Size] = {}
    held = {slot.key for slot in weights.slots.values()}
    for (module, parameter), slot in weights.slots.items():
        if parameter == "weight" and slot.key in own and module.partition(".")[2] not in names:
            apart[module] = slot.view(own[slot.key]).shape
    same = {f"transformer.{name}": shape for name, shape in names.items() if f"{name}.weight" in held}
    joined = {slot.key for slot in weights.slots.values() if slot.rows is not None or slot.swapped}
    kept = {name: shape for name, shape in same.items() if (name, "weight") in weights.slots}
    apart |= {name: shape for name, shape in kept.items() if weights.slots[name, "weight"].key not in joined}
    return {
        "kohya": {f"lora_unet_{name.replace('.', '_')}": shape for name, shape in names.items()},
        "comfy": {f"diffusion_model.{name}": shape for name, shape in names.items()},
        "diffusers": apart,
    }


def make_file(name: str, spelling: str, layers: dict[str, torch.Size]) -> dict[str, torch.Tensor]:
    """A LoRA of rank 2, saved among the host's with the header that trainers write: small models look alike."""
    torch.manual_seed(1)
    ends = ("lora_down.weight", "lora_up.weight") if spelling == "kohya" else ("lora_A.weight", "lora_B.weight")
    made: dict[str, torch.Tensor] = {}
    for layer, shape in layers.items():
        made[f"{layer}.{ends[0]}"], made[f"{layer}.{ends[1]}"] = torch.randn(2, shape[1]), torch.randn(shape[0], 2)
        if spelling == "kohya":
            made[f"{layer}.alpha"] = torch.tensor(1.0)
    models = import_module("underdrawing.adapters.modules.architectures").ARCHITECTURES
    header = dict(models[name.partition("-")[0]].metadata)
    save_file(made, WORK / "models" / "loras" / f"{name}.safetensors", header)
    return made


def compute(patched: Any, key: str, weight: torch.Tensor) -> torch.Tensor:
    """A weight as the host would compute it."""
    return lora.calculate_weight(patched.patches.get(key, []), weight.float().clone(), key)


def compare(model: Any, name: str, spelling: str, layers: dict[str, torch.Size]) -> dict[str, Any]:
    """One file through our node and through the host."""
    tensors = make_file(name, spelling, layers)
    node = import_module("underdrawing.comfy_nodes.lora").UnderdrawingLoraLoader()
    answer = node.load(model, f"{name}.safetensors", 0.7, 0.0)
    ours, receipt = answer["result"][0], answer["ui"]["receipt"][0]["adapters"][0]
    theirs = sd.load_lora_for_models(model, None, dict(tensors), 0.7, 0.0)[0]
    table = model.model_state_dict()
    both = {key: (compute(ours, key, value), compute(theirs, key, value)) for key, value in table.items()}
    reached = sum(len(held) for held in theirs.patches.values())
    changed = [key for key, (one, _) in both.items() if not torch.equal(one, table[key].float())]
    return {
        "layers": len(layers),
        "applied": receipt["applied"],
        "keys": receipt["keys"],
        "skipped": receipt["skipped"],
        "base_model": receipt["base_model"],
        "changed": len(changed),
        "host_reached": reached,
        "off": max(float((one - two).abs().max()) for one, two in both.values()),
        "note": answer["result"][2],
    }


def make_bare_clip() -> Any:
    """A CLIP without weights, which only carries hooks."""
    clip, empty = sd.CLIP(no_init=True), torch.nn.Module()
    clip.cond_stage_model = empty
    clip.patcher = import_module("comfy.model_patcher").ModelPatcher(empty, torch.device("cpu"), torch.device("cpu"))
    clip.tokenizer = clip.layer_idx = clip.apply_hooks_to_conds = None
    clip.use_clip_schedule, clip.tokenizer_options = False, {}
    return clip


def sample(name: str, model: Any, clip: Any = None, latent: Any = None, **steps: int) -> torch.Tensor:
    """The latent that comes out, without the last step's cleaning up. latent: to go on from. steps: first and last."""
    channels, shape = CHANNELS.get(name, 16), (1, 8, 8) if name in ("wan", "qwen_image") else (8, 8)
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn((1, channels, *shape), generator=generator)
    text = torch.randn((1, 6, 32), generator=generator)
    extras: dict[str, Any] = {"pooled_output": torch.zeros(1, 24)}
    extras |= {"attention_mask": torch.ones(1, 6, dtype=torch.long)} if name == "lumina2" else {}
    extras |= {"hooks": clip.apply_hooks_to_conds} if clip is not None else {}
    both = [[[sign * text, dict(extras)]] for sign in (1, -1)]
    begin = torch.zeros_like(noise) if latent is None else latent
    noise = noise if latent is None else torch.zeros_like(noise)
    run = import_module("comfy.sample").sample
    more: dict[str, Any] = {"disable_noise": latent is not None, "seed": 1, "disable_pbar": True, **steps}
    return run(model, noise, STEPS, 2.0, "euler", "simple", *both, begin, **more)


def measure_range(name: str, model: Any) -> dict[str, float]:
    """A tag from the second to the third of four steps, and the same steps of models with and without the LoRA."""
    stack = import_module("underdrawing.comfy_nodes.lora").UnderdrawingLoraStack()
    whole = stack.load(model, None, f"<lora:{name}-kohya:0:0.03>")["result"][0]
    ranged, clip, *_ = stack.load(model, make_bare_clip(), f"<lora:{name}-kohya:0:0.03:start=0.25:stop=0.75>")["result"]
    first = sample(name, model, last_step=1)
    middle = sample(name, whole, None, first, start_step=1, last_step=3)
    wanted = sample(name, model, None, middle, start_step=3)
    found, without = sample(name, ranged, clip), sample(name, model)
    return {
        "off": float((found - wanted).abs().max()),
        "effect": float((found - without).abs().max()),
        "left": float((sample(name, ranged, clip) - found).abs().max()),
    }


def measure() -> dict[str, Any]:
    """Every model with a file in every spelling, and with a range of steps."""
    made: dict[str, Any] = {}
    for architecture, (kind, config) in MODELS.items():
        model = build(kind, config)
        for spelling, layers in list_layers(model).items():
            made[f"{architecture}.{spelling}"] = compare(model, f"{architecture}-{spelling}", spelling, layers)
        made[f"{architecture}.range"] = measure_range(architecture, model)
    return made


with torch.inference_mode():
    (WORK / "told.json").write_text(json.dumps(measure()), encoding="utf-8")
