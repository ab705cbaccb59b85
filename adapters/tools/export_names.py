"""Names that other programs expect in LoRA files, from canonical module names."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ..modules.architectures import UNETS, modules
from ..modules.spellings import ldm_name

if TYPE_CHECKING:
    from collections.abc import Collection

LDM_NAMED = frozenset({"sdxl", "sdxl_refiner"})
"""Base models whose UNet kohya names the LDM way."""
METADATA: dict[str, dict[str, str]] = {
    "sd15": {"ss_base_model_version": "sd_v1", "ss_v2": "False"},
    "sd21": {"ss_base_model_version": "sd_v2", "ss_v2": "True"},
    "sdxl": {"ss_base_model_version": "sdxl_base_v1-0", "ss_v2": "False"},
    "sdxl_refiner": {"ss_base_model_version": "sdxl_base_v1-0", "ss_v2": "False"},
}
"""What A1111 tells the family of a LoRA by."""


def kohya_names(names: Collection[str], base_model: str) -> dict[str, str]:
    """Canonical name → kohya's: diffusers spelling for SD1 and SD2, LDM spelling for SDXL's UNet."""
    several = any(name.startswith("text_encoder_2.") for name in names) or base_model in LDM_NAMED
    return {name: _kohya(name, base_model, several) for name in names}


def _kohya(name: str, base_model: str, several: bool) -> str:
    part, _, rest = name.partition(".")
    if part == "unet":
        own = _unet_names(base_model)
        return f"lora_unet_{(ldm_name(rest, own) if rest in own else rest).replace('.', '_')}"
    prefix = {"text_encoder": "lora_te1_" if several else "lora_te_", "text_encoder_2": "lora_te2_"}[part]
    return f"{prefix}{_stored(rest).replace('.', '_')}"


@cache
def _unet_names(base_model: str) -> frozenset[str]:
    return frozenset(UNETS[base_model].modules()) if base_model in LDM_NAMED else frozenset()


def dotted_name(name: str) -> str:
    """Canonical name → diffusers' with its part in front and `text_model.` as files on disk have it."""
    part, _, rest = name.partition(".")
    return f"{part}.{rest if part == 'unet' else _stored(rest)}"


def _stored(rest: str) -> str:
    return rest if rest == "text_projection" else f"text_model.{rest}"


@cache
def kernel_of(name: str) -> tuple[int, ...]:
    """Kernel of a convolution by its canonical name; () for other layers and for 1x1, which factors need not tell."""
    for base_model in UNETS:
        module = modules(base_model).get(name)
        if module is not None:
            kernel = module.shape[2:]
            return kernel if any(size > 1 for size in kernel) else ()
    return ()
