"""Pictures that A1111 and this package draw of one small world: a seeded SD1 checkpoint, a LoRA, an embedding, a photo.

`write_world` makes its files, `draw_in_host` lets a real A1111 draw cases, `draw_here` repeats a PNG from its infotext.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tests.support.seeded_checkpoint import draw_tensor, write_seeded_checkpoint
from tests.support.tiny_loras import TEXT, UNET

from underdrawing.core.tensor_files.safetensors_io import write_safetensors
from underdrawing.pipeline.generate import generate_pictures
from underdrawing.pipeline.runs.options import build_request
from underdrawing.pipeline.runs.setting import Setting

CHILD = Path(__file__).with_name("a1111_child.py")
WIDTH = 32
"""Of the world's text encoder."""


@dataclass(frozen=True)
class Case:
    """A picture. fields: of A1111's processing; files by their names in the world. settings: A1111's. given: options of
    ours that its infotext does not hold."""

    fields: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)


_USUAL: dict[str, Any] = {
    **{"prompt": "a cat, (red:1.3) [blue] house", "negative_prompt": "ugly", "seed": 5, "steps": 6, "cfg_scale": 7},
    **{"width": 64, "height": 64, "sampler_name": "Euler a", "scheduler": "Automatic"},
}
_PHOTO: dict[str, Any] = {"init_images": ["photo.png"], "denoising_strength": 0.6, "inpaint_full_res": False}
_MASK: dict[str, Any] = {**_PHOTO, "mask": "mask.png", "mask_blur": 4}
_AREA: dict[str, Any] = {**_MASK, "inpaint_full_res": True, "inpainting_fill": 0, "inpaint_full_res_padding": 8}
_HIRES: dict[str, Any] = {"enable_hr": True, "hr_scale": 1.25, "hr_upscaler": "Latent", "denoising_strength": 0.6}
_WORDS = "a [cat:dog:0.5] by myemb, (red:1.4) BREAK [[snow]] AND a house :0.6"


def _case(given: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, **fields: Any) -> Case:
    return Case({**_USUAL, **fields}, {"randn_source": "CPU", **(settings or {})}, given or {})


CASES = {
    "euler": _case(sampler_name="Euler"),
    "euler_a": _case(),
    "dpmpp_2m_karras": _case(sampler_name="DPM++ 2M", scheduler="Karras"),
    "ddim": _case(sampler_name="DDIM"),
    "prompt": _case(settings={"CLIP_stop_at_last_layers": 2}, prompt=_WORDS, negative_prompt="myemb, (bad:0.8)"),
    "lora": _case(prompt="a cat <lora:style:0.7:0.4> red"),
    "noise": _case(
        settings={"randn_source": "NV", "eta_noise_seed_delta": 31337},
        sampler_name="DPM++ SDE", subseed=77, subseed_strength=0.3, steps=4,
    ),
    "img2img": _case({"image": "photo.png", "fit": "fill"}, **_PHOTO, resize_mode=2),
    "mask": _case({"image": "photo.png", "fit": "crop", "mask": "mask.png"}, **_MASK, resize_mode=1, inpainting_fill=1),
    "masked_area": _case({"image": "photo.png", "mask": "mask.png"}, **_AREA),
    "hires": _case(**_HIRES, hr_prompt="a dog, <lora:style:0.5> [red:green:1.5]", hr_negative_prompt="blurry, bad"),
}  # fmt: skip
"""Samplers, what prompts do, noise, pictures to start from, masks, a second pass with a LoRA of its own."""


