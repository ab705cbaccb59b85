"""Names that users type: those that no file can have are refused by name, before a system call raises something else.

>>> find_name_fault("maps/a")
''
>>> find_name_fault("a" * 300)
'it is too long'
"""

from __future__ import annotations

import unicodedata

from .errors import BadParameter

LONGEST = 255
"""Bytes of one part of a path."""
_MARKS = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Unicode's categories of control and direction characters, lone surrogates, private use and line separators."""


def find_name_fault(name: str) -> str:
    """Why a relative or absolute name cannot be that of a file; empty when it can."""
    parts = name.replace("\\", "/").split("/")
    if any(unicodedata.category(mark) in _MARKS for mark in name):
        return "it holds control or direction characters"
    if len(name) > 4 * LONGEST or any(len(part.encode("utf-8", "replace")) > LONGEST for part in parts):
        return "it is too long"
    return ""


def check_typed_name(name: str, where: str) -> str:
    """The name, if a file can have it. Raises BadParameter, whose text shows it shortened and escaped."""
    if fault := find_name_fault(name):
        shown = name[:60].encode("unicode_escape").decode()
        raise BadParameter(f"'{shown}' cannot be the name of a file: {fault}", where=where, fix="choose another name")
    return name
