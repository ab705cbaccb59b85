from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from underdrawing.core.errors import BadImage
from underdrawing.core.images.geometry import (
    MAX_MAP_PIXELS,
    FitMode,
    Size,
    find_padded_size,
    find_pixel_perfect,
    find_target_size,
    plan_fit,
)

side = st.integers(1, 2048)
sizes = st.builds(Size, side, side)
modes: st.SearchStrategy[FitMode] = st.sampled_from(("just", "crop", "fill"))
many = settings(max_examples=400, deadline=None)


def near(value: int, exact: Fraction) -> bool:
    """Whether value is exact rounded to nearest (either neighbour where exact lies at a half)."""
    return abs(value - max(Fraction(1), exact)) <= Fraction(1, 2) + Fraction(1, 10**9)


@many
@given(sizes, side)
@example(Size(667, 1000), 512)
@example(Size(1, 2048), 512)
def test_target_is_as_documented(size: Size, resolution: int) -> None:
    scale = Fraction(resolution, min(size))
    assume(size.height * size.width * scale * scale < MAX_MAP_PIXELS - 10**5)
    target = find_target_size(size, resolution)
    assert min(target) == resolution
    assert near(target.height, size.height * scale)
    assert near(target.width, size.width * scale)


@many
@given(sizes)
def test_match_input_returns_the_input_size(size: Size) -> None:
    assert find_target_size(size, 0) == size
    assert find_target_size(size, min(size)) == size


def test_published_sizes() -> None:
    """Rows of spec/users.md 1.4, right columns (aspect kept)."""
    assert find_target_size(Size(480, 640), 480) == (480, 640)
    assert find_target_size(Size(667, 1000), 667) == (667, 1000)
    assert find_target_size(Size(480, 640), 512) == (512, 683)
    assert find_target_size(Size(1080, 1920), 512) == (512, 910)


@pytest.mark.parametrize(
    ("size", "resolution"), [((5, 5), -1), ((0, 5), 512), ((5, 0), 0), ((1, 2000), 2048), ((9999, 9999), 0)]
)
def test_sizes_that_cannot_be(size: tuple[int, int], resolution: int) -> None:
    with pytest.raises(BadImage):
        find_target_size(Size(*size), resolution)


@many
@given(sizes, st.integers(1, 128))
def test_padding(size: Size, multiple: int) -> None:
    padded = find_padded_size(size, multiple)
    for inner, outer in zip(size, padded, strict=True):
        assert outer % multiple == 0
        assert 0 <= outer - inner < multiple


@many
@given(sizes, sizes, modes)
@example(Size(1, 2000), Size(512, 512), "fill")
def test_pixel_perfect_against_exact_arithmetic(source: Size, target: Size, mode: FitMode) -> None:
    ratios = [Fraction(target.height, source.height), Fraction(target.width, source.width)]
    exact = (min(ratios) if mode == "fill" else max(ratios)) * min(source)
    got = find_pixel_perfect(source, target, mode)
    assert got >= 1
    assert near(got, exact)


def test_pixel_perfect_of_known_cases() -> None:
    assert find_pixel_perfect(Size(1080, 1920), Size(512, 512), "crop") == 512
    assert find_pixel_perfect(Size(1080, 1920), Size(512, 512), "fill") == 288
    assert find_pixel_perfect(Size(600, 400), Size(768, 512), "just") == 512


@many
@given(sizes, sizes)
def test_crop_covers_and_centres(source: Size, target: Size) -> None:
    plan = plan_fit(source, target, "crop")
    for scaled, wanted, offset in zip(plan.scaled, target, (plan.top, plan.left), strict=True):
        assert offset <= 0
        assert scaled + offset >= wanted
        assert abs((scaled - wanted) + 2 * offset) <= 1
    assert any(scaled == wanted for scaled, wanted in zip(plan.scaled, target, strict=True))


@many
@given(sizes, sizes)
def test_fill_contains_and_centres(source: Size, target: Size) -> None:
    plan = plan_fit(source, target, "fill")
    for scaled, wanted, offset in zip(plan.scaled, target, (plan.top, plan.left), strict=True):
        assert offset >= 0
        assert scaled + offset <= wanted
        assert abs((wanted - scaled) - 2 * offset) <= 1
    assert any(scaled == wanted for scaled, wanted in zip(plan.scaled, target, strict=True))


@many
@given(sizes, sizes, modes)
def test_fit_keeps_the_aspect(source: Size, target: Size, mode: FitMode) -> None:
    plan = plan_fit(source, target, mode)
    if mode == "just":
        assert plan == (target, 0, 0)
        return
    ratios = [Fraction(target.height, source.height), Fraction(target.width, source.width)]
    scale = min(ratios) if mode == "fill" else max(ratios)
    assert near(plan.scaled.height, source.height * scale)
    assert near(plan.scaled.width, source.width * scale)
