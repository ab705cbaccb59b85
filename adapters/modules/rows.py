"""Names of a transformer's layers in diffusers' folders and in makers' files, and which rows of which weight they are.

Makers join layers that diffusers keeps apart (q, k and v), and a few layers of diffusers have their two halves the
other way round. Names are without a part in front where they are a maker's, and canonical otherwise
("transformer.transformer_blocks.0.attn.to_q"); any number of blocks and any width is read.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from .architectures import ARCHITECTURES, TRANSFORMER_MODELS
from .parts import TRANSFORMER
from .sizes import compute_size, solve_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .transformer import Layer

_DOTTED, _UNDERSCORED = re.compile(r"(?<=\.)\d+(?=\.|$)"), re.compile(r"(?<=_)\d+(?=_|$)")
_PREFIX = f"{TRANSFORMER}."


class Rows(NamedTuple):
    """Rows [start, start + length) of a layer's weight and bias; swapped: the halves of these change places.

    length: 0 for all, where the weight's shape was not known.
    """

    module: str
    start: int = 0
    length: int = 0
    swapped: bool = False


class NameMatch(NamedTuple):
    """The layer that a file names. original: its maker's name; canonical: the layers that are its rows, in their order.

    own: whether the file has the maker's name, and the whole of its rows is meant; else canonical is the one layer that
    the file names. Where both names are one, own is False. parameter: what the maker calls its weight. common: the
    first of the names that makers have for the joined rows.
    """

    original: str
    canonical: tuple[str, ...]
    own: bool
    parameter: str = "weight"
    common: str = ""

    @property
    def module(self) -> str:
        """Name of the layer for deltas: canonical, or behind the part the makers' of joined layers."""
        return self.canonical[0] if len(self.canonical) == 1 else f"{_PREFIX}{self.common or self.original}"


class _Link(NamedTuple):
    """A maker's weight and the layers of diffusers that are its rows; each with its variants over the blocks.

    common: the first of the names that makers have for these rows.
    """

    original: str
    parameter: str
    parts: tuple[tuple[Layer, ...], ...]
    common: str


@cache
def _index(architecture: str) -> tuple[dict[str, _Link], dict[str, tuple[_Link, ...]]]:
    """Links by makers' names, and by diffusers'; # for the number of a block."""
    transformer = ARCHITECTURES[architecture].transformer
    joined: dict[tuple[str, str], dict[str, list[Layer]]] = {}
    for layer in transformer.layers if transformer is not None else ():
        for source in layer.sources:
            joined.setdefault(source, {}).setdefault(layer.name, []).append(layer)
    first: dict[tuple[str, ...], str] = {}
    for (name, _), parts in joined.items():
        first.setdefault(tuple(parts), name)
    links = {
        source[0]: _Link(*source, tuple(map(tuple, parts.values())), first[tuple(parts)])
        for source, parts in joined.items()
    }
    named: dict[str, tuple[_Link, ...]] = {}
    for link in links.values():
        for part in link.parts:
            named[part[0].name] = (*named.get(part[0].name, ()), link)
    return links, named


@cache
def _list_spellings(architecture: str) -> dict[str, tuple[_Link, int | None]]:
    """Spelling, dotted or underscored, with # for the number → link, and which of its layers: None for the maker's."""
    links, named = _index(architecture)
    found: dict[str, tuple[_Link, int | None]] = {}
    for name, others in named.items():
        place = next(index for index, part in enumerate(others[0].parts) if part[0].name == name)
        found |= dict.fromkeys((name, name.replace(".", "_")), (others[0], place))
    for name, link in links.items():
        for spelling in (name, name.replace(".", "_")):
            found.setdefault(spelling, (link, None))
    return found


def match_name(architecture: str, name: str) -> NameMatch | None:
    """The layer of a transformer that a name means: diffusers' or a maker's, with dots or underscores.

    name: without the prefix of its dialect. None for a name that the architecture has not.
    """
    spellings = _list_spellings(architecture)
    for spelling, number in _list_templates(name):
        if spelling in spellings:
            return _fill(*spellings[spelling], number)
    return None


def match_everywhere(name: str) -> dict[str, NameMatch]:
    """The same in every architecture that has the name, by id."""
    for spelling, number in _list_templates(name):
        if found := _list_owners().get(spelling):
            return {architecture: _fill(*_list_spellings(architecture)[spelling], number) for architecture in found}
    return {}


def _list_templates(name: str) -> list[tuple[str, str]]:
    """The name, and the same with # for the number of a block, with that number."""
    number = (_DOTTED if "." in name else _UNDERSCORED).search(name)
    blocked = [(f"{name[: number.start()]}#{name[number.end() :]}", number[0])] if number is not None else []
    return [(name, ""), *blocked]


