from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.support.fake_diffusion import FakeAdapter, FakeControl, make_fake_model, make_fake_unit

from underdrawing import BadParameter
from underdrawing.pipeline.denoising.controls import Batch, Controls
from underdrawing.pipeline.sampling.names import find_sampler
from underdrawing.pipeline.sampling.plan import Plan, plan_steps
from underdrawing.pipeline.sampling.sigmas import ModelSigmas

BATCH = Batch(torch.zeros(2, 4, 8, 8), torch.full((2,), 500.0), torch.zeros(2, 77, 2), None, [True, False])
SIGMA = 2.0


def make_plan(name: str = "Euler") -> Plan:
    return plan_steps(find_sampler(name), 10, ModelSigmas(make_fake_model().alphas))


def steer(*units: Any, share: float = 0.5, sigma: float = SIGMA, plan: Plan | None = None) -> dict[str, Any]:
    controls = Controls(units, plan or make_plan())
    with controls.hold():
        return controls.steer(BATCH, sigma, share)


def strengths(found: dict[str, Any], row: int) -> list[float]:
    residuals = [*found["down_block_additional_residuals"], found["mid_block_additional_residual"]]
    return [round(float(residual[row].mean()), 5) for residual in residuals]


def test_balanced_steers_both_prompts_alike() -> None:
    found = steer(make_fake_unit(hint=0.5, weight=0.8))
    assert strengths(found, 0) == strengths(found, 1) == [0.4] * 13


@pytest.mark.parametrize(("mode", "negative"), [("prompt", 1), ("control", 0)])
def test_soft_weights(mode: str, negative: int) -> None:
    found = steer(make_fake_unit(hint=0.5, weight=0.8, mode=mode))
    soft = [round(0.4 * 0.825 ** (12 - layer), 5) for layer in range(13)]
    assert strengths(found, 0) == soft
    assert strengths(found, 1) == [value * negative for value in soft]


def test_soft_weights_of_sdxl_are_the_first_ten() -> None:
    found = steer(make_fake_unit(FakeControl(layers=10), hint=1.0, mode="prompt"))
    assert strengths(found, 0) == [round(0.825 ** (12 - layer), 5) for layer in range(10)]


def test_the_negative_prompt_is_not_computed_where_it_is_not_steered() -> None:
    network = FakeControl()
    steer(make_fake_unit(network, mode="control"))
    assert len(network.calls[0]["latents"]) == 1
    pooling = FakeControl()
    pooling.config.global_pool_conditions = True
    found = steer(make_fake_unit(pooling))
    assert strengths(found, 1) == [0.0] * 13


def test_residuals_add_up() -> None:
    found = steer(make_fake_unit(hint=0.5), make_fake_unit(hint=0.25, weight=2.0), make_fake_unit(hint=1.0, start=0.9))
    assert strengths(found, 0) == [1.0] * 13


def test_a_hint_is_read_once() -> None:
    network = FakeControl()
    controls = Controls([make_fake_unit(network)], make_plan())
    with controls.hold():
        for _ in range(3):
            controls.steer(BATCH, SIGMA, 0.5)
    assert network.controlnet_cond_embedding.count == 1
    assert len(network.calls) == 3


@pytest.mark.parametrize(("share", "active"), [(0.0, False), (0.29, False), (0.3, True), (0.6, True), (0.61, False)])
def test_a_network_is_skipped_outside_its_share_of_steps(share: float, active: bool) -> None:
    network = FakeControl()
    found = steer(make_fake_unit(network, start=0.3, end=0.6), share=share)
    assert bool(found) == bool(network.calls) == active


def test_with_comfyui_shares_are_of_the_noise_schedule() -> None:
    plan = make_plan("euler")
    middle = float(plan.source.to_sigma(torch.tensor(999 * 0.5)))
    for start, end, sigma, active in ((0, 0.5, middle + 0.1, True), (0, 0.5, middle - 0.1, False), (0.5, 1, 0.1, True)):
        assert bool(steer(make_fake_unit(start=start, end=end), sigma=sigma, plan=plan)) == active


def test_each_picture_has_its_hint() -> None:
    unit = make_fake_unit()
    hints = torch.stack([torch.full((3, 64, 64), value) for value in (0.1, 0.9)])
    own = type(unit)(network=unit.network, hint=hints)
    for index, value in enumerate((0.1, 0.9)):
        controls = Controls([own], make_plan(), index)
        with controls.hold():
            assert strengths(controls.steer(BATCH, SIGMA, 0.5), 0) == [value] * 13


def test_union_networks_get_the_kinds_of_map() -> None:
    network = FakeControl()
    steer(make_fake_unit(network, "union", modes=(2,)))
    call = network.calls[0]
    assert call["control_type"].tolist() == [[0, 0, 1, 0]] * 2
    assert call["control_type_idx"] == [2]
    assert [hint.shape[0] for hint in call["controlnet_cond"]] == [2]
    for modes in ((), (4,), (-1,)):
        with pytest.raises(BadParameter, match="not kinds of map"):
            steer(make_fake_unit(network, "union", modes=modes))


def test_adapters_are_called_once_and_have_weights_of_their_own() -> None:
    network = FakeAdapter()
    controls = Controls([make_fake_unit(network, "t2i", hint=1.0, weight=0.5, mode="prompt")], make_plan())
    controls.steer(BATCH, SIGMA, 0.4)
    features = controls.steer(BATCH, SIGMA, 0.5)["down_intrablock_additional_residuals"]
    assert [round(float(feature.mean()), 4) for feature in features] == [0.125, 0.31, 0.4125, 0.5]
    assert len(network.calls) == 1
    assert network.calls[0]["hint"].shape[1] == 1
