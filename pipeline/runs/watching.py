"""Who watches a run: its progress, and previews."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..denoising.latents import decode

if TYPE_CHECKING:
    from ...core.progress import Progress
    from ..sampling.run import StepReport
    from .job import PictureJob


class Watcher:
    """Sees every step. total: of all pictures."""

    def __init__(self, job: PictureJob, progress: Progress) -> None:
        self._job, self._progress = job, progress
        self.total, self._done = 0, 0

    def watch(self, report: StepReport) -> None:
        """Raises Cancelled."""
        self._done += 1
        setting = self._job.setting
        if setting.preview is not None and setting.preview_every and (report.step + 1) % setting.preview_every == 0:
            setting.preview(decode(self._job.running, report.denoised)[0])
        self._progress(min(self._done, self.total), self.total)
