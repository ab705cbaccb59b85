"""Samplers and schedules by the names users know from A1111 and ComfyUI; the spelling says whose rules hold."""

from __future__ import annotations

from typing import Literal

import msgspec

from ...core.errors import UnknownName
from ...core.similar_names import suggest_names

Host = Literal["a1111", "comfyui"]


class SamplerName(msgspec.Struct, frozen=True):
    """A sampler: our id, A1111's label and ComfyUI's ids (empty: it has none), and A1111's settings of it.

    automatic: the schedule that A1111's "Automatic" stands for. drop: the last but one sigma of one more step is left
    out. twice: A1111 counts two calls of the model a step.
    """

    id: str
    label: str
    comfyui: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    automatic: str = "uniform"
    drop: bool = False
    twice: bool = False


SAMPLERS = (
    SamplerName("euler", "Euler", ("euler",), ("k_euler",)),
    SamplerName("euler_ancestral", "Euler a", ("euler_ancestral",), ("k_euler_a", "k_euler_ancestral")),
    SamplerName("heun", "Heun", ("heun",), ("k_heun",), twice=True),
    SamplerName("lms", "LMS", ("lms",), ("k_lms",)),
    SamplerName("dpm_2", "DPM2", ("dpm_2",), ("k_dpm_2",), "karras", drop=True, twice=True),
    SamplerName("dpm_2_ancestral", "DPM2 a", ("dpm_2_ancestral",), ("k_dpm_2_a",), "karras", drop=True, twice=True),
    SamplerName("dpmpp_2s_ancestral", "DPM++ 2S a", ("dpmpp_2s_ancestral",), ("k_dpmpp_2s_a",), "karras", twice=True),
    SamplerName("dpmpp_2m", "DPM++ 2M", ("dpmpp_2m",), ("k_dpmpp_2m",), "karras"),
    SamplerName("dpmpp_sde", "DPM++ SDE", ("dpmpp_sde", "dpmpp_sde_gpu"), ("k_dpmpp_sde",), "karras", twice=True),
    SamplerName(
        "dpmpp_2m_sde", "DPM++ 2M SDE", ("dpmpp_2m_sde", "dpmpp_2m_sde_gpu"), ("k_dpmpp_2m_sde",), "exponential"
    ),
    SamplerName(
        "dpmpp_2m_sde_heun",
        "DPM++ 2M SDE Heun",
        ("dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu"),
        ("k_dpmpp_2m_sde_heun",),
        "exponential",
    ),
    SamplerName(
        "dpmpp_3m_sde",
        "DPM++ 3M SDE",
        ("dpmpp_3m_sde", "dpmpp_3m_sde_gpu"),
        ("k_dpmpp_3m_sde",),
        "exponential",
        drop=True,
    ),
    SamplerName("dpm_fast", "DPM fast", ("dpm_fast",), ("k_dpm_fast",)),
    SamplerName("dpm_adaptive", "DPM adaptive", ("dpm_adaptive",), ("k_dpm_ad",)),
    SamplerName("restart", "Restart", (), ("restart",), "karras", twice=True),
    SamplerName("ddim", "DDIM", ("ddim",)),
    SamplerName("ddim_cfgpp", "DDIM CFG++"),
    SamplerName("plms", "PLMS"),
    SamplerName("uni_pc", "UniPC", ("uni_pc",), ("unipc",)),
    SamplerName("uni_pc_bh2", "UniPC bh2", ("uni_pc_bh2",), ("unipc_bh2",)),
    SamplerName("lcm", "LCM", ("lcm",), ("k_lcm",)),
    SamplerName("tcd", "TCD", ("tcd",)),
)
COMFYUI_DROP = frozenset({"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"})
"""Samplers for which ComfyUI leaves out the last but one sigma of one more step."""
OWN_STEPS = frozenset({"ddim", "ddim_cfgpp", "plms", "uni_pc", "uni_pc_bh2"})
"""Samplers that A1111 runs on steps of training of its own choice, whatever the schedule."""


class SchedulerName(msgspec.Struct, frozen=True):
    """A schedule: our id, A1111's label, other names."""

    id: str
    label: str
    aliases: tuple[str, ...] = ()


