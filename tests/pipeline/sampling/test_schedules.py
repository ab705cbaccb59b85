from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from underdrawing import BadParameter
from underdrawing.pipeline.sampling.names import SCHEDULERS, find_sampler
from underdrawing.pipeline.sampling.schedules import make_sigmas
from underdrawing.pipeline.sampling.sigmas import ModelSigmas

GOLDEN: dict[str, Any] = dict(np.load(Path(__file__).parents[2] / "golden" / "sampling" / "sigmas.npz"))
ALPHAS = torch.from_numpy(GOLDEN["alphas"])
CASES = [name for name in GOLDEN if name.count("/") > 1]


@pytest.fixture(scope="module")
def sources() -> dict[bool, ModelSigmas]:
    return {sdxl: ModelSigmas(ALPHAS, sdxl=sdxl) for sdxl in (False, True)}


@pytest.mark.parametrize("case", CASES)
def test_sigmas_equal_the_hosts(case: str, sources: dict[bool, ModelSigmas]) -> None:
    host, name, steps, *kind = case.split("/")
    choice = find_sampler("euler" if host == "comfyui" else "Euler", name)
    sigmas = make_sigmas(choice, int(steps), sources[kind == ["SDXL"]])
    assert sigmas.dtype == torch.float32
    np.testing.assert_allclose(sigmas.numpy(), GOLDEN[case], rtol=1e-6, atol=0)


def test_lcm_runs_on_every_twentieth_step(sources: dict[bool, ModelSigmas]) -> None:
    sigmas = make_sigmas(find_sampler("LCM"), 5, sources[False])
    np.testing.assert_allclose(sigmas.numpy(), GOLDEN["a1111/lcm_sigmas"], rtol=1e-5)


def test_the_last_but_one_sigma_is_left_out(sources: dict[bool, ModelSigmas]) -> None:
    whole = make_sigmas(find_sampler("Euler", "karras"), 8, sources[False])
    shorter = make_sigmas(find_sampler("DPM2 Karras"), 7, sources[False])
    assert torch.equal(shorter, torch.cat([whole[:-2], whole[-1:]]))


@pytest.mark.parametrize("scheduler", [item.id for item in SCHEDULERS])
def test_sigmas_fall(scheduler: str, sources: dict[bool, ModelSigmas]) -> None:
    for sampler in ("Euler", "euler", "DPM2", "lcm", "TCD"):
        for steps in (1, 4, 60):
            sigmas = make_sigmas(find_sampler(sampler, scheduler), steps, sources[False])
            assert bool(torch.isfinite(sigmas).all())
            assert bool((sigmas[1:] < sigmas[:-1]).all())


@pytest.mark.parametrize("steps", [0, -3])
def test_steps_are_one_or_more(steps: int, sources: dict[bool, ModelSigmas]) -> None:
    with pytest.raises(BadParameter, match="steps"):
        make_sigmas(find_sampler("Euler"), steps, sources[False])
