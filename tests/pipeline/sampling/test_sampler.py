from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
import torch

from underdrawing.pipeline.sampling.names import SAMPLERS, find_sampler
from underdrawing.pipeline.sampling.noise import Noise
from underdrawing.pipeline.sampling.plan import Plan, plan_steps
from underdrawing.pipeline.sampling.run import SamplerOptions, StepReport
from underdrawing.pipeline.sampling.sampler import RUNS, sample
from underdrawing.pipeline.sampling.schedules import make_sigmas
from underdrawing.pipeline.sampling.sigmas import ModelSigmas

if TYPE_CHECKING:
    from torch import Tensor

GOLDEN: dict[str, Any] = dict(np.load(Path(__file__).parents[2] / "golden" / "sampling" / "runs.npz"))
SHAPE = (2, 4, 5, 6)
SEEDS = (11, 12)
HOSTS = {"a1111": "Euler", "comfyui": "euler"}


def denoise(latents: Tensor, sigma: Tensor) -> Tensor:
    """A stand-in for a model, the same as in the recipe of the golden data."""
    flat = latents / (1 + sigma**2) ** 0.5
    return 0.8 * torch.tanh(1.3 * flat) + 0.1 * torch.cos(3 * flat.flip(-1)) - 0.05


class Sequence(Noise):
    """Noise of a whole batch from one generator, as the golden runs draw it."""

    def __init__(self) -> None:
        super().__init__(SEEDS, SHAPE[1:])
        self.generator = torch.Generator().manual_seed(5)

    def next(self) -> Tensor:
        return torch.randn(SHAPE, generator=self.generator)


