"""An interpreter of pickle instructions that can only build plain data. It never imports, calls or constructs by name.

Names that a file mentions are handed, as text, to a World, which knows a short list of them and refuses the rest.
Instructions that weights files do not use (protocol 0 and 1 texts, INST, OBJ, extension registry, out-of-band buffers)
are refused too. Instruction set: CPython's pickletools documentation.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from ..errors import BadWeights
from .pickle_machine import Machine, Pending, check_key

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_NUMBER = 1024
"""Longest integer in bytes."""
_FAULTS = (IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError, RuntimeError, struct.error)
"""What an instruction raises on damaged data."""


def run_pickle(machine: Machine) -> Any:
    """Value that the machine's pickle describes; its position then stands behind the STOP.

    Raises UnsafeFile or BadWeights.
    """
    start = machine.position
    try:
        while (code := machine.take(1)[0]) != _STOP:
            step = _STEPS.get(code)
            if step is None:
                machine.refuse(f"uses the pickle instruction 0x{code:02x}, which weights files do not need")
            step(machine)
            machine.count_step()
        value = machine.stack.pop()
    except _FAULTS as error:
        what = f"is damaged: pickle begun at byte {start} fails at byte {machine.position} ({type(error).__name__})"
        raise BadWeights(what, where=machine.where, fix="fetch the file again") from error
    if machine.marks or machine.stack:
        raise BadWeights("is damaged: its pickle ends with values left over", where=machine.where)
    return value


def _read_integer(machine: Machine, form: str) -> int:
    count = machine.read_number(form)
    if not 0 <= count <= MAX_NUMBER:
        raise ValueError("number too long")
    return int.from_bytes(machine.take(count), "little", signed=True)


def _read_text(machine: Machine, form: str) -> str:
    return str(machine.take(machine.read_number(form)), "utf-8", "surrogatepass")


def _read_old_text(machine: Machine, form: str) -> str:
    """Python 2's byte strings: UTF-8 where they are, else Latin-1, which keeps every byte."""
    raw = bytes(machine.take(machine.read_number(form)))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _require(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a {kind.__name__} is needed")
    return value


def _extend(machine: Machine) -> None:
    values = machine.pop_to_mark()
    _require(machine.stack[-1], list).extend(values)


def _append(machine: Machine) -> None:
    value = machine.stack.pop()
    _require(machine.stack[-1], list).append(value)


def _set_items(machine: Machine, values: list[Any]) -> None:
    target = _require(machine.stack[-1], dict)
    if len(values) % 2:
        raise ValueError("key without value")
    for key, value in zip(values[::2], values[1::2], strict=True):
        target[check_key(key)] = value


def _dict(machine: Machine) -> None:
    values = machine.pop_to_mark()
    machine.stack.append({})
    _set_items(machine, values)


def _add_items(machine: Machine) -> None:
    values = machine.pop_to_mark()
    _require(machine.stack[-1], set).update(map(check_key, values))


def _pop_values(machine: Machine, count: int) -> tuple[Any, ...]:
    if len(machine.stack) < count:
        raise IndexError("stack is empty")
    values = tuple(machine.stack[-count:])
    del machine.stack[-count:]
    return values


def _global(machine: Machine, module: str, attribute: str) -> Any:
    return machine.world.resolve_name(f"{module}.{attribute}")


def _stack_global(machine: Machine) -> Any:
    module, attribute = _pop_values(machine, 2)
    return _global(machine, _require(module, str), _require(attribute, str))


def _reduce(machine: Machine) -> Any:
    function, arguments = _pop_values(machine, 2)
    return machine.world.call(function, _require(arguments, tuple))


def _build(machine: Machine) -> Any:
    value, state = _pop_values(machine, 2)
    built = machine.world.build(value, state)
    if isinstance(value, Pending) and value.slot is not None:
        machine.memo[value.slot] = built
    return built


def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_to_mark()


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
    "K": lambda m: m.read_number("<B"),
    "M": lambda m: m.read_number("<H"),
    "J": lambda m: m.read_number("<i"),
    "G": lambda m: m.read_number(">d"),
    "\x8a": lambda m: _read_integer(m, "<B"),
    "\x8b": lambda m: _read_integer(m, "<i"),
    "U": lambda m: _read_old_text(m, "<B"),
    "T": lambda m: _read_old_text(m, "<I"),
    "X": lambda m: _read_text(m, "<I"),
    "\x8c": lambda m: _read_text(m, "<B"),
    "\x8d": lambda m: _read_text(m, "<Q"),
    "C": lambda m: bytes(m.take(m.read_number("<B"))),
    "B": lambda m: bytes(m.take(m.read_number("<I"))),
    "\x8e": lambda m: bytes(m.take(m.read_number("<Q"))),
    "\x96": lambda m: bytearray(m.take(m.read_number("<Q"))),
    "]": lambda m: [],
    "}": lambda m: {},
    ")": lambda m: (),
    "\x8f": lambda m: set[Any](),
    "l": lambda m: m.pop_to_mark(),
    "t": lambda m: tuple(m.pop_to_mark()),
    "\x85": lambda m: _pop_values(m, 1),
    "\x86": lambda m: _pop_values(m, 2),
    "\x87": lambda m: _pop_values(m, 3),
    "\x91": lambda m: frozenset(map(check_key, m.pop_to_mark())),
    "2": lambda m: m.stack[-1],
    "h": lambda m: m.memo[m.read_number("<B")],
    "j": lambda m: m.memo[m.read_number("<I")],
    "c": lambda m: _global(m, m.read_line(), m.read_line()),
    "\x93": _stack_global,
    "R": _reduce,
    "\x81": _reduce,
    "b": _build,
    "Q": lambda m: m.world.load_persistent(m.stack.pop()),
}
_DOING: dict[str, Callable[[Machine], None]] = {
    "\x80": _protocol,
    "\x95": lambda m: _skip_frame(m),
    "(": _mark,
    "0": _pop,
    "1": lambda m: _drop(m.pop_to_mark()),
    "a": _append,
    "e": _extend,
    "s": lambda m: _set_items(m, list(_pop_values(m, 2))),
    "u": lambda m: _set_items(m, m.pop_to_mark()),
    "d": _dict,
    "\x90": _add_items,
    "q": lambda m: m.memoize(m.read_number("<B")),
    "r": lambda m: m.memoize(m.read_number("<I")),
    "\x94": lambda m: m.memoize(len(m.memo)),
}


def _skip_frame(machine: Machine) -> None:
    machine.read_number("<Q")  # frames only announce lengths; every read is bounded anyway


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
