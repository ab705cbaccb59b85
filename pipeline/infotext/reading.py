"""A1111's infotext as a request, with a note for whatever is not repeated."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from ...core.errors import BadParameter
from ...core.report_text import printable
from ..host_settings import LABELS as SETTINGS
from ..request import Hires, Request
from ..sampling.settings import DDIM_LABEL, LABELS
from .controls import read_control
from .settings import apply_old_rules, convert_values, read_settings
from .text import parse_infotext
from .writing import MASK_CONTENTS, UPSCALERS

if TYPE_CHECKING:
    from collections.abc import Sequence

NUMBERS = {
    "Steps": "steps",
    "CFG scale": "cfg",
    "Seed": "seed",
    "Variation seed": "subseed",
    "Variation seed strength": "subseed_strength",
    "Denoising strength": "strength",
    "Clip skip": "clip_skip",
    "ENSD": "noise_seed_delta",
    DDIM_LABEL: "eta",
    **{label: name for name, label in LABELS.items()},
}
HIRES = {
    "Hires upscale": "scale",
    "Hires steps": "steps",
    "Hires sampler": "sampler",
    "Hires schedule type": "scheduler",
    "Hires prompt": "prompt",
    "Hires negative prompt": "negative",
    "Denoising strength": "strength",
}
ENLARGED = ("Hires upscale", "Hires resize")
"""Labels of which one stands where there was a second pass."""
NAMES = ("Sampler", "Schedule type", "Size", "Model", "Model hash", "VAE", "VAE hash", "RNG", "Hires upscaler")
MASK = ("Mask mode", "Mask blur", "Inpaint area", "Masked area padding", "Masked content")
NEEDED = {
    "steps": ("Steps",),
    "sampler": ("Sampler",),
    "cfg": ("CFG scale",),
    "seed": ("Seed",),
    "width": ("Size",),
    "checkpoint": ("Model", "Model hash"),
    "noise": ("RNG",),
}
"""Fields that pictures depend on → labels of which one says them."""
READ = frozenset([*NUMBERS, *HIRES, *ENLARGED, *NAMES, *MASK, *SETTINGS])
SILENT = frozenset(["Version", "User", "Batch size", "Batch pos", "Lora hashes", "TI hashes", "Hashes"])
"""Labels that change no picture by themselves."""
MASK_BLUR = "mask_blur"
"""A gap where a mask of that picture had hard edges, which A1111 does not write, if there was one."""
FIX = "choose a picture that was saved with its parameters, or write the prompt"
MADE_FROM = "it was made from a picture"
"""Start of the note on an infotext of image to image."""
_SHOWN = 200
"""Characters of a value in a note."""
_NOISE = {"CPU": "cpu", "NV": "nv", "GPU": "nv", "": "nv"}


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was read. exact: whether it is this project's own record, which repeats a picture byte for byte.

    gaps: fields of the request of which the text says nothing although pictures depend on them.
    """

    request: Request
    notes: tuple[str, ...] = ()
    exact: bool = False
    gaps: tuple[str, ...] = ()


def read_infotext(text: str, *, where: str = "infotext") -> Reading:
    """Read an infotext. Pictures of controls and image to image are not in it; such controls have no image.

    A missing RNG means A1111's default, noise from the GPU, which is the same as "NV" on NVIDIA's. Raises BadParameter
    when there is no line of fields, and for a value that is no number.
    """
    parts = parse_infotext(text)
    if not parts.fields:
        raise BadParameter("holds no generation parameters", where=where, fix=FIX)
    fields, notes = parts.fields, list[str]()
    values: dict[str, Any] = {name: fields[label] for label, name in NUMBERS.items() if fields.get(label)}
    values |= {"prompt": parts.prompt, "negative": parts.negative, **_read_size(fields, notes), **_read_names(fields)}
    values |= {"noise": _read_noise(fields, notes), **_read_mask(fields, notes)}
    values["settings"], note = apply_old_rules(read_settings(fields, where), fields, parts.prompt)
    notes += filter(None, [note])
    if any(label in fields for label in ENLARGED):
        values["hires"] = _read_hires(fields, notes, where)
        values.pop("strength", None)
    elif "Denoising strength" in fields:
        values["fit"] = "just"  # A1111's default; the text does not say
        masked = any(label in fields for label in MASK)
        notes.append(
            f"{MADE_FROM} {'and a mask; name them' if masked else 'that its text does not hold; name it'} again"
        )
    controls = [label for label in fields if re.fullmatch(r"ControlNet \d+", label)]
    found = [read_control(fields[label], f"{where}, {label}") for label in controls]
    values["controls"] = tuple(control for control, _ in found)
    notes += [f"{label}, {text}" for label, (_, texts) in zip(controls, found, strict=True) for text in texts]
    left = [label for label in fields if label not in READ | SILENT and label not in controls]
    notes += [f"{label} ({printable(fields[label], _SHOWN)}) is not repeated" for label in left]
    request = convert_values(values, Request, where)
    check_names(request, (), where)
    gaps = tuple(name for name, labels in NEEDED.items() if not any(fields.get(label) for label in labels))
    if request.hires is None and "Denoising strength" in fields and not any(label in fields for label in MASK):
        gaps = (*gaps, MASK_BLUR)
    return Reading(request=request, notes=tuple(notes), gaps=gaps)


