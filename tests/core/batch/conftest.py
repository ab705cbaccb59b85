"""Fixtures: these tests run through the command line."""

from __future__ import annotations

from tests.support.command_line import quiet, run, start

__all__ = ["quiet", "run", "start"]
