"""ControlNets of transformer models stand among the consumers of the annotators whose maps they read."""

from __future__ import annotations

from underdrawing.preprocessors import registry
from underdrawing.preprocessors.weights.transformer_controls import CONTROLS, Map, is_transformer_control, list_controls


def test_every_kind_of_map_is_made_by_an_annotator() -> None:
    named = {consumer for annotator in registry for consumer in annotator.spec.consumers}
    kinds: set[Map] = {kind for control in CONTROLS for kind in control.maps}
    assert all(set(list_controls(kind)) <= named for kind in kinds)


def test_union_modes_are_those_of_the_card() -> None:
    name = "Shakker-Labs/FLUX.1-dev-ControlNet-Union-Pro"
    modes = {"canny": 0, "tile": 1, "depth_dav2": 2, "blur": 3, "pose_dwpose": 4, "recolor": 5}
    for annotator, mode in modes.items():
        assert f"{name}, mode {mode}" in registry.resolve(annotator).annotator.spec.consumers
    assert f"{name}, mode 6" in registry.resolve("tile").annotator.spec.consumers


def test_names_are_told_from_those_of_other_models() -> None:
    assert all(map(is_transformer_control, list_controls("canny", "pose")))
    assert not is_transformer_control("control_v11p_sd15_canny")
