"""Optional packages of data sets."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..errors import MissingExtra

EXTRAS = {"pyarrow": "dataset", "fsspec": "dataset", "lance": "lance", "ray": "ray"}
"""Package → the extra that installs it."""


def load_package(name: str, what: str) -> Any:
    """Import a module of an optional package. what: for what it is needed. Raises MissingExtra."""
    package = name.partition(".")[0]
    try:
        return import_module(name)
    except ImportError as error:
        reason = "is not installed" if getattr(error, "name", "") == package else f"cannot be imported ({error})"
        fix = f'pip install "underdrawing[{EXTRAS[package]}]"'
        raise MissingExtra(f"{what} need {package}, which {reason}", where="dataset", fix=fix) from error
