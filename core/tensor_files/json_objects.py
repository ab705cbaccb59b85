"""Configurations and lists of shards, as they stand beside files of weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..errors import BadWeights
from ..regular_files import read_text_file

if TYPE_CHECKING:
    from pathlib import Path

MOST_JSON = 1 << 22
"""Bytes of a configuration or a list of shards."""
AGAIN = "download the file again"


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises BadWeights."""
    try:
        if path.stat().st_size > MOST_JSON:
            raise BadWeights(f"is larger than {MOST_JSON} bytes", where=str(path), fix=AGAIN)
        content = json.loads(read_text_file(path))
    except (OSError, ValueError, RecursionError) as error:
        raise BadWeights(f"cannot be read as JSON ({error})", where=str(path), fix=AGAIN) from error
    if not isinstance(content, dict):
        raise BadWeights("holds no JSON object", where=str(path), fix=AGAIN)
    return content
