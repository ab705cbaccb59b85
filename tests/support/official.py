"""Names, shapes and sample files from official tools."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LISTS = ROOT / "tests" / "golden" / "keys" / "lists.json.gz"
SAMPLES = ROOT / "tests" / "golden" / "adapters" / "samples"
LARGE_SAMPLES = ROOT.parent / "shared" / "vectors"


@cache
def _lists() -> dict[str, dict[str, Any]]:
    return json.loads(gzip.decompress(LISTS.read_bytes()))


def key_list(name: str) -> dict[str, Any]:
    """A list of an official model: parameter or module to shape, class or other name (tools/make_key_lists.py)."""
    return dict(_lists()[name])


def sample(name: str) -> Path:
    """A file that an official tool wrote, in the project or, where it is large, beside it; skips where it is absent."""
    for folder in (SAMPLES, LARGE_SAMPLES):
        if (folder / name).exists():
            return folder / name
    pytest.skip(f"{name} is large and not part of the project: it is looked for in shared/vectors beside the checkout")
