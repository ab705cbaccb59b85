"""A1111's scheduling `[a:b:0.5]` and alternation `[a|b]`: the tree of a prompt and its text at every step.

Brackets that form no valid group are literal, innermost problems making the brackets around them literal too; a `|`
outside an alternation or a backslash at the end leaves the whole prompt as raw text. This is what A1111's ambiguous
grammar comes to; here a pass over the tokens settles the brackets first, so that the grammar is LALR and linear.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from ...core.errors import BadParameter
from .emphasis import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lark import Lark, Token

GRAMMAR = r"""
start: (_part | STRAY)*
body: _part*
_part: TEXT | NUMBER | group | schedule | alternate
group: LPAR body RPAR | LPAR body COLON body RPAR | LSQB body RSQB
schedule: LSQB body COLON NUMBER RSQB | LSQB body COLON body COLON NUMBER RSQB
alternate: LSQB body (BAR body)+ RSQB
LPAR: "("
RPAR: ")"
LSQB: "["
RSQB: "]"
COLON: ":"
BAR: "|"
NUMBER.2: /\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*(?=\])/
TEXT: /([^()\[\]:|\\]|\\.)+/
%declare STRAY
"""


@dataclass(frozen=True)
class Group:
    """Brackets that stay in the text for the emphasis that is read later: `(x)`, `(x:1.2)`, `[x]`; parts has one or
    two bodies.
    """

    brackets: str
    parts: tuple[Body, ...]


@dataclass(frozen=True)
class Schedule:
    """`[before:after:when]`; when as written, for its dot decides between a fraction and a number of steps."""

    before: Body
    after: Body
    when: str

    def step(self, clock: Clock) -> int:
        """Last step that shows `before`; below 1 for never."""
        value, steps = float(self.when), clock.steps
        if clock.old:
            value = value * steps if value < 1 else value
        elif "." in self.when:
            value = (value - clock.passes) * steps
        else:
            value -= clock.done
        return int(max(min(value, steps), -1))


@dataclass(frozen=True)
class Alternate:
    """`[a|b|c]`: one option after the other, a step each; options may be empty."""

    options: tuple[Body, ...]


Node = str | Group | Schedule | Alternate
Body = tuple[Node, ...]


@dataclass(frozen=True)
class Clock:
    """Which steps a schedule is read for. done, passes: steps and passes before this one (A1111's hires pass)."""

    steps: int
    done: int = 0
    passes: float = 0.0
    old: bool = False


def parse_schedule(text: str) -> Body:
    """Tree of a prompt; raw text when A1111 would not parse it. Raises BadParameter beyond MAX_DEPTH brackets."""
    from lark.exceptions import UnexpectedInput

    try:
        return cast("Body", _parser().parse(text))
    except UnexpectedInput:
        return (text,) if text else ()


def list_texts(text: str, steps: int, *, hires_steps: int | None = None, old: bool = False) -> list[tuple[int, str]]:
    """Texts of a prompt with the last step of each, steps counted from 1; an alternation gives one entry per step.

    hires_steps: read the prompt for the second pass of that many steps: fractions count from 1.0, steps from `steps`
    on.
    old: A1111's `use_old_scheduling` (a number below 1 is a fraction, dot or not; no second pass). Raises BadParameter.
    """
    if min(steps, steps if hires_steps is None else hires_steps) < 1:
        raise BadParameter("sampling takes at least one step", where="steps", fix="give 1 or more")
    second = hires_steps is not None and not old
    clock = Clock(hires_steps or steps, done=steps, passes=1.0) if second else Clock(steps, old=old)
    tree = parse_schedule(text)
    return [(step, text_at(tree, step, clock)) for step in sorted({clock.steps, *_changes(tree, clock)})]


def text_at(body: Body, step: int, clock: Clock) -> str:
    """Text that a tree stands for in a step."""
    return "".join(node if isinstance(node, str) else _text(node, step, clock) for node in body)


def _text(node: Group | Schedule | Alternate, step: int, clock: Clock) -> str:
    if isinstance(node, Group):
        return node.brackets[0] + ":".join(text_at(part, step, clock) for part in node.parts) + node.brackets[1]
    if isinstance(node, Schedule):
        return text_at(node.before if step <= node.step(clock) else node.after, step, clock)
    return text_at(node.options[(step - 1) % len(node.options)], step, clock)


def _changes(body: Body, clock: Clock) -> Iterator[int]:
    """Steps after which some node may change, in any branch."""
    for node in body:
        if isinstance(node, Group):
            parts = node.parts
        elif isinstance(node, Alternate):
            parts = node.options
            yield from range(1, clock.steps + 1)
        elif isinstance(node, Schedule):
            parts = (node.before, node.after)
            yield from filter(None, [max(node.step(clock), 0)])
        else:
            continue
        for part in parts:
            yield from _changes(part, clock)


class _Brackets:
    """Settles, before parsing, which brackets and colons have a meaning: all others become STRAY tokens."""

    always_accept = ()

    def process(self, stream: Iterable[Token]) -> Iterator[Token]:
        """Tokens with their final types. A `|` that means nothing keeps its type: it makes the parser give up, as in
        A1111.
        """
        tokens = list(stream)
        meaningful = _find_meaningful(tokens)
        for place, token in enumerate(tokens):
            if token.type in {"LPAR", "RPAR", "LSQB", "RSQB", "COLON"} and place not in meaningful:
                token = token.update(type="STRAY")
            yield token


def _find_meaningful(tokens: list[Token]) -> set[int]:
    """Places of the brackets, colons and bars that belong to valid groups."""
    meaningful: set[int] = set()
    opened: list[list[int]] = []
    for place, token in enumerate(tokens):
        if token.type in {"LPAR", "LSQB"}:
            opened.append([place])
        elif opened and token.type in {"COLON", "BAR"}:
            opened[-1].append(place)
        elif token.type in {"RPAR", "RSQB"}:
            marks = [*opened.pop(), place] if opened else []
            if not _is_group(tokens, marks):
                opened.clear()
                continue
            meaningful.update(marks)
        if len(opened) > MAX_DEPTH:
            raise BadParameter(
                f"brackets are nested deeper than {MAX_DEPTH}", where="prompt", fix="close or escape them"
            )
    return meaningful


def _is_group(tokens: list[Token], marks: list[int]) -> bool:
    """Whether the tokens at marks (an open bracket, colons and bars, a closing one) form a group."""
    if not marks:
        return False
    shape = "".join(tokens[place].value for place in marks)
    if shape in {"()", "(:)", "[]"} or (set(shape[1:-1]) == {"|"} and shape[0] + shape[-1] == "[]"):
        return True
    return shape in {"[:]", "[::]"} and marks[-1] - marks[-2] == 2 and tokens[marks[-1] - 1].type == "NUMBER"


@lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark, Transformer

    class Build(Transformer[Any, Any]):
        """Parse tree -> our nodes, during parsing."""

        def start(self, children: list[Any]) -> Body:
            return _body(children)

        def body(self, children: list[Any]) -> Body:
            return _body(children)

        def group(self, children: list[Any]) -> Group:
            return Group(f"{children[0]}{children[-1]}", tuple(child for child in children if isinstance(child, tuple)))

        def schedule(self, children: list[Any]) -> Schedule:
            parts = [child for child in children if isinstance(child, tuple)]
            return Schedule(parts[0] if len(parts) == 2 else (), parts[-1], str(children[-2]).strip())

        def alternate(self, children: list[Any]) -> Alternate:
            return Alternate(tuple(child for child in children if isinstance(child, tuple)))

    return Lark(GRAMMAR, parser="lalr", lexer="basic", postlex=_Brackets(), transformer=Build())


def _body(children: list[Any]) -> Body:
    """Nodes with neighbouring texts joined."""
    nodes: list[Node] = []
    for child in children:
        if isinstance(child, str) and nodes and isinstance(nodes[-1], str):
            nodes[-1] += str(child)
        else:
            nodes.append(str(child) if isinstance(child, str) else child)
    return tuple(nodes)
