"""Values under the names of another file of the same model: other prefixes, q, k and v in one weight or in three."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from ..adapters.modules.architectures import ARCHITECTURES
from ..adapters.modules.rows import canonical_modules, match_name
from ..adapters.reading.recognition import recognise_model
from .nodes import PassedValues
from .values import Shaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torch import Tensor

    from ..adapters.modules.rows import NameMatch
    from .values import FileValues, Values

_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.", "unet.", "model.", "")


class Piece(NamedTuple):
    """Elements begin to end of another value."""

    key: str
    begin: int
    end: int


class Link(NamedTuple):
    """A key of a maker's file, and those of diffusers whose rows follow each other in it.

    swapped: halves change places.
    """

    key: str
    parts: tuple[str, ...]
    swapped: bool


class JoinedValues(PassedValues):
    """Values joined of pieces of another node's, one after the other. pieces: key → its pieces."""

    def __init__(self, inner: Values, entries: Mapping[str, Shaped], pieces: Mapping[str, tuple[Piece, ...]]) -> None:
        super().__init__(inner, entries)
        self._pieces = pieces

    def read(self, key: str, begin: int, end: int, wanted: torch.dtype | None = None) -> Tensor:
        """The parts of the pieces that lie in the span."""
        spans, place = list[Piece](), 0
        for piece in self._pieces[key]:
            first, last = max(begin - place, 0), min(end - place, piece.end - piece.begin)
            place += piece.end - piece.begin
            if first < last:
                spans.append(Piece(piece.key, piece.begin + first, piece.begin + last))
        if len(spans) == 1:
            return self.inner.read(*spans[0], wanted)
        dtype = self.entries[key].dtype  # each value is valid until the next is read
        return torch.cat([torch.empty(0, dtype=dtype), *(self.inner.read(*s).to(dtype, copy=True) for s in spans)])

    def find_grain(self, key: str) -> int:
        """Single elements, or all where the other node computes in larger steps."""
        alone = all(self.inner.find_grain(piece.key) == 1 for piece in self._pieces[key])
        return 1 if alone else max(1, self.entries[key].numel)

    def find_source(self, key: str) -> tuple[FileValues, str] | None:
        """Of a value that is another under its name."""
        first, *others = self._pieces[key]
        whole = not others and (first.begin, first.end) == (0, self.inner.entries[first.key].numel)
        return self.inner.find_source(first.key) if whole else None


def align_names(first: Values, other: Values) -> tuple[Values, str]:
    """Another node's values under the names of the first, and what was done; the values as they are where nothing is.

    Only where the two share no weights under one name, or hold q, k and v differently.
    """
    for architecture in _list_architectures(first, other):
        for joint, parts in ((first, other), (other, first)):
            ends = _find_prefix(joint, architecture, own=True), _find_prefix(parts, architecture, own=False)
            if ends[0] is not None and ends[1] is not None:
                links = list(_list_links(architecture, joint, ends[0], ends[1]))
                pieces = _join_parts if joint is first else _split_joints
                joined = _rename_rest(first, other, dict(pieces(links, joint, parts)))
                title = ARCHITECTURES[architecture].title
                return joined, f"{other.label}: names and divisions of {title} as in {first.label}"
    return _align_prefix(first, other)


def _list_architectures(first: Values, other: Values) -> list[str]:
    """What the two may be, first where it is certain."""
    found = [recognise_model(values.entries, {}) for values in (first, other)]
    known = sorted((one for one in found if one is not None), key=lambda one: len(one.could_be))
    return list(dict.fromkeys(one.architecture for one in known))


def _find_prefix(values: Values, architecture: str, *, own: bool) -> str | None:
    """Prefix of the denoiser's keys; None where they are not in the maker's names (own), or not in diffusers'."""
    for prefix in _PREFIXES:
        for key in values.entries:
            name = key.removeprefix(prefix) if key.startswith(prefix) else ""
            match = match_name(architecture, name.rpartition(".")[0])
            if match is not None and match.original not in _list_plain(match) and match.own == own:
                return prefix
    return None


def _list_plain(match: NameMatch) -> list[str]:
    """Names of the layers without their part."""
    return [name.partition(".")[2] for name in match.canonical]


