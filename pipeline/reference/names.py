"""Names of the reference model's weights in the layout of the first Stable Diffusion files (LDM).

Sources: CompVis/stable-diffusion (UNet, VAE, text encoder), lllyasviel/ControlNet, Stability AI's Control-LoRAs.
"""

from __future__ import annotations

from ...adapters.modules.spellings import to_ldm_name
from ...checkpoints.layouts.vae import name_original_key

PREFIXES = {"unet": "model.diffusion_model.", "vae": "first_stage_model.", "text_encoder": "cond_stage_model."}
_LEVELS = 4
"""Of a VAE."""


def name_unet_key(key: str, modules: frozenset[str]) -> str:
    """Key of a UNet2DConditionModel in LDM's layout, without prefix. modules: names of all of its modules."""
    module, _, suffix = key.rpartition(".")
    return f"{to_ldm_name(module, modules)}.{suffix}"


def name_text_key(key: str) -> str:
    """Key of a CLIPTextModel, of any transformers, in LDM's layout, without prefix."""
    return f"transformer.text_model.{key.removeprefix('text_model.')}"


def name_vae_key(key: str) -> str:
    """Key of an AutoencoderKL in LDM's layout, without prefix."""
    return name_original_key(key, _LEVELS)
