"""Picture files opened for their texts."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...core.images.headers import detect_format
from ...core.images.opening import check_file, open_file, open_image, report_faults

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from PIL.Image import Image


@contextmanager
def open_picture(path: Path, where: str) -> Generator[Image | None]:
    """A picture whose header was read, as Pillow has it; None for a kind that holds no texts. Raises BadImage."""
    with open_file(path, where) as file, report_faults(where, []):
        head = file.read(32)
        file.seek(0)
        kind = detect_format(head)
        check_file(file, head, kind, where)
        yield open_image(file, kind, where)
