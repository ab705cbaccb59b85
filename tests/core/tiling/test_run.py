"""How tiles are made and joined, on an annotator whose network answers otherwise in every tile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.clips import person_at
from tests.support.pictures import photo

from underdrawing.core.annotator import Annotator, ControlMap, Kind, Request, Spec
from underdrawing.core.errors import Cancelled
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks.placement import Placement
from underdrawing.core.params import Params
from underdrawing.core.poses.model import Pose
from underdrawing.core.tiling.notes import describe_pictures
from underdrawing.core.tiling.options import TileOptions
from underdrawing.core.tiling.plan import plan_boxes
from underdrawing.preprocessors import load_annotator

ROOT = Path(__file__).resolve().parents[3]
RAMP = np.broadcast_to(np.arange(240, dtype=np.uint8)[None, :, None], (150, 240, 3)).copy()


class Relative(Annotator[Params]):
    """Depth with a scale and a shift of its own in every tile, as networks of relative depth have."""

    spec = Spec(
        id="relative", title="", kind=Kind.DEPTH, licence="", commercial=True, source="", values="scalar", multiple=8
    )
    sizes: list[Size]

    def run(self, request: Request[Params]) -> ControlMap:
        """The red channel, spread out anew in every picture."""
        self.sizes = [*getattr(self, "sizes", []), request.size]
        plane = request.images[..., 0].astype(np.float32)
        low, high = plane.min((1, 2), keepdims=True), plane.max((1, 2), keepdims=True)
        values = (plane - low) / np.maximum(high - low, 1)
        return ControlMap(self.render_span(values, request.params, (0.0, 1.0)), values)

    def find_span(self, plane: Any, params: Params) -> tuple[float, float]:
        """Smallest and largest."""
        return float(plane.min()), float(plane.max())

    def render_span(self, values: Any, params: Params, span: tuple[float, float]) -> Any:
        """Grey."""
        scaled = np.clip((values - span[0]) / max(span[1] - span[0], 1e-6), 0, 1) * 255
        return np.repeat(scaled[..., None], 3, -1).astype(np.uint8)


class Seeing(Annotator[Params]):
    """A person in every picture that has a white pixel, of a network that says what it runs on."""

    spec = Spec(id="seeing", title="", kind=Kind.POSE, licence="", commercial=True, source="", input_size="original")

    def run(self, request: Request[Params]) -> ControlMap:
        """Black maps, and poses."""
        height, width = request.size
        found = [(person_at(width / 2, height / 2, 30),) if one.max() == 255 else () for one in request.images]
        poses = tuple(Pose(people, width, height) for people in found)
        empty = [index for index, people in enumerate(found) if not people]
        notes = ("runs on cpu", *describe_pictures("nobody is in picture {}", empty))
        return ControlMap(self.draw_poses(poses, request.params), poses=poses, notes=notes)

    def draw_poses(self, poses: tuple[Pose, ...], params: Params) -> Any:
        """Nothing."""
        return np.zeros((len(poses), poses[0].height, poses[0].width, 3), np.uint8)


class Drawing(Annotator[Params]):
    """One slanted line through every picture, whatever is in it."""

    spec = Spec(id="drawing", title="", kind=Kind.LINES, licence="", commercial=True, source="")

    def run(self, request: Request[Params]) -> ControlMap:
        """Its line."""
        return ControlMap(self.draw_lines(self.find_lines(request), request.size))

    def find_lines(self, request: Request[Params]) -> list[Any]:
        """From corner to corner."""
        return [np.array([[0.0, 0.0, request.size.width, request.size.height]]) for _ in request.images]

    def draw_lines(self, lines: list[Any], size: Size) -> Any:
        """Whose number of lines is their brightness."""
        return np.stack([np.full((*size, 3), len(one), np.uint8) for one in lines])


def find_depth(_: object) -> str:
    return "depth"


def find_poses(_: object) -> str:
    return "poses"


def find_lines(_: object) -> str:
    return "lines"


@pytest.fixture
def depth(monkeypatch: pytest.MonkeyPatch) -> Relative:
    made = Relative(Placement(), Params())
    monkeypatch.setattr("underdrawing.core.tiling.ways.find_way", find_depth)
    monkeypatch.setattr(made, "tiles", TileOptions(tile=96, overlap=32))
    return made


def test_depth_of_tiles_is_one_ramp_without_a_seam(depth: Relative) -> None:
    tiled = depth(RAMP[None], resolution=0)
    assert tiled.values is not None
    steps = np.diff(tiled.values[0], axis=1)
    assert steps.min() > 0
    assert steps.max() <= 1.25 * float(np.median(steps))
    assert tiled.info["tiles"] == {"tile": 96, "overlap": 32, "join": "depth"}
    assert max(max(size) for size in depth.sizes) == 96


def test_a_tile_as_large_as_the_picture_changes_nothing(depth: Relative) -> None:
    depth.tiles = None
    whole = depth(RAMP[None], resolution=0)
    depth.tiles = TileOptions(tile=240, overlap=32)
    tiled = depth(RAMP[None], resolution=0)
    assert np.array_equal(tiled.images, whole.images)
    assert "tiles" not in tiled.info


def test_a_host_can_stop_between_tiles(depth: Relative) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Cancelled("cancelled")

    depth.step_tile = stop
    with pytest.raises(Cancelled):
        depth(RAMP[None], resolution=0)
    assert len(depth.sizes) == 3


def find_steps(annotator: Annotator[Any], picture: Any, overlap: int) -> dict[str, tuple[float, float]]:
    """Steps of a map across the seams between tiles of 96 pixels, and within eight pixels beside them.

    largest: of the map. added, mean: of its difference to the map made in one piece, which has no edge of the content:
    the largest, and the mean.
    """
    annotator.tiles = None
    whole = annotator(picture[None], resolution=0).images[0, ..., 0].astype(int)
    annotator.tiles = TileOptions(tile=96, overlap=overlap)
    tiled = annotator(picture[None], resolution=0).images[0, ..., 0].astype(int)
    boxes = plan_boxes(Size(*tiled.shape), 96, overlap)
    places: tuple[list[Any], list[Any]] = [], []
    for axis, length in enumerate(tiled.shape):
        steps = np.stack([np.diff(one, axis=axis) for one in (tiled, tiled - whole)])
        starts = {(box.top, box.left)[axis] for box in boxes}
        seams = {seam - 1 for start in starts for seam in (start, start + 96) if 0 < seam < length}
        near = {seam + away for seam in seams for away in range(-8, 9)} & set(range(length - 1)) - seams
        for found, at in zip(places, (seams, near), strict=True):
            found.append(np.abs(steps.take(sorted(at), axis + 1)).reshape(2, -1))
    across, beside = (np.concatenate(found, axis=1) for found in places)
    return {
        "largest": (across[0].max(), beside[0].max()),
        "added": (across[1].max(), beside[1].max()),
        "mean": (across[1].mean(), beside[1].mean()),
    }


@pytest.fixture(scope="module")
def hed() -> Annotator[Any]:
    """On its trained weights: the one dense network that comes with the package and has a mean."""
    return load_annotator("hed", tile=0)


def test_no_step_across_a_seam_of_a_ramp_is_above_those_beside_it(hed: Annotator[Any]) -> None:
    ramp = np.repeat(np.linspace(0, 255, 160)[None, :, None], 96, 0).repeat(3, 2).astype(np.uint8)
    across, beside = find_steps(hed, ramp, 32)["largest"]
    assert across <= beside
    across, beside = find_steps(hed, ramp, 0)["largest"]
    assert across > beside  # without an overlap the same network leaves a seam


def cut_out(name: str, top: int, left: int, size: tuple[int, int]) -> Any:
    """A part of a photograph, halved."""
    from PIL import Image

    with Image.open(ROOT / "examples" / "photos" / f"{name}.png") as file:
        part = file.convert("RGB").crop((left, top, left + 2 * size[1], top + 2 * size[0]))
        return np.asarray(part.resize(size[::-1], Image.Resampling.LANCZOS))


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(photo(96, 160), id="an edge of the photograph lies on the seam"),
        pytest.param(cut_out("astronaut", 102, 128, (200, 150)), id="the same, on another one"),
        pytest.param(cut_out("camera", 0, 100, (160, 190)), id="other"),
    ],
)
def test_tiles_add_no_step_to_a_photograph_across_a_seam_that_is_above_those_beside_it(
    hed: Annotator[Any], picture: Any
) -> None:
    for overlap in (32, 16):
        steps = find_steps(hed, picture, overlap)
        assert steps["added"][0] <= steps["added"][1]
        assert steps["mean"][0] <= 1.5 * steps["mean"][1]
    apart = find_steps(hed, picture, 0)
    assert apart["added"][0] > apart["added"][1]
    assert apart["mean"][0] > 3 * apart["mean"][1]


def test_notes_of_tiles_reach_the_map_each_once_and_those_on_content_where_all_agree(depth: Relative) -> None:
    class Noting(Relative):
        def run(self, request: Request[Params]) -> ControlMap:
            result = super().run(request)
            flat = [index for index, one in enumerate(request.images) if one.min() == one.max()]
            number = len(self.sizes)
            notes = ("runs on cpu", *(["not finite"] if number == 3 else []))
            return replace(result, notes=(*notes, *describe_pictures("picture {} is flat", flat)))

    made = Noting(Placement(), Params())
    made.tiles, level = depth.tiles, np.full_like(RAMP, 9)
    level_but_a_corner = level.copy()
    level_but_a_corner[-9:, -9:] = RAMP[-9:, -9:]
    notes = made(np.stack([level, level_but_a_corner]), resolution=0).notes
    assert sorted(notes) == ["not finite", "picture 1 is flat", "runs on cpu"]
    assert {type(note) for note in notes} == {str}


def test_a_pose_without_people_is_noted_for_the_pictures_that_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("underdrawing.core.tiling.ways.find_way", find_poses)
    made = Seeing(Placement(), Params())
    made.tiles = TileOptions(tile=96, overlap=32)
    empty = np.zeros_like(RAMP)
    result = made(np.stack([empty, np.full_like(RAMP, 255), empty]), resolution=0)
    assert sorted(result.notes) == ["nobody is in picture 1, 3", "runs on cpu"]
    assert made(np.full((1, 150, 240, 3), 255, np.uint8), resolution=0).notes == ("runs on cpu",)


def test_lines_that_no_pixel_of_their_tile_shows_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("underdrawing.core.tiling.ways.find_way", find_lines)
    made = Drawing(Placement(), Params())
    made.tiles = TileOptions(tile=96, overlap=32)
    wall = np.full((96, 160, 3), 90, np.uint8)
    seen = wall.copy()
    seen[:, :96][np.tril_indices(96)] = 180
    result = made(np.stack([wall, seen]), resolution=0)
    assert result.images[:, 0, 0, 0].tolist() == [0, 1]
    assert result.notes == ("no line was found in picture 1: the map is black",)
