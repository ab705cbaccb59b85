from __future__ import annotations

import numpy as np
import pytest
from tests.support.clips import person_at

from underdrawing.core.video.figures import to_points
from underdrawing.core.video.tracks import Tracker


def follow(frames: list[list[tuple[float, float]]], rate: float = 25, memory: float = 0.5) -> list[list[int]]:
    tracker = Tracker(memory)
    return [tracker([to_points(person_at(*place)) for place in places], i / rate) for i, places in enumerate(frames)]


def test_numbers_stay_whatever_the_order() -> None:
    frames = [[(50.0 + i, 50.0), (200.0 - i, 60.0)][:: 1 if i % 2 else -1] for i in range(10)]
    numbers = follow(frames)
    assert all(sorted(zip(f, n, strict=True)) for f, n in zip(frames, numbers, strict=True))
    who = [dict(zip(n, f, strict=True)) for f, n in zip(frames, numbers, strict=True)]
    assert {tuple(sorted(one)) for one in who} == {(0, 1)}
    first = next(number for number, place in who[0].items() if place[0] == 50)
    assert [one[first][0] for one in who] == [50 + i for i in range(10)]


@pytest.mark.parametrize("speed", [3.0, 6.0])
def test_people_who_pass_each_other_keep_their_numbers(speed: float) -> None:
    frames = [[(50 + speed * i, 50.0), (50 + speed * (30 - i), 52.0)] for i in range(31)]
    assert {tuple(numbers) for numbers in follow(frames)} == {(0, 1)}


def test_who_is_lost_for_a_while_is_the_same_and_after_long_another() -> None:
    there, away = [(50.0, 50.0)], list[tuple[float, float]]()
    assert follow([there, *[away] * 8, there])[-1] == [0]
    assert follow([there, *[away] * 20, there])[-1] == [1]


def test_who_appears_elsewhere_is_somebody_else() -> None:
    assert follow([[(50, 50)], [(120, 50)]]) == [[0], [1]]


def test_everybody_has_a_number_of_their_own() -> None:
    rng = np.random.default_rng(0)
    for numbers in follow([[tuple(rng.uniform(0, 90, 2)) for _ in range(n)] for n in (0, 5, 9, 3, 7)]):
        assert len(set(numbers)) == len(numbers)
