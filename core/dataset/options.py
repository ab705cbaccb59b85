"""What a run over a data set can be told: declarations that cost nothing to read."""

from __future__ import annotations

from typing import Annotated, Literal

from ..params import Params, about, between

Kind = Literal["folder", "webdataset", "parquet", "lance"]
"""How rows are stored."""
KEY = "__key__"
"""The key that a row has by itself: name in its folder or tar, number in a table."""
Format = Kind
DatasetLayout = Literal["sidecar", "plain", "diffusers"]
"""sidecar: maps under the row's key, pictures stay where they are. plain: a folder for each annotator, with the
pictures' names. diffusers: picture, map and caption, ready to train."""
OnError = Literal["keep", "skip", "stop"]
PEOPLE = "People (and animals) in every map of poses"
KEYPOINTS = "A person counts only with this share of the body's keypoints, 0 to 1; one at least must count"
ASPECT = "Width to height from LOW..HIGH, as 3:4..4:3 or 0.5..2; one number means exactly that. Empty: any"


class FilterParams(Params, frozen=True):
    """Filters; what is left as it is filters nothing."""

    min_size: Annotated[int, between(0, 10**6, "Shorter side of the picture in pixels, at least", step=64)] = 0
    aspect: Annotated[str, about(ASPECT)] = ""
    min_people: Annotated[int, between(0, 1000, f"{PEOPLE}, at least")] = 0
    max_people: Annotated[int, between(0, 1000, f"{PEOPLE}, at most; 0: any number")] = 0
    min_keypoints: Annotated[float, between(0, 1, KEYPOINTS, step=0.05)] = 0.0
    min_edges: Annotated[float, between(0, 1, "Share of white in every map of lines, at least", step=0.005)] = 0.0
    max_edges: Annotated[float, between(0, 1, "Share of white in every map of lines, at most", step=0.005)] = 1.0
    min_depth: Annotated[float, between(0, 1, "Spread of every map of depth, flat 0 to 1, at least", step=0.05)] = 0.0
