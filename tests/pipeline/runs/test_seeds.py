from __future__ import annotations

from underdrawing.pipeline.request import Request
from underdrawing.pipeline.runs.seeds import LARGEST, list_seeds


def test_seeds_count_up_and_variations_keep_the_seed() -> None:
    assert list_seeds(Request(prompt="", seed=5, subseed=9, count=2)) == [(5, -1), (6, -1)]
    assert list_seeds(Request(prompt="", seed=5, subseed=9, count=2, subseed_strength=0.1)) == [(5, 9), (5, 10)]


def test_a_random_seed_is_one_that_can_be_given() -> None:
    found = list_seeds(Request(prompt="", subseed_strength=0.5))[0]
    assert all(0 <= number < LARGEST for number in found)
