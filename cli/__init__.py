"""The command line, generated from the registries."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the ``underdrawing`` command."""
    try:
        from .app import run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
