"""Texts of the A1111 tab in Japanese: of the declarations, and of its scripts.

Japanese comes from tools/comfy_ja.json, as that of ComfyUI's pages; text that is not in it stays English. `make docs`
writes serving/texts/ja.json (tools/generate.py).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.comfy_pages import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.comfy_pages import Japanese

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "a1111_extension" / "javascript"
FILE = ROOT / "serving" / "texts" / "ja.json"
_LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)+)"')


def list_declared() -> list[str]:
    """Texts of annotators, operations and panels that the tab translates."""
    from underdrawing.serving import schema

    found: list[str] = [panel["title"] for panel in schema.describe_panels()]
    for one in (*schema.describe_annotators(), *schema.describe_operations()):
        found += [one["title"], one.get("kind", ""), one.get("help", "").partition("\n")[0]]
        found += [text for entry in _iter_entries(one) for text in (entry.get("label", ""), entry["help"])]
        found += [one["consent"]["name"]] if one.get("consent") else []
    return [text for text in dict.fromkeys(found) if text]


def _iter_entries(one: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (*one.get("params", ()), *one.get("inputs", ()))
    yield from (entry for entry in (one.get("output"), one.get("consent")) if entry)


def list_literals() -> list[str]:
    """Every text in quotes in the tab's scripts."""
    return [text for path in sorted(SCRIPTS.glob("*.js")) for text in _LITERAL.findall(path.read_text("utf-8"))]


def files(japanese: Japanese) -> dict[Path, str]:
    """The file and its content. Literals that have no Japanese are not texts, or stay English."""
    words = {text: japanese(text) for text in list_declared()}
    words |= {text: japanese(text) for text in list_literals() if text in japanese.words}
    return {FILE: to_json({text: word for text, word in sorted(words.items()) if text != word})}
