"""The command line, generated from the registries."""

from __future__ import annotations

import gc
import sys

_OBJECTS = 200_000
"""New objects between two searches for cycles: importing torch makes some 500 000, and nearly all of them stay."""


def main() -> None:
    """Entry point of the ``underdrawing`` command."""
    gc.set_threshold(_OBJECTS, 50, 50)
    try:
        from .app import run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        gc.freeze()  # at its end Python would look through all modules again, though the system takes everything back
