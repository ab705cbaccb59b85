"""Names that users type: those that no file can have are refused by name, before a system call raises something else.

>>> find_name_fault("maps/a")
''
>>> find_name_fault("a" * 300)
'it is too long'
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from .errors import BadParameter

LONGEST = 255
"""Bytes of one part of a path."""
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
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


def check_prefix(prefix: str, ending: str, where: str) -> str:
    """Start of new files' names below a folder, if files with that ending can have it. Raises BadParameter."""
    check_typed_name(prefix + ending, where)
    if ".." in Path(prefix).parts or Path(prefix).is_absolute():
        raise BadParameter(f"{prefix!r} leaves the output folder", where=where, fix="write name, or sub-folder/name")
    return prefix


def check_relative_name(name: str) -> str:
    """A name, or sub-folder/name, if a file can have it. Raises BadParameter and says why not: a path, a device"""
    parts = name.split("/")
    faults = {
        "it is empty": not name.strip(),
        find_name_fault(name): bool(find_name_fault(name)),
        "it is a path with a drive, a stream or a scheme": ":" in name,
        "it holds a backslash": "\\" in name,
        "it starts in the home folder": name.startswith("~"),
        "it is an absolute path or has an empty part": "" in parts,
        "it leaves its folder": any(part in {".", ".."} for part in parts),
        "a part ends in a dot or begins or ends in a blank": any(
            part != part.strip() or part.endswith(".") for part in parts
        ),
        "it names a device": any(_DEVICE.fullmatch(part.strip()) for part in parts),
        "it holds a character that no file name has": any(mark in '<>"|?*' for mark in name),
    }
    if fault := next((what for what, wrong in faults.items() if wrong), ""):
        shown = name[:60].encode("unicode_escape").decode()
        raise BadParameter(
            f"this cannot be the name of a file: {fault}",
            where=f"'{shown}'",
            fix="write the file's name, or sub-folder/name",
        )
    return name
