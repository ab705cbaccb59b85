"""Person masks on the bundled photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tests.golden.mediapipe.crops import photo

from underdrawing.core.annotator import Request
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks.placement import Placement
from underdrawing.preprocessors.person_mask import PersonMask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from underdrawing.core.annotator import ControlMap, Values


def run(*pictures: NDArray[np.uint8], size: tuple[int, int] | None = None, **params: Any) -> ControlMap:
    chosen, batch = PersonMask.params(**params), np.stack(pictures)
    return PersonMask(Placement(), chosen).run(Request(batch, chosen, Size(*(size or batch.shape[1:3]))))


def values(result: ControlMap) -> Values:
    assert result.values is not None
    return result.values


def test_the_people_are_white_and_the_walls_black() -> None:
    result = run(photo("astronaut"), photo("camera"))
    woman, man = result.images[..., 0]
    assert (woman[75:170, 190:258] == 255).mean() > 0.99
    assert (woman[300:400, 120:280] == 255).mean() > 0.95
    assert (woman[0:60, 300:350] == 0).all()
    assert (man[200:330, 60:180] == 255).mean() > 0.95
    assert (man[400:, 350:] == 0).all()
    assert 0.4 < (woman == 255).mean() < 0.75
    assert 0.2 < (man == 255).mean() < 0.45


def test_the_mask_is_binary_unless_it_is_soft() -> None:
    hard, soft = run(photo("astronaut")), run(photo("astronaut"), threshold=0)
    assert set(np.unique(hard.images)) == {0, 255}
    assert len(np.unique(soft.images)) > 100
    assert np.array_equal(values(hard), values(soft))
    assert np.abs(soft.images[..., 0] / 255 - values(soft)).max() <= 0.5 / 255 + 1e-6
    assert np.array_equal(hard.images[..., 1] == 255, values(hard) >= 0.5)


def test_inverting_swaps_people_and_background() -> None:
    for threshold in (0.0, 0.5):
        plain, inverted = (run(photo("camera"), threshold=threshold, invert=invert) for invert in (False, True))
        assert np.abs(plain.images.astype(int) + inverted.images - 255).max() <= 1
        assert np.array_equal(values(plain), values(inverted))


def test_probabilities_have_the_map_s_size_and_range() -> None:
    result = run(photo("astronaut"), size=(300, 200))
    assert values(result).shape == (1, 300, 200)
    assert values(result).dtype == np.float32
    assert 0 <= values(result).min() < 0.01
    assert 0.99 < values(result).max() <= 1


def test_a_picture_of_nothing_is_black_and_told() -> None:
    result = run(np.full((64, 64, 3), 255, np.uint8))
    assert not result.images.any()
    assert "nobody" in result.notes[0]
