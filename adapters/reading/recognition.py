"""Which model with a transformer a file is for, from the names in it and the shapes of its layers.

Every name is looked up in the tables of all architectures; those that know the most names are left, then the variants
whose layers have the file's shapes. The header is a hint: it decides between models that the names and shapes cannot
tell apart, and is overruled, with a note, where it says something else than these.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..modules.architectures import ARCHITECTURES, TRANSFORMER_MODELS
from ..modules.parts import TRANSFORMER
from ..modules.rows import can_be, match_everywhere
from .extents import read_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..modules.rows import NameMatch

PREFIX = re.compile(
    r"lora_unet_(_(?!orig))?|lora_transformer_|lycoris_(unet_|transformer_(?!blocks))?|oft_unet_|base_model\.model\.|"
    r"(model\.)?diffusion_model\.|model_diffusion_model_|diffusion_model_|transformer(_2)?\.|transformer_(?!blocks)|"
    r"unet[._]|net\.|module\.|_orig_mod[._]|dit\.|pipe\.dit\.|model\.(?!layers)|conditional_transformer\."
)
"""What files write before a denoiser's names, more than once where a model was wrapped."""
UNET_NAMES = re.compile(
    r"(down|up|input|output)_blocks[._]\d|mid_block[._]|middle_block[._]|(^|[._])(conv_in|conv_norm_out|add_embedding)[._]"
)
"""What only UNets have."""
_NUMBER = re.compile(r"\d+")
HEADER = ("modelspec.architecture", "ss_base_model_version")
"""Entries of metadata that name the base model."""
_STARTS = sorted(
    ((start, name) for name, model in ARCHITECTURES.items() for start in model.trainer_names),
    key=lambda pair: -len(pair[0]),
)


class _Shaped(Protocol):
    @property
    def shape(self) -> Sequence[int]: ...


