"""The reference model as one file in the layout of the first Stable Diffusion files, made from its folders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...core.regular_files import read_text_file
from ...core.tensor_files.safetensors_io import read_safetensors, write_safetensors
from ..models.single_file import CONFIGURATIONS
from .names import PREFIXES, name_text_key, name_unet_key, name_vae_key

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from ...core.progress import Progress

FILES = {
    "unet": "unet/diffusion_pytorch_model.safetensors",
    "vae": "vae/diffusion_pytorch_model.safetensors",
    "text_encoder": "text_encoder/model.safetensors",
}
"""Weights of each part in diffusers' folders."""


def write_checkpoint(folder: Path, target: Path, progress: Progress | None = None) -> Path:
    """Write the weights of diffusers' folders as one file, which says in its header what shapes do not (heads, groups).

    progress: gets the parts that were read. Raises BadWeights, WriteFailed, Cancelled.
    """
    parts: dict[str, dict[str, Tensor]] = {}
    for part, file in FILES.items():
        parts[part] = read_safetensors(folder / file)
        if progress is not None:
            progress(len(parts), len(FILES))
    configs = {part: json.loads(read_text_file(folder / part / "config.json")) for part in FILES}
    return write_safetensors(target, rename_parts(parts), {"format": "pt", CONFIGURATIONS: json.dumps(configs)})


def rename_parts(parts: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """Weights by part under LDM's names; the VAE's attention is a convolution there."""
    tensors: dict[str, Tensor] = {}
    for part, prefix in PREFIXES.items():
        modules = frozenset(key.rpartition(".")[0] for key in parts[part])
        for key, value in parts[part].items():
            if part == "unet":
                name = name_unet_key(key, modules)
            else:
                name = name_vae_key(key) if part == "vae" else name_text_key(key)
            wide = part == "vae" and ".attn_1." in name and value.ndim == 2
            tensors[prefix + name] = (value[..., None, None] if wide else value).contiguous()
    return tensors
