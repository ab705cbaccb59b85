"""Maps as files, under the names that `annotate` gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...batch.layouts import build_output, find_image
from ...batch.outputs import to_safe_name
from ...file_names import check_relative_name
from ...regular_files import open_regular_file
from . import base

if TYPE_CHECKING:
    from ..rows import RowResult


class Sink(base.Sink):
    """``photo.canny.png`` (sidecar), ``canny/photo.png`` (plain), ``conditioning_image/photo.png`` (diffusers)."""

    def write(self, result: RowResult) -> None:
        """Write maps, and the picture where the layout holds it."""
        layout = "suffix" if self.job.layout == "sidecar" else self.job.layout
        several = len(self.job.annotators) > 1
        place = str(check_relative_name(result.record.key))
        for name, data in result.maps.items():
            output = build_output(layout, place, to_safe_name(name), several=several)
            self._write(output, data)
            if layout == "diffusers":
                self._write(find_image(output), result.picture)

    def _write(self, name: str, data: bytes) -> None:
        path = self.part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_regular_file(path, "wb") as stream:
            stream.write(data)

    def close(self) -> None:
        """Nothing is left to do."""

    def abandon(self) -> None:
        """Nothing is open."""
