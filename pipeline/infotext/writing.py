"""A request and its facts as A1111's infotext, labels in A1111's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import __version__
from ...adapters.prompts.numbers import format_number
from .settings import write_settings
from .text import Infotext, format_infotext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..request import Request
    from .facts import ControlFacts, Facts

CONTROL_MODES = {
    "balanced": "Balanced",
    "prompt": "My prompt is more important",
    "control": "ControlNet is more important",
}
MASK_CONTENTS = {"fill": "fill", "noise": "latent noise", "nothing": "latent nothing"}
"""What is under the mask, as A1111 writes it; the picture itself is not written."""
UPSCALERS = {
    "latent": "Latent",
    "latent-antialiased": "Latent (antialiased)",
    "latent-bicubic": "Latent (bicubic)",
    "latent-bicubic-antialiased": "Latent (bicubic antialiased)",
    "latent-nearest": "Latent (nearest)",
    "latent-nearest-exact": "Latent (nearest-exact)",
    "lanczos": "Lanczos",
    "nearest": "Nearest",
    "none": "None",
}


def write_infotext(request: Request, facts: Facts) -> str:
    """Infotext of one picture. What has its usual value, as clip skip 1, is left out, as A1111 leaves it out."""
    fields = {label: value for label, value in _list_fields(request, facts).items() if value}
    return format_infotext(Infotext(prompt=request.prompt.strip(), negative=request.negative.strip(), fields=fields))


def _list_fields(request: Request, facts: Facts) -> dict[str, str]:
    varied = request.subseed_strength != 0
    changed = request.image is not None or request.hires is not None
    strength = request.hires.strength if request.hires else request.strength
    return {
        "Steps": str(request.steps),
        "Sampler": facts.sampler,
        "Schedule type": facts.scheduler,
        "CFG scale": format_number(request.cfg),
        "Seed": str(facts.seed),
        "Size": f"{facts.width}x{facts.height}",
        "Model hash": facts.model_hash,
        "Model": _clean_name(facts.model),
        "VAE hash": facts.vae_hash,
        "VAE": _clean_name(facts.vae),
        "Variation seed": str(facts.subseed) if varied else "",
        "Variation seed strength": format_number(request.subseed_strength) if varied else "",
        "Denoising strength": format_number(strength) if changed else "",
        "Clip skip": str(request.clip_skip) if request.clip_skip > 1 else "",
        "ENSD": str(request.noise_seed_delta) if request.noise_seed_delta else "",
        "RNG": request.noise.upper(),
        **_list_mask(request),
        **_list_hires(request),
        **{label: format_number(value) for label, value in facts.settings.items()},
        **write_settings(request.settings),
        **{f"ControlNet {index}": _describe_control(control) for index, control in enumerate(facts.controls)},
        "Lora hashes": _join_hashes(facts.lora_hashes),
        "TI hashes": _join_hashes(facts.embedding_hashes),
        "Version": f"underdrawing {__version__}",
    }


def _list_mask(request: Request) -> dict[str, str]:
    if request.mask is None or request.image is None:
        return {}
    masked = request.mask_area == "masked"
    return {
        "Mask mode": "Inpaint not masked" if request.mask_invert else "",
        "Mask blur": format_number(request.mask_blur) if request.mask_blur else "",
        "Inpaint area": "Only masked" if masked else "",
        "Masked area padding": str(request.mask_padding) if masked else "",
        "Masked content": MASK_CONTENTS.get(request.mask_content, ""),
    }


def _list_hires(request: Request) -> dict[str, str]:
    hires = request.hires
    if hires is None:
        return {}
    resized = bool(hires.width or hires.height)
    return {
        "Hires upscale": "" if resized else format_number(hires.scale),
        "Hires resize": f"{hires.width}x{hires.height}" if resized else "",
        "Hires sampler": hires.sampler,
        "Hires schedule type": hires.scheduler,
        "Hires prompt": hires.prompt,
        "Hires negative prompt": hires.negative,
        "Hires steps": str(hires.steps) if hires.steps else "",
        "Hires upscaler": UPSCALERS.get(hires.upscaler, hires.upscaler),
    }


def _describe_control(control: ControlFacts) -> str:
    """As sd-webui-controlnet writes a unit; it reads no values with commas or colons."""
    model = f"{control.model} [{control.short_hash}]" if control.short_hash else control.model
    pairs = {
        "Module": control.module,
        "Model": _clean_name(model),
        "Weight": str(control.weight),
        "Resize Mode": "Crop and Resize",
        "Processor Res": str(control.resolution),
        "Guidance Start": str(control.start),
        "Guidance End": str(control.end),
        "Pixel Perfect": "False",
        "Control Mode": CONTROL_MODES[control.mode],
    }
    return ", ".join(f"{label}: {value}" for label, value in pairs.items())


def _clean_name(name: str) -> str:
    return name.replace(",", "").replace(":", "")


def _join_hashes(hashes: Mapping[str, str]) -> str:
    return ", ".join(f"{_clean_name(name)}: {value}" for name, value in hashes.items())
