"""Names and texts use the field's words: nouns for types, verbs for functions, one meaning for each name."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.tree import ROOT, each_room, package_files, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = {
    "Wish": "Request",
    "Wanted": "Options",
    "Asked": "Options",
    "Tally": "BatchSummary",
    "Told": "FileMetadata",
    "told": "notes",
    "shown": "a verb and what it shows",
    "made": "a noun",
    "kept": "a noun",
    "asked": "a noun",
    "drawn": "a verb and what it draws",
    "posed": "a noun",
    "handed_over": "a verb and what it hands over",
    "sees": "input_size",
    "arena": "buffers",
    "holders": "weight_access",
    "summing": "accumulate",
    "peers": "aux_compat",
    "parity": "reference_compat, or what it changes",
    "trunk": "backbone",
    "min_point": "min_keypoint_confidence",
}
"""Names that functions, classes, parameters and fields may not have, and what to write."""
PHRASES = {
    r"number format": "dtype",
    r"how sure a person must be": "Minimum detection confidence",
    r"surest(?: first)?": "by confidence",
    r"what runs networks": "Inference backend",
    r"how sticks grow": "Limb width scaling",
    r"make what a naming lacks": "Approximate unsupported layer types with a rank-N LoRA",
    r"as a json object": "Print JSON",
    r"add the nodes to a comfyui": "Install the nodes into ComfyUI",
    r"keys of no use": "unused keys",
    r"made if need be": "created if missing",
    r"mend(?:s|ed|ing)?": "fix",
    r"lie(?:s)? on the pictures?": "aligned with the picture",
    r"(?:is|are) told": "is reported, is logged",
    r"(?<!attention )(?<!image )processors?(?! Res\b)": "CPU",
    r"trunks?": "backbone",
}
"""What help, messages, docstrings and documents may not say, and what to write."""
SPOKEN = re.compile(r"(?<![\w./])(?:" + "|".join(PHRASES) + r")(?!\w)", re.IGNORECASE)
OWN_WORDS = {"adapters/reading/dialects/diffusers.py": "the library's attention processors are part of its keys"}
DOCUMENTS = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def declared(tree: ast.AST) -> Iterator[str]:
    """Names of functions, classes, parameters and fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.name
            fields = (n.target for n in node.body if isinstance(n, ast.AnnAssign))
            yield from (target.id for target in fields if isinstance(target, ast.Name))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name
            yield from (n.arg for n in ast.walk(node.args) if isinstance(n, ast.arg))


def texts(tree: ast.AST) -> Iterator[str]:
    """Everything in quotes."""
    yield from (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))


def faults(path: Path) -> list[str]:
    """What a file says in words of its own, each with the field's word."""
    tree = tree_of(path)
    names = [f"{name}: write {NAMES[name.lstrip('_')]}" for name in declared(tree) if name.lstrip("_") in NAMES]
    if path.stem in NAMES:
        names.append(f"{path.name}: write {NAMES[path.stem]}")
    return [*names, *(found for text in texts(tree) for found in spoken(text))]


def spoken(text: str) -> list[str]:
    """Phrases of a text, each with the field's word."""
    return [
        f"{match[0]!r}: write {next(w for p, w in PHRASES.items() if re.fullmatch(p, match[0], re.IGNORECASE))!r}"
        for match in SPOKEN.finditer(text)
    ]


@each_room(p for p in package_files() if p.as_posix() not in OWN_WORDS)
def test_code_uses_the_words_of_the_field(paths: list[Path]) -> None:
    assert {str(path): found for path in paths if (found := faults(path))} == {}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_documents_use_the_words_of_the_field(path: Path) -> None:
    assert spoken(path.read_text(encoding="utf-8")) == []


def test_words_are_found() -> None:
    code = "class A:\n    b: int\n    @staticmethod\n    def _c(d): ..."
    assert list(declared(ast.parse(code))) == ["A", "b", "_c", "d"]
    assert spoken("The preprocessors are told.") == ["'are told': write 'is reported, is logged'"]
    assert spoken("attention processor, Processor.") == ["'Processor': write 'CPU'"]
