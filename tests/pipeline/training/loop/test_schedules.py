from __future__ import annotations

import pytest

from underdrawing.pipeline.training.loop.schedules import find_factor


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [("constant", [1, 1, 1]), ("linear", [1, 0.5, 0.1]), ("cosine", [1, 0.5, 0.024471742])],
)
def test_factors_over_ten_steps(schedule: str, factors: list[float]) -> None:
    assert [find_factor(schedule, step, 10) for step in (0, 5, 9)] == pytest.approx(factors)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_the_warm_up_rises_and_meets_the_schedule(schedule: str) -> None:
    found = [find_factor(schedule, step, 20, 4) for step in range(20)]
    assert found[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert found[4:] == sorted(found[4:], reverse=True)


def test_the_schedules_are_those_of_diffusers() -> None:
    optimization = pytest.importorskip("diffusers.optimization", reason="pip install 'underdrawing[pipeline]'")
    import torch

    for schedule in ("linear", "cosine"):
        optimiser = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        theirs = optimization.get_scheduler(schedule, optimiser, num_warmup_steps=0, num_training_steps=8)
        for step in range(8):
            assert optimiser.param_groups[0]["lr"] == pytest.approx(find_factor(schedule, step, 8))
            optimiser.step()
            theirs.step()
