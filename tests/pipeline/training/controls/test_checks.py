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


def test_maps_in_a_folder_below_the_one_that_was_named_are_pointed_at(tmp_path: Path) -> None:
    for name in ("data/a", "data/b", "maps/canny/b", "maps/depth/other"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / f"{name}.png")

    def check(folder: str) -> None:
        params = ControlParams(maps=str(tmp_path / folder))
        check_maps(
            MapReader(params, tmp_path / "data", tmp_path / "kept", device="cpu", note=lambda _: None),
            tmp_path / "data",
        )

    with pytest.raises(BadParameter, match=r"none of the 2 pictures has a map \(a\.png.*b\.png") as found:
        check("maps")
    assert found.value.fix == f"give --maps {tmp_path / 'maps' / 'canny'}"
    with pytest.raises(BadParameter, match="none of the 2") as found:
        check("maps/depth")
    assert "--annotator" in found.value.fix
    check("maps/canny")  # one of two is enough: the other is left out