def _list_links(architecture: str, joint: Values, prefix: str, other: str) -> Iterator[Link]:
    """Every key of the maker's that the table has."""
    for key in joint.entries:
        name = key.removeprefix(prefix) if key.startswith(prefix) else ""
        module, _, parameter = name.rpartition(".")
        value = match_name(architecture, name)
        match = value or match_name(architecture, module)
        if match is None or match.original != (name if value else module):
            continue
        weight = joint.entries.get(f"{prefix}{module}.{match.parameter}", joint.entries[key])
        rows = canonical_modules(architecture, match.original, weight.shape or (1,))
        ending = "" if value else ".weight" if parameter == match.parameter else f".{parameter}"
        names = tuple(f"{other}{part}{ending}" for part in _list_plain(match))
        yield Link(key, names, any(row.swapped for row in rows))


def _join_parts(
    links: Iterable[Link], joint: Values, parts: Values
) -> Iterator[tuple[str, tuple[Shaped, tuple[Piece, ...]]]]:
    """Weights of the first, each of pieces of the other's."""
    for key, names, swapped in links:
        if not all(name in parts.entries for name in names):
            continue
        entries = [parts.entries[name] for name in names]
        shape = entries[0].shape
        if len(entries) > 1:
            if not shape or any(entry.shape[1:] != shape[1:] or not entry.shape for entry in entries):
                continue  # the weight is then missing, and named
            shape = (sum(entry.shape[0] for entry in entries), *shape[1:])
        elif entries[0].numel == joint.entries[key].numel:
            shape = joint.entries[key].shape
        pieces = tuple(Piece(name, 0, entry.numel) for name, entry in zip(names, entries, strict=True))
        yield key, (Shaped(entries[0].dtype, shape), _swap(pieces[0]) if swapped else pieces)


def _split_joints(
    links: Iterable[Link], joint: Values, parts: Values
) -> Iterator[tuple[str, tuple[Shaped, tuple[Piece, ...]]]]:
    """Weights of the first, each a piece of one of the other's."""
    for key, names, swapped in links:
        whole, row = joint.entries[key], 0
        if not all(name in parts.entries for name in names):
            continue
        if len(names) == 1:
            piece, entry = Piece(key, 0, whole.numel), parts.entries[names[0]]
            shaped = Shaped(whole.dtype, entry.shape) if entry.numel == whole.numel else whole
            yield names[0], (shaped, _swap(piece) if swapped else (piece,))
            continue
        if sum(sum(parts.entries[name].shape[:1]) for name in names) != sum(whole.shape[:1]) or not whole.shape:
            continue  # the weight is then missing, and named
        for name in names:
            rows = parts.entries[name].shape[0]
            shape = (rows, *whole.shape[1:])
            yield name, (Shaped(whole.dtype, shape), (Piece(key, row * whole.row, (row + rows) * whole.row),))
            row += rows


def _swap(piece: Piece) -> tuple[Piece, ...]:
    middle = piece.begin + (piece.end - piece.begin) // 2
    return Piece(piece.key, middle, piece.end), Piece(piece.key, piece.begin, middle)


def _rename_rest(first: Values, other: Values, joined: dict[str, tuple[Shaped, tuple[Piece, ...]]]) -> Values:
    """Joined weights, and every weight of the other that is in none of it, under its own name or that of the first."""
    used = {piece.key for _, pieces in joined.values() for piece in pieces}
    names = {prefix + _strip(key): key for key in first.entries for prefix in _PREFIXES}
    for key, entry in other.entries.items():
        if key not in used:
            name = key if key in first.entries else names.get(key, key)
            joined.setdefault(name, (entry, (Piece(key, 0, entry.numel),)))
    return JoinedValues(other, {k: entry for k, (entry, _) in joined.items()}, {k: p for k, (_, p) in joined.items()})


def _align_prefix(first: Values, other: Values) -> tuple[Values, str]:
    """The same names behind another prefix."""
    names = {key for key, entry in first.entries.items() if entry.ndim}
    if not names or names & set(other.entries):
        return other, ""
    bare = {_strip(key): key for key in first.entries}
    found = {bare[_strip(key)]: key for key in other.entries if _strip(key) in bare}
    if 2 * len(found) < min(len(first.entries), len(other.entries)):
        return other, ""
    joined = {n: (other.entries[k], (Piece(k, 0, other.entries[k].numel),)) for n, k in found.items()}
    return _rename_rest(first, other, joined), f"{other.label}: prefixes of names as in {first.label}"


def _strip(key: str) -> str:
    return next(key.removeprefix(prefix) for prefix in _PREFIXES if key.startswith(prefix))
