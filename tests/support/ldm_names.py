"""Weights of diffusers' classes under the names of the original single files, made by our own renaming."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from underdrawing.adapters.modules.spellings import to_openclip_name
from underdrawing.checkpoints.layouts.unet import name_control_key
from underdrawing.pipeline.reference.names import name_text_key, name_unet_key, name_vae_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    Table = Mapping[str, Tensor]

CLIP = {"sd1": "cond_stage_model.", "sdxl": "conditioner.embedders.0."}
"""Prefix of a text encoder that keeps transformers' names."""
OPENCLIP = {
    "sd2": "cond_stage_model.model.",
    "sdxl": "conditioner.embedders.1.model.",
    "sdxl_refiner": "conditioner.embedders.0.model.",
}
"""Prefix of a text encoder with OpenCLIP's own names."""


def join_parts(family: str, parts: Mapping[str, Table]) -> dict[str, Tensor]:
    """One table in LDM's layout. parts: weights by name of diffusers' folder."""
    table = {f"model.diffusion_model.{name}": value for name, value in rename_unet(parts["unet"]).items()}
    table |= {f"first_stage_model.{name}": value for name, value in rename_vae(parts["vae"]).items()}
    if family in CLIP:
        clip = parts["text_encoder"]
        table |= {CLIP[family] + name_text_key(key): value for key, value in clip.items() if "position_ids" not in key}
    if family in OPENCLIP:
        slot = "text_encoder" if family == "sd2" else "text_encoder_2"
        table |= {OPENCLIP[family] + name: value for name, value in rename_openclip(parts[slot]).items()}
    return {name: value.contiguous() for name, value in table.items()}


def rename_unet(table: Table) -> dict[str, Tensor]:
    """A UNet2DConditionModel's weights, without prefix."""
    modules = frozenset(key.rpartition(".")[0] for key in table)
    return {name_unet_key(key, modules): value for key, value in table.items()}


def rename_control(table: Table, unet: Table) -> dict[str, Tensor]:
    """A ControlNetModel's weights, without `control_model.`. unet: what it was made from."""
    modules = frozenset(key.rpartition(".")[0] for key in unet)
    return {name_control_key(key, modules): value.contiguous() for key, value in table.items()}


def rename_vae(table: Table) -> dict[str, Tensor]:
    """An AutoencoderKL's weights, without prefix; its attention is a convolution there."""
    names = {name_vae_key(key): value for key, value in table.items()}
    wide = {name: value[..., None, None] for name, value in names.items() if ".attn_1." in name and value.ndim == 2}
    return names | wide


def rename_openclip(table: Table) -> dict[str, Tensor]:
    """A CLIP text encoder's weights as OpenCLIP has them: q, k, v in one weight, the projection transposed."""
    plain = {key.removeprefix("text_model."): value for key, value in table.items() if "position_ids" not in key}
    found: dict[str, Tensor] = {"logit_scale": torch.tensor(4.6)}
    for key, value in plain.items():
        module, _, suffix = key.rpartition(".")
        if module.endswith(("k_proj", "v_proj")):
            continue
        if module.endswith("q_proj"):
            layer = module.split(".")[2]
            rows = [plain[key.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
            found[f"transformer.resblocks.{layer}.attn.in_proj_{suffix}"] = torch.cat(rows)
        elif module == "text_projection":
            found["text_projection"] = value.T
        else:
            name = to_openclip_name(module)
            found[name if name == "positional_embedding" else f"{name}.{suffix}"] = value
    return found


def rename_t2i(table: Table, blocks: int, *, light: bool = False) -> dict[str, Tensor]:
    """A T2IAdapter's weights under the names of TencentARC's first files. blocks: ResNets a level."""
    found: dict[str, Tensor] = {}
    for key, value in table.items():
        name = key.removeprefix("adapter.")
        if name.startswith("body."):
            _, level, rest = name.split(".", 2)
            kind, _, tail = rest.partition(".")
            if light:
                name = f"body.{level}.{rest.replace('resnets', 'body')}"
            elif kind == "in_conv":
                name = f"body.{int(level) * blocks}.{rest}"
            else:
                index, _, end = tail.partition(".")
                name = f"body.{int(level) * blocks + int(index)}.{end}"
        found[name] = value.contiguous()
    return found