@pytest.fixture(scope="module")
def source() -> ModelSigmas:
    alphas = np.cumprod(1.0 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
    return ModelSigmas(torch.tensor(alphas, dtype=torch.float32))


def plan_karras(host: str, sampler: str, source: ModelSigmas) -> Plan:
    """Seven steps, none left out."""
    choice = msgspec.structs.replace(find_sampler(HOSTS[host], "karras"), sampler=sampler)
    sigmas = make_sigmas(find_sampler(HOSTS[host], "karras"), 7, source)
    span = (float(sigmas[-2]), float(sigmas[0]))
    own = source.for_choice(choice)
    return Plan(choice=choice, sigmas=sigmas, entry=span[1], span=span, source=own, steps=7, whole=False)


def compare(result: Tensor, expected: np.ndarray) -> None:
    reach = float(np.abs(expected).max())
    np.testing.assert_allclose(result.numpy(), expected, rtol=0, atol=1e-5 * reach)


PLAIN = [name for name in GOLDEN if name.count("/") == 1 and name.split("/")[1] in RUNS]
OWN = {"a1111/ddim", "a1111/plms", "a1111/lcm"}


@pytest.mark.parametrize("name", sorted(set(PLAIN) - OWN))
def test_runs_equal_the_hosts(name: str, source: ModelSigmas) -> None:
    host, sampler = name.split("/")
    plan, noise = plan_karras(host, sampler, source), Sequence()
    start = noise.next() * plan.sigmas[0]
    if sampler.startswith("uni_pc"):
        start = Sequence().next() * (1 + plan.sigmas[0] ** 2) ** 0.5
    compare(sample(plan, denoise, start, noise), GOLDEN[name])


def test_heun_and_midpoint_of_2m_sde_differ(source: ModelSigmas) -> None:
    plan = plan_karras("comfyui", "dpmpp_2m_sde_heun", source)
    start = Sequence().next() * plan.sigmas[0]
    compare(sample(plan, denoise, start, Sequence()), GOLDEN["comfyui/dpmpp_2m_sde_heun"])
    assert np.abs(GOLDEN["comfyui/dpmpp_2m_sde_heun"] - GOLDEN["comfyui/dpmpp_2m_sde"]).max() > 1e-3


OPTIONS = {
    "churn": SamplerOptions(churn=3.0, scale=1.01),
    "eta0.0": SamplerOptions(eta=0.0),
    "eta0.5": SamplerOptions(eta=0.5),
    "eta0.6": SamplerOptions(eta=0.6, scale=1.02),
    "eta1.0": SamplerOptions(eta=1.0),
}


@pytest.mark.parametrize("name", [name for name in GOLDEN if name.count("/") == 2 and "/ddim/" not in name])
def test_options_mean_what_the_hosts_mean(name: str, source: ModelSigmas) -> None:
    host, sampler, option = name.split("/")
    plan, noise = plan_karras(host, sampler, source), Sequence()
    start = noise.next() * plan.sigmas[0]
    if sampler == "dpm_fast":
        plan = msgspec.structs.replace(plan, sigmas=torch.cat([plan.sigmas[:1].repeat(2), plan.sigmas[1:]]))
    compare(sample(plan, denoise, start, noise, options=OPTIONS[option]), GOLDEN[name])


@pytest.mark.parametrize(
    ("label", "golden", "eta"),
    [("DDIM", "ddim", None), ("DDIM", "ddim/eta0.5", 0.5), ("PLMS", "plms", None), ("UniPC", "unipc", None)],
)
def test_samplers_with_steps_of_their_own_equal_a1111(
    label: str, golden: str, eta: float | None, source: ModelSigmas
) -> None:
    plan, noise = plan_steps(find_sampler(label), 8, source), Sequence()
    start = plan.enter(noise.next())
    result = plan.leave(sample(plan, denoise, start, noise, options=SamplerOptions(eta=eta)))
    compare(result, GOLDEN[f"a1111/{golden}"])


def test_lcm_equals_a1111(source: ModelSigmas) -> None:
    plan, noise = plan_steps(find_sampler("LCM"), 5, source), Sequence()

    def call(latents: Tensor, sigma: Tensor) -> Tensor:
        """The network runs at the nearest step that LCM knows, whatever the sigma."""
        near = source.to_sigma(plan.source.to_step(sigma))
        scaled = latents / (1 + sigma**2) ** 0.5 * (1 + near**2) ** 0.5
        return latents - sigma * (scaled - denoise(scaled, near)) / near

    compare(sample(plan, call, plan.enter(noise.next()), noise), GOLDEN["a1111/lcm"])


@pytest.mark.parametrize("name", [name for entry in SAMPLERS for name in (entry.label, *entry.comfyui[:1])])
def test_every_sampler_makes_any_number_of_steps(name: str, source: ModelSigmas) -> None:
    choice = find_sampler(name)
    for steps, strength in ((1, None), (2, None), (3, None), (5, None), (1, 0.4), (4, 0.4), (3, 0.0), (2, 1.0)):
        plan = plan_steps(choice, steps, source, strength=strength)
        noise = Noise((3,), (1, 3, 3), host=choice.host)
        latents = None if strength is None else torch.full((1, 1, 3, 3), 0.3)
        reports: list[StepReport] = []
        start = plan.enter(noise.initial(), latents)
        result = plan.leave(sample(plan, denoise, start, noise, callback=reports.append))
        assert bool(torch.isfinite(result).all())
        assert plan.count == 0 or reports or choice.sampler == "dpm_adaptive"
        assert all(report.step >= 0 for report in reports)


@pytest.mark.parametrize("name", [entry.label for entry in SAMPLERS if entry.label != "DPM adaptive"])
def test_a_picture_is_the_same_alone_and_in_a_batch(name: str, source: ModelSigmas) -> None:
    """But for rounding; the steps of DPM adaptive depend on all pictures, so that it runs on one at a time."""
    plan = plan_steps(find_sampler(name), 4, source)
    together, alone = Noise((3, 4), (1, 3, 3)), Noise((4,), (1, 3, 3))
    both = sample(plan, denoise, plan.enter(together.initial()), together)
    one = sample(plan, denoise, plan.enter(alone.initial()), alone)
    assert torch.allclose(both[1:], one, rtol=0, atol=1e-6)
