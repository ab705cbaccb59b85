"""Which layer of a transformer a key means: diffusers' name or the maker's, dotted, with underscores, or half of each.

Trainers disagree in three ways, all read here: prefixes inside the name (``net.``), the parts of a joined layer by
their number (OneTrainer's OMI: ``img_attn.qkv.0``), and dots that a conversion guessed (musubi's: ``attention.to.q``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..modules.architectures import ARCHITECTURES
from ..modules.parts import TRANSFORMER
from ..modules.rows import match_name
from ..modules.wrappers import strip_wrappers
from .dialects.base import TRAINED, ModuleKey, Rejection, split_key

if TYPE_CHECKING:
    from ..modules.rows import NameMatch
    from .files import RawFile

_INSIDE = re.compile(r"transformer(?:\.|_(?!blocks))|(?:net|dit|model|_orig_mod|module)[._]")
"""What stands in front of a model's own names behind a dialect's prefix."""
_FUSED = {"to_qkv": "to_q", "to_added_qkv": "add_q_proj"}
"""Ends of names of layers that diffusers itself joined, and of the first layer of each."""
_PART = re.compile(r"(.+)[._](\d)")
_TRAILING = (".lora", ".processor")
_OMI_INPUT = "img_in"
_ENDINGS = (".scale", "_scale", ".proj", "_proj")
"""Of names of a weight in place of its layer's, and of OMI's ``img_in.proj``."""


def find_transformer_key(key: str, file: RawFile) -> ModuleKey | Rejection:
    """A dotted key inside the denoiser, suffix included, of a file for a transformer model."""
    plain = strip_wrappers(key)
    pair = split_key(plain)
    if pair is not None and pair[1] != "bias":
        name, suffix = _strip_trailing(pair[0]), pair[1]
        found = find_layer(name, suffix, file)
        if isinstance(found, ModuleKey):
            return found
    steps = plain.split(".")
    for length in range(len(steps) - 1, 0, -1):
        found = _match_whole(".".join(steps[:length]), ".".join(steps[length:]), file)
        if found is not None:
            return found
    if pair is None:
        return Rejection("ends in no suffix of a LoRA")
    return _reject(pair[0], file)


def find_layer(name: str, suffix: str, file: RawFile) -> ModuleKey | Rejection:
    """A layer by its name in any spelling, with a suffix of `deltas.build`."""
    found = _match(name, file.architecture)
    return _reject(name, file) if found is None else _make_key(found, name, suffix)


def _strip_trailing(name: str) -> str:
    for ending in _TRAILING:
        name = name.removesuffix(ending)
    return name


def _match_whole(name: str, rest: str, file: RawFile) -> ModuleKey | None:
    """A key that is a parameter itself (a layer that was trained in full), or has a suffix that nobody knows."""
    found = match_name(file.architecture, name)
    if found is None:
        return None
    return _make_key(found, name, f"{TRAINED}{rest}" if rest in ("weight", "bias") else rest)


def _make_key(found: NameMatch, name: str, suffix: str) -> ModuleKey:
    """suffix "scale": the weight itself, where its maker calls it so, and A1111's factor elsewhere."""
    own = found.own and len(found.canonical) == 1
    if suffix == found.parameter != "weight":
        suffix = "set_weight"
    return ModuleKey(found.module, suffix, name, found.original if own else "")


def _match(name: str, architecture: str) -> NameMatch | None:
    """The layer of a name that may have anything in front, and dots in the place of underscores."""
    while True:
        found = _match_spelling(name, architecture)
        inside = _INSIDE.match(name)
        if found is not None or inside is None:
            return found
        name = name[inside.end() :]


def _match_spelling(name: str, architecture: str) -> NameMatch | None:
    underscored = name.replace(".", "_")
    for spelling in (name, underscored):
        if (found := match_name(architecture, spelling)) is not None:
            return found
    for ending in _ENDINGS:
        found = match_name(architecture, name[: -len(ending)]) if name.endswith(ending) else None
        if found is not None and (found.parameter == ending[1:] or found.original == _OMI_INPUT):
            return found
    for fused, part in _FUSED.items():
        found = match_name(architecture, name.removesuffix(fused) + part) if name.endswith(fused) else None
        if found is not None and (joined := match_name(architecture, found.original)) is not None:
            return joined if len(joined.canonical) > 1 else None
    numbered = _PART.fullmatch(name)
    if numbered is None:
        return None
    joined = match_name(architecture, numbered[1])
    if joined is None or not joined.own or int(numbered[2]) >= len(joined.canonical) or len(joined.canonical) == 1:
        return None
    return joined._replace(canonical=(joined.canonical[int(numbered[2])],), own=False)


def _reject(name: str, file: RawFile) -> Rejection:
    title = ARCHITECTURES[file.architecture].title if file.architecture in ARCHITECTURES else "a transformer model"
    return Rejection(f"no {TRANSFORMER} module of {title} is called {name[:80]!r}")
