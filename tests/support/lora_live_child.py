"""Run by test_lora_live.py with ComfyUI's own Python: our nodes and its own on one cut-down random SD1.5, as JSON.

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
folder_paths, sd = import_module("folder_paths"), import_module("comfy.sd")
PREFIXES = {"diffusion_model.": "lora_unet_", "clip_l.transformer.": "lora_te_"}


def checkpoint() -> Path:
    """SD1.5 of two levels, true to it in width and numbering, with a whole CLIP-L: stock loaders accept it."""
    torch.manual_seed(0)
    unet = import_module("comfy.ldm.modules.diffusionmodules.openaimodel").UNetModel(
        image_size=32, in_channels=4, out_channels=4, model_channels=320, num_res_blocks=[2, 2], channel_mult=[1, 1],
        transformer_depth=[1, 1, 0, 0], transformer_depth_output=[1, 1, 1, 0, 0, 0],
        transformer_depth_middle=1, num_heads=8, use_spatial_transformer=True, context_dim=768, legacy=False,
        dtype=torch.float32, operations=import_module("comfy.ops").disable_weight_init,
    )  # fmt: skip
    transformers = import_module("transformers")
    clip = transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
        )
    )
    table = {f"model.diffusion_model.{k}": torch.randn(v.shape) * 0.02 for k, v in unet.state_dict().items()}
    for key, tensor in clip.state_dict().items():
        table[f"cond_stage_model.transformer.text_model.{key.removeprefix('text_model.')}"] = tensor.clone()
    path = WORK / "shallow.safetensors"
    save_file({key: t.half().contiguous() if t.is_floating_point() else t for key, t in table.items()}, path)
    return path


def lora_file(tables: list[dict[str, torch.Tensor]]) -> Path:
    """A LoRA of every linear layer and convolution, kohya's names."""
    made: dict[str, torch.Tensor] = {}
    for key, weight in (item for table in tables for item in table.items()):
        prefix = next((p for p in PREFIXES if key.startswith(p)), "")
        if not prefix or weight.ndim not in (2, 4) or not key.endswith(".weight") or ".embeddings." in key:
            continue
        if "text_projection" in key:
            continue
        stem = PREFIXES[prefix] + key.removeprefix(prefix).removesuffix(".weight").replace(".", "_")
        made[f"{stem}.lora_down.weight"] = torch.randn((4, *weight.shape[1:])) * 0.05
        made[f"{stem}.lora_up.weight"] = torch.randn((weight.shape[0], 4, *(1 for _ in weight.shape[2:]))) * 0.05
        made[f"{stem}.alpha"] = torch.tensor(2.0)
    path = WORK / "models" / "loras" / "plain.safetensors"
    save_file(made, path)
    return path


def dora_file(key: str, weight: torch.Tensor) -> None:
    """A DoRA on the output axis."""
    stem = "lora_unet_" + key.removeprefix("diffusion_model.").removesuffix(".weight").replace(".", "_")
    parts = {"lora_up.weight": torch.randn(weight.shape[0], 4), "lora_down.weight": torch.randn(4, weight.shape[1])}
    parts |= {"alpha": torch.tensor(2.0), "dora_scale": torch.rand(weight.shape[0], 1) + 0.5}
    save_file({f"{stem}.{name}": t for name, t in parts.items()}, WORK / "models" / "loras" / "odd.safetensors")


def sampled(model: Any, clip: Any) -> torch.Tensor:
    """Latents of four steps."""
    noise = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(1))
    both = [clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in ("a cat", "")]
    sample = import_module("comfy.sample").sample
    return sample(model, noise, 4, 5.0, "euler", "normal", *both, torch.zeros(1, 4, 8, 8), seed=1, disable_pbar=True)


def measured() -> dict[str, Any]:
    """Largest differences, and what else the test looks at."""
    embeddings, lora = (import_module(f"underdrawing.comfy_nodes.{name}") for name in ("embeddings", "lora"))
    directories = folder_paths.get_folder_paths("embeddings")
    model, clip, *_ = sd.load_checkpoint_guess_config(
        str(checkpoint()), output_vae=False, output_clip=True, embedding_directory=directories
    )
    unet = model.model.state_dict()
    table = import_module("comfy.utils").load_torch_file(str(lora_file([unet, clip.patcher.model.state_dict()])))
    stack = lora.UnderdrawingLoraStack()
    ours = stack.load(model, clip, "a cat <lora:plain:0.5:0.8>")["result"]
    core = sd.load_lora_for_models(model, clip, table, 0.8, 0.5)
    none, baked = sampled(model, clip), sampled(*ours[:2])

    def off(one: torch.Tensor, two: torch.Tensor) -> float:
        return float((one - two).abs().max())

    def timed(span: str) -> torch.Tensor:
        return sampled(*stack.load(model, clip, f"<lora:plain:0.5:0.8:{span}>")["result"][:2])

    key = next(name for name in unet if name.endswith("attn1.to_q.weight"))
    dora_file(key, unet[key])
    odd = lora.UnderdrawingLoraLoader().load(model, "odd.safetensors", 0.7, 1.0)["result"][0]
    delta = next(
        iter(
            import_module("underdrawing.adapters").load_adapter(WORK / "models/loras/odd.safetensors").modules.values()
        )
    )
    wide = unet[key].float()
    patched = import_module("comfy.lora").calculate_weight(odd.patches[key], wide.clone(), key)
    save_file({"emb_params": torch.randn(2, 768) * 0.02}, WORK / "models" / "embeddings" / "foo.safetensors")
    text = "a embedding:foo cat"
    encode = embeddings.UnderdrawingEncodeA1111().encode
    own = encode(clip, text)[0][0][0]
    half = stack.load(model, clip, "<lora:plain:0.5:0.8:start=0.5>")["result"][1]
    return {
        "keys": len(table),
        "receipt": ours[3],
        "same_patches": set(ours[0].patches) == set(core[0].patches),
        "core": off(baked, sampled(*core)),
        "effect": off(baked, none),
        "whole_range": off(baked, timed("start=0.0:stop=1.0")),
        "half_range": [off(baked, timed("start=0.5")), off(none, timed("start=0.5"))],
        "original": off(none, sampled(model, clip)),
        "odd": torch.equal(patched, delta.apply(wide, 0.7)),
        "embedding": off(own, clip.encode_from_tokens_scheduled(clip.tokenize(text))[0][0]),
        "chunks": list(encode(clip, "a (cat:1.4) BREAK tree")[0][0][0].shape),
        "spans": [extras["clip_start_percent"] for _, extras in encode(half, "a cat")[0]],
    }


with torch.inference_mode():
    (WORK / "told.json").write_text(json.dumps(measured()), encoding="utf-8")
