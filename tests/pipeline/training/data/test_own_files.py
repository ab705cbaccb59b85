from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tests.support.command_line import picture

from underdrawing.core.images.writing import encode_png
from underdrawing.pipeline.training.data.finding import find_samples

if TYPE_CHECKING:
    from pathlib import Path


def test_maps_beside_their_pictures_and_files_of_runs_are_no_pictures(tmp_path: Path) -> None:
    content = encode_png(np.zeros((8, 8, 3), np.uint8), {"annotator": "canny"})
    for name in ("a.canny.png", "a_depth.png", "alone_depth.png"):
        (tmp_path / name).write_bytes(content)
    for name in ("a.png", "a_red.png", "x.run/loss.png", "y.run/b.png"):
        picture(tmp_path / name)
    (tmp_path / "x.run" / "settings.json").write_text("{}")
    found = find_samples(tmp_path)
    assert [sample.name for sample in found.samples] == ["a.png", "a_red.png", "alone_depth.png", "y.run/b.png"]
    assert found.passed == {"maps beside their pictures": 2, "files of training runs": 2}
