"""What a user must know before a download, and the question on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .record import Weight


def describe_missing(record: Weight, pin: str) -> str:
    """Name, size, licence and, in the words of pin, who vouches for the bytes of a file that is not here."""
    commercial = "yes" if record.commercial else "no"
    return (
        f"the weights {record.id} are not on this machine ({record.megabytes}, licence {record.licence}, "
        f"commercial use: {commercial}{'; ' + pin if pin else ''})"
    )


def ask(question: str) -> bool:
    """Ask on the terminal; False where there is none."""
    if not (sys.stdin and sys.stderr and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
