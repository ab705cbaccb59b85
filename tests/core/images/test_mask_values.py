"""What of a mask counts as to be repainted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.support.command_line import entries

import underdrawing
from underdrawing.core.images.convert import read_masks
from underdrawing.core.images.geometry import Size
from underdrawing.core.images.mask_values import find_coverage, has_same_aspect

if TYPE_CHECKING:
    from tests.support.command_line import Run

HALF = np.zeros((8, 12), np.bool_)
HALF[:, 6:] = True
PICTURE = np.full((8, 12, 3), 90, np.uint8)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int8", "int32", "int64", "uint64"])
@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 100), (3, 7), (100, 120)])
def test_of_two_values_the_higher_one_counts(dtype: str, low: int, high: int) -> None:
    covered, notes = find_coverage(np.where(HALF, high, low).astype(dtype))
    assert np.array_equal(covered, HALF)
    assert f"{low} and {high}" in " ".join(notes)


@pytest.mark.parametrize(
    "mask", [HALF, HALF.astype(np.uint8) * 255, HALF.astype(float), HALF.astype(np.uint16) * 65535]
)
def test_black_and_white_need_no_note(mask: Any) -> None:
    covered, notes = find_coverage(mask)
    assert np.array_equal(covered, HALF)
    assert notes == ()


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_any_three_values_count_above_half_or_are_noted(one: int, two: int, three: int) -> None:
    levels = np.array([[one, two, three]], np.uint8)
    covered, notes = find_coverage(levels)
    if len({one, two, three}) != 2:
        assert np.array_equal(covered, levels > 127)
    if not covered.any():
        assert f"from {levels.min()} to {levels.max()}" in notes[0]


def test_python_masks_of_nothing_and_classes_are_noted() -> None:
    for mask, text in (
        (np.zeros((8, 12), np.uint8), "covers nothing"),
        (np.zeros((8, 12), np.bool_), "covers nothing"),
        (np.zeros((8, 12), np.float32), "covers nothing"),
        (HALF.astype(np.uint8), "0 and 1"),
        (np.arange(96).reshape(8, 12) % 3 * 100, "3 values (0, 100, 200)"),
        (np.ones((8, 12), np.bool_), "covers the whole picture"),
        (HALF[:, ::2], "another aspect"),
    ):
        result = underdrawing.annotate("inpaint", PICTURE, resolution=0, masks=mask)
        assert text in " ".join(result.notes), text
    assert underdrawing.annotate("inpaint", PICTURE, resolution=0, masks=HALF).notes == ()


def test_each_mask_of_a_batch_is_judged_alone() -> None:
    masks = np.stack([HALF.astype(np.uint8), HALF.astype(np.uint8) * 255, np.zeros_like(HALF, np.uint8)])
    covered, notes = read_masks(masks[..., None], 3, Size(8, 12))
    assert np.array_equal(covered, [HALF, HALF, np.zeros_like(HALF)])
    assert [note.partition(":")[0] for note in notes] == ["mask 1 of 3", "mask 3 of 3"]


def test_aspects_differ_by_more_than_a_pixel() -> None:
    assert has_same_aspect(Size(100, 151), Size(200, 301))
    assert has_same_aspect(Size(1024, 683), Size(512, 341))
    assert not has_same_aspect(Size(100, 150), Size(150, 100))


def save(path: Path, levels: Any, mode: str | None = None, palette: list[int] | None = None) -> Path:
    image = Image.fromarray(levels) if mode is None else Image.fromarray(levels).convert(mode)
    if palette:
        image = Image.fromarray(levels.astype(np.uint8))
        image.putpalette(palette)
    image.save(path)
    return path


@pytest.fixture
def masks(tmp_path: Path) -> dict[str, Path]:
    """Files of masks that are not black and white."""
    one = HALF.astype(np.uint8)
    red = np.stack([one * 255, one * 0, one * 0], axis=-1)
    return {
        "zero_one": save(tmp_path / "zero_one.png", one),
        "deep": save(tmp_path / "deep.png", HALF.astype(np.uint16)),
        "tiff": save(tmp_path / "tiff.tif", HALF.astype(np.int32)),
        "palette": save(tmp_path / "palette.png", one, palette=[0, 0, 0, 128, 0, 0]),
        "red": save(tmp_path / "red.png", red),
        "grey": save(tmp_path / "grey.png", one * 100),
        "bit": save(tmp_path / "bit.png", HALF),
    }


@pytest.mark.parametrize("kind", ["zero_one", "deep", "tiff", "palette", "red", "grey", "bit"])
def test_files_of_masks_are_understood(run: Run, tmp_path: Path, masks: dict[str, Path], kind: str) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    out = tmp_path / "out"
    run("annotate", "inpaint", tmp_path / "a.png", "-o", out, "--mask", masks[kind], "--match-input")
    assert np.array_equal(np.asarray(Image.open(out / "a.inpaint.png")).any(axis=-1), ~HALF)
    notes = entries(out)[0]["notes"]
    assert bool(notes) == (kind != "bit")
    result = underdrawing.annotate("inpaint", PICTURE, resolution=0, masks=masks[kind])
    assert np.array_equal(result.images[0].any(axis=-1), ~HALF)
    assert list(result.notes) == notes


def test_a_mask_that_covers_nothing_is_reported_with_its_range(run: Run, tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    save(tmp_path / "soft.png", np.arange(96, dtype=np.uint8).reshape(8, 12))
    see_through = np.dstack([PICTURE, np.full((8, 12), 200, np.uint8)])
    save(tmp_path / "clear.png", see_through)
    done = run("annotate", "inpaint", tmp_path / "a.png", "-o", tmp_path / "out", "--mask", tmp_path / "soft.png")
    assert "covers nothing, the whole picture is kept: its values range from 0 to 95" in done.err
    clear = run("annotate", "inpaint", tmp_path / "clear.png", "-o", tmp_path / "out")
    assert "its opacity ranges from 200 to 200" in clear.err


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 7, 8])
@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif"])
def test_a_mask_drawn_on_the_stored_picture_is_refused(run: Run, tmp_path: Path, orientation: int, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = tmp_path / f"a{ending}"
    Image.fromarray(PICTURE.repeat(4, axis=0).repeat(4, axis=1)).save(photo, exif=exif)
    stored = save(tmp_path / "stored.png", HALF.repeat(2, axis=0).repeat(2, axis=1).astype(np.uint8) * 255)
    done = run("annotate", "inpaint", photo, "-o", tmp_path / "out", "--mask", stored)
    assert done.code == (3 if orientation >= 5 else 0)
    if orientation >= 5:
        assert f"EXIF orientation {orientation}" in done.err
        upright = save(tmp_path / "upright.png", HALF.T.astype(np.uint8) * 255)
        assert run("annotate", "inpaint", photo, "-o", tmp_path / "out", "--mask", upright).code == 0


def test_a_mask_of_another_aspect_is_fitted_with_a_note(run: Run, tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    turned = save(tmp_path / "turned.png", HALF.T.astype(np.uint8) * 255)
    done = run("annotate", "inpaint", tmp_path / "a.png", "-o", tmp_path / "out", "--mask", turned)
    assert done.code == 0
    assert "the mask is 8 x 12, the picture 12 x 8: it was stretched" in done.err


def test_a_mask_that_may_be_drawn_on_either_side_of_a_turned_picture_is_noted(run: Run, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    photo, plain = tmp_path / "turned.jpg", tmp_path / "plain.jpg"
    Image.new("RGB", (64, 48)).save(photo, exif=exif)
    Image.new("RGB", (64, 48)).save(plain)
    mask = save(tmp_path / "mask.png", np.eye(48, 64, dtype=np.uint8) * 255)
    assert "EXIF orientation 3" in run("annotate", "inpaint", photo, "-o", tmp_path / "out", "--mask", mask).err
    assert "EXIF" not in run("annotate", "inpaint", plain, "-o", tmp_path / "out", "--mask", mask).err


def test_a_photograph_with_a_hole_as_mask_is_noted() -> None:
    photo = np.random.default_rng(0).integers(0, 255, (48, 64, 4), np.uint8)
    photo[..., 3] = 255
    photo[10:20, 10:20, 3] = 0
    found = read_masks(Image.fromarray(photo), 1, Size(48, 64))
    assert any("what is opaque is repainted" in note for note in found.notes)
    photo[..., :3] = (255, 0, 0)
    assert not read_masks(Image.fromarray(photo), 1, Size(48, 64)).notes
