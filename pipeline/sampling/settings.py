"""Which of A1111's settings of samplers a sampler uses, and what they are called in infotexts.

Source: AUTOMATIC1111/stable-diffusion-webui, modules/shared_options.py and sd_samplers_*.py (read, not copied).
ComfyUI's nodes of single samplers offer the same, and the noise factor for two samplers more.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .run import SamplerOptions

if TYPE_CHECKING:
    from ..request import Request
    from .names import Choice

LABELS = {
    "eta": "Eta",
    "s_churn": "Sigma churn",
    "s_tmin": "Sigma tmin",
    "s_tmax": "Sigma tmax",
    "s_noise": "Sigma noise",
}
"""Field of a request → label in infotexts."""
DDIM_LABEL = "Eta DDIM"
"""Label of DDIM's eta, whose usual value is another one."""
USUAL: dict[str, float] = {"eta": -1.0, "s_churn": 0.0, "s_tmin": 0.0, "s_tmax": 0.0, "s_noise": 1.0}
_CHURN, _ETA, _BOTH = ("s_churn", "s_tmin", "s_tmax", "s_noise"), ("eta",), ("eta", "s_noise")
_USES: dict[str, tuple[str, ...]] = {
    "euler": _CHURN,
    "heun": _CHURN,
    "dpm_2": _CHURN,
    "euler_ancestral": _ETA,
    "dpm_2_ancestral": _BOTH,
    "dpmpp_2s_ancestral": _BOTH,
    "dpmpp_sde": _BOTH,
    "dpmpp_2m_sde": _BOTH,
    "dpmpp_2m_sde_heun": _BOTH,
    "dpmpp_3m_sde": _BOTH,
    "dpm_fast": _BOTH,
    "dpm_adaptive": _ETA,
    "ddim": _ETA,
    "ddim_cfgpp": _ETA,
    "tcd": _ETA,
}
_DDIM = frozenset({"ddim", "ddim_cfgpp"})
_SCALED_BY_COMFYUI = frozenset({"euler_ancestral", "dpm_adaptive"})
_DRAWS = frozenset(
    {"euler_ancestral", "dpm_2_ancestral", "dpmpp_2s_ancestral", "dpm_fast", "dpm_adaptive", "lcm", "tcd", "restart"}
)
"""Samplers that draw noise in their steps, unless eta is 0."""


def list_used(choice: Choice) -> tuple[str, ...]:
    """Settings that a sampler uses, as fields of a request."""
    used = _USES.get(choice.sampler, ())
    return _BOTH if choice.host == "comfyui" and choice.sampler in _SCALED_BY_COMFYUI else used


def list_idle(request: Request, choice: Choice) -> list[str]:
    """Settings that were changed and do nothing with this sampler, as fields of a request."""
    used = list_used(choice)
    idle = [name for name, usual in USUAL.items() if getattr(request, name) != usual and name not in used]
    if not request.s_churn:
        idle += [name for name in _CHURN if "s_churn" in used and getattr(request, name) != USUAL[name]]
    if request.noise_seed_delta and not _uses_delta(request, choice):
        idle.append("noise_seed_delta")
    return idle


def make_options(request: Request, choice: Choice) -> SamplerOptions:
    """What a run gets of a request: only what its sampler uses."""
    used = list_used(choice)
    values = {name: getattr(request, name) if name in used else usual for name, usual in USUAL.items()}
    return SamplerOptions(
        eta=None if values["eta"] < 0 else values["eta"],
        churn=values["s_churn"],
        churn_low=values["s_tmin"],
        churn_high=values["s_tmax"] or math.inf,
        scale=values["s_noise"],
    )


def label_settings(request: Request, choice: Choice) -> dict[str, float]:
    """Settings as infotexts have them, label → value: those that are used and not usual, as A1111 writes them."""
    changed = (name for name in USUAL if name in list_used(choice) and getattr(request, name) != USUAL[name])
    found = {LABELS[name]: float(getattr(request, name)) for name in changed}
    if choice.sampler in _DDIM and (eta := found.pop("Eta", 0.0)):
        return {DDIM_LABEL: eta, **found}
    if choice.sampler != "tcd" and found.get("Eta") == 1.0:
        del found["Eta"]
    return found


def _uses_delta(request: Request, choice: Choice) -> bool:
    if choice.host == "comfyui":
        return False
    if choice.sampler in _DRAWS:
        return request.eta != 0 or choice.sampler in ("lcm", "restart")
    return request.eta > 0 if choice.sampler in _DDIM else "s_churn" in list_used(choice) and request.s_churn > 0