def write_world(folder: Path) -> Path:
    """Files of the world, the same wherever they are made."""
    for name in ("models", "loras", "embeddings"):
        (folder / name).mkdir(parents=True)
    write_seeded_checkpoint(folder / "models" / "tiny.safetensors")
    tensors: dict[str, torch.Tensor] = {}
    for name, rows in ((UNET, WIDTH), (TEXT, 4 * WIDTH)):
        tensors[f"{name}.lora_up.weight"] = draw_tensor(f"{name}.lora_up.weight", (rows, 2))
        tensors[f"{name}.lora_down.weight"] = draw_tensor(f"{name}.lora_down.weight", (2, WIDTH))
        tensors[f"{name}.alpha"] = torch.tensor(2.0)
    write_safetensors(folder / "loras" / "style.safetensors", tensors)
    words = {"emb_params": draw_tensor("embedding", (2, WIDTH)) * 2}
    write_safetensors(folder / "embeddings" / "myemb.safetensors", words)
    y, x = np.mgrid[:56, :80]
    planes = np.stack([x * 3, (x * x + y * y) // 32, y * 4 + (x // 16 + y // 16) % 2 * 60], axis=-1)
    Image.fromarray((planes % 256).astype(np.uint8)).save(folder / "photo.png")
    mask = np.zeros((56, 80), np.uint8)
    mask[18:44, 24:60] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    return folder


def draw_in_host(root: Path, python: Path, world: Path, cases: dict[str, Case], output: Path) -> str:
    """Let A1111 in root draw cases into NAME.png; returns what it printed."""
    output.mkdir(parents=True, exist_ok=True)
    _write_host_files(world)
    rows = [{"name": name, **asdict(case)} for name, case in cases.items()]
    job = world / "job.json"
    job.write_text(json.dumps({"root": str(root), "world": str(world), "output": str(output), "cases": rows}))
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
    words = [str(python), str(CHILD), str(job)]
    done = subprocess.run(words, env=env, cwd=root, capture_output=True, text=True, errors="replace", check=False)
    return done.stdout + done.stderr


def draw_here(png: Path, case: Case, world: Path) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
    """Repeat a picture from its infotext; uint8 [H, W, 3], and the notes."""
    files = {name: str(world / case.given[name]) for name in ("image", "mask") if name in case.given}
    request, notes = build_request(None, {**case.given, **files}, png)
    setting = Setting(
        folders=(world / "models",),
        loras=(world / "loras",),
        embeddings=(world / "embeddings",),
        device="cpu",
        dtype="float32",
    )
    (result,) = generate_pictures(request, setting)
    return result.pixels, (*notes, *result.notes)


def measure_difference(png: Path, pixels: np.ndarray[Any, Any]) -> int:
    """The largest difference of levels between a picture file and uint8 [H, W, 3]."""
    expected = np.asarray(Image.open(png).convert("RGB"), np.int16)
    assert expected.shape == pixels.shape, f"{png.name}: {expected.shape} and {pixels.shape}"
    return int(np.abs(expected - pixels).max())


def _write_host_files(world: Path) -> None:
    """What A1111 needs beside the checkpoint: its configuration, and a tokenizer in the older form."""
    from underdrawing.checkpoints.layouts.tokenizers import END, load_clip_tokenizer

    clip = world / "clip"
    load_clip_tokenizer(pad=END).save_pretrained(clip)
    found = json.loads((clip / "tokenizer.json").read_text("utf-8"))["model"]
    for file in clip.iterdir():
        file.unlink()
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in found["merges"]]
    (clip / "vocab.json").write_text(json.dumps(found["vocab"]))
    (clip / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    kinds = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "bos_token": "<|startoftext|>"}
    (clip / "tokenizer_config.json").write_text(json.dumps({**kinds, "unk_token": END, "pad_token": END}))
    text = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "projection_dim": WIDTH, "num_hidden_layers": 3}
    text |= {"num_attention_heads": 1, "hidden_act": "quick_gelu", "vocab_size": 49408}  # type: ignore[dict-item]
    ids = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 1}
    (clip / "config.json").write_text(json.dumps({"model_type": "clip_text_model", **text, **ids}))
    (world / "models" / "tiny.yaml").write_text(json.dumps({"model": _describe_model(clip)}))  # YAML takes JSON


def _describe_model(clip: Path) -> dict[str, Any]:
    """The structure of `tiny_diffusion`'s SD1 in the terms of the original code's configurations."""
    unet = {
        **{"in_channels": 4, "out_channels": 4, "model_channels": 32, "attention_resolutions": [4, 2, 1]},
        **{"num_res_blocks": 2, "channel_mult": [1, 1, 2, 2], "num_heads": 8, "use_spatial_transformer": True},
        **{"transformer_depth": 1, "context_dim": WIDTH, "use_checkpoint": False, "legacy": False, "image_size": 32},
    }
    vae = {
        **{"double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 32},
        **{"ch_mult": [1, 1, 2, 2], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0},
    }
    first = {"embed_dim": 4, "ddconfig": vae, "lossconfig": {"target": "torch.nn.Identity"}}
    own = {"linear_start": 0.00085, "linear_end": 0.012, "timesteps": 1000, "scale_factor": 0.18215, "channels": 4}
    return {
        "target": "ldm.models.diffusion.ddpm.LatentDiffusion",
        "params": {
            **own,
            **{"num_timesteps_cond": 1, "first_stage_key": "jpg", "cond_stage_key": "txt", "image_size": 64},
            **{"cond_stage_trainable": False, "conditioning_key": "crossattn", "use_ema": False},
            "unet_config": {"target": "ldm.modules.diffusionmodules.openaimodel.UNetModel", "params": unet},
            "first_stage_config": {"target": "ldm.models.autoencoder.AutoencoderKL", "params": first},
            "cond_stage_config": {
                "target": "ldm.modules.encoders.modules.FrozenCLIPEmbedder",
                "params": {"version": str(clip)},
            },
        },
    }
