"""What of a file's metadata stays true in a file made from it, and what several files' metadata are together.

Kept by resize and convert: everything but what describes the bytes or the factors of the old file. Merged: what all
sources agree on; tags are added up, trigger words and names are listed together; what they differ in is left out, with
a note where it says what model the file is for.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from ...core.report_text import comma_list
from ..reading.bundled_tokens import CLONEOFSIMO_MARK
from ..reading.metadata import HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROVENANCE = "underdrawing"
_OUTDATED = re.compile(
    rf"{HEADER}|{PROVENANCE}|format|sshs_.*|modelspec\.(hash_sha256|thumbnail)|ss_network_(dim|alpha|module|args)"
    r"|(unet|text_encoder)(:\d+:rank)?",
)
_TAGS = "ss_tag_frequency"
_LISTS = frozenset(
    {
        "trained_words",
        "trigger_words",
        "ss_trigger_words",
        "activation text",
        "modelspec.trigger_phrase",
        "modelspec.tags",
    }
)
_NAMES = {"modelspec.title": " + ", "ss_output_name": "+", "modelspec.author": ", ", "modelspec.license": "; "}
"""Names of single sources → what stands between them."""
_TOLD = ("modelspec.prediction_type", "modelspec.architecture", "ss_base_model_version", "ss_v2")
"""Where a difference is worth a note by name."""
MAX_CARRIED = 8 << 20
"""Most characters that are carried; the longest entries go first."""


def carry_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """What stays true of a file when only the form or the rank of its factors changes."""
    kept = {key: value for key, value in metadata.items() if not _OUTDATED.fullmatch(key) and value != CLONEOFSIMO_MARK}
    total = sum(map(len, kept.values()))
    for key in sorted(kept, key=lambda key: -len(kept[key])):
        if total <= MAX_CARRIED:
            break
        total -= len(kept.pop(key))
    return kept


def merge_metadata(sources: Sequence[Mapping[str, str]]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Metadata of several files together, and notes on what they differ in."""
    tables = [carry_metadata(source) for source in sources]
    found: dict[str, str] = {}
    differing: list[str] = []
    for key in dict.fromkeys(key for table in tables for key in table):
        values = [table[key] for table in tables if key in table]
        merged = _merge_values(key, values, complete=len(values) == len(tables))
        if merged is not None:
            found[key] = merged
        elif len(set(values)) > 1 and key in _TOLD:
            differing.append(f"{key} ({comma_list(dict.fromkeys(values), 4)})")
    notes = (f"the sources differ in {', '.join(differing)}: left out of the metadata",) if differing else ()
    return carry_metadata(found), notes


def _merge_values(key: str, values: list[str], *, complete: bool) -> str | None:
    """One value for several; None where there is none."""
    different = list(dict.fromkeys(values))
    if len(different) == 1:
        return different[0] if complete or key == _TAGS or key in {*_LISTS, *_NAMES} else None
    if key == _TAGS:
        return _add_tags(different)
    if key in _LISTS:
        return _list_words(different)
    return _NAMES[key].join(different) if key in _NAMES else None


def _add_tags(texts: list[str]) -> str | None:
    """kohya's counts of tags by folder, added up."""
    total: dict[str, Counter[str]] = {}
    try:
        for text in texts:
            for folder, counts in json.loads(text).items():
                total.setdefault(folder, Counter()).update({tag: int(count) for tag, count in counts.items()})
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    return json.dumps(total, ensure_ascii=False)


def _list_words(texts: list[str]) -> str:
    """Words of lists in JSON or with commas, each once."""
    if all(text.lstrip().startswith("[") for text in texts):
        try:
            items: list[Any] = [item for text in texts for item in json.loads(text)]
            unique = {json.dumps(item, sort_keys=True, ensure_ascii=False): item for item in items}
            return json.dumps(list(unique.values()), ensure_ascii=False)
        except (ValueError, TypeError, RecursionError):
            pass  # no JSON after all: taken for words with commas
    words = (word.strip() for text in texts for word in text.split(","))
    return ", ".join(dict.fromkeys(word for word in words if word))
