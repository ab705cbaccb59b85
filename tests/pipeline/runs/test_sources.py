from __future__ import annotations

import numpy as np
from tests.support.pictures import photo

from underdrawing.core.images.geometry import Size
from underdrawing.pipeline.runs.sources import blur_mask, fit_picture, put_back, read_mask, shrink_mask


def test_pictures_are_cropped_stretched_or_set_in_their_edge() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[:, 100:] = 255
    for mode in ("crop", "just", "fill"):
        fitted = fit_picture(picture, Size(64, 64), mode)
        assert fitted.shape == (64, 64, 3)
        assert (int(fitted[32, 4].max()), int(fitted[32, 60].min())) == (0, 255)
    assert fit_picture(picture[..., 0], Size(300, 150), "crop").shape == (300, 150)


def test_a_masks_edge_is_soft_and_latents_are_masked_or_not() -> None:
    mask = np.zeros((64, 64), np.bool_)
    mask[:, 32:] = True
    soft = blur_mask(mask, 4)
    assert (soft[0, 0], soft[0, 63]) == (0, 1)
    assert 0 < soft[0, 31] < 0.5 < soft[0, 32] < 1
    assert set(np.unique(blur_mask(mask, 0))) == {0, 1}
    assert shrink_mask(soft, 8).tolist() == [[0, 0, 0, 0, 1, 1, 1, 1]] * 8


def test_what_is_not_painted_anew_is_the_original_bit_for_bit() -> None:
    original = photo()
    mask = np.zeros(original.shape[:2], np.float32)
    mask[:10] = 1
    result = put_back(255 - original, original, mask)
    assert (result[10:] == original[10:]).all()
    assert (result[:10] == 255 - original[:10]).all()


def test_masks_are_read_at_the_pictures_size() -> None:
    notes: list[str] = []
    mask = read_mask(np.full((10, 10), 255, np.uint8), Size(20, 20), notes.append)
    assert mask.shape == (20, 20)
    assert mask.all()
