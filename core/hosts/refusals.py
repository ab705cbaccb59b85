"""What a host's preprocessors refused while a picture was being made, said in that picture."""

from __future__ import annotations

from typing import Any

_refusals: list[tuple[Any, str, str]] = []
"""Time stamp of the host's job, the preprocessor that failed in it, and why: hosts make the picture all the same."""


def remember_refusal(state: Any, name: str, error: Exception) -> None:
    """Keep why a picture that is being made has no map; outside of a job the host shows the text itself."""
    if state.job:
        _refusals.append((state.job_timestamp, name, str(error)))


def show_refusals(params: Any, state: Any, title: str) -> None:
    """Before a call of the UNet: say under the picture, and shortly in its text, what was refused in this job."""
    job = getattr(params.denoiser, "p", None)
    failed = {name: why for stamp, name, why in _refusals if stamp == state.job_timestamp}
    _refusals.clear()
    if not failed or job is None:
        return
    lost = "made no map, so the picture was made without ControlNet"
    job.extra_generation_params[f"{title} refused"] = f"{', '.join(failed)} {lost}"
    for name, why in failed.items():
        job.comment(f"{title}: {name} {lost}: {why}")
