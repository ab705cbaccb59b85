"""Captions with a new word in them: sentences for pictures that have none, and own captions that lack it."""

from __future__ import annotations

import re
from typing import Literal

Template = Literal["object", "style", "word"]

OBJECT = (
    "{}",
    "a picture of {}",
    "a photo of {}",
    "a drawing of {}",
    "a close-up of {}",
    "a view of {}",
    "a bright photo of {}",
    "a dark photo of {}",
    "one {}",
    "the {}",
)
STYLE = (
    "{}",
    "a picture in the style of {}",
    "a drawing in the style of {}",
    "a painting in the style of {}",
    "a landscape in the style of {}",
    "art by {}",
)
TEMPLATES: dict[Template, tuple[str, ...]] = {"object": OBJECT, "style": STYLE, "word": ("{}",)}


def write_caption(word: str, caption: str, template: Template, number: int) -> str:
    """A caption that holds the word. number: chooses among the sentences.

    An empty caption is a sentence of the template; one without the word gets it in front. A word in < > has
    spaces around it, as signs beside one another would become one token.
    """
    if not caption.strip():
        sentences = TEMPLATES[template]
        return sentences[number % len(sentences)].format(word)
    found = caption if holds_word(caption, word) else f"{word}, {caption}"
    return found if not word.endswith(">") else " ".join(found.replace(word, f" {word} ").split())


def holds_word(caption: str, word: str) -> bool:
    """Whether a caption has a word, not as a part of another one."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", caption, re.IGNORECASE) is not None
