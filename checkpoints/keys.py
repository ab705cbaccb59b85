"""What keys of checkpoints mean to a merge: parts, averaged weights, and entries that are no weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .recipe import Part

EMA = "model_ema."
VAE_PREFIXES = ("first_stage_model.", "vae.")
UNET_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "unet.", "transformer.", "transformer_2.")
ENCODER_PREFIXES = (
    "cond_stage_model.",
    "conditioner.",
    "text_encoder.",
    "text_encoder_2.",
    "text_encoders.",
    "text_model.",
)
_OLD_CLIP = re.compile(r"cond_stage_model\.transformer\.(embeddings|encoder|final_layer_norm)\.")
_SCHEDULER = re.compile(
    r"(betas|(sqrt_|log_)?(one_minus_|recip_|recipm1_)*alphas_cumprod(_prev)?|sqrt_\w*alphas_cumprod|log_\w*cumprod|"
    r"posterior_\w+|lvlb_weights|logvar|scale_factor|sigmas|log_sigmas)"
)


def normalise_name(key: str) -> str:
    """A key in its present spelling: the text encoder of the earliest SD1 checkpoints lacks ``text_model.``."""
    found = _OLD_CLIP.match(key)
    return key if found is None else key.replace(".transformer.", ".transformer.text_model.", 1)


def find_part(key: str) -> Part | None:
    """Part of a checkpoint that a key belongs to; None for a scheduler's entries, markers and unknown models."""
    if key.startswith(EMA):
        return "ema"
    if key.startswith(VAE_PREFIXES):
        return "vae"
    if key.startswith(ENCODER_PREFIXES):
        return "text_encoder"
    return "unet" if key.startswith(UNET_PREFIXES) else None


def is_position_ids(key: str) -> bool:
    """Whether an entry is a list of whole numbers from 0 on, whatever a program has made of it."""
    return key.rpartition(".")[2] == "position_ids"


def is_weight(key: str, shape: tuple[int, ...], *, is_float: bool) -> bool:
    """Whether a merge computes with an entry: not with whole numbers, scalars, schedulers and averaged weights."""
    own = key.rpartition(".")[2]
    return (
        is_float
        and bool(shape)
        and not key.startswith(EMA)
        and own not in ("position_ids", "logit_scale")
        and not _SCHEDULER.fullmatch(key)
    )


def find_ema_names(keys: Iterable[str]) -> dict[str, str]:
    """Weight → entry that holds its average: ``model_ema.`` and the weight's own name without ``model.`` and dots."""
    known = {key for key in keys if key.startswith(EMA)}
    names = {key: EMA + key.removeprefix("model.").replace(".", "") for key in keys if not key.startswith(EMA)}
    found = {key: name for key, name in names.items() if name in known}
    return found | {key: _dotted(name) for key, name in names.items() if _dotted(name) in known}


def _dotted(name: str) -> str:
    return name.replace("diffusion_model", "diffusion_model.", 1)
