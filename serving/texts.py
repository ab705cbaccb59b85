"""Texts of windows in other languages: English text → text, from the files in `locales`."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from ..core.errors import UnknownName
from ..core.regular_files import read_text_file

LOCALES = Path(__file__).parents[1] / "locales"
NAME = "texts.json"


def list_languages() -> list[str]:
    """Languages beside English, by their two letters."""
    return sorted(path.parent.name for path in LOCALES.glob(f"*/{NAME}"))


@lru_cache(maxsize=8)
def read_texts(language: str) -> dict[str, str]:
    """Texts of a language. Raises UnknownName."""
    if language not in (known := list_languages()):
        raise UnknownName(f"there are no texts in {language!r}", fix=f"choose one of {', '.join(known)}")
    return json.loads(read_text_file(LOCALES / language / NAME))
