"""What a user types to run this project's command line: messages name commands as they work where they are read.

Texts write a command in backquotes, as `underdrawing doctor`. Where no such command is on the path, as in a host that
loads a clone, the host says what works in its place.

>>> rewrite_commands("run `underdrawing doctor`")
'run `underdrawing doctor`'
"""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

COMMAND = "underdrawing"
_names = [COMMAND]


def set_command(arguments: Iterable[str]) -> None:
    """Declare what starts the command line here: program and arguments, such as a Python and a folder."""
    _names[:] = [quote(arguments)]


def name_command(rest: str = "") -> str:
    """Command line of this project with the arguments in rest, as they are written in a shell."""
    return f"{_names[0]} {rest}".rstrip()


def rewrite_commands(text: str) -> str:
    """Text whose commands in backquotes start as they have to here."""
    return text if _names[0] == COMMAND else text.replace(f"`{COMMAND} ", f"`{_names[0]} ")


def quote(arguments: Iterable[object]) -> str:
    """Arguments as one line for this system's shell."""
    parts = [str(argument) for argument in arguments]
    return subprocess.list2cmdline(parts) if os.name == "nt" else shlex.join(parts)
