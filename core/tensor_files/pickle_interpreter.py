"""An interpreter of pickle instructions that can only build plain data. It never imports, calls or constructs by name.

Names that a file mentions are handed, as text, to a World, which knows a short list of them and refuses the rest.
Instructions that weights files do not use (protocol 0 and 1 texts, INST, OBJ, extension registry, out-of-band buffers)
are refused too. Instruction set: CPython's pickletools documentation.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from ..errors import BadWeights, UnsafeFile

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_NUMBER = 1024
"""Longest integer in bytes."""
MAX_STEPS = 3_000_000
"""How many instructions one pickle may have; a tensor takes about 26."""
NOTHING_RAN = "nothing was executed; do not use this file unless its maker explains it, ask for a safetensors version"


@dataclass(frozen=True)
class Name:
    """A global that a file mentions, as text."""

    text: str


def describe(value: object) -> str:
    """Name of what a file mentions, or only the type of anything else (whose text could be endless)."""
    return repr(value.text[:120]) if isinstance(value, Name) else type(value).__name__


class Pending:
    """An object that a later BUILD instruction replaces. slot: where the memo keeps it."""

    slot: int | None = None


class World(Protocol):
    """Gives meaning to the few names a machine may meet. Every method raises UnsafeFile for anything else."""

    def name(self, text: str) -> Any:
        """Value of a mentioned global, ``module.attribute``."""
        ...

    def call(self, function: object, arguments: tuple[Any, ...]) -> Any:
        """Result of REDUCE and NEWOBJ."""
        ...

    def build(self, value: object, state: Any) -> Any:
        """Object after BUILD."""
        ...

    def persistent(self, key: Any) -> Any:
        """Object behind a persistent id (a tensor storage)."""
        ...


class Machine:
    """Runs one pickle of data from position on; afterwards position stands behind its STOP."""

    def __init__(self, data: bytes | memoryview, world: World, *, where: str, position: int = 0) -> None:
        self.data, self.world, self.where, self.position = memoryview(data), world, where, position
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.steps = 0

    def run(self) -> Any:
        """Value the pickle describes. Raises UnsafeFile or BadWeights."""
        start = self.position
        try:
            while (code := self.take(1)[0]) != _STOP:
                step = _STEPS.get(code)
                if step is None:
                    self.refuse(f"uses the pickle instruction 0x{code:02x}, which weights files do not need")
                step(self)
                self._count()
            value = self.stack.pop()
        except (
            IndexError,
            KeyError,
            ValueError,
            TypeError,
            AttributeError,
            OverflowError,
            RuntimeError,
            struct.error,
        ) as error:
            what = f"is damaged: pickle begun at byte {start} fails at byte {self.position} ({type(error).__name__})"
            raise BadWeights(what, where=self.where, fix="fetch the file again") from error
        if self.marks or self.stack:
            raise BadWeights("is damaged: its pickle ends with values left over", where=self.where)
        return value

    def _count(self) -> None:
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

    def number(self, form: str) -> Any:
        """Next number in a struct format."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        """Text up to the next line feed, at most 512 bytes."""
        window = bytes(self.data[self.position : self.position + 512])
        end = window.index(b"\n")
        self.position += end + 1
        return window[:end].decode()

    def since_mark(self) -> list[Any]:
        """Values pushed since the last MARK; both are taken away."""
        values, self.stack = self.stack, self.marks.pop()
        return values

    def remember(self, slot: int) -> None:
        """Put the top value into the memo."""
        value = self.stack[-1]
        self.memo[slot] = value
        if isinstance(value, Pending):
            value.slot = slot


def _long(machine: Machine, form: str) -> int:
    count = machine.number(form)
    if not 0 <= count <= MAX_NUMBER:
        raise ValueError("number too long")
    return int.from_bytes(machine.take(count), "little", signed=True)


def _text(machine: Machine, form: str) -> str:
    return str(machine.take(machine.number(form)), "utf-8", "surrogatepass")


def _old_text(machine: Machine, form: str) -> str:
    """Python 2's byte strings: UTF-8 where they are, else Latin-1, which keeps every byte."""
    raw = bytes(machine.take(machine.number(form)))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _of(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a {kind.__name__} is needed")
    return value


def _extend(machine: Machine) -> None:
    values = machine.since_mark()
    _of(machine.stack[-1], list).extend(values)


def _append(machine: Machine) -> None:
    value = machine.stack.pop()
    _of(machine.stack[-1], list).append(value)


def _set_items(machine: Machine, values: list[Any]) -> None:
    target = _of(machine.stack[-1], dict)
    if len(values) % 2:
        raise ValueError("key without value")
    for key, value in zip(values[::2], values[1::2], strict=True):
        target[plain_key(key)] = value


def _dict(machine: Machine) -> None:
    values = machine.since_mark()
    machine.stack.append({})
    _set_items(machine, values)


def _add_items(machine: Machine) -> None:
    values = machine.since_mark()
    _of(machine.stack[-1], set).update(map(plain_key, values))


def plain_key(key: Any) -> Any:
    """Refuse keys whose hash could be costly or recursive. Raises TypeError."""
    flat = key if type(key) is tuple else (key,)
    for part in flat:
        if part is not None and not isinstance(part, (str, bytes, int, float, Name)):
            raise TypeError("key is not plain")
        if isinstance(part, int) and abs(part) >= 2**60:
            raise TypeError("key is too large")
    return key


def _take_off(machine: Machine, count: int) -> tuple[Any, ...]:
    if len(machine.stack) < count:
        raise IndexError("stack is empty")
    values = tuple(machine.stack[-count:])
    del machine.stack[-count:]
    return values


def _global(machine: Machine, module: str, attribute: str) -> Any:
    return machine.world.name(f"{module}.{attribute}")


def _stack_global(machine: Machine) -> Any:
    module, attribute = _take_off(machine, 2)
    return _global(machine, _of(module, str), _of(attribute, str))


def _reduce(machine: Machine) -> Any:
    function, arguments = _take_off(machine, 2)
    return machine.world.call(function, _of(arguments, tuple))


def _build(machine: Machine) -> Any:
    value, state = _take_off(machine, 2)
    built = machine.world.build(value, state)
    if isinstance(value, Pending) and value.slot is not None:
        machine.memo[value.slot] = built
    return built


def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.since_mark()


def _mark(machine: Machine) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _protocol(machine: Machine) -> None:
    if machine.take(1)[0] > 5:
        raise ValueError("unknown protocol")


_STOP = ord(".")
_PUSHING: dict[str, Callable[[Machine], Any]] = {
    "N": lambda m: None,
    "\x88": lambda m: True,
    "\x89": lambda m: False,
    "K": lambda m: m.number("<B"),
    "M": lambda m: m.number("<H"),
    "J": lambda m: m.number("<i"),
    "G": lambda m: m.number(">d"),
    "\x8a": lambda m: _long(m, "<B"),
    "\x8b": lambda m: _long(m, "<i"),
    "U": lambda m: _old_text(m, "<B"),
    "T": lambda m: _old_text(m, "<I"),
    "X": lambda m: _text(m, "<I"),
    "\x8c": lambda m: _text(m, "<B"),
    "\x8d": lambda m: _text(m, "<Q"),
    "C": lambda m: bytes(m.take(m.number("<B"))),
    "B": lambda m: bytes(m.take(m.number("<I"))),
    "\x8e": lambda m: bytes(m.take(m.number("<Q"))),
    "\x96": lambda m: bytearray(m.take(m.number("<Q"))),
    "]": lambda m: [],
    "}": lambda m: {},
    ")": lambda m: (),
    "\x8f": lambda m: set[Any](),
    "l": lambda m: m.since_mark(),
    "t": lambda m: tuple(m.since_mark()),
    "\x85": lambda m: _take_off(m, 1),
    "\x86": lambda m: _take_off(m, 2),
    "\x87": lambda m: _take_off(m, 3),
    "\x91": lambda m: frozenset(map(plain_key, m.since_mark())),
    "2": lambda m: m.stack[-1],
    "h": lambda m: m.memo[m.number("<B")],
    "j": lambda m: m.memo[m.number("<I")],
    "c": lambda m: _global(m, m.line(), m.line()),
    "\x93": _stack_global,
    "R": _reduce,
    "\x81": _reduce,
    "b": _build,
    "Q": lambda m: m.world.persistent(m.stack.pop()),
}
_DOING: dict[str, Callable[[Machine], None]] = {
    "\x80": _protocol,
    "\x95": lambda m: _skip_frame(m),
    "(": _mark,
    "0": _pop,
    "1": lambda m: _drop(m.since_mark()),
    "a": _append,
    "e": _extend,
    "s": lambda m: _set_items(m, list(_take_off(m, 2))),
    "u": lambda m: _set_items(m, m.since_mark()),
    "d": _dict,
    "\x90": _add_items,
    "q": lambda m: m.remember(m.number("<B")),
    "r": lambda m: m.remember(m.number("<I")),
    "\x94": lambda m: m.remember(len(m.memo)),
}


def _skip_frame(machine: Machine) -> None:
    machine.number("<Q")  # frames only announce lengths; every read is bounded anyway


def _drop(values: list[Any]) -> None:
    del values


def _pushes(step: Callable[[Machine], Any]) -> Callable[[Machine], None]:
    def run(machine: Machine) -> None:
        value = step(machine)
        machine.stack.append(value)

    return run


_STEPS = {ord(code): _pushes(step) for code, step in _PUSHING.items()} | {
    ord(code): step for code, step in _DOING.items()
}
