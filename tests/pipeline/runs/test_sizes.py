from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from underdrawing.core.errors import BadParameter
from underdrawing.core.images.geometry import Size
from underdrawing.pipeline.request import Hires, Request
from underdrawing.pipeline.runs.sizes import choose_size, explain_size

MODEL: Any = SimpleNamespace(sample_size=512, factor=8)


@pytest.mark.parametrize(
    ("fields", "initial", "shapes", "expected", "noted"),
    [
        ({}, None, [], (512, 512), False),
        ({"width": 515, "height": 700}, None, [], (696, 512), True),
        ({}, Size(333, 500), [], (328, 496), True),
        ({}, None, [Size(400, 600)], (448, 640), False),
        ({"height": 256}, Size(400, 600), [], (256, 384), False),
        ({"width": 256}, None, [], (256, 256), False),
    ],
)
def test_a_size_is_chosen(fields: Any, initial: Any, shapes: Any, expected: tuple[int, int], noted: bool) -> None:
    size, note = choose_size(Request(prompt="", **fields), MODEL, initial, shapes)
    assert size == expected
    assert bool(note) == noted


def test_sizes_that_no_picture_has_are_refused() -> None:
    for width, height in ((32, 512), (200_000, 200_000)):
        with pytest.raises(BadParameter):
            choose_size(Request(prompt="", width=width, height=height), MODEL, None, [])


def test_a_size_that_is_too_small_is_told_as_it_was_given() -> None:
    with pytest.raises(BadParameter, match="7 x 200 pixels are too few"):
        choose_size(Request(prompt="", width=7, height=200), MODEL, None, [])


@pytest.mark.parametrize(
    ("side", "hires", "noted"),
    [
        (128, None, False),
        (192, None, False),
        (256, None, True),
        (128, Hires(scale=1.25), False),
        (128, Hires(scale=2.0), True),
        (128, Hires(width=128, height=256), True),
        (128, Hires(width=160), False),
    ],
)
def test_sizes_that_the_reference_model_does_not_know_are_noted(side: int, hires: Hires | None, noted: bool) -> None:
    for reference in (True, False):
        model: Any = SimpleNamespace(sample_size=128, reference=reference)
        assert bool(explain_size(model, Size(side, 128), hires)) == (noted and reference)