def check_names(request: Request, sources: Sequence[Any], where: str) -> None:
    """Raise BadParameter for a file on another computer: looking for it would tell that computer who looks.

    sources: of pictures, where they are texts.
    """
    names = [request.checkpoint, request.vae, *(one.model for one in request.controls), *sources]
    for name in names:
        if isinstance(name, str) and name.replace("\\", "/").startswith("//"):
            fix = (
                "if you trust it, give that computer's folder a drive letter or mount it, and write the options by hand"
            )
            raise BadParameter(f"names a file on another computer, {name!r}", where=where, fix=fix)


def _read_size(fields: dict[str, str], notes: list[str]) -> dict[str, str]:
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", fields.get("Size", ""))
    if fields.get("Size") and not match:
        notes.append(f"Size ({printable(fields['Size'], _SHOWN)}) is no size: the model's is taken")
    return {"width": match[1], "height": match[2]} if match else {}


def _read_names(fields: dict[str, str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for kind, target in (("Model", "checkpoint"), ("VAE", "vae")):
        name, short = fields.get(kind, ""), fields.get(f"{kind} hash", "")
        if name or short:
            names[target] = f"{name} [{short}]".strip() if short else name
    if sampler := fields.get("Sampler"):
        names["sampler"] = sampler
    scheduler = fields.get("Schedule type", "")
    names["scheduler"] = "" if scheduler == "Automatic" else scheduler
    return names


def _read_mask(fields: dict[str, str], notes: list[str]) -> dict[str, Any]:
    """How a picture was painted; the mask itself is not in a text."""
    if not any(label in fields for label in MASK):
        return {}
    contents = {label: name for name, label in MASK_CONTENTS.items()} | {"original": "original"}
    content = fields.get("Masked content", "original")
    if content not in contents:
        notes.append(f"Masked content ({printable(content, _SHOWN)}) is not known: the picture itself is there")
    return {
        "mask_blur": fields.get("Mask blur") or 0,
        "mask_content": contents.get(content, "original"),
        "mask_invert": fields.get("Mask mode") == "Inpaint not masked",
        "mask_area": "masked" if fields.get("Inpaint area") == "Only masked" else "whole",
        "mask_padding": fields.get("Masked area padding") or 32,
    }


def _read_noise(fields: dict[str, str], notes: list[str]) -> str:
    source = fields.get("RNG", "").strip()
    if source.upper() not in _NOISE:
        notes.append(f"RNG ({source}) is not known: noise comes from the CPU's generator")
    return _NOISE.get(source.upper(), "cpu")


def _read_hires(fields: dict[str, str], notes: list[str], where: str) -> Hires:
    values: dict[str, Any] = {name: fields[label] for label, name in HIRES.items() if fields.get(label)}
    upscalers = {label: name for name, label in UPSCALERS.items()}
    upscaler = fields.get("Hires upscaler", "Latent")
    if size := re.fullmatch(r"(\d{1,5})x(\d{1,5})", fields.get("Hires resize", "")):
        values |= {"width": size[1], "height": size[2]}
    if upscaler not in upscalers:
        notes.append(f"Hires upscaler ({printable(upscaler, _SHOWN)}) is not here: Lanczos takes its place")
    return convert_values({**values, "upscaler": upscalers.get(upscaler, "lanczos")}, Hires, where)
