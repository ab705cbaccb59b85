"""Tiny base models with random weights and the structure, block types and key names of the real ones.

In memory (`make_model`), as diffusers' folder (`write_folder`) and as one file in LDM's layout (`write_checkpoint`).
Widths are such that the official rules for heads and groups hold: heads of 64 (SD1: 8 heads), groups of 32. Needs
diffusers and transformers: modules that use it begin with `require_diffusers()`.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
import torch

from underdrawing.checkpoints.layouts.tokenizers import END, load_clip_tokenizer
from underdrawing.core.networks.placement import Placement
from underdrawing.core.tensor_files.safetensors_io import write_safetensors
from underdrawing.pipeline.models.model import ControlNetwork, Model

from .ldm_names import join_parts

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

FAMILIES = ("sd1", "sd2", "sdxl", "sdxl_refiner")
ATTENDS, PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
BLOCKS: dict[str, tuple[str, ...]] = {
    "sd1": (ATTENDS, ATTENDS, ATTENDS, PLAIN),
    "sd2": (ATTENDS, ATTENDS, ATTENDS, PLAIN),
    "sdxl": (PLAIN, ATTENDS, ATTENDS),
    "sdxl_refiner": (PLAIN, ATTENDS, ATTENDS, PLAIN),
}
WIDTHS: dict[str, tuple[int, ...]] = {
    "sd1": (32, 32, 64, 64),
    "sd2": (64, 64, 128, 128),
    "sdxl": (64, 64, 128),
    "sdxl_refiner": (64, 64, 128, 128),
}
CONTEXT = {"sd1": 32, "sd2": 64, "sdxl": 32 + 64, "sdxl_refiner": 64}
HINT_WIDTHS = (8, 16, 32, 64)
"""Of ControlNets' map readers."""
SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
"""That of all Stable Diffusion models, but for what they predict."""
VAE = {
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [32, 32, 64, 64],
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_num_groups": 32,
}


def require_diffusers() -> None:
    """Skip the module where the extra is not installed."""
    for name in ("diffusers", "transformers"):
        pytest.importorskip(name, reason="needs the extra: pip install 'underdrawing[pipeline]'")


def configure_unet(family: str, channels: int = 4) -> dict[str, Any]:
    """Arguments of the UNet2DConditionModel. channels: of its input."""
    blocks, widths = BLOCKS[family], WIDTHS[family]
    xl = family.startswith("sdxl")
    ups = [{ATTENDS: "CrossAttnUpBlock2D", PLAIN: "UpBlock2D"}[block] for block in reversed(blocks)]
    found = {**_configure_base(family, channels), "sample_size": 16, "out_channels": 4, "up_block_types": ups}
    return found | ({"addition_embed_type": "text_time"} if xl else {}) | {"block_out_channels": list(widths)}


def _configure_base(family: str, channels: int) -> dict[str, Any]:
    """What UNets and ControlNets have in common."""
    widths = WIDTHS[family]
    found: dict[str, Any] = {
        "in_channels": channels,
        "down_block_types": list(BLOCKS[family]),
        "block_out_channels": list(widths),
        "cross_attention_dim": CONTEXT[family],
        "attention_head_dim": 8 if family == "sd1" else [width // 64 for width in widths],
        "use_linear_projection": family != "sd1",
    }
    if family.startswith("sdxl"):
        ids = 6 if family == "sdxl" else 5
        found |= {
            "transformer_layers_per_block": [1, 1, 2] if family == "sdxl" else 2,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 64 + ids * 256,
        }
    return found


def build_unet(family: str, *, channels: int = 4, seed: int = 0) -> Any:
    """A UNet2DConditionModel. channels: 9 for inpainting."""
    return _build("diffusers.UNet2DConditionModel", configure_unet(family, channels), seed)


def build_vae(family: str = "sd1", *, seed: int = 1) -> Any:
    """An AutoencoderKL."""
    factor = 0.13025 if family.startswith("sdxl") else 0.18215
    return _build("diffusers.AutoencoderKL", {**VAE, "sample_size": 128, "scaling_factor": factor}, seed)


def build_text_encoders(family: str, *, seed: int = 2) -> list[Any]:
    """CLIP text encoders: one, SDXL's two; their classes and activations are the real ones'."""
    plain, projecting = "transformers.CLIPTextModel", "transformers.CLIPTextModelWithProjection"
    kinds = {
        "sd1": [(plain, 32, "quick_gelu")],
        "sd2": [(plain, 64, "gelu")],
        "sdxl": [(plain, 32, "quick_gelu"), (projecting, 64, "gelu")],
        "sdxl_refiner": [(projecting, 64, "gelu")],
    }
    return [_build_text(kind, width, act, seed + index) for index, (kind, width, act) in enumerate(kinds[family])]


def _build_text(kind: str, width: int, activation: str, seed: int) -> Any:
    config = import_module("transformers").CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=3,
        num_attention_heads=max(1, width // 64),
        hidden_act=activation,
        vocab_size=49408,
        bos_token_id=49406,
        eos_token_id=49407,
        pad_token_id=1,
    )
    return _build(kind, {"config": config}, seed)


def build_controlnet(family: str = "sd1", *, seed: int = 5) -> Any:
    """A ControlNetModel that answers something."""
    config = {**_configure_base(family, 4), "conditioning_embedding_out_channels": HINT_WIDTHS}
    return _fill_zeros(_build("diffusers.ControlNetModel", config, seed))


def build_union(family: str = "sdxl", *, kinds: int = 6, seed: int = 6) -> Any:
    """A ControlNetUnionModel. kinds: of maps; 8 for ProMax."""
    own = {"num_control_type": kinds, "num_trans_channel": 64, "num_trans_head": 1, "num_proj_channel": 64}
    config = {**_configure_base(family, 4), "conditioning_embedding_out_channels": HINT_WIDTHS, **own}
    return _fill_zeros(_build("diffusers.ControlNetUnionModel", config, seed))


def build_t2i(family: str = "sd1", *, kind: str = "full_adapter", channels: int = 3, seed: int = 7) -> Any:
    """A T2IAdapter. kind: full_adapter, light_adapter or full_adapter_xl; channels: of its map."""
    widths = [*WIDTHS[family]] if family != "sdxl" else [64, 64, 128, 128]
    own = {"light_adapter": {"channels": widths[:3], "num_res_blocks": 4}, "full_adapter_xl": {"downscale_factor": 16}}
    config = {"in_channels": channels, "channels": widths, "adapter_type": kind} | own.get(kind, {})
    return _build("diffusers.T2IAdapter", config, seed)


def _build(name: str, config: dict[str, Any], seed: int) -> Any:
    library, _, kind = name.partition(".")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return getattr(import_module(library), kind)(**config).eval().requires_grad_(False)


def _fill_zeros(module: nn.Module) -> nn.Module:
    """Random weights where ControlNets begin with zeros, so that they are seen."""
    generator = torch.Generator().manual_seed(9)
    for parameter in module.parameters():
        if not parameter.any():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return module


def load_tokenizers(family: str) -> tuple[Any, ...]:
    """CLIP's real tokenizer with each encoder's padding."""
    return tuple(load_clip_tokenizer(pad=pad) for pad in {"sd1": [END], "sdxl": [END, "!"]}.get(family, ["!"]))


def compute_alphas() -> torch.Tensor:
    """Share of the picture's variance at each step, float32 [1000]."""
    return torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float32) ** 2, 0)


