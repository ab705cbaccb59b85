from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from underdrawing.core.errors import BadParameter
from underdrawing.pipeline.training.controls.checks import check_maps, check_params
from underdrawing.pipeline.training.controls.maps import MapReader
from underdrawing.pipeline.training.controls.params import ControlParams

if TYPE_CHECKING:
    from pathlib import Path


def test_a_whole_one_has_no_rank() -> None:
    check_params(ControlParams(rank=4, form="lora"))
    with pytest.raises(BadParameter, match="no rank"):
        check_params(ControlParams(rank=4))


def test_pictures_without_maps_are_named_before_anything_is_loaded(tmp_path: Path) -> None:
    for name in ("a", "b", "maps/a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "c").mkdir()
    (tmp_path / "b.png").rename(tmp_path / "c" / "b.png")
    (tmp_path / "a.png").rename(tmp_path / "c" / "a.png")
    params = ControlParams(maps=str(tmp_path / "maps"))
    maps = MapReader(params, tmp_path / "c", tmp_path / "kept", device="cpu", note=lambda _: None)
    with pytest.raises(BadParameter, match=r"1 of 2 pictures have no map .*b\.png"):
        check_maps(maps, tmp_path / "c")
