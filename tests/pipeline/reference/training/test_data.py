from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from underdrawing.pipeline.reference.training import data
from underdrawing.pipeline.reference.world.scene import render_scene
from underdrawing.pipeline.reference.world.truth import encode_depth


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    assert list(data.write_scenes(folder, 0, 4)) == [4]
    assert list(data.write_scenes(folder, data.HELD_OUT, 2)) == [2]
    return folder


def test_scenes_are_those_of_their_seeds(folder: Path) -> None:
    found = data.read_scenes(folder, ("seeds", "pictures", "depth", "classes"))
    assert found["seeds"].tolist() == [0, 1, 2, 3]
    scene = render_scene(2)
    assert np.array_equal(found["pictures"][2], scene.picture)
    assert np.array_equal(found["depth"][2], encode_depth(scene.depth))
    assert np.array_equal(found["classes"][2], scene.classes)


def test_judged_scenes_are_apart(folder: Path) -> None:
    assert data.read_scenes(folder, ("seeds",), held_out=True)["seeds"].tolist() == [900_000, 900_001]


def test_some_scenes_have_other_looks(folder: Path) -> None:
    styles = data.read_scenes(folder, ("styles",))["styles"]
    assert len(styles) == 4, "two of seed 0, two of seed 3"
    assert np.array_equal(styles[0], render_scene(0).draw("storybook"))


def test_joints_and_edges_are_padded(folder: Path) -> None:
    found = data.read_scenes(folder, ("joints", "edges"))
    assert (found["joints"].shape, found["edges"].shape) == ((4, 3, 18, 2), (4, 96, 4))
    assert not np.isnan(found["joints"][1, 0]).all(), "seed 1 has a person"
    assert np.isnan(found["joints"][0]).all(), "seed 0 has none"
    edges = render_scene(0).edges
    assert found["edges"][0, : len(edges)] == pytest.approx(edges, abs=0.1)


def test_what_is_there_stays(folder: Path) -> None:
    path = folder / "scenes_000000.npz"
    before = path.stat().st_mtime_ns
    assert list(data.write_scenes(folder, 0, 4)) == [4]
    assert path.stat().st_mtime_ns == before
    assert not list(folder.glob("*.part"))


def test_workers_share_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def render(seeds: range) -> data.Scenes:
        empty = np.zeros(len(seeds))
        fields = dict.fromkeys(data.Scenes.__struct_fields__, empty)
        return data.Scenes(**{**fields, "seeds": np.array(seeds)})  # type: ignore[arg-type]

    monkeypatch.setattr(data, "render_scenes", render)
    for worker, names in ((1, ["000100"]), (0, ["000000", "000100", "000200"])):
        assert list(data.write_scenes(tmp_path, 0, 250, every=2, start=worker)) == [100, 200, 250]
        assert sorted(path.stem[-6:] for path in tmp_path.glob("*.npz")) == names
    assert data.read_scenes(tmp_path, ("seeds",))["seeds"].tolist() == list(range(250))


def test_specs_come_from_seeds() -> None:
    scenes = data.render_scenes([1])
    assert scenes.specs[0] == render_scene(1).spec
    assert set(msgspec.structs.asdict(scenes)) == set(data.Scenes.__struct_fields__)
