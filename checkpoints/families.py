"""Which model a checkpoint is of, from its keys and shapes; nothing is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..adapters.modules.architectures import ARCHITECTURES
from .keys import UNET_PREFIXES, find_part
from .layouts.reference_shape import UNET, is_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .values import Shaped

UNKNOWN = "unknown"
TITLES = {
    "sd1": "SD 1.x",
    "sd2": "SD 2.x",
    "sdxl": "SDXL",
    "sdxl_refiner": "the SDXL refiner",
    "vae": "a VAE",
    "reference": "the reference model (SD1's structure)",
}
CHANNELS = {8: "instruct-pix2pix", 9: "inpainting"}
"""Inputs of the first layer of variants that see more than the latent picture's 4."""
_CONTEXT = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl_refiner"}
_FIRST = ("input_blocks.0.0.weight", "conv_in.weight")


class Family(NamedTuple):
    """A family by its id, and the variant of it ("inpainting", "instruct-pix2pix" or "")."""

    id: str
    variant: str = ""

    @property
    def title(self) -> str:
        """Its name in messages."""
        return " ".join(filter(None, (TITLES.get(self.id, self.id), self.variant)))


def find_family(entries: Mapping[str, Shaped], metadata: Mapping[str, str] | None = None) -> Family:
    """Family by what the cross attention reads, by parts, or by the names of another model's modules."""
    widths = [entry.shape[-1] for key, entry in entries.items() if key.endswith(".attn2.to_k.weight") and entry.shape]
    known = _CONTEXT.get(widths[0]) if widths and _has_unet(entries) else None
    if known is not None:
        return Family(known, _find_variant(entries))
    if widths and widths[0] == UNET["cross_attention_dim"] and _is_reference(entries):
        return Family("reference", _find_variant(entries))
    if entries and all(_is_vae(key) for key in entries):
        return Family("vae")
    from ..adapters.reading.other_models import find_other_model
    from ..adapters.reading.recognition import recognise_model

    names = {key.removeprefix("model."): entry for key, entry in entries.items() if find_part(key) in (None, "unet")}
    found = recognise_model(names, metadata or {})
    if found is not None and not found.could_be:
        return Family(ARCHITECTURES[found.architecture].title, found.variant)
    other = find_other_model(names, metadata or {})  # type: ignore[arg-type]
    return Family(other or UNKNOWN)


def find_first_layer(entries: Mapping[str, Shaped]) -> str | None:
    """Key of the layer that sees the latent picture, which variants of a family widen."""
    return next(
        (key for key in entries if key.endswith(_FIRST) and find_part(key) in ("unet", None) and "encoder" not in key),
        None,
    )


def _find_variant(entries: Mapping[str, Shaped]) -> str:
    first = find_first_layer(entries)
    shape = entries[first].shape if first is not None else ()
    return CHANNELS.get(shape[1], "") if len(shape) == 4 else ""


def _is_reference(entries: Mapping[str, Shaped]) -> bool:
    """Whether its UNet, in the original layout or in diffusers', has the structure of the reference model."""
    from .layouts.unet import name_unet_keys

    plain = {_strip(key): key for key in entries if find_part(key) in ("unet", None)}
    slots = name_unet_keys(plain)
    return is_reference({name: entries[plain[slot.key]].shape for name, slot in slots.items()})


def _strip(key: str) -> str:
    return next((key.removeprefix(prefix) for prefix in UNET_PREFIXES if key.startswith(prefix)), key)


def _has_unet(entries: Mapping[str, Shaped]) -> bool:
    return any("input_blocks." in key or "down_blocks." in key for key in entries)


def _is_vae(key: str) -> bool:
    own = key.removeprefix("first_stage_model.").removeprefix("vae.")
    return find_part(key) == "vae" or own.startswith(
        ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "loss.")
    )
