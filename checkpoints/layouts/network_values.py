"""Values of a checkpoint under the names of diffusers' networks, for folders to be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...adapters.modules.parts import TEXT_ENCODER, TEXT_ENCODER_2, UNET, list_prefixes
from ...adapters.modules.spellings import to_file_name
from ...adapters.modules.targets import Slot
from ...core.errors import BadWeights
from ..keys import UNET_PREFIXES
from ..values import Shaped, Values
from .configurations import SD2_LAYERS, find_family
from .original import VAE
from .text import name_text_keys
from .unet import name_unet_keys
from .vae import name_vae_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch
    from torch import Tensor

    from ..values import FileValues
    from .configurations import Family

_PREFIXES = {**list_prefixes("checkpoint"), "first_stage_model.": VAE}
_NAMERS = {UNET: name_unet_keys, VAE: name_vae_keys, TEXT_ENCODER: name_text_keys, TEXT_ENCODER_2: name_text_keys}
_VAE_STARTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
_PLAIN = ("text_projection.weight",)
"""Names of text encoders that do not begin with `text_model.`"""
_SHOWN = 3


class Split(NamedTuple):
    """Networks of a checkpoint. family: None for models other than Stable Diffusion. left: keys that have no place."""

    family: Family | None
    networks: dict[str, NetworkValues]
    left: tuple[str, ...]


class NetworkValues(Values):
    """One network under diffusers' names. slots: name → key and part of the checkpoint's value."""

    def __init__(self, inner: Values, slots: Mapping[str, Slot]) -> None:
        self._inner, self._slots = inner, dict(sorted(slots.items()))
        self.label, self.metadata = inner.label, inner.metadata
        self.entries = {name: _describe(inner.entries[slot.key], name, slot) for name, slot in self._slots.items()}

    def read(self, key: str, begin: int, end: int, wanted: torch.dtype | None = None) -> Tensor:
        """A span of the checkpoint's value; what is transposed, or cannot be read from its middle, is read whole."""
        slot, size = self._slots[key], self.entries[key].numel
        start = (slot.third or 0) * size
        if not slot.transposed and size % self._inner.find_grain(slot.key) == 0:
            return self._inner.read(slot.key, start + begin, start + end, wanted)
        entry = self._inner.entries[slot.key]
        whole = self._inner.read(slot.key, 0, entry.numel, wanted).view(entry.shape)
        return slot.view(whole).reshape(-1)[begin:end]

    def find_grain(self, key: str) -> int:
        """As the checkpoint's, or the whole."""
        slot, size = self._slots[key], self.entries[key].numel
        grain = self._inner.find_grain(slot.key)
        return max(1, size) if slot.transposed or size % grain else grain

    def find_source(self, key: str) -> tuple[FileValues, str] | None:
        """Of the checkpoint, where the value is the same."""
        slot = self._slots[key]
        return None if slot.transposed or slot.third is not None else self._inner.find_source(slot.key)


def split_values(values: Values, networks: Iterable[str] = ()) -> Split:
    """Networks of a checkpoint. networks: of a folder whose keys begin with their names.

    Raises BadWeights for a checkpoint without a network that diffusers knows, or weights of its UNet without a name.
    """
    grouped: dict[str, dict[str, str]] = {}
    slots: dict[str, dict[str, Slot]] = {}
    own = {UNET, VAE, TEXT_ENCODER, TEXT_ENCODER_2, *networks}
    for key in values.entries:
        part, _, name = key.partition(".")
        if part in own:
            slots.setdefault(part, {})[name] = Slot(key)
        elif found := next((prefix for prefix in _PREFIXES if key.startswith(prefix)), None):
            grouped.setdefault(_PREFIXES[found], {})[key.removeprefix(found)] = key
    for part, names in grouped.items():
        slots.setdefault(part, {}).update(_name_slots(part, names))
    unet = {name: values.entries[slot.key].shape for name, slot in slots.get(UNET, {}).items()}
    family = find_family(unet) if any(name.startswith("down_blocks.") for name in unet) else None
    if family == "sd2" and TEXT_ENCODER in grouped:
        slots[TEXT_ENCODER] = {name: slot for name, slot in slots[TEXT_ENCODER].items() if not _is_unread(name)}
    used = {slot.key for part in slots.values() for slot in part.values()}
    left = tuple(key for key in values.entries if key not in used)
    unnamed = [key for key in left if key.startswith(UNET_PREFIXES)]
    if UNET in grouped and family is None:
        unnamed = list(grouped[UNET].values())
    _check_split(values.label, slots, unnamed)
    return Split(family, {part: NetworkValues(values, found) for part, found in slots.items() if found}, left)


def _name_slots(part: str, names: Mapping[str, str]) -> dict[str, Slot]:
    """Name in diffusers' files → where it stands."""
    found = {name: slot._replace(key=names[slot.key]) for name, slot in _NAMERS[part](names).items()}
    if part == VAE:
        return {name: slot for name, slot in found.items() if name.startswith(_VAE_STARTS)}
    if part == TEXT_ENCODER:
        found.pop(_PLAIN[0], None)  # only OpenCLIP's bigG is read with it
    return {name if name in _PLAIN else to_file_name(part, name): slot for name, slot in found.items()}


def _is_unread(name: str) -> bool:
    """Whether a name is that of the last layer of SD2's text encoder."""
    return name.startswith("text_model.encoder.layers.") and int(name.split(".")[3]) >= SD2_LAYERS


def _check_split(label: str, slots: Mapping[str, Mapping[str, Slot]], unnamed: list[str]) -> None:
    if unnamed:
        shown = ", ".join(unnamed[:_SHOWN])
        what = f"has {len(unnamed)} weights of a UNet that diffusers has no names for: {shown}"
        raise BadWeights(what, where=label, fix="write it as one file")
    if not any(slots.values()):
        what = "holds no network that diffusers has names for"
        raise BadWeights(what, where=label, fix="write it as one file, or give a diffusers folder as the first input")


def _describe(entry: Shaped, name: str, slot: Slot) -> Shaped:
    shape = entry.shape
    if slot.third is not None:
        shape = (shape[0] // 3, *shape[1:])
    if slot.transposed:
        shape = shape[::-1]
    if ".attentions.0.to_" in name and shape[2:] == (1, 1) and name.startswith(("encoder.", "decoder.")):
        shape = shape[:2]  # a single file has the linear layers of a VAE as convolutions
    return Shaped(entry.dtype, shape)
