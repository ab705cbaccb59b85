"""Where every tensor of a single file stands in the networks of a diffusers folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...adapters.modules.ldm_layout import count_blocks
from ...adapters.modules.parts import TEXT_ENCODER, TEXT_ENCODER_2, UNET
from ...adapters.modules.spellings import STEM, to_openclip_name
from ...adapters.modules.targets import FUSED, PROJECTIONS
from ...core.errors import BadWeights
from .text import name_text_keys
from .unet import name_unet_keys
from .vae import name_original_key, name_vae_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .configurations import Family, Shapes

VAE = "vae"
_CLIP = "transformer.text_model."
_UNET_AND_VAE = {UNET: "model.diffusion_model.", VAE: "first_stage_model."}
PREFIXES: dict[Family, dict[str, str]] = {
    "sd1": _UNET_AND_VAE | {TEXT_ENCODER: f"cond_stage_model.{_CLIP}"},
    "sd2": _UNET_AND_VAE | {TEXT_ENCODER: "cond_stage_model.model."},
    "sdxl": _UNET_AND_VAE
    | {TEXT_ENCODER: f"conditioner.embedders.0.{_CLIP}", TEXT_ENCODER_2: "conditioner.embedders.1.model."},
    "sdxl_refiner": _UNET_AND_VAE | {TEXT_ENCODER_2: "conditioner.embedders.0.model."},
}
"""Networks of a base model, and what their keys begin with in a single file."""
POSITIONS = "embeddings.position_ids"
_PROJECTION = "text_projection"


class Source(NamedTuple):
    """Tensors of a network that one of a single file is made of: their rows, one after the other.

    shape: in the single file. transposed: stored there as [in, out] (OpenCLIP's text_projection).
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]
    transposed: bool = False


def name_sources(part: str, family: Family, shapes: Shapes) -> dict[str, Source]:
    """Key in a single file → where it stands in a network. shapes: of the network's tensors, by name in its files.

    Names that have no place in a single file are left out. Raises BadWeights where an attention lacks q, k or v.
    """
    prefix = PREFIXES[family][part]
    if part == UNET:
        found = _name_unet(shapes)
    elif part == VAE:
        found = _name_vae(shapes)
    else:
        found = _name_clip(shapes) if prefix.endswith(_CLIP) else _name_openclip(shapes)
    return {prefix + key: source for key, source in found.items()}


def _name_unet(shapes: Shapes) -> dict[str, Source]:
    plain = {name: slot.key for name, slot in name_unet_keys(shapes).items()}
    modules = {name.rpartition(".")[0] for name in plain}
    names = {module: ldm for ldm, module in count_blocks(modules).items()} | STEM
    found: dict[str, Source] = {}
    for name, own in plain.items():
        module, _, suffix = name.rpartition(".")
        if module in names:
            found[f"{names[module]}.{suffix}"] = Source((own,), shapes[own])
    return found


def _name_vae(shapes: Shapes) -> dict[str, Source]:
    """Linear layers of its attention are convolutions of one pixel in a single file."""
    names = {name: slot.key for name, slot in name_vae_keys(shapes).items()}
    levels = len({name.split(".")[2] for name in names if name.startswith("decoder.up_blocks.")})
    found: dict[str, Source] = {}
    for name, own in names.items():
        key, shape = name_original_key(name, levels), shapes[own]
        is_attention = key.rpartition(".")[0].endswith((".q", ".k", ".v", ".attn_1.proj_out"))
        found[key] = Source((own,), (*shape, 1, 1) if is_attention and len(shape) == 2 else shape)
    return found


def _name_clip(shapes: Shapes) -> dict[str, Source]:
    found = {name: Source((slot.key,), shapes[slot.key]) for name, slot in name_text_keys(shapes).items()}
    found.pop(f"{_PROJECTION}.weight", None)
    for name in shapes:
        if name.removeprefix("text_model.") == POSITIONS:
            found[POSITIONS] = Source((name,), shapes[name])
    return found


def _name_openclip(shapes: Shapes) -> dict[str, Source]:
    names = {name: slot.key for name, slot in name_text_keys(shapes).items()}
    found: dict[str, Source] = {}
    for name, own in names.items():
        module, _, suffix = name.rpartition(".")
        stem, _, projection = module.rpartition(".")
        if projection in PROJECTIONS:
            fused = next(ending for ending, parameter in FUSED.items() if parameter == suffix)
            key = f"transformer.resblocks.{module.split('.')[2]}.{fused}"
            if key not in found:
                found[key] = _fuse([f"{stem}.{one}.{suffix}" for one in PROJECTIONS], names, shapes)
        elif module == _PROJECTION:
            found[_PROJECTION] = Source((own,), shapes[own][::-1], transposed=True)
        elif (key := to_openclip_name(module)) is not None:
            found[key if key == "positional_embedding" else f"{key}.{suffix}"] = Source((own,), shapes[own])
    return found


def _fuse(parts: list[str], names: Mapping[str, str], shapes: Shapes) -> Source:
    if missing := [name for name in parts if name not in names]:
        raise BadWeights(f"the key {missing[0]!r} is missing", fix="download the folder again")
    own = tuple(names[name] for name in parts)
    rows = sum(shapes[name][0] for name in own)
    return Source(own, (rows, *shapes[own[0]][1:]))