SCHEDULERS = (
    SchedulerName("uniform", "Uniform"),
    SchedulerName("karras", "Karras"),
    SchedulerName("exponential", "Exponential"),
    SchedulerName("polyexponential", "Polyexponential"),
    SchedulerName("sgm_uniform", "SGM Uniform", ("SGMUniform",)),
    SchedulerName("kl_optimal", "KL Optimal"),
    SchedulerName("align_your_steps", "Align Your Steps", ("ays",)),
    SchedulerName("simple", "Simple"),
    SchedulerName("normal", "Normal"),
    SchedulerName("ddim_uniform", "DDIM", ("ddim",)),
    SchedulerName("beta", "Beta"),
    SchedulerName("turbo", "Turbo"),
    SchedulerName("linear_quadratic", "Linear Quadratic"),
)
AUTOMATIC = "Automatic"
LISTING = "`underdrawing generate --help`"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A sampler with its schedule. host: whose rules hold. label, scheduler_label: as A1111 writes them."""

    sampler: str
    scheduler: str
    host: Host = "a1111"
    label: str = ""
    scheduler_label: str = AUTOMATIC

    @property
    def drop(self) -> bool:
        """Whether the last but one sigma of one more step is left out."""
        return self.sampler in COMFYUI_DROP if self.host == "comfyui" else _entry(self.sampler).drop

    @property
    def calls(self) -> int:
        """Calls of the model in a step, as A1111 counts them for prompts that change by step."""
        return 2 if _entry(self.sampler).twice else 1

    @property
    def automatic(self) -> bool:
        """Whether the schedule is the sampler's own."""
        own = "normal" if self.host == "comfyui" else _entry(self.sampler).automatic
        return self.scheduler == own

    @property
    def cfg_share(self) -> float:
        """Factor on the guidance scale: CFG++ takes scales of 0 to 12.5 for 0 to 1."""
        return 1 / 12.5 if self.sampler == "ddim_cfgpp" else 1.0

    @property
    def own_steps(self) -> bool:
        """Whether A1111 chooses the steps of this sampler itself, and keeps latents of constant variance."""
        return self.host == "a1111" and self.sampler in OWN_STEPS


def find_sampler(name: str, scheduler: str = "") -> Choice:
    """Find a sampler by A1111's label ("DPM++ 2M Karras", any case) or ComfyUI's id ("dpmpp_2m").

    ComfyUI's ids are written in small letters and mean ComfyUI's rules; every other spelling means A1111's. scheduler:
    a name of either host, "" or "Automatic" for the sampler's own ("normal" for ComfyUI's ids); it may also end the
    sampler's name, and is then used unless another is given. Raises UnknownName with the nearest names.
    """
    comfyui = {host_id: entry for entry in SAMPLERS for host_id in entry.comfyui}
    text = " ".join(name.split())
    if text in comfyui:
        return _choose(comfyui[text], "comfyui", scheduler)
    for ending in _schedulers():
        if text.removesuffix(f"_{ending}") in comfyui and text.endswith(f"_{ending}"):
            found = comfyui[text.removesuffix(f"_{ending}")]
            return _choose(found, "comfyui", scheduler if _is_given(scheduler) else ending)
    entry, ending = _split_label(text)
    return _choose(entry, "a1111", scheduler if _is_given(scheduler) else ending)


def _choose(entry: SamplerName, host: Host, scheduler: str) -> Choice:
    given = _is_given(scheduler)
    own = "normal" if host == "comfyui" else entry.automatic
    found = _find_scheduler(scheduler) if given else next(item for item in SCHEDULERS if item.id == own)
    # A1111 writes the schedule that "Automatic" stands for, except where it is the sampler's plain one
    label = found.label if given or found.id != "uniform" else AUTOMATIC
    return Choice(sampler=entry.id, scheduler=found.id, host=host, label=entry.label, scheduler_label=label)


def _is_given(scheduler: str) -> bool:
    return scheduler.strip().lower() not in ("", "automatic")


def _split_label(text: str) -> tuple[SamplerName, str]:
    known = {spelling.lower(): entry for entry in SAMPLERS for spelling in (entry.label, entry.id, *entry.aliases)}
    low = text.lower()
    if low in known:
        return known[low], ""
    for ending in sorted(_schedulers(), key=len, reverse=True):
        for joint in (" ", "_"):
            if low.endswith(joint + ending) and low[: -len(ending) - 1] in known:
                return known[low[: -len(ending) - 1]], ending
    names = [spelling for entry in SAMPLERS for spelling in (entry.label, *entry.comfyui)]
    raise UnknownName(f"there is no sampler called {text!r}", fix=suggest_names(low, names, LISTING))


def _schedulers() -> dict[str, SchedulerName]:
    return {name.lower(): item for item in SCHEDULERS for name in (item.id, item.label, *item.aliases)}


def _find_scheduler(name: str) -> SchedulerName:
    text = " ".join(name.split()).lower()
    found = _schedulers().get(text)
    if found is None:
        names = [spelling for item in SCHEDULERS for spelling in (item.id, item.label)]
        raise UnknownName(f"there is no schedule called {name!r}", fix=suggest_names(text, names, LISTING))
    return found


def _entry(sampler: str) -> SamplerName:
    return next(entry for entry in SAMPLERS if entry.id == sampler)
