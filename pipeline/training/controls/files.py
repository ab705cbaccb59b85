"""Trained ControlNets as files: the first ControlNets' layout, diffusers' folders, Stability AI's Control-LoRAs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ....checkpoints.layouts.unet import name_control_key
from ....core.errors import BadParameter
from ....core.tensor_files.safetensors_io import write_safetensors
from .low_rank import LowRankControl

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

MARK = "lora_controlnet"
"""Key by which loaders know a Control-LoRA."""
PREFIX = "control_model."
"""In front of the keys of whole ControlNets."""


def write_control(path: Path, network: Any, unet: Any, dtype: str, metadata: Mapping[str, str]) -> tuple[Path, ...]:
    """Write a network: a .safetensors file, or for a whole ControlNet and a name without ending diffusers' folder.

    Raises BadParameter, WriteFailed.
    """
    kind: torch.dtype = getattr(torch, dtype)
    names = frozenset(name for name, _ in unet.named_modules())
    check_path(path, low_rank=isinstance(network, LowRankControl))
    if isinstance(network, LowRankControl):
        return (write_safetensors(path, build_control_lora(network, names, kind), metadata),)
    if path.suffix:
        return (write_safetensors(path, build_single_file(network, names, kind), metadata),)
    return _write_folder(path, network, kind)


def check_path(path: Path, *, low_rank: bool) -> None:
    """Raise BadParameter for a name that does not suit what is written."""
    if path.suffix.lower() != ".safetensors" and (path.suffix or low_rank):
        fix = "let the name end in .safetensors"
        raise BadParameter("results are safetensors files", where=str(path), fix=fix)


def build_single_file(control: Any, names: frozenset[str], dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
    """A ControlNetModel under the names of the first ControlNets. names: modules of the UNet."""
    return {
        PREFIX + name_control_key(key, names): value.detach().to("cpu", dtype).contiguous()
        for key, value in control.named_parameters()
    }


def build_control_lora(
    low: LowRankControl, names: frozenset[str], dtype: torch.dtype = torch.float16
) -> dict[str, Tensor]:
    """A Control-LoRA in Stability's layout, with the mark by which it is known. names: modules of the UNet."""
    tensors = {MARK: torch.tensor([])}
    for key, value in low.direct.items():
        tensors[name_control_key(key.replace("-", "."), names)] = value
    for key, up in low.up.items():
        name = name_control_key(key.replace("-", "."), names).removesuffix(".weight")
        tensors[f"{name}.up"], tensors[f"{name}.down"] = up, low.down[key]
    return {name: value.detach().to("cpu", dtype).contiguous() for name, value in tensors.items()}


def _write_folder(path: Path, control: Any, dtype: torch.dtype) -> tuple[Path, ...]:
    from ....core.files import atomic_write

    path.mkdir(parents=True, exist_ok=True)
    weights = {key: value.detach().to("cpu", dtype).contiguous() for key, value in control.state_dict().items()}
    config = atomic_write(path / "config.json", control.to_json_string().encode())
    return (write_safetensors(path / "diffusion_pytorch_model.safetensors", weights), config)
