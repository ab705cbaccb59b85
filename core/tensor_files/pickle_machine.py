"""State of a pickle interpreter: input, stack and memo, and the World that gives meaning to names; no instructions."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from ..errors import BadWeights, UnsafeFile

MAX_STEPS = 3_000_000
"""How many instructions one pickle may have; a tensor takes about 26."""
NOTHING_RAN = "nothing was executed; do not use this file unless its maker explains it, ask for a safetensors version"


@dataclass(frozen=True)
class Name:
    """A global that a file mentions, as text."""

    text: str


def describe_value(value: object) -> str:
    """Name of what a file mentions, or only the type of anything else (whose text could be endless)."""
    return repr(value.text[:120]) if isinstance(value, Name) else type(value).__name__


class Pending:
    """An object that a later BUILD instruction replaces. slot: where the memo keeps it."""

    slot: int | None = None


class World(Protocol):
    """Gives meaning to the few names a machine may meet. Every method raises UnsafeFile for anything else."""

    def resolve_name(self, text: str) -> Any:
        """Value of a mentioned global, ``module.attribute``."""
        ...

    def call(self, function: object, arguments: tuple[Any, ...]) -> Any:
        """Result of REDUCE and NEWOBJ."""
        ...

    def build(self, value: object, state: Any) -> Any:
        """Object after BUILD."""
        ...

    def load_persistent(self, key: Any) -> Any:
        """Object behind a persistent id (a tensor storage)."""
        ...


class Machine:
    """Stack, memo and input of one pickle that begins at position; `pickle_interpreter.run_pickle` runs it."""

    def __init__(self, data: bytes | memoryview, world: World, *, where: str, position: int = 0) -> None:
        self.data, self.world, self.where, self.position = memoryview(data), world, where, position
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.steps = 0

    def count_step(self) -> None:
        """Count one instruction. Raises BadWeights beyond MAX_STEPS."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise BadWeights(f"has more than {MAX_STEPS} pickle instructions", where=self.where)

    def refuse(self, what: str) -> NoReturn:
        """Raise UnsafeFile."""
        raise UnsafeFile(what, where=self.where, fix=NOTHING_RAN)

    def take(self, count: int) -> memoryview:
        """Next count bytes."""
        end = self.position + count
        if end > len(self.data):
            raise ValueError("cut off")
        piece, self.position = self.data[self.position : end], end
        return piece

    def read_number(self, form: str) -> Any:
        """Next number in a struct format."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def read_line(self) -> str:
        """Text up to the next line feed, at most 512 bytes."""
        window = bytes(self.data[self.position : self.position + 512])
        end = window.index(b"\n")
        self.position += end + 1
        return window[:end].decode()

    def pop_to_mark(self) -> list[Any]:
        """Values pushed since the last MARK; both are taken away."""
        values, self.stack = self.stack, self.marks.pop()
        return values

    def memoize(self, slot: int) -> None:
        """Put the top value into the memo."""
        value = self.stack[-1]
        self.memo[slot] = value
        if isinstance(value, Pending):
            value.slot = slot


def check_key(key: Any) -> Any:
    """Refuse keys whose hash could be costly or recursive. Raises TypeError."""
    flat = key if type(key) is tuple else (key,)
    for part in flat:
        if part is not None and not isinstance(part, (str, bytes, int, float, Name)):
            raise TypeError("key is not plain")
        if isinstance(part, int) and abs(part) >= 2**60:
            raise TypeError("key is too large")
    return key
