"""Restart's steps, with the counts and ranges of A1111 1.10."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from underdrawing.pipeline.sampling.restart import list_restart_steps
from underdrawing.pipeline.sampling.schedules import space_karras


def make_schedule(steps: int) -> torch.Tensor:
    return torch.cat([space_karras(steps, 0.0292, 14.6146), torch.zeros(1)])


@pytest.mark.parametrize(("steps", "restarts"), [(10, 0), (19, 0), (20, 1), (35, 1), (36, 2), (60, 2)])
def test_steps_are_as_many_as_asked_for_and_go_back_up(steps: int, restarts: int) -> None:
    pairs = list_restart_steps(make_schedule(steps))
    assert len(pairs) == steps
    assert all(high > low for high, low in pairs)
    ups = [(float(last), float(first)) for (_, last), (first, _) in pairwise(pairs) if first > last]
    assert len(ups) == restarts
    assert all(0.05 < low < 0.2 and 1.4 < high < 2.8 for low, high in ups)
    assert float(pairs[-1][1]) == 0
