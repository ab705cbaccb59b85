from __future__ import annotations

import tracemalloc
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.support.clips import DrawnPoses, PlainOutlines, UnsteadyDepth, clip_frames, create, person_at

from underdrawing.core.annotator import ControlMap
from underdrawing.core.errors import BadImage
from underdrawing.core.images.geometry import Size
from underdrawing.core.poses.model import Pose
from underdrawing.core.video.options import TemporalOptions
from underdrawing.core.video.pipeline import ClipNotes, ClipRun, MapSettings
from underdrawing.core.video.types import ClipFrame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def frames(bad: dict[int, str], count: int = 6) -> Iterator[ClipFrame]:
    """Frames of the brightness of their number; bad: number → problem."""
    for number in range(count):
        pixels = None if number in bad else np.full((8, 10, 3), number, np.uint8)
        yield ClipFrame(number, Fraction(number, 10), "", pixels, bad.get(number, ""))


def run(
    source: Iterator[ClipFrame], damage: Any = "repeat", batch: int = 1, **options: Any
) -> tuple[ClipRun, list[tuple[int, int]]]:
    one = ClipRun(create(PlainOutlines), MapSettings(0, batch=batch), TemporalOptions(**options))
    made = one.run(source, damage, rate=10, note=print)
    return one, [(frame.number, int(result.images.max())) for frame, result in made]


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("median", [0, 1])
def test_a_damaged_frame_repeats_the_map_before_it_or_leaves_its_number_out(batch: int, median: int) -> None:
    bad = {0: "is missing", 3: "cannot be decoded", 5: "cannot be decoded"}
    one, made = run(frames(bad), batch=batch, temporal_median=median)
    assert [number for number, _ in made] == list(range(6))
    levels = [level for _, level in made]
    assert (levels[0], levels[3], levels[5]) == (levels[1], levels[2], levels[4])
    assert one.notes.list() == [
        "is missing: the map before it is repeated (frame 0)",
        "cannot be decoded: the map before it is repeated (2 frames, the first is 3)",
    ]
    _, made = run(frames(bad), "skip", batch=batch, temporal_median=median)
    assert [number for number, _ in made] == [1, 2, 4]


class Walker(DrawnPoses):
    """Finds a person where the brightness of a frame says."""

    def run(self, request: Any) -> ControlMap:
        poses = tuple(Pose((person_at(20.0 * image[0, 0, 0], 60, 40),), 200, 120) for image in request.images)
        size = request.size
        return ControlMap(np.zeros((len(poses), size.height, size.width, 3), np.uint8), poses=poses)


@pytest.mark.parametrize(
    ("longest", "places"), [(0, [40, 40, 40, 100]), (1, [40, 40, 40, 100]), (2, [40, 60, 80, 100])]
)
def test_poses_of_damaged_frames_are_filled_in_like_other_gaps(longest: int, places: list[int]) -> None:
    bad = {3: "cannot be decoded", 4: "cannot be decoded"}
    one = ClipRun(create(Walker), MapSettings(0), TemporalOptions(fill_gaps=longest))
    made = {f.number: m for f, m in one.run(frames(bad, 7), "repeat", rate=10, note=print)}
    found = [made[number].poses[0].people[0] for number in range(2, 6)]  # type: ignore[index]
    assert [point.x for person in found if (point := person.body[1])] == pytest.approx(places)
    assert {person.person_id for person in found} == {0}
    assert np.array_equal(made[2].images, made[3].images) == (longest < 2)


def test_stop_names_the_frame() -> None:
    with pytest.raises(BadImage, match=r"frame 3 cannot be decoded.*--damaged"):
        run(frames({3: "cannot be decoded"}), "stop")


@pytest.mark.parametrize("bad", [{}, dict.fromkeys(range(6), "is missing")])
def test_a_clip_without_a_frame_is_refused(bad: dict[int, str]) -> None:
    with pytest.raises(BadImage, match="none of its frames can be read"):
        run(frames(bad, 6 if bad else 0))


def test_a_frame_of_another_size_counts_as_damaged() -> None:
    sizes = [(8, 10), (8, 12), (8, 10)]
    source = clip_frames([np.full((*size, 3), 50, np.uint8) for size in sizes])
    one, made = run(source)
    assert [number for number, _ in made] == [0, 1, 2]
    assert one.notes.list() == ["is 12x8, the first frame is 10x8: the map before it is repeated (frame 1)"]


def test_frames_go_together_in_batches() -> None:
    PlainOutlines.calls.clear()
    run(frames({2: "is missing"}), batch=2)
    assert PlainOutlines.calls == [2, 2, 1]


def test_maps_are_fitted_to_a_size() -> None:
    settings = MapSettings(target=Size(16, 16), mode="crop")
    one = ClipRun(create(PlainOutlines), settings, TemporalOptions())
    assert {r.images.shape for _, r in one.run(frames({}), "repeat", rate=10, note=print)} == {(1, 16, 16, 3)}


def test_notes_are_counted_and_bounded() -> None:
    notes = ClipNotes()
    for number in range(200):
        notes.add(f"note {number % 100}", number)
    assert len(notes.list()) == 51
    assert notes.list()[-1] == "100 more notes on frames"


@pytest.mark.parametrize("annotator", [PlainOutlines, UnsteadyDepth, DrawnPoses])
def test_memory_does_not_grow_with_the_number_of_frames(annotator: Any, tmp_path: Path) -> None:
    options = TemporalOptions(temporal_median=1, fill_gaps=2, smoothing=1)
    one_frame = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)

    def measure(count: int) -> int:
        source = (ClipFrame(i, Fraction(i, 25), "", one_frame.copy()) for i in range(count))
        one = ClipRun(create(annotator), MapSettings(0), options)
        tracemalloc.start()
        made = sum(1 for _ in one.run(source, "repeat", rate=25, note=print, folder=tmp_path))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert made == count
        return peak

    measure(5)
    few, many = measure(10), measure(60)
    assert many < few + 9 * one_frame.nbytes, "50 more frames take less than 9"
