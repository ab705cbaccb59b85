"""Fixtures: some of these tests run through the command line."""

from __future__ import annotations

from tests.support.command_line import run

__all__ = ["run"]
