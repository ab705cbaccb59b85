from __future__ import annotations

import pytest

from underdrawing.core.errors import BadParameter
from underdrawing.pipeline.models.model import ControlNetwork
from underdrawing.pipeline.request import Control
from underdrawing.pipeline.runs.controls import find_modes

UNION = ControlNetwork(name="union", form="union", family="sdxl", network=None, modes={"openpose": 0, "canny": 3})


def test_a_union_controlnet_is_given_the_number_of_the_kind() -> None:
    assert find_modes(Control(annotator="canny", image="a.png"), UNION) == (3,)
    assert find_modes(Control(image="a.png", params={"kind": "openpose"}), UNION) == (0,)
    plain = ControlNetwork(name="plain", form="controlnet", family="sdxl", network=None)
    assert find_modes(Control(annotator="canny"), plain) == ()


def test_a_map_whose_kind_is_not_known_is_refused() -> None:
    for control in (Control(image="a.png"), Control(image="a.png", params={"kind": "cany"})):
        with pytest.raises(BadParameter, match="openpose"):
            find_modes(control, UNION)
