"""Preview pictures of a run, drawn as generate draws them, from the model as it is trained so far."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.files import atomic_write
from ...core.hooks import HostHooks
from ...core.images.contact_sheet import draw_sheet
from ...core.images.reading import read_pictures
from ...core.images.writing import encode_png
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

    from numpy.typing import NDArray

    from ...core.networks.placement import Placement
    from .params import TrainParams
    from .trainable import Trainable

MOST = 4
"""Captions that are drawn where no prompt is given."""
ROWS = 24
"""Steps on the sheet, the newest."""
SHEET = "sheet.png"
_NAME = re.compile(r"(\d+)-(\d+)\.png")


class Previewer:
    """Draws the same prompts with the same seeds again and again.

    folder: of STEP-NUMBER.png, and of the sheet of all of them. captions: of the data. placement: of the model, so that
    it is the one that is trained. trainable: adds what pictures need besides the model.
    """

    def __init__(
        self, folder: Path, params: TrainParams, captions: Sequence[str], placement: Placement, trainable: Trainable
    ) -> None:
        self._folder, self._params = folder, params
        self._placement, self._trainable = placement, trainable
        self._prompts = split_lines(params.preview_prompt) or list(captions[:MOST])

    def complete(self, step: int) -> None:
        """Draw what there is not of a step: a run that was killed while it drew goes on from that step's state."""
        if all((self._folder / name_picture(step, number)).is_file() for number, _ in enumerate(self._prompts, 1)):
            self._write_sheet()
        else:
            self.draw(step)

    def draw(self, step: int) -> None:
        """Draw and write. Raises as `generate_pictures`, and WriteFailed."""
        params = self._params
        own = self._folder / "files"
        own.mkdir(parents=True, exist_ok=True)
        self._trainable.write_preview_files(own)
        setting = Setting(
            host=HostHooks(),
            folders=(own, *list_folders(params.checkpoint_dir)),
            embeddings=(own,),
            device=self._placement.device,
            dtype=self._placement.dtype,
        )
        for number, prompt in enumerate(self._prompts, 1):
            request = Request(
                prompt=self._trainable.write_caption(prompt, 0),
                checkpoint=params.checkpoint or NAME,
                vae=params.vae,
                seed=params.seed,
                clip_skip=params.clip_skip,
                **self._trainable.list_preview_fields(own, prompt),
            )
            for result in generate_pictures(request, setting):
                path = self._folder / name_picture(step, number)
                atomic_write(path, encode_picture(result.pixels, result.infotext, result.request))
        self._write_sheet()

    def _write_sheet(self) -> None:
        """All pictures, those of a step in one line, the newest last."""
        names = [path.name for path in self._folder.glob("*.png")]
        steps = sorted({int(match[1]) for name in names if (match := _NAME.fullmatch(name))})[-ROWS:]
        cells: list[tuple[str, NDArray[Any]]] = []
        for step in steps:
            for number, prompt in enumerate(self._prompts, 1):
                path = self._folder / name_picture(step, number)
                there = path.name in names  # other prompts may have been given before
                pixels = read_pictures(path)[0].pixels if there else np.full((64, 64, 3), 255, np.uint8)
                cells.append((f"step {step}: {prompt if there else 'not drawn'}", pixels))
        atomic_write(self._folder / SHEET, encode_png(draw_sheet(cells, group=len(self._prompts)), {}))


def name_picture(step: int, number: int) -> str:
    """Name of a picture. number: of the prompt, counted from 1."""
    return f"{step:06}-{number}.png"
