"""State of a pickle interpreter: input, stack and memo, and the World that gives meaning to names; no instructions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from ..errors import UnsafeFile

if TYPE_CHECKING:
    from .budget import Budget

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

    def __init__(self, data: bytes, world: World, budget: Budget, *, where: str, position: int = 0) -> None:
        self.data, self.world, self.budget, self.where, self.position = data, world, budget, where, position
        self.reset()

    def reset(self) -> None:
        """Forget stack and memo, for the next pickle of a chain."""
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def refuse(self, what: str) -> NoReturn:
        """Raise UnsafeFile."""
        raise UnsafeFile(what, where=self.where, fix=NOTHING_RAN)

    def take(self, count: int) -> bytes:
        """Next count bytes, charged as a copy."""
        begin, end = self.position, self.position + count
        if end > len(self.data):
            raise ValueError("cut off")
        self.budget.copy(count)
        self.position = end
        return self.data[begin:end]

    def read_count(self, width: int) -> int:
        """Next unsigned little-endian number of width bytes."""
        begin, end = self.position, self.position + width
        if end > len(self.data):
            raise ValueError("cut off")
        self.position = end
        return int.from_bytes(self.data[begin:end], "little")

    def read_line(self) -> str:
        """Text up to the next line feed, at most 512 bytes."""
        begin = self.position
        end = self.data.index(b"\n", begin, begin + 512)
        self.position = end + 1
        return self.data[begin:end].decode()

    def pop_to_mark(self) -> list[Any]:
        """Values pushed since the last MARK; both are taken away."""
        values, self.stack = self.stack, self.marks.pop()
        return values

    def memoize(self, slot: int) -> None:
        """Put the top value into the memo. Slots are numbered in turn; a far one is a fault (ValueError)."""
        if slot > 2 * len(self.memo) + 1024:
            raise ValueError("memo slot out of turn")
        value = self.stack[-1]
        self.memo[slot] = value
        if isinstance(value, Pending):
            value.slot = slot