@cache
def _list_owners() -> dict[str, tuple[str, ...]]:
    """Spelling → architectures that have it."""
    found: dict[str, tuple[str, ...]] = {}
    for architecture in TRANSFORMER_MODELS:
        for spelling in _list_spellings(architecture):
            found[spelling] = (*found.get(spelling, ()), architecture)
    return found


def _fill(link: _Link, place: int | None, number: str) -> NameMatch:
    parts = link.parts if place is None else (link.parts[place],)
    names = tuple(_PREFIX + part[0].name.replace("#", number) for part in parts)
    original, common = (name.replace("#", number) for name in (link.original, link.common))
    return NameMatch(original, names, place is None, link.parameter, common)


def canonical_modules(architecture: str, original: str, shape: Sequence[int]) -> tuple[Rows, ...]:
    """The layers that are the rows of a maker's weight, in order, by their canonical names.

    shape: of that weight, [O, I, ...], or as much of it as is known, [O]. Empty for a name that the architecture has
    not, and where the rows cannot be divided.
    """
    link, number = _find_link(architecture, original)
    if link is None:
        return ()
    start, found = 0, list[Rows]()
    for (name, swapped), length in zip(_list_parts(link, shape), _divide(architecture, link, shape), strict=False):
        found.append(Rows(_PREFIX + name.replace("#", number), start, length, swapped))
        start += length
    return tuple(found)


def original_rows(architecture: str, canonical: str, shapes: Mapping[str, Sequence[int]]) -> Rows | None:
    """Where a layer lies in the maker's files; None for a name that the architecture has not.

    shapes: of the weights of such a file by their modules; by them the rows of joined layers are counted, and one of
    several names in use is chosen.
    """
    name = canonical.removeprefix(_PREFIX)
    template, number = _split_number(name)
    named = _index(architecture)[1]
    links = named.get(name) or named.get(template, ())
    for link in links:
        original = link.original.replace("#", number)
        if original in shapes:
            rows = canonical_modules(architecture, original, shapes[original])
            own = next((part for part in rows if part.module == _PREFIX + name), None)
            return own._replace(module=original) if own is not None else None
    first = links[0] if links else None
    return Rows(first.original.replace("#", number)) if first is not None and len(first.parts) == 1 else None


def can_be(architecture: str, match: NameMatch, shape: Sequence[int]) -> bool:
    """Whether a weight of that shape, [O, I, ...], can be the layer in a model of any width."""
    link, number = _find_link(architecture, match.original)
    names = {name.removeprefix(_PREFIX) for name in match.canonical}
    parts = [part for part in link.parts if part[0].name.replace("#", number) in names] if link is not None else []
    if not parts:
        return False
    if len(parts) > 1:
        whole = tuple(term for part in parts for term in part[0].shape[0])
        return solve_sizes((whole, *parts[0][0].shape[1:2]), shape[:2]) is not None
    return any(solve_sizes(layer.shape[:2], shape[: len(layer.shape[:2])]) is not None for layer in parts[0])


def _find_link(architecture: str, original: str) -> tuple[_Link | None, str]:
    """The link of a maker's name, and the number of its block."""
    links, (template, number) = _index(architecture)[0], _split_number(original)
    return (links[original], "") if original in links else (links.get(template), number)


def _split_number(name: str) -> tuple[str, str]:
    """A dotted name with # for the number of its block, and that number."""
    number = _DOTTED.search(name)
    return (f"{name[: number.start()]}#{name[number.end() :]}", number[0]) if number is not None else (name, "")


def _list_parts(link: _Link, shape: Sequence[int]) -> list[tuple[str, bool]]:
    """Names of the layers, and whether their halves change places, which the shape tells where blocks differ."""
    found: list[tuple[str, bool]] = []
    for layers in link.parts:
        fits = [layer for layer in layers if solve_sizes(layer.shape[: len(shape)], shape[: len(layer.shape)])]
        found.append((layers[0].name, (fits or layers)[0].swapped))
    return found


def _divide(architecture: str, link: _Link, shape: Sequence[int]) -> list[int]:
    """Rows of each layer: by the weight's columns where these tell, else as in the released model."""
    layers = [part[0] for part in link.parts]
    if len(layers) == 1:
        return [shape[0]]
    sizes = [layer.shape[0] for layer in layers]
    whole = tuple(term for size in sizes for term in size)
    numbers = solve_sizes((whole, *layers[0].shape[1:2]), (shape[0], *shape[1:2])) if len(shape) > 1 else None
    if numbers is not None:
        return [compute_size(size, numbers) for size in sizes]
    transformer = ARCHITECTURES[architecture].transformer
    shares = [compute_size(size, transformer.numbers) for size in sizes] if transformer is not None else [1]
    parts = [share * shape[0] for share in shares]
    return [part // sum(shares) for part in parts] if not any(part % sum(shares) for part in parts) else []
