"""What a map of classes shows: which classes, their colours, and how much of the picture each of them takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class Segment(msgspec.Struct, frozen=True):
    """One class that the picture shows. colour: RGB 0..255. share: of the map's pixels, 0..1."""

    index: int
    name: str
    colour: tuple[int, int, int]
    share: float


class Segments(msgspec.Struct, frozen=True):
    """Classes of one picture, the largest share first. dataset: whose numbering the indices follow."""

    dataset: str
    classes: tuple[Segment, ...]


class Classes(msgspec.Struct, frozen=True):
    """Names and colours of a dataset's classes, by index.

    palette: 3 bytes RGB per class, so that it can be declared without a heavy import.
    """

    dataset: str
    names: tuple[str, ...]
    palette: bytes

    def colour(self, index: int) -> tuple[int, int, int]:
        """RGB of a class."""
        red, green, blue = self.palette[3 * index : 3 * index + 3]
        return red, green, blue

    def count(self, labels: NDArray[np.integer[Any]]) -> Segments:
        """Classes that labels [H, W] (their indices) show."""
        import numpy as np

        counts = np.bincount(labels.ravel(), minlength=len(self.names))
        order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)].tolist()
        shares = counts / max(1, labels.size)
        found = (Segment(i, self.names[i], self.colour(i), float(shares[i])) for i in order)
        return Segments(self.dataset, tuple(found))


def recount(segments: Segments, values: NDArray[np.float32]) -> Segments:
    """Shares in a part of the map; values: class indices [H, W] of that part."""
    import numpy as np

    indices, counts = np.unique(values, return_counts=True)
    found = dict(zip(indices.astype(int).tolist(), counts.tolist(), strict=True))
    total = max(1, values.size)
    kept = [Segment(s.index, s.name, s.colour, found[s.index] / total) for s in segments.classes if s.index in found]
    return Segments(segments.dataset, tuple(sorted(kept, key=lambda s: (-s.share, s.index))))


def to_json(segments: Segments) -> dict[str, Any]:
    """Plain numbers, strings, lists and dicts, for JSON."""
    return msgspec.to_builtins(segments)


def join_segments(parts: Sequence[tuple[Segments, ...] | None]) -> tuple[Segments, ...] | None:
    """Segments of several runs as those of one, None where there are none."""
    return None if any(part is None for part in parts) else tuple(one for part in parts for one in part or ())


def to_json_text(segments: Sequence[Segments]) -> str:
    """JSON text of the classes of every picture."""
    import json

    return json.dumps([to_json(one) for one in segments], ensure_ascii=False)
