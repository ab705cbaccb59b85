"""A base model in one file, in the layout of the original Stable Diffusion files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ...adapters.modules.architectures import UNET_MODELS
from ...adapters.modules.parts import TEXT_ENCODER, TEXT_ENCODER_2, UNET, list_prefixes
from ...adapters.modules.spellings import to_ldm_name
from ...adapters.modules.targets import Slot
from ...checkpoints.layouts.configurations import SCALING_FACTORS, find_family
from ...checkpoints.layouts.text import name_text_keys
from ...checkpoints.layouts.unet import name_averaged_keys, name_unet_keys
from ...checkpoints.layouts.vae import name_vae_keys
from ...core.errors import BadWeights
from .assembly import list_names, measure_slots
from .kinds import build_kind_error
from .libraries import TEXT_CONFIG, select_arguments
from .parts import ENCODERS, TITLES, VAE, Networks, build_text_encoder, build_unet, build_vae, place_vae

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...checkpoints.layouts.reading import Weights
    from ...core.networks.placement import Placement
    from .model import Family

    Slots = dict[str, Slot]

CONFIGURATIONS = "underdrawing_configurations"
"""Key of a file's metadata: arguments of each network as JSON, for models whose shapes do not say them."""
_PREFIXES = {**list_prefixes("checkpoint"), "first_stage_model.": VAE, "vae.": VAE}
_NAMERS = {UNET: name_unet_keys, VAE: name_vae_keys, TEXT_ENCODER: name_text_keys, TEXT_ENCODER_2: name_text_keys}
_CLASSES = {
    UNET: "diffusers.UNet2DConditionModel",
    VAE: "diffusers.AutoencoderKL",
    TEXT_ENCODER: TEXT_CONFIG,
    TEXT_ENCODER_2: TEXT_CONFIG,
}
_LEFTOVERS = {
    "model_ema.": "averages of the training",
    "optimizer": "the state of the training",
    "first_stage_model.loss.": "the loss of the VAE's training",
}
_HARMLESS = (
    "logit_scale",
    "position_ids",
    "v_pred",
    "ztsnr",
    "text_projection",
    "denoiser.sigmas",
    "num_updates",
    "decay",
)
_HARMLESS_STARTS = (
    "cond_stage_model.model.transformer.resblocks.23.",  # SD2 reads what comes before the last layer
    "alphas_cumprod",
    "betas",
    "sqrt_",
    "posterior_",
    "log_one_minus",
    "lvlb_weights",
    "scale_factor",
)


class SplitFile(NamedTuple):
    """A file's keys by part: name in the network → where it stands. averaged: whether only averages were there."""

    family: Family
    parts: dict[str, Slots]
    averaged: bool


def split_file(weights: Weights) -> SplitFile:
    """Parts of a checkpoint. Raises BadWeights for a file of another kind, by its name."""
    grouped: dict[str, dict[str, str]] = {UNET: {}, VAE: {}, TEXT_ENCODER: {}, TEXT_ENCODER_2: {}}
    for key in weights.shapes:
        for prefix, part in _PREFIXES.items():
            if key.startswith(prefix):
                grouped[part][key.removeprefix(prefix)] = key
                break
    averaged = not any(name.startswith("input_blocks.") for name in grouped[UNET])
    if averaged:
        grouped[UNET] = name_averaged_keys(weights.shapes, _list_ldm_keys())
    parts = {part: _rebase(_NAMERS[part](names), names) for part, names in grouped.items() if names}
    if UNET not in parts or not any(name.startswith("down_blocks.") for name in parts[UNET]):
        raise build_kind_error(weights.shapes, weights.metadata, where=weights.where, needed="a checkpoint")
    family = find_family(measure_slots(parts[UNET], weights))
    _check_parts(family, parts, weights)
    return SplitFile(family, parts, averaged)


def build_networks(
    split: SplitFile, weights: Weights, placement: Placement, *, vae: bool
) -> tuple[Networks, list[str]]:
    """Networks of a checkpoint, and notes on what was left over. vae: whether its own is wanted.

    Raises BadWeights naming keys that are missing.
    """
    family, parts, configs = split.family, split.parts, _read_configurations(weights)
    unet, used = build_unet(parts[UNET], weights, family, placement, **configs.get(UNET, {}))
    encoders: list[Any] = []
    for part in ENCODERS[family]:
        encoder, keys = build_text_encoder(parts[part], weights, part, family, placement, **configs.get(part, {}))
        encoders.append(encoder)
        used |= keys
    decoder: Any = None
    if vae and VAE in parts:
        decoder, keys = build_vae(
            parts[VAE], weights, SCALING_FACTORS[family], place_vae(family, placement), **configs.get(VAE, {})
        )
        used |= keys
    used |= set() if vae else {slot.key for slot in parts.get(VAE, {}).values()}
    notes = ["the file holds averages of the training only, which are used"] if split.averaged else []
    return Networks(unet, decoder, tuple(encoders)), [*notes, *describe_unused(set(weights.shapes) - used)]


def describe_unused(keys: Iterable[str]) -> list[str]:
    """Notes on keys that no network has: what training leaves behind in one, all others by name."""
    left: dict[str, int] = {}
    unknown: list[str] = []
    for key in keys:
        name = next((title for start, title in _LEFTOVERS.items() if key.startswith(start)), "")
        if name:
            left[name] = left.get(name, 0) + 1
        elif not key.endswith(_HARMLESS) and not key.startswith(_HARMLESS_STARTS):
            unknown.append(key)
    notes = [f"{count} keys are {name} and are not used" for name, count in sorted(left.items())]
    return [
        *notes,
        *([f"{len(unknown)} keys belong to no network and are not used: {list_names(unknown)}"] if unknown else []),
    ]


def _check_parts(family: Family, parts: Mapping[str, Slots], weights: Weights) -> None:
    if family == "sdxl_refiner" and TEXT_ENCODER in parts and TEXT_ENCODER_2 not in parts:
        what = "is a variant of SD2 that reads pictures (unCLIP), which is not supported"
        raise BadWeights(what, where=weights.where, fix="use a model for text to image")
    missing = [part for part in ENCODERS[family] if part not in parts]
    if missing:
        names = " and ".join(part.replace("_", " ") for part in missing)
        what = f"holds the UNet of {TITLES[family]} and no {names}"
        raise BadWeights(what, where=weights.where, fix="use a whole checkpoint, or a diffusers folder")


def _rebase(slots: Slots, names: Mapping[str, str]) -> Slots:
    """From names behind a prefix to the file's own keys."""
    return {name: slot._replace(key=names[slot.key]) for name, slot in slots.items()}


def _list_ldm_keys() -> list[str]:
    """Keys of all official UNets in the original layout."""
    found: dict[str, None] = {}
    for architecture in UNET_MODELS.values():
        names = frozenset(architecture.networks[UNET].modules())
        for name in names:
            found |= {f"{to_ldm_name(name, names)}.{suffix}": None for suffix in ("weight", "bias")}
    return list(found)


def _read_configurations(weights: Weights) -> dict[str, dict[str, Any]]:
    """Arguments that the file itself gives."""
    told = weights.metadata.get(CONFIGURATIONS)
    if told is None:
        return {}
    try:
        content = json.loads(told)
    except ValueError as error:
        raise BadWeights(f"has a damaged {CONFIGURATIONS} ({error})", where=weights.where) from error
    return {part: select_arguments(content[part], name) for part, name in _CLASSES.items() if part in content}
