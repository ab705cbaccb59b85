from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from underdrawing.core.networks.placement import Placement
from underdrawing.pipeline.reference.scoring.attributes import PLACED, WHOLE
from underdrawing.pipeline.reference.scoring.judge import (
    Judge,
    JudgePart,
    draw_heat,
    find_joints,
    judge_answers,
    read_pictures,
)
from underdrawing.pipeline.reference.training.data import HELD_OUT, render_scenes, write_scenes

if TYPE_CHECKING:
    from pathlib import Path


def test_everything_is_read() -> None:
    read = read_pictures(Judge(), render_scenes([1, 2, 3]).pictures, batch=2)
    shapes = {name: value.shape for name, value in read.items()}
    dense = {"classes": (3, 128, 128), "nearness": (3, 128, 128), "joints": (3, 18, 128, 128)}
    assert shapes == {**dense, **dict.fromkeys(PLACED, (3, 3)), **dict.fromkeys(WHOLE, (3,))}


def test_answers_that_a_judge_gives_are_likelier_than_others() -> None:
    scenes, judge = render_scenes([1, 2]), Judge()
    read = read_pictures(judge, scenes.pictures)
    given = {name: read[name] for name in (*PLACED, *WHOLE)}
    others = {name: (values + 1) % {**PLACED, **WHOLE}[name] for name, values in given.items()}
    best = judge_answers(judge, scenes.pictures, given)
    assert judge_answers(judge, scenes.pictures, others) < best < 0
    unasked = {**others, **{name: np.full_like(others[name], -1) for name in PLACED}}
    assert judge_answers(judge, scenes.pictures, {"hills": given["hills"], "kind": unasked["kind"]}) < 0
    assert judge_answers(judge, scenes.pictures, {"kind": unasked["kind"]}) == 0


def test_joints_are_found_where_the_heat_is() -> None:
    scenes = render_scenes([1])
    wanted = scenes.joints[0].astype(np.float32)
    heat = draw_heat(torch.from_numpy(wanted)[None], 128)[0].numpy()
    found = find_joints(heat, wanted)
    there = ~np.isnan(wanted)
    assert np.abs(found[there] - wanted[there]).max() <= 0.51


def test_a_step_lowers_the_loss(tmp_path: Path) -> None:
    for first in (0, HELD_OUT):
        list(write_scenes(tmp_path, first, 4))
    torch.manual_seed(0)
    part = JudgePart(Placement(), tmp_path, batch=4)
    losses: list[float] = []
    optimiser = torch.optim.Adam(part.module.parameters(), 3e-3)
    for _ in range(8):
        optimiser.zero_grad()
        loss = part.compute_loss(0.5)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] * 0.8
    assert set(part.validate()) == {"pixels", "nearness", "kind"}
