"""Notes on what a picture shows: true of what was seen, so the notes on tiles are not all those of their picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


class ContentNote(str):
    """A note on pictures of a batch, such as that nobody is in them; any other note is on how a map was made.

    template: the text, with {} for the numbers. pictures: indices. Within a run only: `core.execute` hands out text.
    """

    template: str
    pictures: tuple[int, ...]

    def __new__(cls, template: str, pictures: Iterable[int]) -> ContentNote:
        """The text, in which pictures count from 1."""
        indices = tuple(pictures)
        note = super().__new__(cls, template.format(", ".join(str(index + 1) for index in indices)))
        note.template, note.pictures = template, indices
        return note


def describe_pictures(template: str, pictures: Iterable[int]) -> tuple[str, ...]:
    """A content note on pictures, by index; nothing where there is none."""
    indices = tuple(pictures)
    return (ContentNote(template, indices),) if indices else ()


def restrict_notes(notes: Iterable[str], pictures: Collection[int]) -> tuple[str, ...]:
    """Notes, those on content of these pictures alone."""
    return tuple(
        part
        for note in notes
        for part in (
            describe_pictures(note.template, (one for one in note.pictures if one in pictures))
            if isinstance(note, ContentNote)
            else (note,)
        )
    )


def join_notes(passes: Sequence[Iterable[str]]) -> tuple[str, ...]:
    """Notes of several passes over one batch, each once; those on content where all passes say the same."""
    every = [tuple(notes) for notes in passes]
    contents = [{n.template: n.pictures for n in notes if isinstance(n, ContentNote)} for notes in every]
    joined: list[str] = []
    for note in dict.fromkeys(note for notes in every for note in notes):
        if isinstance(note, ContentNote):
            common = (i for i in note.pictures if all(i in known.get(note.template, ()) for known in contents))
            joined += describe_pictures(note.template, common)
        else:
            joined.append(note)
    return tuple(dict.fromkeys(joined))
