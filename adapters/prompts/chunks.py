"""Prompts longer than 75 tokens, cut into windows of 77 as A1111 and as ComfyUI do, with a weight for every token.

A tokenizer here is a function text -> token ids without start and end. Embeddings stand as placeholders: id 0, with a
Substitution that says which vector belongs there, so that no tokenizer is ever changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from ...core.errors import BadParameter
from .emphasis import BREAK, Fragment

Tokenize = Callable[[str], Sequence[int]]

WINDOW = 77
ROOM = 75
"""Tokens in a window between the start and the end token."""
_WHOLE = 8
"""ComfyUI cuts a fragment at a window's end only when it has at least this many tokens."""


@dataclass(frozen=True)
class Special:
    """Ids with a meaning. pad: end for CLIP-L, 0 for OpenCLIP (SD2, SDXL's second encoder). comma: for A1111's
    backtracking.
    """

    start: int = 49406
    end: int = 49407
    pad: int = 49407
    comma: int | None = 267


CLIP_L = Special()
"""SD1 and SDXL's first encoder."""


@dataclass(frozen=True)
class Substitution:
    """Row `index` of the embedding `name` stands in place of the token at `position` of the window (0 is the start
    token).
    """

    position: int
    name: str
    index: int


@dataclass(frozen=True)
class Chunk:
    """One window: 77 ids, 77 weights (start, end and padding weigh 1), and the embedding rows in it."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    substitutions: tuple[Substitution, ...] = ()


@dataclass(frozen=True)
class _Item:
    """A token, or one row of an embedding."""

    id: int
    weight: float
    name: str = ""
    index: int = 0


def close_chunk(items: Sequence[_Item], special: Special) -> Chunk:
    """A window around at most 75 items: start, items, end, padding."""
    ids = [special.start, *(item.id for item in items), special.end]
    weights = [1.0, *(item.weight for item in items), 1.0]
    rest = WINDOW - len(ids)
    rows = tuple(Substitution(1 + place, item.name, item.index) for place, item in enumerate(items) if item.name)
    return Chunk((*ids, *[special.pad] * rest), (*weights, *[1.0] * rest), rows)


def make_empty_chunk(special: Special) -> Chunk:
    """The window of an empty prompt."""
    return close_chunk((), special)


def split_a1111(
    fragments: Sequence[Fragment],
    tokenize: Tokenize,
    special: Special = CLIP_L,
    *,
    embeddings: Mapping[str, int] | None = None,
    backtrack: int = 20,
) -> list[Chunk]:
    """Windows of A1111: BREAK starts a new one, and a full one gives what follows its last comma to the next.

    embeddings: name -> number of vectors; a name is found where its own tokens stand in a fragment, the longest first,
    so without regard to case as far as the tokenizer has none. It is never split over windows. backtrack: how many
    tokens back a comma may be; 0 for none. Raises BadParameter for an embedding of more than 75 vectors.
    One difference: an embedding behind the comma moves on with its vectors; A1111 moves the placeholders only.
    """
    state = _Cutting(special, backtrack)
    triggers = _triggers(embeddings or {}, tokenize)
    for fragment in fragments:
        if fragment == BREAK:
            state.next()
            continue
        ids = list(tokenize(fragment.text))
        place = 0
        while place < len(ids):
            name, length = _trigger_at(ids, place, triggers)
            state.make_room(ids[place])
            state.add(
                _rows(name, (embeddings or {})[name], fragment.weight) if name else [_Item(ids[place], fragment.weight)]
            )
            place += length
    return state.finish()


@dataclass
class _Cutting:
    """The window being filled. comma: number of items before the last comma, or -1."""

    special: Special
    backtrack: int
    items: list[_Item] = field(default_factory=list)
    done: list[list[_Item]] = field(default_factory=list)
    comma: int = -1

    def next(self) -> None:
        self.done.append(self.items)
        self.items, self.comma = [], -1

    def make_room(self, token: int) -> None:
        """Before a token: note a comma; a full window ends, at its last comma if that is near."""
        if token == self.special.comma:
            self.comma = len(self.items)
        elif self.backtrack and len(self.items) == ROOM and self.comma != -1 and ROOM - self.comma <= self.backtrack:
            moved = self.items[self.comma + 1 :]
            del self.items[self.comma + 1 :]
            self.next()
            self.items = moved
        if len(self.items) == ROOM:
            self.next()

    def add(self, items: list[_Item]) -> None:
        if len(self.items) + len(items) > ROOM:
            self.next()
        self.items += items

    def finish(self) -> list[Chunk]:
        if self.items or not self.done:
            self.next()
        return [close_chunk(items, self.special) for items in self.done]


def _rows(name: str, count: int, weight: float) -> list[_Item]:
    if count > ROOM:
        raise BadParameter(
            f"embedding {name!r} has {count} vectors and a window holds {ROOM}",
            where="prompt",
            fix="use another embedding",
        )
    return [_Item(0, weight, name, index) for index in range(count)]


def _triggers(embeddings: Mapping[str, int], tokenize: Tokenize) -> list[tuple[list[int], str]]:
    """Token sequences of the names, the longest first."""
    pairs = [(list(tokenize(name)), name) for name in embeddings]
    return sorted((pair for pair in pairs if pair[0]), key=lambda pair: -len(pair[0]))


def _trigger_at(ids: list[int], place: int, triggers: list[tuple[list[int], str]]) -> tuple[str, int]:
    """Embedding whose name stands at a place, with the number of tokens to skip; ("", 1) for a plain token."""
    found = ((name, len(sequence)) for sequence, name in triggers if ids[place : place + len(sequence)] == sequence)
    return next(found, ("", 1))


_EMBEDDING = re.compile(r"(?:^|(?<=\s))embedding:\s*(?P<name>[^\s<\[]+)(?P<rest>(?:(?!\sembedding:).)*)", re.DOTALL)


def split_comfyui(
    fragments: Sequence[Fragment],
    tokenize: Tokenize,
    special: Special = CLIP_L,
    *,
    embeddings: Mapping[str, int] | None = None,
) -> list[Chunk]:
    """Windows of ComfyUI: a fragment of fewer than 8 tokens moves to the next window as a whole, a longer one is cut.

    embeddings: name -> number of vectors, named as `embedding:NAME` in the text; unknown ones are left out, as there.
    A comma behind the name is dropped from it when only the name without it is known.
    """
    windows: list[list[_Item]] = [[]]
    for group in chain.from_iterable(_comfyui_groups(fragment, tokenize, embeddings or {}) for fragment in fragments):
        rest = group
        while rest:
            room = ROOM - len(windows[-1])
            if len(rest) <= room:
                windows[-1] += rest
                break
            taken = room if len(group) >= _WHOLE else 0
            windows[-1] += rest[:taken]
            rest = rest[taken:]
            windows.append([])
    return [close_chunk(items, special) for items in windows]


def _comfyui_groups(fragment: Fragment, tokenize: Tokenize, embeddings: Mapping[str, int]) -> list[list[_Item]]:
    """Groups that stay together: text up to an embedding, the rows of an embedding, the text behind it."""
    groups: list[list[_Item]] = []
    text, place = fragment.text, 0
    for found in _EMBEDDING.finditer(text):
        name, rest = _known(found["name"], embeddings)
        groups.append(_words(text[place : found.start()], fragment.weight, tokenize))
        groups.append([_Item(0, fragment.weight, name, index) for index in range(embeddings.get(name, 0))])
        groups.append(_words(" ".join(f"{rest} {found['rest']}".split()), fragment.weight, tokenize))
        place = found.end()
    return [group for group in [*groups, _words(text[place:], fragment.weight, tokenize)] if group]


def _known(name: str, embeddings: Mapping[str, int]) -> tuple[str, str]:
    """The name that is known, and the commas behind it that are text then."""
    bare = name if name in embeddings else name.strip(",")
    return bare, name[len(bare) :]


def _words(text: str, weight: float, tokenize: Tokenize) -> list[_Item]:
    return [_Item(token, weight) for token in tokenize(text)] if text else []


def pad_to_longest(prompts: Sequence[Sequence[Chunk]], special: Special = CLIP_L) -> list[list[Chunk]]:
    """All prompts of a batch with as many windows as the longest, filled up with empty ones (positive and negative
    alike).
    """
    longest = max((len(chunks) for chunks in prompts), default=0)
    return [[*chunks, *[make_empty_chunk(special)] * (longest - len(chunks))] for chunks in prompts]


def join_vectors(chunks: Iterable[Chunk], vectors: Mapping[str, Any]) -> list[list[tuple[Any, float]]]:
    """Windows of (id or row of vectors, 1), because A1111 weighs what comes out. vectors: [rows, width] by name."""
    windows: list[list[tuple[Any, float]]] = []
    for chunk in chunks:
        row: list[Any] = list(chunk.ids)
        for own in chunk.substitutions:
            row[own.position] = vectors[own.name][own.index]
        windows.append([(token, 1.0) for token in row])
    return windows
