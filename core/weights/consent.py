"""The question before a download, on a terminal."""

from __future__ import annotations

import sys


def ask(question: str) -> bool:
    """Ask on the terminal; False where there is none."""
    if not (sys.stdin and sys.stderr and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
