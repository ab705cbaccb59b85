from __future__ import annotations

import numpy as np
import pytest
from tests.support.maps import map_of
from tests.support.pictures import flat, photo, stored

from underdrawing.preprocessors.tile_ttplanet import TileTtplanet, self_guided


@pytest.mark.parametrize(("method", "factor"), [("simple", 2.0), ("guided", 1.0)])
def test_the_map_equals_the_peers(method: str, factor: float) -> None:
    """The peer cuts where this rounds, which is one level at most."""
    chosen = {"method": method, "scale_factor": factor, "blur_strength": 3.0}
    shown = map_of(TileTtplanet, stored("picture"), **chosen).images[0]
    different = np.abs(shown.astype(int) - stored(f"ttplanet_{method}"))
    assert different.max() <= (0 if method == "simple" else 1)


@pytest.mark.parametrize("step", [1.0, 2.0, 3.3])
def test_flat_parts_become_their_mean_and_edges_stay(step: float) -> None:
    picture = np.random.default_rng(0).normal(0, 0.01, (96, 120, 3)).astype(np.float32)
    picture[:, 60:] += 0.8
    shown = self_guided(picture, 6, 0.01, step)
    assert shown[10:-10, 10:40].std() < 0.35 * picture[10:-10, 10:40].std()
    assert shown[:, 63:].mean() - shown[:, :57].mean() > 0.75


@pytest.mark.parametrize("method", ["guided", "simple"])
def test_a_flat_picture_stays(method: str) -> None:
    assert np.array_equal(map_of(TileTtplanet, flat(50, 41, 77), method=method).images[0], flat(50, 41, 77))


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_composition_stays(factor: float) -> None:
    shown = map_of(TileTtplanet, photo(), scale_factor=factor).images[0].astype(float)
    assert np.corrcoef(shown.ravel(), photo().astype(float).ravel())[0, 1] > 0.9
