"""What a run says of itself while it runs: lines of JSON, a plot of the loss, TensorBoard's events."""

from __future__ import annotations

import io
import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ....core.annotator import build_pip_command
from ....core.errors import Cancelled, MissingExtra, UnderdrawingError
from ....core.files import atomic_write
from ....core.regular_files import open_regular_file, read_text_file
from .folder import EVENTS, LOG, PLOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

WIDTH, HEIGHT, MARGIN = 640, 360, 48
SMOOTHING = 50
"""Steps that the plot's line is an average of."""


class Records:
    """Losses and rates of a run. A disk that is full stops the records, with one note, and not the run."""

    def __init__(self, folder: Path, step: int, note: Callable[[str], None], *, tensorboard: bool = False) -> None:
        """step: at which the run goes on; what was recorded of later steps is dropped."""
        self._folder, self._note = folder, note
        self.rows = _read_rows(folder / LOG, step)
        self._waiting: list[dict[str, Any]] = []
        self._failed = self._noted = False
        self._writer: Any = _open_tensorboard(folder / EVENTS) if tensorboard else None
        self.attempt(self._rewrite)

    def add(self, row: dict[str, Any]) -> None:
        """Record a step."""
        self.rows.append(row)
        self._waiting.append(row)
        if self._writer is not None:
            for name, value in row.items():
                if name != "step":
                    self._writer.add_scalar(name, value, row["step"])

    def flush(self) -> None:
        """Write what was recorded."""
        self.attempt(self._append)
        self.attempt(self._draw)

    def attempt(self, write: Callable[[], None]) -> None:
        """Do something that is not worth losing the run for."""
        try:
            write()
        except Cancelled:
            raise
        except (OSError, UnderdrawingError) as error:
            self._failed = True
            if not self._noted:
                self._note(f"a log or preview cannot be written, the run goes on: {error}")
            self._noted = True

    def _rewrite(self) -> None:
        atomic_write(self._folder / LOG, "".join(map(_encode, self.rows)).encode())

    def _append(self) -> None:
        if self._failed:
            self._rewrite()
            self._failed = False
        else:
            with open_regular_file(self._folder / LOG, "ab") as file:
                file.write("".join(map(_encode, self._waiting)).encode())
        self._waiting = []

    def _draw(self) -> None:
        if self.rows:
            atomic_write(self._folder / PLOT, draw_losses([(row["step"], row["loss"]) for row in self.rows]))


def _encode(row: dict[str, Any]) -> str:
    return json.dumps(row) + "\n"


def _read_rows(path: Path, step: int) -> list[dict[str, Any]]:
    """Rows up to a step; a last line that was cut off is dropped."""
    rows: list[dict[str, Any]] = []
    try:
        lines = read_text_file(path, "replace").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            row = json.loads(line)
            if row["step"] <= step:
                rows.append(row)
        except (ValueError, KeyError, TypeError):
            continue
    return rows


def _open_tensorboard(folder: Path) -> Any:
    try:
        return import_module("torch.utils.tensorboard").SummaryWriter(str(folder))
    except ModuleNotFoundError as error:
        fix = f"{build_pip_command(['tensorboard'])}, or leave --tensorboard out"
        raise MissingExtra("needs tensorboard", where="tensorboard", fix=fix) from error


def draw_losses(points: Sequence[tuple[int, float]]) -> bytes:
    """A PNG of losses over steps: grey dots, and their average as a line."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    steps, losses = [step for step, _ in points], [loss for _, loss in points]
    first, last, top = min(steps), max(steps), (sorted(losses)[int(0.98 * (len(losses) - 1))] or 1.0) * 1.1

    def place(step: float, loss: float) -> tuple[float, float]:
        across = (step - first) / max(1, last - first)
        return MARGIN + across * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - min(1, loss / top) * (HEIGHT - 2 * MARGIN)

    draw.rectangle((MARGIN, MARGIN, WIDTH - MARGIN, HEIGHT - MARGIN), outline="#999999")
    size = 3 if len(points) <= SMOOTHING * 4 else 1.5
    for across, down in (place(step, loss) for step, loss in points):
        draw.ellipse((across - size, down - size, across + size, down + size), fill="#b0b0b0")
    draw.line([place(step, loss) for step, loss in zip(steps, smooth(losses), strict=True)], fill="#1f5fbf", width=2)
    draw.text((MARGIN, HEIGHT - MARGIN + 8), f"step {first}", fill="black")
    draw.text((WIDTH - MARGIN - 70, HEIGHT - MARGIN + 8), f"step {last}", fill="black")
    draw.text((6, MARGIN - 4), f"{top:.3g}", fill="black")
    draw.text((6, HEIGHT - MARGIN - 8), "0", fill="black")
    draw.text((MARGIN, 16), f"dots: loss; line: average of {describe_smoothing(len(points))}", fill="black")
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def describe_smoothing(steps: int) -> str:
    """Over how many steps the line is an average."""
    return f"the last {SMOOTHING} steps" if steps > SMOOTHING else "all steps so far"


def smooth(losses: Sequence[float]) -> list[float]:
    """Averages of each loss and those before it."""
    sums = [0.0]
    for loss in losses:
        sums.append(sums[-1] + loss)
    starts = (max(0, index - SMOOTHING) for index in range(1, len(sums)))
    return [(sums[end] - sums[start]) / (end - start) for end, start in enumerate(starts, 1)]
