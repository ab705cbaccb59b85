"""Names of hosts and packs: each runs something of ours, or says why not and what to use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pytest
from tests.support.host_names import EVERY

from underdrawing import preprocessors
from underdrawing.core.annotator import Alias, Annotator, ControlMap, Kind, Spec
from underdrawing.core.errors import UnknownName
from underdrawing.core.params import Params, between
from underdrawing.core.registry import MissingName, Registry, describe_difference
from underdrawing.preprocessors import _absent, registry

if TYPE_CHECKING:
    from underdrawing.core.annotator import Request

NAMES = [(host, name) for host, names in EVERY.items() for name in names]


@pytest.mark.parametrize(("host", "name"), NAMES)
def test_every_name_of_the_hosts_runs_or_says_what_to_use(host: str, name: str) -> None:
    absent = registry.absent.get(name)
    if absent is None:
        assert registry.resolve(name).annotator in list(registry), host
        return
    with pytest.raises(UnknownName) as caught:
        registry.resolve(name)
    assert f"{name!r} is not offered: {absent.reason}" in str(caught.value)
    assert f"Next: use {absent.use}" in str(caught.value)


def test_names_that_are_offered_are_not_in_the_table_of_absent_ones() -> None:
    assert not [absent.name for absent in _absent.ABSENT if absent.name in registry.names]
    names = [(absent.host, absent.name) for absent in _absent.ABSENT]
    assert len(set(names)) == len(names)
    assert set(names) <= set(NAMES), "tests/support/host_names.py is the hosts' own list"


def test_what_is_recommended_is_offered() -> None:
    for absent in _absent.ABSENT:
        for word in re.findall(r"\w*_\w+", absent.use):
            assert word in registry.names, f"{absent.name}: {absent.use}"


def test_near_names_include_absent_ones() -> None:
    with pytest.raises(UnknownName, match="densepose"):
        registry.resolve("densposse")


class Words(Params, frozen=True):
    count: Annotated[int, between(0, 9, "A number")] = 1


class Toy(Annotator[Words]):
    """Makes black maps."""

    spec = Spec(
        id="toy",
        title="Toy",
        kind=Kind.EDGES,
        licence="MIT",
        commercial=True,
        source="here",
        requires=(),
        aliases=(Alias("old_toy", "a1111", {"count": 2}, instead="Better Toy"), Alias("plain", "a1111")),
    )

    def run(self, request: Request[Words]) -> ControlMap:
        return ControlMap(np.zeros_like(request.images), notes=("seen",))


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Registry:
    made = Registry(
        "underdrawing.preprocessors",
        absent=[MissingName("plain", "a1111", "no", "b"), MissingName("c", "a1111", "d", "toy")],
    )
    monkeypatch.setattr(made, "_iter_sources", lambda: iter([("toy", lambda: Toy)]))
    monkeypatch.setattr(preprocessors, "registry", made)
    return made


def test_a_name_that_means_something_else_says_so_with_every_map(toys: Registry) -> None:
    note = "old_toy means Better Toy elsewhere; here it is Toy (toy)"
    assert toys.resolve("old_toy").note == note == describe_difference(Toy, Toy.spec.aliases[0])
    assert toys.resolve("plain").note == toys.resolve("toy").note == ""
    picture = np.zeros((8, 8, 3), np.uint8)
    for name, notes in (("old_toy", (note, "seen")), ("plain", ("seen",)), ("toy", ("seen",))):
        assert preprocessors.annotate(name, picture, 0).notes == notes
        loaded: Annotator[Any] = preprocessors.load_annotator(name)
        assert loaded(picture, resolution=0).notes == loaded(picture, resolution=0).notes == notes


def test_an_annotator_comes_before_the_table_of_absent_names(toys: Registry) -> None:
    assert set(toys.absent) == {"c"}
    assert toys.resolve("plain").annotator is Toy
    with pytest.raises(UnknownName, match=r"'c' is not offered: d\. Next: use toy"):
        toys.resolve("c")


READS = {
    "control_v11p_sd15_canny": "EDGES",
    "control_v11p_sd15_mlsd": "LINES",
    "control_v11p_sd15_lineart": "LINES",
    "control_v11p_sd15s2_lineart_anime": "LINES",
    "control_v11p_sd15_softedge": "SOFT_EDGES",
    "control_v11p_sd15_scribble": "SCRIBBLE",
    "control_v11f1p_sd15_depth": "DEPTH",
    "control_v11p_sd15_normalbae": "NORMALS",
    "control_v11p_sd15_seg": "SEGMENTATION",
    "control_v11p_sd15_openpose": "POSE",
    "control_v11e_sd15_shuffle": "SHUFFLE",
    "control_v11f1e_sd15_tile": "TILE",
    "control_v11p_sd15_inpaint": "INPAINT",
}
"""ControlNet 1.1 and the kind of map each was trained on; ip2p reads the picture itself."""
UNION = {"POSE": 0, "DEPTH": 1, "SOFT_EDGES": 2, "SCRIBBLE": 2, "EDGES": 3, "LINES": 3, "NORMALS": 4, "SEGMENTATION": 5}
PROMAX = {"TILE": 6, "INPAINT": 7}


def test_every_controlnet_has_an_annotator_of_its_kind() -> None:
    for controlnet, kind in READS.items():
        readers = [a.spec.kind.name for a in registry if controlnet in a.spec.consumers]
        assert kind in readers, controlnet


@pytest.mark.parametrize("annotator", list(registry), ids=lambda a: a.spec.id)
def test_consumers_fit_the_kind(annotator: type[Annotator[Any]]) -> None:
    kind, consumers = annotator.spec.kind.name, annotator.spec.consumers
    assert len(set(consumers)) == len(consumers)
    assert "control_v11p_sd15_depth" not in consumers, "withdrawn"
    for consumer in consumers:
        if number := re.search(r"union( ProMax)?, type (\d)", consumer):
            table = PROMAX if number[1] else UNION
            assert int(number[2]) == table[kind], consumer
        assert READS.get(consumer, kind) == kind or annotator.spec.id in ("invert",), consumer
