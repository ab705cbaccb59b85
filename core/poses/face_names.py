"""Parts of a face: which points make them, and their default colours.

Source of the points: the 68 of iBUG 300-W; of the colours: LaPa (Liu et al. 2020, arXiv:1911.11313).
"""

from __future__ import annotations

PARTS: dict[str, tuple[int, ...]] = {
    "skin": (*range(17), *range(26, 16, -1)),
    "left_eye": tuple(range(36, 42)),
    "right_eye": tuple(range(42, 48)),
    "nose": tuple(range(27, 36)),
    "upper_lip": (*range(48, 55), *range(64, 59, -1)),
    "inner_mouth": tuple(range(60, 68)),
    "lower_lip": (*range(54, 60), 48, 60, *range(67, 63, -1)),
}
"""Part → its outline, in drawing order; left and right as seen in the picture."""

COLOURS = {
    "skin": "rgb(0, 153, 255)",
    "left_eye": "rgb(0, 204, 153)",
    "right_eye": "rgb(255, 153, 0)",
    "nose": "rgb(255, 102, 255)",
    "upper_lip": "rgb(102, 0, 51)",
    "inner_mouth": "rgb(255, 204, 255)",
    "lower_lip": "rgb(255, 0, 102)",
}
"""Part → its default colour."""
