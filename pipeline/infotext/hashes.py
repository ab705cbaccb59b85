"""Whether files that a picture was made with are those that are here, by the hashes in its infotext."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.report_text import printable
from .text import parse_fields, parse_infotext

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = {"Lora hashes": "LoRA", "TI hashes": "embedding"}
"""Labels of name: hash pairs, and what the files are."""
_SHOWN = 80
"""Characters of a name in a note."""


def compare_hashes(wanted: str, found: str) -> Iterator[str]:
    """Notes on files that differ. wanted: infotext of a picture to repeat; found: of the repetition.

    Hashes are compared as far as both go, as tools cut them at different lengths.
    """
    there, here = parse_infotext(wanted).fields, parse_infotext(found).fields
    for label, kind in KINDS.items():
        own = {name.lower(): value.lower() for name, value in parse_fields(here.get(label, "")).items()}
        for name, value in parse_fields(there.get(label, "")).items():
            mine, length = own.get(name.lower()), min(len(value), len(own.get(name.lower(), "")))
            if mine is None:
                yield f"{kind} {printable(name, _SHOWN)} has a hash in the picture's text and was not used here"
            elif mine[:length] != value.lower()[:length]:
                what = f"{kind} {printable(name, _SHOWN)} is another file than the picture's"
                yield f"{what}: its hash is {mine}, there {printable(value, _SHOWN)}"
