from __future__ import annotations

import numpy as np
import pytest
from tests.support.maps import grey, map_of
from tests.support.pictures import flat, photo

from underdrawing.preprocessors import registry
from underdrawing.preprocessors.tile import Tile


@pytest.mark.parametrize("rate", [1.0, 1.09])
def test_below_1_1_nothing_changes(rate: float) -> None:
    picture = photo()
    shown = map_of(Tile, picture, down_sampling_rate=rate).images
    assert np.array_equal(shown[0], picture)
    assert not np.shares_memory(shown, picture)


def test_a_rate_takes_detail_away() -> None:
    checks = grey(np.indices((64, 64)).sum(axis=0) % 2 * 255)
    shown = map_of(Tile, checks, down_sampling_rate=2.0).images
    assert shown.min() >= 126
    assert shown.max() <= 129


@pytest.mark.parametrize("chosen", [{"down_sampling_rate": 8.0}, {"down_sampling_rate": 2.5}, {"pyramid": 3}])
def test_composition_stays(chosen: dict[str, float]) -> None:
    picture = photo()
    shown = map_of(Tile, picture, **chosen).images[0].astype(float)
    assert np.abs(shown.mean(axis=(0, 1)) - picture.mean(axis=(0, 1))).max() < 2
    assert np.corrcoef(shown.ravel(), picture.ravel())[0, 1] > 0.85


@pytest.mark.parametrize("pyramid", range(1, 6))
@pytest.mark.parametrize("size", [(192, 192), (170, 211), (161, 230)], ids=str)
def test_the_pyramid_moves_nothing(pyramid: int, size: tuple[int, int]) -> None:
    """ComfyUI's moves the picture by 4 pixels at 3 halvings; here a blob's centre stays where it is."""
    y, x = np.indices(size)
    centre = size[0] * 0.47, size[1] * 0.56
    breadth = max(14, 0.75 * 2**pyramid)  # finer detail is rightly lost, and its place with it
    blob = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * breadth**2))
    shown = map_of(Tile, grey(blob * 255), pyramid=pyramid).images[0, ..., 0].astype(float)
    found = (shown * y).sum() / shown.sum(), (shown * x).sum() / shown.sum()
    assert found == pytest.approx(centre, abs=0.25)


@pytest.mark.parametrize("rate", [1.5, 2.0, 4.0])
def test_the_rate_moves_nothing(rate: float) -> None:
    y, x = np.indices((192, 160))
    blob = np.exp(-((y - 90) ** 2 + (x - 75) ** 2) / (2 * 14**2))
    shown = map_of(Tile, grey(blob * 255), down_sampling_rate=rate).images[0, ..., 0].astype(float)
    assert (shown * y).sum() / shown.sum() == pytest.approx(90, abs=0.25)
    assert (shown * x).sum() / shown.sum() == pytest.approx(75, abs=0.25)


@pytest.mark.parametrize("pyramid", [1, 3, 10])
def test_a_flat_picture_stays(pyramid: int) -> None:
    assert np.array_equal(map_of(Tile, flat(70, 90, 33), pyramid=pyramid).images[0], flat(70, 90, 33))


def test_more_halvings_less_contrast() -> None:
    spread = [float(map_of(Tile, photo(), pyramid=n).images.std()) for n in (1, 3, 5, 10)]
    assert spread == sorted(spread, reverse=True)


def test_known_names() -> None:
    assert registry.resolve("TilePreprocessor").presets == {"pyramid": 3}
    for name in ("tile_resample", "tile_colorfix", "tile_colorfix+sharp"):
        assert registry.resolve(name).annotator is Tile
