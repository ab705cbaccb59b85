from __future__ import annotations

import numpy as np

from underdrawing.pipeline.reference.world.flaws import bend, blur, spoil


def test_spoilt_pictures_are_others_and_repeat() -> None:
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[8:24, 8:24] = 200
    one, again, other = (spoil(picture, picture[:, ::-1], np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert np.abs(one.astype(int) - picture).mean() > 2


def test_blurring_keeps_the_mean_inside_and_bending_keeps_values() -> None:
    values = np.zeros((16, 16, 3), np.float32)
    values[8, 8] = 9
    assert np.allclose(blur(values)[7:10, 7:10], 1)
    assert set(np.unique(bend(values, np.random.default_rng(0)))) <= {0.0, 9.0}