@dataclass(frozen=True)
class Recognition:
    """A base model by its id. variant: which of those that share its names, "" where the file does not tell.

    could_be: titles of other models that names and shapes fit as well. notes: for whoever loads the file.
    fits: how many layers have the shapes of a released model. candidates: ids of all other models that have the names,
    in some width that the shapes can be of.
    """

    architecture: str
    variant: str = ""
    could_be: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    fits: int = 0
    candidates: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the model and the variant, for messages."""
        return " ".join(filter(None, (ARCHITECTURES[self.architecture].title, self.variant)))

    @property
    def title(self) -> str:
        """The same with the models that it could be, too."""
        return " or ".join((self.name, *self.could_be))


@dataclass
class _Layer:
    """A layer that the file names: what it is in each architecture, and the size of its weight."""

    matches: Mapping[str, NameMatch]
    shapes: dict[str, Sequence[int]] = field(default_factory=dict["str", "Sequence[int]"])


class _Score(NamedTuple):
    """Evidence for one variant, the better the greater.

    fits: shapes that are a released model's; sound: those that a model of any width can have; whole: whether no block
    is missing; exact: whether all shapes are the released model's.
    """

    fits: int
    sound: int
    whole: bool
    exact: bool


def recognise_model(tensors: Mapping[str, _Shaped], metadata: Mapping[str, str]) -> Recognition | None:
    """The model that a file's denoiser is of; by the header alone where it names no layer of a denoiser.

    None for a file of a UNet, and for one that no known transformer fits.
    """
    if any(UNET_NAMES.search(key) for key in tensors):
        return None
    hint, layers = read_hint(metadata), _collect_layers(tensors)
    counts = Counter(name for layer in layers for name in layer.matches)
    if not counts:
        return Recognition(hint) if hint in TRANSFORMER_MODELS else None
    most = max(counts.values())
    found = _choose([name for name, count in counts.items() if count == most], layers, hint)
    return replace(found, variant=_read_variant(found, metadata)) if found.architecture == hint else found


def read_hint(metadata: Mapping[str, str]) -> str:
    """Architecture that the header names, "" for none."""
    for text in (str(metadata.get(key, "")).lower() for key in HEADER):
        for start, name in _STARTS:
            if text.startswith(start):
                return name
    return ""


def _read_variant(found: Recognition, metadata: Mapping[str, str]) -> str:
    """Variant by the header, where shapes leave it open or are those of the first variant, which others share."""
    model = TRANSFORMER_MODELS[found.architecture]
    text = " ".join(str(metadata.get(key, "")) for key in HEADER).lower()
    named = next((name for word, name in model.header_words.items() if word in text), "")
    first = next(iter(model.variants), "")
    fits = found.variant in ("", *(() if named in model.variants else (first,)))
    return named if named and fits else found.variant


def _choose(names: list[str], layers: list[_Layer], hint: str) -> Recognition:
    """The best of the architectures that know the same number of names."""
    pairs = [(name, variant) for name in names for variant in _list_variants(name, layers)]
    scores = {pair: _score(*pair, layers) for pair in pairs}
    best = max(scores.values())
    left = [pair for pair, score in scores.items() if score == best]
    owners = sorted({name for name, _ in left}, key=lambda name: (TRANSFORMER_MODELS[name].rank, name))
    own = hint if hint in owners else owners[0]
    variants = [variant for name, variant in left if name == own]
    others = () if own == hint else tuple(TRANSFORMER_MODELS[name].title for name in owners if name != own)
    notes, title = list[str](), TRANSFORMER_MODELS[own].title
    if hint and hint not in owners:
        notes.append(
            f"the header says {ARCHITECTURES[hint].title}; by names and shapes of its layers it is for {title}"
        )
    if others:
        notes.append(f"names and shapes fit {title}; it could be for {' or '.join(others)}, too")
    variant = variants[0] if len(variants) == 1 and best.exact else ""
    sound = max(score.sound for score in scores.values())
    could = dict.fromkeys(name for (name, _), score in scores.items() if score.sound == sound and name != own)
    return Recognition(own, variant, others, tuple(notes), best.fits, () if own == hint else tuple(could))


def _list_variants(name: str, layers: list[_Layer]) -> Iterable[str]:
    """Variants that a file can be for: one that adds layers only where some of these are there."""
    model = TRANSFORMER_MODELS[name]
    found = [layer.matches[name].canonical[0].partition(".")[2] for layer in layers if name in layer.matches]
    absent = [variant for variant, start in model.extensions.items() if not any(own.startswith(start) for own in found)]
    return [variant for variant in model.variants if variant not in absent] or ("",)


def _score(name: str, variant: str, layers: list[_Layer]) -> _Score:
    """Columns count twice: they are known of more algorithms than rows."""
    known = _list_shapes(name, variant)
    fits, sound, exact = 0, 0, True
    found = defaultdict[str, set[str]](set)
    for layer in layers:
        match = layer.matches.get(name)
        if match is None:
            continue
        size = read_size(layer.shapes)
        shapes = [known[part] for part in match.canonical if part in known]
        for part in match.canonical:
            found[_NUMBER.sub("#", part, count=1)].add(part)
        if len(shapes) == len(match.canonical):
            rows, columns = sum(shape[0] for shape in shapes), sum(shapes[0][1:2])
            fits += (size.rows == rows) + 2 * (size.columns == columns)
            exact = exact and size.rows in (0, rows) and size.columns in (0, columns)
        else:
            exact = False
        sound += not (size.rows and size.columns) or can_be(name, match, size)
    expected = _count_blocks(name, variant)
    whole = all(expected[template] == len(parts) for template, parts in found.items())
    return _Score(fits, sound, whole, exact and fits > 0)


@cache
def _list_shapes(name: str, variant: str) -> dict[str, tuple[int, ...]]:
    """Shapes of a variant's layers by canonical name."""
    transformer = TRANSFORMER_MODELS[name].variants.get(variant) or TRANSFORMER_MODELS[name].transformer
    modules = transformer.modules() if transformer is not None else {}
    return {f"{TRANSFORMER}.{module}": layer.shape for module, layer in modules.items()}


@cache
def _count_blocks(name: str, variant: str) -> Counter[str]:
    """How many blocks of a variant have a layer, by its name with # for the number."""
    return Counter(_NUMBER.sub("#", part, count=1) for part in _list_shapes(name, variant))


def _collect_layers(tensors: Mapping[str, _Shaped]) -> list[_Layer]:
    """Layers that some architecture knows."""
    layers: dict[str, _Layer | None] = {}
    for key, tensor in tensors.items():
        rest = strip_prefix(key)
        for name in _list_stems(rest):
            if name not in layers:
                layers[name] = _Layer(matches) if (matches := match_everywhere(name)) else None
            if (layer := layers[name]) is not None:
                layer.shapes[rest[len(name) + 1 :]] = tensor.shape
                break
    return [layer for layer in layers.values() if layer is not None]


def strip_prefix(key: str) -> str:
    """A key without what its dialect writes before the denoiser's names."""
    while (found := PREFIX.match(key)) is not None and found.end():
        key = key[found.end() :]
    return key


def _list_stems(key: str) -> Iterable[str]:
    """Beginnings of a key that may be a layer's name, the longest first."""
    steps = key.split(".")
    return (".".join(steps[:length]) for length in range(len(steps), 0, -1))
