from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from underdrawing.core.errors import BadImage, BadParameter, UnknownName
from underdrawing.core.images.geometry import Size
from underdrawing.pipeline.training.controls.maps import MapReader, read_annotator
from underdrawing.pipeline.training.controls.params import ControlParams
from underdrawing.pipeline.training.data.samples import Sample

if TYPE_CHECKING:
    from pathlib import Path


def make_sample(path: Path, name: str = "a.png", fields: dict[str, str] | None = None) -> Sample:
    return Sample(name=name, digest=name, read=(path / name).read_bytes, fields=fields or {})


def make_reader(folder: Path, **params: str) -> MapReader:
    return MapReader(ControlParams(**params), folder, folder / "kept", device="cpu", note=lambda _: None)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture of two halves, and its map, whose left is white."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, :30] = 255
    for name in ("a.png", "maps/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path


def test_maps_of_a_folder_have_the_size_of_the_cut_picture(folder: Path) -> None:
    reader = make_reader(folder, maps=str(folder / "maps"))
    found = reader.read(make_sample(folder), Size(32, 32))
    assert tuple(found.shape) == (3, 32, 32)
    assert found[:, :, :14].min() > 0.9
    assert found[:, :, 18:].max() < 0.1
    turned = reader.read(make_sample(folder), Size(32, 32), flip=True)
    assert turned.flip(2).equal(found)


def test_an_annotator_draws_the_map_once(folder: Path) -> None:
    reader = make_reader(folder, annotator="canny")
    found = reader.read(make_sample(folder), Size(40, 56))
    assert set(found.unique().tolist()) == {0.0, 1.0}
    (folder / "a.png").unlink()
    again = make_reader(folder, annotator="canny").read(Sample(name="a.png", digest="a.png", read=bytes), Size(40, 56))
    assert again.equal(found), "from the file that is kept"


def test_metadata_names_the_map(folder: Path) -> None:
    reader = make_reader(folder)
    sample = make_sample(folder, fields={"conditioning_image": "maps/a.png"})
    assert not reader.explain_missing(sample)
    (folder / "image").mkdir()
    (folder / "a.png").rename(folder / "image" / "a.png")
    below = make_sample(folder, "image/a.png", {"conditioning_image_file_name": "maps/a.png"})
    assert not reader.explain_missing(below), "as `dataset annotate --layout diffusers` writes it"
    (folder / "image" / "a.png").rename(folder / "a.png")
    assert reader.read(sample, Size(40, 56)).shape == (3, 40, 56)
    assert "is not there" in reader.explain_missing(make_sample(folder, fields={"conditioning_image": "b.png"}))


def test_missing_maps_are_named(folder: Path) -> None:
    assert "conditioning_image" in make_reader(folder).explain_missing(make_sample(folder))
    other = make_sample(folder, "maps/a.png")
    reader = make_reader(folder, maps=str(folder / "maps"))
    assert "no map of its name" in reader.explain_missing(other)
    with pytest.raises(BadImage, match="no map of its name"):
        reader.read(other, Size(8, 8))


def test_pictures_with_broken_or_missing_maps_are_refused_by_name(folder: Path) -> None:
    (folder / "maps" / "b.png").write_bytes((folder / "maps" / "a.png").read_bytes()[:60])
    samples = [Sample(name=f"{name}.png", digest=name, read=bytes, caption=name) for name in "bac"]
    reader = make_reader(folder, maps=str(folder / "maps"))
    broken, whole, missing = (reader.admit(sample, Size(8, 8)) for sample in samples)
    assert broken.startswith(f"its map {folder / 'maps' / 'b.png'} cannot be used: ")
    assert not whole
    assert "no map of its name" in missing
    assert reader.find_example("b").name == "a.png", "previews show none that is refused"
    assert not make_reader(folder, annotator="canny").admit(samples[0], Size(8, 8)), "made where it is needed"


@pytest.mark.parametrize("text", ["canny=photo.jpg", "canny:weight=0.5", "map", "inpaint", "canny:blah=3"])
def test_what_is_more_than_an_annotator_is_refused(text: str) -> None:
    with pytest.raises(BadParameter):
        read_annotator(text)


def test_annotators_that_do_not_exist_and_two_sources(folder: Path) -> None:
    with pytest.raises(UnknownName):
        read_annotator("cannny")
    with pytest.raises(BadParameter, match="both"):
        make_reader(folder, annotator="canny", maps=str(folder))
    with pytest.raises(BadParameter, match="no folder"):
        make_reader(folder, maps=str(folder / "none"))
