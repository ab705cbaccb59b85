"""Texts of windows in other languages: English text → text. `make docs` writes the files in `texts`."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from ..core.errors import UnknownName
from ..core.regular_files import read_text_file

FOLDER = Path(__file__).with_name("texts")


def list_languages() -> list[str]:
    """Languages beside English, by their two letters."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


@lru_cache(maxsize=8)
def read_texts(language: str) -> dict[str, str]:
    """Texts of a language. Raises UnknownName."""
    if language not in (known := list_languages()):
        raise UnknownName(f"there are no texts in {language!r}", fix=f"choose one of {', '.join(known)}")
    return json.loads(read_text_file(FOLDER / f"{language}.json"))
