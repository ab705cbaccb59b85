"""How steady maps of clips are, filtered over time against frame by frame, on clips whose motion is known.

    PYTHONPATH=.dev:. python benchmarks/video.py [--frames 24] [--size 192]

Depth: scenes are rendered, and their true nearness is disturbed as networks of relative depth disturb it (another scale
and shift in every frame, soft errors of 1 % of the range), since no weights of such networks come with the package.
Edges and lines: a photograph under a moving window, with noise of a camera (standard deviation 4 of 255), through the
annotators. Poses: the true joints of a rendered person who walks, shaken by 1 % of their height, one of twenty
keypoints lost, and everybody for three frames; the photograph's own through `pose_mediapipe`; and people who wander
about and cross, in any order. Nothing here depends on the speed of the machine. Prints Markdown.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.support.clips import DrawnPoses, UnsteadyDepth, create, pan, person_at
from tests.support.rendered_clips import (
    Motion,
    disturb,
    measure_flicker,
    measure_warp_error,
    pass_by,
    turn_camera,
    walk,
)

import underdrawing
from underdrawing.core.annotator import ControlMap
from underdrawing.core.images.reading import read_pictures
from underdrawing.core.poses.model import BODY, Keypoint, Person, Pose
from underdrawing.core.video.figures import to_points
from underdrawing.core.video.filters import filter_maps
from underdrawing.core.video.options import TemporalOptions
from underdrawing.core.video.tracks import Tracker
from underdrawing.core.video.types import ClipFrame, FrameMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PHOTO = "examples/photos/astronaut.png"
RATE = 25
NOISE = 4.0


def run(annotator: Any, pictures: Sequence[Any], maps: Sequence[ControlMap], **options: Any) -> list[ControlMap]:
    """Maps of a clip through the filter of their kind."""
    frames = (ClipFrame(i, Fraction(i, RATE), "", picture) for i, picture in enumerate(pictures))
    items = (FrameMap(frame, one) for frame, one in zip(frames, maps, strict=True))
    chosen = TemporalOptions(**options)
    made = filter_maps(items, annotator, annotator.defaults, chosen, rate=RATE, note=print)
    return [item.control_map for item in made]


def print_table(title: str, names: Sequence[str], rows: dict[str, Sequence[float]]) -> None:
    """Print figures; the first row is frame by frame."""
    print(f"\n### {title}\n\n| | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for name, figures in rows.items():
        print(f"| {name} | {' | '.join(f'{figure:.4f}' for figure in figures)} |")


def compare_depth(frames: int, size: int) -> None:
    """Warp error of depth maps."""
    settings: dict[str, dict[str, Any]] = {
        "frame by frame": {"depth_alignment": "off", "depth_range": "frame"},
        "running range": {"depth_alignment": "static", "depth_range": "running"},
        "one range": {"depth_alignment": "static", "depth_range": "clip"},
        "one range, median of 5": {"depth_alignment": "static", "depth_range": "clip", "temporal_median": 2},
        "one range, not aligned": {"depth_alignment": "off", "depth_range": "clip"},
    }
    figures: dict[str, list[float]] = {name: [] for name in [*settings, "the truth, one range"]}
    for render in (turn_camera, pass_by):
        clip, rng = list(render(frames, size)), np.random.default_rng(0)
        motions, pictures = [frame.motion for frame in clip], [frame.picture for frame in clip]
        annotator = create(UnsteadyDepth)
        values = [disturb(frame.nearness, rng)[None] for frame in clip]
        spans = [annotator.find_span(one[0], None) for one in values]
        maps = [ControlMap(annotator.render_span(v, None, s), v) for v, s in zip(values, spans, strict=True)]
        for name, options in settings.items():
            made = run(annotator, pictures, maps, **options)
            figures[name].append(measure_warp_error([one.images[0, ..., 0] for one in made], motions))
        top = max(float(frame.nearness.max()) for frame in clip)
        figures["the truth, one range"].append(measure_warp_error([f.nearness / top * 255 for f in clip], motions))
    print_table("Depth: warp error", ["camera turns", "ball passes"], dict(figures))


def compare_outlines(frames: int, size: int) -> None:
    """Warp error and flicker of edges and lines; error: mean difference to the map of the frame without noise."""
    photo, rng = read_pictures(PHOTO)[0].pixels, np.random.default_rng(0)
    shifts = [(1.3 * i, 0.7 * i) for i in range(frames)]
    clean = pan(photo, [(x - 20, y - 10) for x, y in shifts], size, size)
    pictures = [_add_noise(one, rng) for one in clean]
    flow = np.full((size, size, 2), (1.3, 0.7), np.float32)
    known = np.zeros((size, size), bool)
    known[8:-8, 8:-8] = True
    motions = [None, *[Motion(flow, known)] * (frames - 1)]
    for name in ("canny", "hed", "mlsd"):
        annotator = underdrawing.load_annotator(name)
        maps = [annotator(one[None], resolution=size) for one in pictures]
        truth = [annotator(one[None], resolution=size).images[0, ..., 0].astype(float) for one in clean]
        rows: dict[str, Sequence[float]] = {}
        for reach in (0, 1, 2):
            made = run(annotator, pictures, maps, temporal_median=reach) if reach else maps
            planes = [one.images[0, ..., 0] for one in made]
            error = float(np.mean([np.abs(a - b)[known].mean() for a, b in zip(planes, truth, strict=True)])) / 255
            white = float(np.mean([plane.mean() for plane in planes])) / 255
            label = f"median of {2 * reach + 1}" if reach else "frame by frame"
            rows[label] = [measure_warp_error(planes, motions), measure_flicker(planes, motions), error, white]
        print_table(f"{name}, camera moves", ["warp error", "flicker", "error", "mean"], rows)


def _add_noise(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    return np.clip(picture + rng.normal(0, NOISE, picture.shape), 0, 255).astype(np.uint8)


def compare_poses(frames: int, size: int) -> None:
    """Distance to the truth, and change from frame to frame beyond the true motion, in heights of the person."""
    truth = [frame.pose for frame in walk(4 * frames, size)]
    rng = np.random.default_rng(0)
    height = max(float(np.ptp([p.y for p in pose.people[0].body if p])) for pose in truth)
    given = [_shake(pose, rng, height, lost=40 <= i < 43) for i, pose in enumerate(truth)]
    black = np.zeros((1, size, size, 3), np.uint8)
    maps = [ControlMap(black, poses=(pose,)) for pose in given]
    settings: dict[str, dict[str, Any]] = {
        "frame by frame": {},
        "gaps up to 5 filled": {"fill_gaps": 5},
        "gaps filled, smoothing 1": {"fill_gaps": 5, "smoothing": 1.0},
        "gaps filled, smoothing 3": {"fill_gaps": 5, "smoothing": 3.0},
    }
    rows: dict[str, Sequence[float]] = {}
    for name, options in settings.items():
        made = run(create(DrawnPoses), [black[0]] * len(maps), maps, **options)
        points = np.array([_list_points(one.poses[0]) for one in made if one.poses])
        right = np.array([_list_points(pose) for pose in truth])
        off = (points - right) / height
        shaking = np.diff(off, axis=0)
        rows[name] = [
            float(np.sqrt(np.nanmean((off**2).sum(-1)))),
            float(np.sqrt(np.nanmean((shaking**2).sum(-1)))),
            float((np.isnan(points) & ~np.isnan(right))[..., 0].mean()),
        ]
    print_table("Poses: a person walks", ["distance", "jitter", "missing"], rows)


def _shake(pose: Pose, rng: np.random.Generator, height: float, *, lost: bool) -> Pose:
    body = pose.people[0].body
    moves = rng.normal(0, 0.01 * height / np.sqrt(2), (BODY, 2))
    gone = rng.random(BODY) < 0.05
    points = tuple(
        None if point is None or out else Keypoint(point.x + dx, point.y + dy)
        for point, (dx, dy), out in zip(body, moves, gone, strict=True)
    )
    return Pose(() if lost else (Person(points),), pose.width, pose.height)


def _list_points(pose: Pose) -> NDArray[np.float64]:
    body = pose.people[0].body if pose.people else (None,) * BODY
    return np.array([(np.nan, np.nan) if point is None else (point.x, point.y) for point in body])


def compare_network_poses(frames: int) -> None:
    """Change of the photograph's joints between frames beyond the motion of the window, in heights of the person."""
    photo, rng = read_pictures(PHOTO)[0].pixels, np.random.default_rng(0)
    shifts = np.array([(1.3 * i, 0.7 * i) for i in range(frames)])
    pictures = [_add_noise(one, rng) for one in pan(photo, [(x, y) for x, y in shifts], 448, 448)]
    annotator = underdrawing.load_annotator("pose_mediapipe", hands=False, face=False, search_levels=1)
    maps = [annotator(one[None], resolution=0) for one in pictures]
    rows: dict[str, Sequence[float]] = {}
    for name, smoothing in (("frame by frame", 0.0), ("smoothing 1", 1.0), ("smoothing 3", 3.0)):
        made = run(annotator, pictures, maps, smoothing=smoothing)
        points = np.array([_list_points(one.poses[0]) for one in made if one.poses]) + shifts[:, None]
        height = float(np.nanmax(np.ptp(points[..., 1][:, ~np.isnan(points[..., 1]).any(0)], axis=1)))
        rows[name] = [float(np.sqrt(np.nanmean((np.diff(points, axis=0) ** 2).sum(-1)))) / height]
    print_table("pose_mediapipe, camera moves", ["jitter"], rows)


