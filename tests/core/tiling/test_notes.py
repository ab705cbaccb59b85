from __future__ import annotations

from underdrawing.core.tiling.notes import ContentNote, describe_pictures, join_notes, restrict_notes

EMPTY = "nobody is in picture {}"


def test_pictures_count_from_one() -> None:
    assert describe_pictures(EMPTY, [0, 2]) == ("nobody is in picture 1, 3",)
    assert describe_pictures(EMPTY, []) == ()


def test_notes_on_how_maps_were_made_are_those_of_any_pass_each_once() -> None:
    assert join_notes([("runs on cpu",), (), ("not finite", "runs on cpu")]) == ("runs on cpu", "not finite")


def test_notes_on_content_are_those_of_all_passes() -> None:
    assert join_notes([describe_pictures(EMPTY, [0, 1]), describe_pictures(EMPTY, [1, 2])]) == (
        "nobody is in picture 2",
    )
    assert join_notes([describe_pictures(EMPTY, [0]), ()]) == ()


def test_notes_can_be_kept_to_some_pictures() -> None:
    notes = ("runs on cpu", ContentNote(EMPTY, [0, 1]))
    assert restrict_notes(notes, [1]) == ("runs on cpu", "nobody is in picture 2")
    assert restrict_notes(notes, []) == ("runs on cpu",)
