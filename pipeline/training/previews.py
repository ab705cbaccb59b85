"""Preview pictures of a run, drawn as generate draws them, from the model as it is trained so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.files import atomic_write
from ...core.hooks import HostHooks
from ..generate import generate_pictures
from ..infotext.pictures import encode_picture
from ..models.reference_files import NAME
from ..request import Request
from ..runs.options import split_lines
from ..runs.setting import Setting
from .base import list_folders

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .params import TrainParams

MOST = 4
"""Captions that are drawn where no prompt is given."""


class Previewer:
    """Draws the same prompts with the same seeds again and again. folder: of STEP-NUMBER.png. captions: of the data."""

    def __init__(self, folder: Path, params: TrainParams, captions: Sequence[str]) -> None:
        self._folder, self._params = folder, params
        self._prompts = split_lines(params.preview_prompt) or list(captions[:MOST])

    def draw(self, step: int) -> None:
        """Draw and write. Raises as `generate_pictures`, and WriteFailed."""
        params = self._params
        setting = Setting(
            host=HostHooks(), folders=list_folders(params.checkpoint_dir), device=params.device, dtype=params.dtype
        )
        for number, prompt in enumerate(self._prompts, 1):
            request = Request(
                prompt=prompt,
                checkpoint=params.checkpoint or NAME,
                vae=params.vae,
                seed=params.seed,
                clip_skip=params.clip_skip,
            )
            for result in generate_pictures(request, setting):
                path = self._folder / f"{step:06}-{number}.png"
                atomic_write(path, encode_picture(result.pixels, result.infotext, result.request))
