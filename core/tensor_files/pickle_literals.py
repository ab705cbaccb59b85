"""Reads the values that stand in a pickle itself; each is charged with its length."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pickle_machine import Machine

MAX_NUMBER = 1024
"""Longest integer in bytes."""
_TEXT = 3
"""What reading a text costs beside its instruction."""


def read_integer(machine: Machine, width: int) -> int:
    """Signed whole number, after its length in width bytes."""
    count = machine.read_count(width)
    if count > MAX_NUMBER:
        raise ValueError("number too long")
    return int.from_bytes(machine.take(count), "little", signed=True)


def read_small(machine: Machine) -> int:
    """Signed whole number of four bytes."""
    value = struct.unpack_from("<i", machine.data, machine.position)[0]
    machine.position += 4
    return value


def read_float(machine: Machine) -> float:
    """Number of eight bytes, big-endian."""
    value = struct.unpack_from(">d", machine.data, machine.position)[0]
    machine.position += 8
    return value


def read_text(machine: Machine, width: int) -> str:
    """Text in UTF-8, after its length in width bytes."""
    raw = machine.take(machine.read_count(width))
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        machine.budget.spend(len(raw))  # lone surrogates are decoded one by one
        text = str(raw, "utf-8", "surrogatepass")
    machine.budget.spend(_TEXT + (sys.getsizeof(text) >> 7))
    return text


def read_old_text(machine: Machine, width: int) -> str:
    """Python 2's byte strings: UTF-8 where they are, else Latin-1, which keeps every byte."""
    raw = machine.take(machine.read_count(width))
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    machine.budget.spend(_TEXT + (sys.getsizeof(text) >> 7))
    return text


def read_bytes(machine: Machine, width: int) -> bytes:
    """Bytes, after their length in width bytes."""
    return machine.take(machine.read_count(width))
