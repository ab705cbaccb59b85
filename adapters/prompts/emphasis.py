r"""Emphasis in prompts, as A1111 and as ComfyUI read it: text -> fragments with weights.

| input | A1111 | ComfyUI |
| --- | --- | --- |
| `(x)`, `[x]` | 1.1, 1/1.1 | 1.1, literal |
| `(a (b:1.3) c:1.2)` | b = 1.56: weights multiply | b = 1.3: an inner weight replaces |
| `(x` | 1.1 to the end of the text | literal |
| `(:1.2)` | empty text | `:1.2` at 1.1 |
| `\(`, `\)`, `\[`, `\]`, `\\` | literal | only `\(` and `\)` are escapes |
| `BREAK` | a new chunk | a word |
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from ...core.errors import BadParameter
from .numbers import parse_number

Mode = Literal["a1111", "comfyui"]
MAX_DEPTH = 200
"""Brackets inside one another before a prompt is refused."""


class Fragment(NamedTuple):
    """Text that is tokenised in one piece, with its weight."""

    text: str
    weight: float


BREAK = Fragment("BREAK", -1.0)
"""Start of a new chunk. It is recognised by value, as A1111 does: in `(a BREAK b:1.2)` it becomes the word BREAK at
-1.2.
"""

_A1111 = re.compile(
    r"\\(?P<escaped>[()\[\]\\]?)|:\s*(?P<weight>[+-]?[.\d]+)\s*\)|(?P<mark>[()\[\]])|(?P<plain>:|[^\\()\[\]:]+)"
)
_BREAK = re.compile(r"\s*\bBREAK\b\s*")
_COMFYUI = re.compile(r"\\[()]|.", re.DOTALL)
_FACTOR = {"(": 1.1, "[": 1 / 1.1}
_OPENS = {")": "(", "]": "["}


def parse_emphasis(text: str, mode: Mode = "a1111") -> list[Fragment]:
    """Fragments of a prompt without tags, schedules and AND, in order; neighbours of one weight are joined in A1111's
    mode.

    Raises BadParameter for a weight such as `1.2.3` (A1111 stops with an exception), for one that is not finite, and
    for
    brackets nested deeper than MAX_DEPTH.
    """
    return _parse_a1111(text) if mode == "a1111" else _parse_comfyui(text)


class _Reader:
    """Fragments read so far, and where each bracket was opened. The two kinds of bracket do not see one another."""

    def __init__(self) -> None:
        self.pieces: list[Fragment] = []
        self.opened: dict[str, list[int]] = {"(": [], "[": []}

    def open(self, mark: str) -> None:
        self.opened[mark].append(len(self.pieces))
        if len(self.opened[mark]) > MAX_DEPTH:
            raise _too_deep()

    def close(self, mark: str, factor: float) -> None:
        start = self.opened[mark].pop()
        self.pieces[start:] = [Fragment(text, weight * factor) for text, weight in self.pieces[start:]]

    def read(self, found: re.Match[str]) -> None:
        kind, text = found.lastgroup, found[0]
        if kind == "escaped":
            self.pieces.append(Fragment(found["escaped"], 1.0))
        elif text in self.opened:
            self.open(text)
        elif kind == "weight" and self.opened["("]:
            self.close("(", parse_number(found["weight"], where=text))
        elif text in _OPENS and self.opened[_OPENS[text]]:
            self.close(_OPENS[text], _FACTOR[_OPENS[text]])
        else:
            self.pieces += _words(text)


def _words(text: str) -> list[Fragment]:
    parts = [Fragment(part, 1.0) for part in _BREAK.split(text)]
    return [piece for part in parts for piece in (BREAK, part)][1:]


def _parse_a1111(text: str) -> list[Fragment]:
    state = _Reader()
    for found in _A1111.finditer(text):
        state.read(found)
    for mark in _FACTOR:
        while state.opened[mark]:
            state.close(mark, _FACTOR[mark])
    return _join(state.pieces or [Fragment("", 1.0)])


def _join(pieces: list[Fragment]) -> list[Fragment]:
    """Neighbours of equal weight in one, without a space between them."""
    joined: list[Fragment] = []
    for piece in pieces:
        if joined and joined[-1].weight == piece.weight:
            joined[-1] = Fragment(joined[-1].text + piece.text, piece.weight)
        else:
            joined.append(piece)
    return joined


def _parse_comfyui(text: str) -> list[Fragment]:
    fragments: list[Fragment] = []
    waiting: list[tuple[list[str], float, int | None]] = [(_COMFYUI.findall(text), 1.0, 0)]
    while waiting:
        marks, weight, depth = waiting.pop()
        if depth is None:
            fragments.append(Fragment("".join(mark[-1] for mark in marks), weight))
        elif depth > MAX_DEPTH:
            raise _too_deep()
        else:
            waiting += [_item(group, weight, depth) for group in reversed(_groups(marks))]
    return fragments


def _item(group: list[str], weight: float, depth: int) -> tuple[list[str], float, int | None]:
    """A group with its own weight, still to be cut; or literal text, marked by None."""
    if len(group) >= 2 and group[0] == "(" and group[-1] == ")":
        return (*_split_weight(group[1:-1], weight), depth + 1)
    return group, weight, None


def _groups(marks: list[str]) -> list[list[str]]:
    """Cut at the outermost parentheses. A closing one too many counts below zero, as in ComfyUI, and hides the next
    group.
    """
    groups: list[list[str]] = [[]]
    level = 0
    for mark in marks:
        level -= mark == ")"
        if mark == "(" and level == 0:
            groups.append([])
        groups[-1].append(mark)
        if mark == ")" and level == 0:
            groups.append([])
        level += mark == "("
    return [group for group in groups if group]


def _split_weight(marks: list[str], weight: float) -> tuple[list[str], float]:
    """Content and weight of a group: what follows its last colon when that is a number, else 1.1 times the outer
    weight.
    """
    colon = len(marks) - 1 - marks[::-1].index(":") if ":" in marks else 0
    explicit = _number("".join(marks[colon + 1 :])) if colon > 0 else None
    return (marks, weight * 1.1) if explicit is None else (marks[:colon], explicit)


def _number(text: str) -> float | None:
    try:
        float(text)
    except ValueError:
        return None
    return parse_number(text, where=f":{text}")


def _too_deep() -> BadParameter:
    return BadParameter(
        f"brackets are nested deeper than {MAX_DEPTH}", where="prompt", fix="close or escape them as \\( and \\)"
    )
