from __future__ import annotations

import pytest

from underdrawing.pipeline.training.embeddings.templates import TEMPLATES, Template, holds_word, write_caption


def test_pictures_without_caption_get_sentences() -> None:
    kinds: tuple[Template, ...] = ("object", "style", "word")
    for kind in kinds:
        found = {write_caption("<cat>", "  ", kind, number) for number in range(50)}
        assert len(found) == len(TEMPLATES[kind])
        assert all("<cat>" in text for text in found)


def test_captions_keep_the_word_or_get_it_in_front() -> None:
    assert write_caption("cat", "a Cat on a mat", "object", 0) == "a Cat on a mat"
    assert write_caption("cat", "a catalogue", "object", 0) == "cat, a catalogue"


@pytest.mark.parametrize(
    ("caption", "word", "held"),
    [
        ("my-cat here", "my-cat", True),
        ("<cat> sits", "<cat>", True),
        ("(cat:1.2)", "cat", True),
        ("cats", "cat", False),
    ],
)
def test_words_are_whole(caption: str, word: str, held: bool) -> None:
    assert holds_word(caption, word) == held
