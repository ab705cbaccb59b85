"""A1111's settings that change pictures and that its infotexts name: what a request holds of them.

Source: AUTOMATIC1111/stable-diffusion-webui 1.10, modules/shared_options.py and where its modules read them (read, not
copied).
"""

from __future__ import annotations

from typing import Literal

import msgspec

Emphasis = Literal["Original", "No norm", "Ignore", "None"]
NoiseSchedule = Literal["Default", "Zero Terminal SNR"]


class HostSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings with A1111's defaults; LABELS says what A1111 calls them.

    sigma_low, sigma_high, rho: of schedules that have them; 0 for their own. beta_alpha, beta_beta: of the schedule
    Beta. drop_penultimate: whether every schedule leaves its last but one sigma out. variance_noise: the first
    noise has the variance that Stability's code gives it. noise_multiplier: on the noise over a picture to start
    from; extra_noise: more of it. emphasis: what weights in prompts do. pad, pad_old: whether the shorter of prompt
    and negative prompt is filled up, and by its last token. skip_early: share of the steps without the negative
    prompt at the beginning. skip_below: sigma below which every other step is without it; skip_all: every one.
    old_schedules: numbers below 1 in `[a:b:0.5]` are shares, others steps, in both passes. half_alphas: alphas in
    float16. noise_schedule: Zero Terminal SNR moves the last alpha to zero. seed_size: "WxH" of the picture whose
    noise is in the middle; empty for none. tiling: pictures continue over their edges. mask_weight: how much models
    for inpainting are kept from seeing what is under the mask.
    """

    sigma_low: float = 0.0
    sigma_high: float = 0.0
    rho: float = 0.0
    beta_alpha: float = 0.6
    beta_beta: float = 0.6
    drop_penultimate: bool = False
    variance_noise: bool = False
    noise_multiplier: float = 1.0
    extra_noise: float = 0.0
    emphasis: Emphasis = "Original"
    pad: bool = False
    pad_old: bool = False
    skip_early: float = 0.0
    skip_below: float = 0.0
    skip_all: bool = False
    old_schedules: bool = False
    half_alphas: bool = False
    noise_schedule: NoiseSchedule = "Default"
    seed_size: str = ""
    tiling: bool = False
    mask_weight: float = 1.0


LABELS = {
    "Schedule min sigma": "sigma_low",
    "Schedule max sigma": "sigma_high",
    "Schedule rho": "rho",
    "Beta schedule alpha": "beta_alpha",
    "Beta schedule beta": "beta_beta",
    "Discard penultimate sigma": "drop_penultimate",
    "SGM noise multiplier": "variance_noise",
    "Noise multiplier": "noise_multiplier",
    "Extra noise": "extra_noise",
    "Emphasis": "emphasis",
    "Pad conds": "pad",
    "Pad conds v0": "pad_old",
    "Skip Early CFG": "skip_early",
    "NGMS": "skip_below",
    "NGMS all steps": "skip_all",
    "Old prompt editing timelines": "old_schedules",
    "Downcast alphas_cumprod": "half_alphas",
    "Noise Schedule": "noise_schedule",
    "Seed resize from": "seed_size",
    "Tiling": "tiling",
    "Conditional mask weight": "mask_weight",
}
"""What A1111's infotexts call them."""
BOUNDS: dict[str, tuple[float, float]] = {
    "sigma_low": (0, 1000),
    "sigma_high": (0, 1e6),
    "rho": (0, 100),
    "beta_alpha": (0.01, 100),
    "beta_beta": (0.01, 100),
    "noise_multiplier": (0, 10),
    "extra_noise": (0, 10),
    "skip_early": (0, 1),
    "skip_below": (0, 1000),
    "mask_weight": (0, 1),
}
"""Lowest and highest values of the numbers."""
