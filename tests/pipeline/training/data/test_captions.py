from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.pipeline.training.data.captions import Caption, Changes, find_caption, read_caption


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.txt", b"a red ball", "a red ball"),
        ("a.txt", b"\xef\xbb\xbfa ball\r\n", "a ball"),
        ("a.txt", "ein Ball, größer".encode("utf-16"), "ein Ball, größer"),
        ("a.txt", b"", ""),
        ("a.caption", b"\n\n  a ball  \n", "a ball"),
        ("a.JSON", b'{"caption": "a  ball"}', "a ball"),
        ("a.json", b'{"tags": ["ball", "red"]}', "ball, red"),
    ],
)
def test_captions_of_every_kind_of_file_are_read(name: str, content: bytes, text: str) -> None:
    assert read_caption(name, content) == Caption(text)


def test_what_is_read_otherwise_than_meant_is_noted() -> None:
    assert read_caption("a.txt", b"one\ntwo") == Caption("one", "has several lines, the first counts")
    assert read_caption("a.txt", b"gr\xfcn") == Caption("grün", "is not UTF-8 and is read as Windows-1252")


@pytest.mark.parametrize(
    ("name", "content"), [("a.json", b"{"), ("a.json", b"[" * 100_000), ("a.txt", b"x" * (2 << 20))]
)
def test_what_is_no_caption_is_named(name: str, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"no JSON|no caption"):
        read_caption(name, content)


@pytest.mark.parametrize(
    ("entry", "text"), [(5, "5"), ("a cat", "a cat"), ({"text": 3}, "3"), ({"tags": [1, "b"]}, "1, b")]
)
def test_numbers_and_bare_texts_are_captions(entry: object, text: str) -> None:
    assert find_caption(entry) == Caption(text)


@pytest.mark.parametrize("entry", [None, [], True, {}, {"text": None}, {"tags": [None]}])
def test_entries_without_a_caption(entry: object) -> None:
    assert find_caption(entry) is None
    assert read_caption("a.json", json.dumps(entry).encode()) is None


TAGS = st.lists(st.text("abc ", min_size=1).map(str.strip).filter(bool), max_size=8)


@settings(max_examples=60, deadline=None)
@given(TAGS, st.integers(0, 4), st.integers(0, 2**62))
def test_shuffled_captions_keep_the_first_tags_and_all_others(tags: list[str], keep: int, number: int) -> None:
    changed = Changes(shuffle=True, keep=keep).apply(", ".join(tags), number)
    found = [tag for tag in changed.split(", ") if tag]
    assert found[:keep] == tags[:keep]
    assert sorted(found) == sorted(tags)
    assert Changes(shuffle=True, keep=keep).apply(", ".join(tags), number) == changed, "the same at every run"


@settings(max_examples=40, deadline=None)
@given(TAGS, st.integers(0, 2**62))
def test_dropped_tags_leave_the_order(tags: list[str], number: int) -> None:
    found = [tag for tag in Changes(drop_tags=0.5, keep=1).apply(", ".join(tags), number).split(", ") if tag]
    assert found[:1] == tags[:1]
    rest = iter(tags)
    assert all(tag in rest for tag in found)


def test_shares_of_captions_and_tags_are_dropped() -> None:
    whole = [Changes(drop=0.25).apply("a,b", number) for number in range(400)]
    assert set(whole) == {"a,b", ""}
    assert 60 < whole.count("") < 140
    assert Changes(drop=1.0).apply("a", 3) == ""
    assert Changes(drop_tags=1.0).apply("a, b", 3) == ""
    assert Changes().apply("a ,b", 3) == "a ,b", "untouched"
