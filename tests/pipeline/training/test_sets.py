from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.support.command_line import picture

from underdrawing.core.errors import BadParameter
from underdrawing.core.hooks import HostHooks
from underdrawing.core.networks.placement import Placement
from underdrawing.core.operation import Job
from underdrawing.pipeline.training.data import prior
from underdrawing.pipeline.training.loop.folder import RunFolder
from underdrawing.pipeline.training.params import TrainParams
from underdrawing.pipeline.training.sets import load_sets

from .data.test_latents import Means

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from underdrawing.pipeline.training.sets import TrainingSet

MODEL: Any = SimpleNamespace(vae=Means(), scaling_factor=1.0, placement=Placement(), sample_size=64, factor=8)


def load(data: Path, run: Path, notes: list[str] | None = None, **values: Any) -> TrainingSet:
    run.mkdir(exist_ok=True)
    take = ([] if notes is None else notes).append
    return load_sets(data, RunFolder(run), TrainParams(**values), MODEL, Job(HostHooks()), take)


def test_what_a_set_says_of_itself(tmp_path: Path) -> None:
    for number, name in enumerate(["10_dog/a.png", "10_dog/b.png", "c.png"]):
        picture(tmp_path / "data" / name, 64, 64, seed=number)
    (tmp_path / "data" / "c.txt").write_text("a cat, red, red")
    (tmp_path / "data" / "notes.docx").write_bytes(b"x")
    notes: list[str] = []
    sets = load(tmp_path / "data", tmp_path / "a.run", notes, batch=2)
    assert sets.captions == ["dog", "a cat, red, red"]
    assert sets.count_tags() == {"dog": {"dog": 2}, "img": {"a cat": 1, "red": 2}}
    found = sets.describe()
    assert (found["pictures"], found["contents"], found["passes"]) == (3, 3, 11)
    assert found["buckets"] == {"64 x 64": 3}
    assert "1 of another format (.docx)" in notes
    before = sets.list_contents()
    (tmp_path / "data" / "c.txt").write_text("a dog")
    after = load(tmp_path / "data", tmp_path / "a.run").list_contents()
    assert {name for name, value in before.items() if value != after[name]} == {"c.png"}


def test_nothing_that_is_left_is_an_error_with_the_reasons(tmp_path: Path) -> None:
    picture(tmp_path / "data" / "a.png", 1, 1)
    (tmp_path / "data" / "b.png").write_bytes(b"x")
    with pytest.raises(BadParameter, match=r"no picture is left to train on \(a\.png: is 1 x 1 pixels.*b\.png"):
        load(tmp_path / "data", tmp_path / "a.run")


def test_pictures_that_are_not_admitted_are_left_out_with_the_reason(tmp_path: Path) -> None:
    for name in "abc":
        picture(tmp_path / "data" / f"{name}.png", 64, 64)
    notes: list[str] = []
    arguments = (tmp_path / "data", RunFolder(tmp_path), TrainParams(), MODEL, Job(HostHooks()), notes.append)
    sets = load_sets(*arguments, lambda sample, size: f"{size.width} wide" if sample.name == "b.png" else "")
    assert [item.sample.name for item in sets.pictures.items] == ["a.png", "c.png"]
    assert sets.describe()["left_out"] == [["b.png", "64 wide"]]
    assert "left out: b.png: 64 wide" in notes
    with pytest.raises(BadParameter, match=r"no picture is left to train on \(a\.png: no map"):
        load_sets(*arguments, lambda _sample, _size: "no map")


def test_a_resolution_below_the_model_s_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="32 is below 64"):
        load(tmp_path, tmp_path / "a.run", resolution=32)


def test_masks_that_no_picture_has_are_an_error(tmp_path: Path) -> None:
    picture(tmp_path / "data" / "a.png", 64, 64)
    with pytest.raises(BadParameter, match="no picture has a mask"):
        load(tmp_path / "data", tmp_path / "a.run", masks="beside")


def test_class_pictures_are_drawn_until_there_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def generate(request: Any, _: Any) -> Iterator[Any]:
        assert request.prompt == "a dog"
        seeds.append(request.seed)
        yield SimpleNamespace(pixels=np.full((64, 64, 3), 50 * request.seed, np.uint8))

    monkeypatch.setattr(prior, "generate_pictures", generate)
    picture(tmp_path / "data" / "a.png", 64, 64)
    values: dict[str, Any] = {"prior_prompt": "a dog", "prior_count": 3, "shuffle_tags": False}
    sets = load(tmp_path / "data", tmp_path / "a.run", **values)
    assert sets.prior is not None
    assert [item.sample.caption for item in sets.prior.items] == ["a dog"] * 3
    (tmp_path / "a.run" / "class" / "class-000001.png").unlink()
    load(tmp_path / "data", tmp_path / "a.run", **values)
    assert seeds == [0, 1, 2, 1]
    assert {name for name in sets.list_contents() if name.startswith("class/")} == {
        f"class/class-{seed:06}.png" for seed in range(3)
    }
    broken = tmp_path / "a.run" / "class" / "class-000001.png"
    broken.write_bytes(broken.read_bytes()[:60])
    again = load(tmp_path / "data", tmp_path / "a.run", **values)
    assert seeds[4:] == [3], "a broken one does not count, and its name is taken"
    assert again.prior is not None
    assert len(again.prior.items) == 3


def test_a_user_can_stop_while_pictures_are_encoded(tmp_path: Path) -> None:
    from underdrawing.core.errors import Cancelled
    from underdrawing.core.progress import Progress

    class Host(HostHooks):
        @contextmanager
        def progress(self, title: str, total: int = 0, unit: str = "") -> Generator[Progress]:
            progress = Progress()
            if title == "encode pictures":
                progress.cancel()
            yield progress

    picture(tmp_path / "data" / "a.png", 64, 64)
    with pytest.raises(Cancelled):
        load_sets(tmp_path / "data", RunFolder(tmp_path / "a.run"), TrainParams(), MODEL, Job(Host()), print)
