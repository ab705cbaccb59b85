"""Fixtures: these tests run through the command line."""

from __future__ import annotations

from tests.cli.support import quiet, run, start

__all__ = ["quiet", "run", "start"]
