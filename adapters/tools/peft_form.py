"""Deltas as PEFT and diffusers store them, with their adapter_config.json."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch

from ...core.files import atomic_write
from ...core.tensor_files.safetensors_io import write_safetensors
from ..deltas.base import to_float32
from ..deltas.dora import Dora
from ..deltas.lowrank import LowRank
from ..deltas.products import Hadamard
from ..modules.architectures import TRANSFORMER_MODELS, UNKNOWN
from ..modules.parts import CONDITIONER, PARTS, TRANSFORMER, UNET, find_part, split_for_diffusers
from ..reading.dialects.peft import PREFIX
from ..reading.metadata import HEADER
from .export_names import make_dotted_name
from .kohya_form import find_alpha, make_kohya_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from ..deltas.base import Delta


def write_peft(
    path: Path, modules: Mapping[str, Delta], metadata: Mapping[str, str], *, folder: bool, base_model: str = UNKNOWN
) -> tuple[Path, ...]:
    """Write deltas by canonical name as PEFT's folder, with one inside for each part where there are several, or as
    diffusers' file. base_model: id, which tells a transformer's class. Gives all files; raises WriteFailed."""
    parts: dict[str, dict[str, Delta]] = {}
    for name, delta in modules.items():
        part, rest = split_for_diffusers(name) if not folder else (find_part(name), name.partition(".")[2])
        parts.setdefault(part, {})[rest] = delta
    if not folder:
        tensors = {key: t for part, own in parts.items() for key, t in make_peft_tensors(own, part, f"{part}.").items()}
        configs = {part: make_peft_config(own, part, base_model) for part, own in parts.items()}
        table = {f"{part}.{key}": value for part, config in configs.items() for key, value in config.items()}
        return (write_safetensors(path, tensors, {**metadata, HEADER: json.dumps(table, sort_keys=True)}),)
    files: list[Path] = []
    for part, own in parts.items():
        place = path / part if len(parts) > 1 else path
        config = json.dumps(make_peft_config(own, part, base_model), indent=2, sort_keys=True)
        files.append(
            write_safetensors(place / "adapter_model.safetensors", make_peft_tensors(own, part, PREFIX), metadata)
        )
        files.append(atomic_write(place / "adapter_config.json", f"{config}\n".encode()))
    return tuple(files)


def make_peft_tensors(own: Mapping[str, Delta], part: str, prefix: str) -> dict[str, Tensor]:
    """Key → tensor of one part's deltas; prefix: in front of every module's name."""
    tensors: dict[str, Tensor] = {}
    for name, delta in own.items():
        stem = f"{prefix}{make_dotted_name(f'{part}.{name}').partition('.')[2]}"
        tensors |= {f"{stem}.{suffix}": tensor.contiguous() for suffix, tensor in _suffixes(delta, part).items()}
    return tensors


def _suffixes(delta: Delta, part: str) -> dict[str, Tensor]:
    """By suffix. DoRA's magnitude of a text encoder ends in .weight, which PEFT reads as well: transformers since 5.0
    loads no other."""
    if isinstance(delta, Hadamard):
        return {suffix: tensor for suffix, tensor in make_kohya_tensors(delta).items() if suffix != "alpha"}
    inner = delta.inner if isinstance(delta, Dora) else delta
    assert isinstance(inner, LowRank)
    tensors = {"lora_A.weight": inner.down, "lora_B.weight": inner.up}
    if delta.bias is not None:
        tensors["lora_B.bias"] = _divide_bias(delta.bias, inner.scale)
    if isinstance(delta, Dora):
        shape = (1, -1, *(1,) * (inner.down.ndim - 2)) if inner.down.ndim > 2 else (-1,)
        ending = "" if part == UNET else ".weight"
        tensors[f"lora_magnitude_vector{ending}"] = delta.magnitude.reshape(shape)
    return tensors


def _divide_bias(bias: Tensor, scale: float) -> Tensor:
    """PEFT multiplies the bias by the scale: float32, or float64 where that would not give the bias back."""
    if scale == 1:
        return bias
    exact = bias.to(torch.float64) / scale
    single = exact.to(torch.float32)
    again = (single.to(torch.float64) * scale).to(torch.float32)
    return single if torch.equal(again, to_float32(bias)) else exact


def find_model_class(part: str, base_model: str) -> str:
    """diffusers' or transformers' class of a part of a model; of a transformer that is not known a general one."""
    if part == CONDITIONER:
        return "AnimaTextConditioner"
    model = TRANSFORMER_MODELS.get(base_model)
    own = None if model is None or part != TRANSFORMER else model.transformer
    return PARTS[part].model_class if own is None or not own.model_class else own.model_class


def make_peft_config(own: Mapping[str, Delta], part: str, base_model: str = UNKNOWN) -> dict[str, Any]:
    """PEFT's adapter_config.json: the commonest rank and alpha, and patterns for the modules that differ."""
    ranks = {name: delta.rank or 1 for name, delta in own.items()}
    alphas = {name: find_alpha(_scale(delta), ranks[name]) for name, delta in own.items()}
    rank, alpha = (Counter(values.values()).most_common(1)[0][0] for values in (ranks, alphas))
    loha = any(isinstance(delta, Hadamard) for delta in own.values())
    common = {
        "peft_type": "LOHA" if loha else "LORA",
        "r": rank,
        "alpha" if loha else "lora_alpha": _plain(alpha),
        "rank_pattern": {name: other for name, other in ranks.items() if other != rank},
        "alpha_pattern": {name: _plain(other) for name, other in alphas.items() if other != alpha},
        "target_modules": sorted(own),
        "auto_mapping": {"base_model_class": find_model_class(part, base_model)},
        "inference_mode": True,
    }
    if loha:
        return {
            **common,
            "use_effective_conv2d": any(isinstance(d, Hadamard) and d.t1 is not None for d in own.values()),
        }
    own_bias, dora = any(d.bias is not None for d in own.values()), any(isinstance(d, Dora) for d in own.values())
    return {**common, "use_rslora": False, "use_dora": dora, "lora_bias": own_bias, "bias": "none"}


def _scale(delta: Delta) -> float:
    inner = delta.inner if isinstance(delta, Dora) else delta
    assert isinstance(inner, (LowRank, Hadamard))
    return inner.scale


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else value
