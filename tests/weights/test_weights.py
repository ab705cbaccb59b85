"""Opt-in: every annotator on its trained weights, as far as they are on this machine.

    UNDERDRAWING_DOWNLOAD=always pytest tests/weights -rs     or: make weights

fetches what is missing (many gigabytes; your consent to the licences that `underdrawing weights list` shows) and
confirms everything. Without the variable, what is not here is skipped with the command that fetches it. The maps are
written below build/weights, to be looked at. What is expected holds for any network that does its task; the bars are
wide, so that a failure means a wrong file, order of channels, scale or polarity and not a matter of taste.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from tests.support.weights_cases import Case, cases, cases_of

from underdrawing.core.annotator import Annotator, ControlMap, Kind
from underdrawing.core.errors import MissingExtra, WeightsMissing
from underdrawing.core.images.writing import encode_png
from underdrawing.core.weights.store import Store
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

ROOT = Path(__file__).resolve().parents[2]
PORTRAIT, FIELD = (ROOT / "examples" / "photos" / name for name in ("astronaut.png", "camera.png"))
SEEN = ROOT / "build" / "weights"
CASES = cases()
WITH_WEIGHTS = [annotator for annotator in registry if annotator.spec.weights]
LINES = (Kind.EDGES, Kind.LINES, Kind.SOFT_EDGES, Kind.SCRIBBLE)
GROUND = ("grass", "field", "earth", "sand", "dirt", "floor", "ground")
"""Words in the names of classes that a field may be taken for in a picture without colour."""
STRAIGHT = ("mlsd",)
"""Annotators that draw straight lines only."""
NO_PEOPLE = ("pose_animal",)
"""Annotators of poses that should find nobody in these photographs."""


@pytest.fixture(autouse=True)
def never_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "may_ask", False)


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Give the memory of a network back before the next one is loaded (unloading collects, which takes its time)."""
    yield
    from underdrawing.core.networks import cache as models
    from underdrawing.core.networks import onnx

    if models._networks or onnx._networks:
        models.unload()


@cache
def picture(path: Path) -> NDArray[np.uint8]:
    read = cv2.imread(str(path))
    assert read is not None
    return np.ascontiguousarray(read[..., ::-1]).astype(np.uint8)


@pytest.mark.parametrize("annotator", WITH_WEIGHTS, ids=lambda a: a.spec.id)
def test_every_file_of_a_record_is_used_by_some_parameters(annotator: type[Annotator[Any]]) -> None:
    assert {weight for case in cases_of(annotator) for weight in case.needs} == set(annotator.spec.weights)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_trained_weights_make_the_map_they_should(case: Case) -> None:
    portrait, field = made(case, PORTRAIT), made(case, FIELD)
    for result in (portrait, field):
        check_finite(result)
    CHECKS.get(case.annotator.spec.kind, check_alive)(case, portrait, field)


def made(case: Case, photo: Path) -> ControlMap:
    """Map of a photograph at its own size; skips with the command that helps when something is missing."""
    try:
        ready = case.annotator.create(case.annotator.params(**case.values), device="cpu", dtype="float32")
        result = ready(picture(photo), resolution=0)
    except (WeightsMissing, MissingExtra) as error:
        pytest.skip(str(error))
    SEEN.mkdir(parents=True, exist_ok=True)
    name = f"{case.name.replace('/', '_')}.{photo.stem}.png"
    (SEEN / name).write_bytes(encode_png(result.images[0], result.info))
    return result


def check_finite(result: ControlMap) -> None:
    height, width = picture(PORTRAIT).shape[:2]
    assert result.images.shape == (1, height, width, 3)
    assert result.images.dtype == np.uint8
    if result.values is not None:
        assert np.isfinite(result.values).all()
    assert all(len(digest) == 64 for digest in result.info["weights"].values())


def grey(result: ControlMap) -> Floats:
    """Brightness of the map, 0 to 1."""
    return result.images[0].mean(axis=-1) / 255


def check_alive(case: Case, portrait: ControlMap, field: ControlMap) -> None:
    for result in (portrait, field):
        assert result.images.std() > 5, "the map is constant"
    assert not np.array_equal(portrait.images, field.images), "the map does not depend on the picture"


def check_lines(case: Case, portrait: ControlMap, field: ControlMap) -> None:
    """White on black, and brighter where the picture has edges than where it has none."""
    for photo, result in ((PORTRAIT, portrait), (FIELD, field)):
        shown = grey(result)
        assert (shown < 0.25).mean() > 0.5, "most of the map is background, and background is black"
        assert (shown > 0.35).mean() > 0.002, "there are lines"
        edges = cv2.Canny(cv2.GaussianBlur(picture(photo), (0, 0), 2), 60, 120)
        near = cv2.dilate(edges, np.ones((5, 5), np.uint8)) > 0
        ratio = shown[near].mean() / max(shown[~near].mean(), 1e-6)
        assert ratio > (1.2 if case.annotator.spec.id in STRAIGHT else 1.5), f"lines lie on edges ({ratio:.2f})"
    assert case.annotator.spec.id in STRAIGHT or any(has_an_outline(grey(portrait)))


def has_an_outline(shown: Floats) -> Iterator[bool]:
    """Whether there is a line between the hair and the wall, on either side of the head."""
    yield shown[60:120, 140:175].max() > 0.2
    yield shown[60:120, 285:320].max() > 0.2