def make_model(family: str = "sd1", *, prediction: str = "epsilon", channels: int = 4, seed: int = 0) -> Model:
    """A base model in memory, float32 on the CPU."""
    vae = build_vae(family, seed=seed + 1)
    return Model(
        name=f"tiny_{family}",
        family=family,  # type: ignore[arg-type]
        prediction=prediction,  # type: ignore[arg-type]
        unet=build_unet(family, channels=channels, seed=seed),
        vae=vae,
        text_encoders=tuple(build_text_encoders(family, seed=seed + 2)),
        tokenizers=load_tokenizers(family),
        alphas=compute_alphas(),
        scaling_factor=vae.config.scaling_factor,
        channels=channels,
        sample_size=128,
        placement=Placement(),
    )


def make_control(family: str = "sd1", *, form: str = "controlnet") -> ControlNetwork:
    """A ControlNet, "union" ControlNet or T2I-adapter ("t2i") in memory."""
    if form == "t2i":
        network = build_t2i(family, kind="full_adapter_xl" if family == "sdxl" else "full_adapter")
    else:
        network = build_union(family) if form == "union" else build_controlnet(family)
    modes = {"openpose": 0, "depth": 1, "softedge": 2, "canny": 3, "normal": 4, "seg": 5} if form == "union" else {}
    return ControlNetwork(name=f"tiny_{form}", form=form, family=family, network=network, modes=modes)  # type: ignore[arg-type]


def write_folder(folder: Path, family: str = "sd1", *, prediction: str = "epsilon", **options: Any) -> Path:
    """A base model as diffusers writes it. options: of `make_model`; those of save_pretrained behind `save`."""
    save = options.pop("save", {})
    model = make_model(family, **options)
    names = {"sd1": "", "sd2": "", "sdxl": "XL", "sdxl_refiner": "XLImg2Img"}
    index: dict[str, Any] = {"_class_name": f"StableDiffusion{names[family]}Pipeline"}
    slots = ["text_encoder_2"] if family == "sdxl_refiner" else ["text_encoder", "text_encoder_2"]
    for slot, encoder, tokenizer in zip(slots, model.text_encoders, model.tokenizers, strict=False):
        encoder.save_pretrained(folder / slot, **save)
        tokenizer.save_pretrained(folder / slot.replace("text_encoder", "tokenizer"))
        index[slot] = ["transformers", type(encoder).__name__]
        index[slot.replace("text_encoder", "tokenizer")] = ["transformers", "CLIPTokenizer"]
    for slot, module in (("unet", model.unet), ("vae", model.vae)):
        module.save_pretrained(folder / slot, **save)
        index[slot] = ["diffusers", type(module).__name__]
    (folder / "scheduler").mkdir()
    scheduler = {**SCHEDULER, "prediction_type": prediction}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    (folder / "model_index.json").write_text(json.dumps(index | {"scheduler": ["diffusers", "DDIMScheduler"]}))
    return folder


def write_checkpoint(path: Path, family: str = "sd1", *, dtype: torch.dtype = torch.float32, **options: Any) -> Path:
    """A base model as one safetensors file in LDM's layout. options: of `make_model`."""
    table = {name: value.to(dtype) for name, value in make_ldm_table(family, **options).items()}
    return write_safetensors(path, table, {"format": "pt"})


def make_ldm_table(family: str = "sd1", **options: Any) -> dict[str, torch.Tensor]:
    """Weights of a base model under LDM's names."""
    model = make_model(family, **options)
    parts = {"unet": model.unet.state_dict(), "vae": model.vae.state_dict()}
    slots = ["text_encoder_2"] if family == "sdxl_refiner" else ["text_encoder", "text_encoder_2"]
    parts |= {slot: encoder.state_dict() for slot, encoder in zip(slots, model.text_encoders, strict=False)}
    return join_parts(family, parts)
