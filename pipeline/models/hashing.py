"""A1111's short hash of a file: ten digits of its SHA-256."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.errors import BadWeights
from ...core.files import hash_file
from ...core.weights.hashes import HashMemory
from ...core.weights.search_paths import find_cache_folder

if TYPE_CHECKING:
    from pathlib import Path

LENGTH = 10
QUICK = 256 * 2**20
"""Bytes that are hashed anew each time; hashes of larger files are remembered in the cache."""


def find_short_hash(path: Path) -> str:
    """Ten digits; empty for a folder. Raises BadWeights when the file cannot be read."""
    if path.is_dir():
        return ""
    try:
        if path.stat().st_size <= QUICK:
            return hash_file(path)[:LENGTH]
        return HashMemory(find_cache_folder() / "hashes.json").sha256(path)[:LENGTH]
    except OSError as error:
        raise BadWeights(f"cannot be read ({error.strerror or error})", where=str(path)) from error
