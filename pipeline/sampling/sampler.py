"""Samplers by their ids, and one function that runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from . import consistency, ddim, dpm_plus_plus, dpm_solver, euler, restart, unipc
from .run import Run, SamplerOptions, StepReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from .noise import Noise
    from .plan import Plan
    from .run import Denoise

RUNS: dict[str, Callable[[Run, Tensor], Tensor]] = {
    "euler": euler.run_euler,
    "euler_ancestral": euler.run_euler_ancestral,
    "heun": euler.run_heun,
    "lms": euler.run_lms,
    "dpm_2": euler.run_dpm_2,
    "dpm_2_ancestral": euler.run_dpm_2_ancestral,
    "dpmpp_2s_ancestral": dpm_plus_plus.run_2s_ancestral,
    "dpmpp_2m": dpm_plus_plus.run_2m,
    "dpmpp_sde": dpm_plus_plus.run_sde,
    "dpmpp_2m_sde": dpm_plus_plus.run_2m_sde,
    "dpmpp_2m_sde_heun": dpm_plus_plus.run_2m_sde_heun,
    "dpmpp_3m_sde": dpm_plus_plus.run_3m_sde,
    "dpm_fast": dpm_solver.run_fast,
    "dpm_adaptive": dpm_solver.run_adaptive,
    "restart": restart.run_restart,
    "ddim": ddim.run_ddim,
    "ddim_cfgpp": ddim.run_ddim_cfgpp,
    "plms": ddim.run_plms,
    "uni_pc": unipc.run_bh1,
    "uni_pc_bh2": unipc.run_bh2,
    "lcm": consistency.run_lcm,
    "tcd": consistency.run_tcd,
}


@torch.no_grad()
def sample(
    plan: Plan,
    denoise: Denoise,
    latents: Tensor,
    noise: Noise,
    *,
    options: SamplerOptions | None = None,
    callback: Callable[[StepReport], None] | None = None,
) -> Tensor:
    """Take noise out of latents [B, C, h, w], step by step.

    latents: as `plan.enter` makes them. noise: of which the initial draw was taken. callback: sees every step, and may
    stop the run by raising. The result is what `plan.leave` hands on.
    """
    return RUNS[plan.choice.sampler](Run(plan, denoise, noise, options, callback), latents)
