from __future__ import annotations

import numpy as np
from tests.support.pictures import photo

from underdrawing.pipeline.runs.filling import fill_masked


def test_colours_of_each_side_reach_under_the_mask() -> None:
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :48] = (220, 30, 30)
    picture[:, 48:] = (30, 30, 220)
    mask = np.zeros((64, 96), np.float32)
    mask[16:48, 16:80] = 1
    picture[mask > 0] = 255
    filled = fill_masked(picture, mask)
    assert filled[32, 20, 0] > filled[32, 20, 2] + 100
    assert filled[32, 76, 2] > filled[32, 76, 0] + 100
    assert int(filled[:, :, 1].max()) < 60, "nothing of what was under the mask is left"


def test_what_is_not_masked_stays_and_all_masked_is_black() -> None:
    picture = photo(40, 50)
    assert (fill_masked(picture, np.zeros((40, 50), np.float32)) == picture).all()
    assert not fill_masked(picture, np.ones((40, 50), np.float32)).any()


def test_levels_are_rounded_at_every_layer_as_in_a1111() -> None:
    """Recorded of A1111 1.10.1, whose levels differ by 1 where only little of the colours has come."""
    y, x = np.mgrid[:40, :40]
    picture = np.stack([x * 6, y * 6, 255 - x * 3 - y * 3], axis=-1).astype(np.uint8)
    mask = np.ones((40, 40), np.float32)
    mask[:6, :6] = 0
    filled = fill_masked(picture, mask)
    assert filled[[20, 8, 0], [20, 8, 39]].tolist() == [[0, 0, 247], [7, 7, 247], [3, 0, 252]]
