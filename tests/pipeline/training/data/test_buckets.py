from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underdrawing.core.images.geometry import Size
from underdrawing.pipeline.training.data.buckets import WIDEST, Buckets


@pytest.mark.parametrize(
    ("picture", "size"),
    [
        (Size(1000, 1000), Size(512, 512)),
        (Size(1200, 900), Size(576, 448)),
        (Size(600, 6000), Size(256, 1024)),
        (Size(300, 400), Size(256, 384)),
        (Size(64, 64), Size(64, 64)),
        (Size(63, 5000), None),
        (Size(1, 1), None),
    ],
)
def test_sizes_of_pictures(picture: Size, size: Size | None) -> None:
    assert Buckets(512, 64).choose(picture) == size


def test_squares_and_enlarged_pictures() -> None:
    assert Buckets(512, 64, square=True).choose(Size(600, 2000)) == Size(512, 512)
    assert Buckets(512, 64, square=True).choose(Size(300, 2000)) == Size(256, 256)
    assert Buckets(512, 64, upscale=True).choose(Size(1, 1)) == Size(512, 512)
    assert Buckets(100, 64).choose(Size(500, 500)) == Size(64, 64), "multiples of the step, never more pixels"


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([64, 128, 500, 1024]), st.booleans(), st.booleans())
def test_every_size_suits_the_model_and_the_picture(
    height: int, width: int, resolution: int, square: bool, upscale: bool
) -> None:
    size = Buckets(resolution, 64, square=square, upscale=upscale).choose(Size(height, width))
    if size is None:
        assert min(height, width) < 64
        assert not upscale
        return
    assert not size.height % 64
    assert not size.width % 64
    assert size.height * size.width <= resolution**2
    assert max(size) <= WIDEST * min(size)
    assert upscale or (size.height <= height and size.width <= width)
    assert not square or size.height == size.width