def check_depth(case: Case, portrait: ControlMap, field: ControlMap) -> None:
    """Near is white: the astronaut before the wall, the photographer before the sky and the far end of the field."""
    shown = grey(portrait)
    body, wall = np.median(shown[330:480, 120:230]), np.median(shown[20:120, 320:370])
    assert body > wall + 0.1, f"astronaut {body:.2f}, wall {wall:.2f}"
    shown = grey(field)
    man, sky = np.median(shown[200:400, 40:110]), np.median(shown[10:60, 350:500])
    grass = [np.median(shown[row : row + 20, 420:500]) for row in (240, 350, 480)]
    assert man > sky + 0.2, f"photographer {man:.2f}, sky {sky:.2f}"
    assert grass[0] < grass[1] < grass[2], f"the field comes nearer towards the lower edge: {grass}"
    for result in (portrait, field):
        assert grey(result).min() < 0.05, "the farthest point is black"
        assert grey(result).max() > 0.95, "the nearest point is white"


def check_normals(case: Case, portrait: ControlMap, field: ControlMap) -> None:
    """Unit vectors; a person's left and right side look to different sides."""
    for result in (portrait, field):
        vectors = result.values[0] if result.values is not None else result.images[0] / 127.5 - 1
        lengths = np.linalg.norm(vectors, axis=-1)
        assert (np.abs(lengths - 1) < 0.05).mean() > 0.98
    shown = portrait.images[0].astype(float)
    sides = [shown[320:470, 40:80].mean(axis=(0, 1)), shown[320:470, 290:330].mean(axis=(0, 1))]
    assert np.abs(sides[0] - sides[1]).max() > 15, "the sleeves face different ways"


def check_bae(portrait: ControlMap) -> None:
    """Blue looks at us, red to our left, green up."""
    shown = portrait.images[0].astype(float)
    assert np.median(shown[..., 2]) > 140
    assert shown[320:470, 40:80, 0].mean() > shown[320:470, 290:330, 0].mean()


def check_classes(case: Case, portrait: ControlMap, field: ControlMap) -> None:
    """People, and the grass and sky of the field."""
    found = [shares(result) for result in (portrait, field)]
    assert found[0].get("person", 0) > 0.25, found[0]
    assert found[1].get("person", 0) > 0.15, found[1]
    assert sum(share for name, share in found[1].items() if "sky" in name and "scraper" not in name) > 0.15, found[1]
    assert sum(share for name, share in found[1].items() if any(word in name for word in GROUND)) > 0.1, found[1]
    labels = np.asarray(portrait.values)[0]
    assert np.unique(labels[350:450, 100:230]).size <= 4, "the suit is one thing"


def shares(result: ControlMap) -> dict[str, float]:
    assert result.segments is not None
    return {segment.name: segment.share for segment in result.segments[0].classes}


def check_poses(case: Case, portrait: ControlMap, field: ControlMap) -> None:
    """One person in each photograph, the nose where the nose is."""
    assert portrait.poses is not None
    assert field.poses is not None
    if case.annotator.spec.id in NO_PEOPLE:
        for result, pose in ((portrait, portrait.poses[0]), (field, field.poses[0])):
            assert not pose.people
            assert result.images.any() == bool(pose.animals), "the map is black unless an animal is found"
            assert bool(result.notes) is not bool(pose.animals), "a note says that none is"
        return
    for pose, nose in ((portrait.poses[0], (222, 122)), (field.poses[0], (243, 158))):
        assert len(pose.people) == 1
        body = pose.people[0].body
        assert sum(point is not None for point in body) >= 6
        assert body[0] is not None
        assert np.hypot(body[0].x - nose[0], body[0].y - nose[1]) < 25, f"nose at {body[0]}, it is at {nose}"
    right, left = (portrait.poses[0].people[0].body[slot] for slot in (2, 5))
    assert right is not None
    assert left is not None
    assert right.x < left.x, "her right shoulder is on the left side of the picture"


def check_face(case: Case, portrait: ControlMap, field: ControlMap) -> None:
    """Something is drawn on the astronaut's face, and nowhere else."""
    shown = grey(portrait)
    assert shown[80:190, 170:280].max() > 0.3
    outside = shown.copy()
    outside[50:220, 140:310] = 0
    assert (outside > 0.1).mean() < 0.01


def check_mask(case: Case, portrait: ControlMap, field: ControlMap) -> None:
    """The astronaut is white and the wall is black."""
    shown = grey(portrait)
    assert shown[330:480, 120:230].mean() > 0.9
    assert shown[20:120, 320:370].mean() < 0.1


CHECKS: dict[Kind, Callable[[Case, ControlMap, ControlMap], None]] = {
    **dict.fromkeys(LINES, check_lines),
    Kind.DEPTH: check_depth,
    Kind.NORMALS: check_normals,
    Kind.SEGMENTATION: check_classes,
    Kind.POSE: check_poses,
    Kind.FACE: check_face,
    Kind.MASK: check_mask,
}


@pytest.mark.parametrize("case", [c for c in CASES if c.annotator.spec.id == "normal_bae"], ids=lambda c: c.name)
def test_normals_for_controlnet_have_its_colours(case: Case) -> None:
    check_bae(made(case, PORTRAIT))


def test_networks_for_depth_agree() -> None:
    """Ranks of pixels by distance are alike, whichever network made them."""
    ranks: dict[str, Floats] = {}
    for case in (case for case in CASES if case.annotator.spec.kind is Kind.DEPTH):
        if all(Store().find(weight) for weight in case.needs):
            small = cv2.resize(grey(made(case, FIELD)), (64, 64), interpolation=cv2.INTER_AREA)
            ranks[case.name] = np.argsort(np.argsort(small.ravel())).astype(float)
    if len(ranks) < 2:
        pytest.skip("needs the weights of two networks: underdrawing weights fetch --annotator NAME")
    for one in ranks:
        for other in ranks:
            assert np.corrcoef(ranks[one], ranks[other])[0, 1] > 0.7, f"{one} and {other}"
