from __future__ import annotations

import torch

from underdrawing.pipeline.training.loop.chance import draw_noise, make_generator, make_number


def test_numbers_stand_for_what_they_are_for() -> None:
    numbers = [make_number(0, "a", 1), make_number(0, "a", 2), make_number(1, "a", 1), make_number(0, "b", 1)]
    assert len(set(numbers)) == 4
    assert numbers[0] == make_number(0, "a", 1) == 3975144308853378137
    assert torch.equal(torch.rand(3, generator=make_generator(5)), torch.rand(3, generator=make_generator(5)))


def test_an_offset_shifts_whole_channels() -> None:
    plain, shifted = draw_noise((4, 8, 8), 0.0, "x"), draw_noise((4, 8, 8), 0.5, "x")
    difference = shifted - plain
    assert torch.allclose(difference, difference.mean((1, 2), keepdim=True), atol=1e-6)
    assert len(difference.mean((1, 2)).unique()) == 4
