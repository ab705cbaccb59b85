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


def test_every_control_says_where_its_facts_were_read() -> None:
    assert all(control.source and control.maps for control in CONTROLS)
    names = [control.name for control in CONTROLS]
    assert len(set(names)) == len(names)
    # what is listed as not confirmed is something that the entry claims
    claims = {control.name: f"{control.wants} {' '.join(control.maps)}" for control in CONTROLS}
    for control in CONTROLS:
        assert control.unconfirmed.removeprefix("colours of ") in claims[control.name]


def test_line_drawings_of_vace_are_no_scribbles() -> None:
    """Its annotator is the line drawer whose lines are black on white."""
    vace = next(control for control in CONTROLS if "VACE" in control.name)
    assert "scribble" not in vace.maps
    assert any("VACE" in consumer for consumer in registry.resolve("lineart").annotator.spec.consumers)
    assert not any("VACE" in consumer for consumer in registry.resolve("scribble_xdog").annotator.spec.consumers)
