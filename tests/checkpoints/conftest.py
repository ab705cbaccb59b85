"""Tests of checkpoints run the command line too."""

from __future__ import annotations

from tests.support.command_line import quiet, run, start

__all__ = ["quiet", "run", "start"]