def compare_numbers() -> None:
    """Changes of people's numbers in 1,000 appearances; beside it those of numbers from left to right."""
    rows: dict[str, Sequence[float]] = {}
    for people in (2, 4, 8):
        for lengths in (0.5, 1.5):
            counts = np.sum([_count_changes(people, lengths, seed) for seed in range(3)], axis=0)
            rows[f"{people} people, {lengths} lengths a second"] = (counts[:2] * 1000 / counts[2]).tolist()
    print_table("Numbers of people: changes in 1,000", ["followed", "from left to right"], rows)


def _count_changes(people: int, lengths: float, seed: int, size: float = 80.0, width: float = 640.0) -> NDArray[Any]:
    """Changes when followed, changes from left to right, and appearances, in 400 frames."""
    rng, track = np.random.default_rng(seed), Tracker()
    places, speeds = rng.uniform(80, width - 80, (people, 2)), rng.normal(0, lengths * size, (people, 2))
    last: tuple[dict[int, int], dict[int, int]] = ({}, {})
    counts = np.zeros(3)
    for frame in range(400):
        speeds += rng.normal(0, lengths * size * 0.1, speeds.shape)
        places += speeds / RATE
        speeds[(places < 60) | (places > width - 60)] *= -1
        places = places.clip(60, width - 60)
        seen = [i for i in range(people) if rng.random() > 0.05]
        rng.shuffle(seen)
        numbers = track([_find_points(places[i], size, rng) for i in seen], frame / RATE)
        ranks = {i: rank for rank, i in enumerate(sorted(seen, key=lambda i: float(places[i, 0])))}
        for i, number in zip(seen, numbers, strict=True):
            for place, value in enumerate((number, ranks[i])):
                counts[place] += last[place].get(i, value) != value
                last[place][i] = value
        counts[2] += len(seen)
    return counts


def _find_points(place: NDArray[Any], size: float, rng: np.random.Generator) -> NDArray[np.float64]:
    points = to_points(person_at(float(place[0]), float(place[1]), size))
    points[:BODY, :2] += rng.normal(0, 2, (BODY, 2))
    points[:BODY][rng.random(BODY) < 0.15] = np.nan
    return points


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", type=int, default=192)
    arguments = parser.parse_args()
    compare_depth(arguments.frames, arguments.size)
    compare_outlines(arguments.frames, arguments.size)
    compare_poses(arguments.frames, arguments.size)
    compare_network_poses(arguments.frames)
    compare_numbers()
