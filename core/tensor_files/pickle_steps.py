"""What each pickle instruction does to a machine; every table is indexed by the instruction's code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .pickle_literals import read_bytes, read_float, read_integer, read_old_text, read_small, read_text
from .pickle_machine import Machine, Pending

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME = 6
"""What looking up a name costs beside its instruction."""


def _refuse(machine: Machine) -> None:
    code = machine.data[machine.position - 1]
    machine.refuse(f"uses the pickle instruction 0x{code:02x}, which weights files do not need")


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
    check = machine.budget.check_key
    for key, value in zip(values[::2], values[1::2], strict=True):
        target[check(key, len(target))] = value


def _dict(machine: Machine) -> None:
    values = machine.pop_to_mark()
    machine.stack.append({})
    _set_items(machine, values)


def _add_items(machine: Machine) -> None:
    values = machine.pop_to_mark()
    _fill_set(machine, _require(machine.stack[-1], set), values)


def _build_set(machine: Machine) -> set[Any]:
    machine.budget.spend(4)  # an empty set is larger than any other empty container
    return set()


def _build_frozenset(machine: Machine) -> frozenset[Any]:
    values = machine.pop_to_mark()
    return frozenset(_fill_set(machine, _build_set(machine), values))


def _fill_set(machine: Machine, target: set[Any], values: list[Any]) -> set[Any]:
    for value in values:
        target.add(machine.budget.check_key(value, len(target)))
    return target


def _pop_values(machine: Machine, count: int) -> tuple[Any, ...]:
    if len(machine.stack) < count:
        raise IndexError("stack is empty")
    machine.budget.spend(1)
    values = tuple(machine.stack[-count:])
    del machine.stack[-count:]
    return values


def _global(machine: Machine, module: str, attribute: str) -> Any:
    machine.budget.spend(_NAME)
    return machine.world.resolve_name(f"{module}.{attribute}")


def _stack_global(machine: Machine) -> Any:
    module, attribute = _pop_values(machine, 2)
    machine.budget.copy(8 * (len(module) + len(attribute)))
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


def _push_byte(machine: Machine) -> None:
    machine.stack.append(machine.data[machine.position])
    machine.position += 1


def _get(machine: Machine) -> None:
    machine.stack.append(machine.memo[machine.data[machine.position]])
    machine.position += 1


def _put(machine: Machine) -> None:
    slot = machine.data[machine.position]
    machine.position += 1
    machine.memoize(slot)


def _mark(machine: Machine) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _protocol(machine: Machine) -> None:
    if machine.take(1)[0] > 5:
        raise ValueError("unknown protocol")


STOP = ord(".")
"""The instruction that ends a pickle."""
_VALUES: dict[str, Callable[[Machine], Any]] = {
    "N": lambda m: None,
    "\x88": lambda m: True,
    "\x89": lambda m: False,
    "M": lambda m: m.read_count(2),
    "J": read_small,
    "G": read_float,
    "\x8a": lambda m: read_integer(m, 1),
    "\x8b": lambda m: read_integer(m, 4),
    "U": lambda m: read_old_text(m, 1),
    "T": lambda m: read_old_text(m, 4),
    "X": lambda m: read_text(m, 4),
    "\x8c": lambda m: read_text(m, 1),
    "\x8d": lambda m: read_text(m, 8),
    "C": lambda m: read_bytes(m, 1),
    "B": lambda m: read_bytes(m, 4),
    "\x8e": lambda m: read_bytes(m, 8),
    "\x96": lambda m: bytearray(read_bytes(m, 8)),
    "]": lambda m: [],
    "}": lambda m: {},
    ")": lambda m: (),
    "\x8f": _build_set,
    "l": lambda m: m.pop_to_mark(),
    "t": lambda m: tuple(m.pop_to_mark()),
    "\x85": lambda m: _pop_values(m, 1),
    "\x86": lambda m: _pop_values(m, 2),
    "\x87": lambda m: _pop_values(m, 3),
    "\x91": _build_frozenset,
    "2": lambda m: m.stack[-1],
    "j": lambda m: m.memo[m.read_count(4)],
    "c": lambda m: _global(m, m.read_line(), m.read_line()),
    "\x93": _stack_global,
    "R": _reduce,
    "\x81": _reduce,
    "b": _build,
    "Q": lambda m: m.world.load_persistent(m.stack.pop()),
}
_ACTIONS: dict[str, Callable[[Machine], None]] = {
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
    "K": _push_byte,
    "h": _get,
    "q": _put,
    "r": lambda m: m.memoize(m.read_count(4)),
    "\x94": lambda m: m.memoize(len(m.memo)),
}


def _skip_frame(machine: Machine) -> None:
    machine.read_count(8)  # frames only announce lengths; every read is bounded anyway


def _drop(values: list[Any]) -> None:
    del values


PUSHING = [_VALUES.get(chr(code)) for code in range(256)]
"""By code: what gives the value that the instruction pushes."""
ACTIONS = [_ACTIONS.get(chr(code), _refuse) for code in range(256)]
"""By code: what any other instruction does; those that weights files do not need are refused."""
