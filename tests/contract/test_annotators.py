"""What every annotator promises, asked of every entry of the registry: a new file is tested without a line here."""

from __future__ import annotations

import json
import math
import random
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import alignment
from tests.support.pictures import flat, mixed, photo

from underdrawing import preprocessors
from underdrawing.core.annotator import Annotator, ControlMap, Host, Kind, Request
from underdrawing.core.errors import BadImage, BadParameter, MissingExtra, WeightsMissing
from underdrawing.core.images.geometry import Size, find_target_size
from underdrawing.core.segments import Segments, to_json
from underdrawing.core.tiling.options import TileOptions
from underdrawing.core.tiling.ways import find_way
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from underdrawing.core.params import Field, Value

    AnyAnnotator = Annotator[Any]

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

ANNOTATORS = list(registry)
CHART = alignment.Chart(224, 288)
BINARY_KINDS = (Kind.EDGES, Kind.SCRIBBLE)
PLACED_KINDS = (*BINARY_KINDS, Kind.SOFT_EDGES, Kind.LINES, Kind.TILE)
"""Kinds whose maps show things where the picture has them."""


def each_of(annotators: Iterable[type[AnyAnnotator]]) -> pytest.MarkDecorator:
    """Run a test with each of these; what it does not apply to is not collected."""
    return pytest.mark.parametrize("annotator", list(annotators), ids=lambda a: a.spec.id)


def is_placed(annotator: type[AnyAnnotator]) -> bool:
    """Whether maps show things where the picture has them, on weights that are certain to be here.

    Random weights may answer beside the picture, and fetched ones may not see the chart's faint bars.
    """
    spec = annotator.spec
    kind = spec.kind in PLACED_KINDS or (spec.kind is Kind.COLOUR and spec.smooth)
    return kind and all(weight.bundled for weight in annotator.weights_for(annotator.params()))


every = each_of(ANNOTATORS)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setenv("UNDERDRAWING_DOWNLOAD", "never")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Small pictures are faster with one thread, and two processes of tests do not stand in each other's way."""
    if not any("torch" in annotator.spec.requires for annotator in ANNOTATORS) or find_spec("torch") is None:
        yield
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope="module")
def _random_weights() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Networks whose weights are not on this machine run on random ones: what is asked here holds for any weights."""
    if find_spec("torch") is None:
        yield
        return
    from tests.support.random_weights import stand_in

    with pytest.MonkeyPatch.context() as patch, stand_in(patch):
        yield


@cache
def _ready(annotator: type[AnyAnnotator], presets: tuple[tuple[str, Value], ...]) -> AnyAnnotator | str:
    try:
        return annotator.create(annotator.params(**dict(presets)), device="cpu", dtype="float32")
    except (MissingExtra, WeightsMissing) as error:
        return str(error)


def ready(annotator: type[AnyAnnotator], presets: dict[str, Value] | None = None) -> AnyAnnotator:
    """Give an annotator with these parameters as its defaults, or skip with the reason and the command that helps."""
    made = _ready(annotator, tuple(sorted((presets or {}).items())))
    if isinstance(made, str):
        pytest.skip(made)
    return made


def run(annotator: AnyAnnotator, pictures: NDArray[np.uint8], resolution: int = 0) -> ControlMap:
    """Run with the default parameters, and with a mask of the middle where one is taken."""
    masks = None
    if annotator.spec.takes_mask:
        masks = np.zeros(pictures.shape[:-1], bool)
        height, width = pictures.shape[1:3]
        masks[..., height // 4 : -(-3 * height // 4), width // 4 : -(-3 * width // 4)] = True
    return annotator(pictures, resolution=resolution, masks=masks)


@cache
def plain(annotator: type[AnyAnnotator]) -> ControlMap:
    """Map of a small picture with the defaults, made once for the tests that only look at it."""
    return run(ready(annotator), photo(64, 64)[None])


def check(result: ControlMap, count: int, size: Size) -> None:
    """What holds for every result."""
    assert result.images.shape == (count, *size, 3)
    assert result.images.dtype == np.uint8
    assert result.images.flags.c_contiguous
    if result.values is not None:
        assert result.values.dtype == np.float32
        assert result.values.shape[:3] == (count, *size)
        assert result.values.ndim in (3, 4)
        assert result.values.flags.c_contiguous
        assert np.isfinite(result.values).all()
    assert result.poses is None or len(result.poses) == count
    if result.segments is not None:
        assert result.values is not None
        assert len(result.segments) == count
        for plane, found in zip(result.values, result.segments, strict=True):
            check_segments(plane, found)
    assert all(result.notes)


def check_segments(labels: NDArray[np.float32], found: Segments) -> None:
    """What holds for the classes of one picture."""
    assert json.loads(json.dumps(to_json(found)))["dataset"] == found.dataset
    indices, counts = np.unique(labels, return_counts=True)
    shares = {one.index: one.share for one in found.classes}
    assert len(shares) == len(found.classes)
    assert shares == pytest.approx(dict(zip(indices.tolist(), (counts / labels.size).tolist(), strict=True)))


def same(one: ControlMap, other: ControlMap) -> None:
    """Fail unless both are equal to the last bit."""
    assert np.array_equal(one.images, other.images)
    assert (one.values is None) == (other.values is None)
    if one.values is not None:
        assert np.array_equal(one.values, np.asarray(other.values))
    assert one.poses == other.poses
    assert one.segments == other.segments


# The declaration.


def test_every_file_of_the_folder_is_an_annotator() -> None:
    assert registry.broken == {}
    assert len(ANNOTATORS) >= 11


@every
def test_the_spec_is_complete(annotator: type[AnyAnnotator]) -> None:
    spec = annotator.spec
    assert re.fullmatch(r"[a-z][a-z0-9_]*", spec.id)
    assert annotator.__module__.rpartition(".")[2] == spec.id
    assert spec.title
    assert spec.licence
    assert spec.source
    assert spec.consumers
    assert all(isinstance(one, str) and one.strip() == one and one for one in (*spec.consumers, *spec.requires))
    assert len(set(spec.consumers)) == len(spec.consumers)
    assert spec.multiple >= 1
    assert spec.version >= 1
    assert spec.input_size == "map" or spec.multiple == 1
    assert not (spec.smooth and (spec.kind in BINARY_KINDS or spec.values == "labels"))


@every
def test_the_docstring_is_help(annotator: type[AnyAnnotator]) -> None:
    lines = (annotator.__doc__ or "").splitlines()
    assert lines, "the class needs a docstring"
    assert lines[0].endswith(".")
    assert 10 <= len(lines[0]) <= 120
    assert annotator.__doc__ != Annotator.__doc__
    assert len(lines) == 1 or not lines[1].strip()


@every
def test_every_parameter_is_described_and_bounded(annotator: type[AnyAnnotator]) -> None:
    for field in annotator.fields():
        assert annotator.params(**{field.name: field.default}) == annotator.params()
        assert re.fullmatch(r"[a-z][a-z0-9_]*", field.name)
        assert field.help.strip()
        assert "\n" not in field.help
        assert not field.help.endswith(".")
        if field.kind in ("int", "float"):
            assert field.low is not None
            assert field.high is not None
            assert field.low <= float(field.default) <= field.high
            assert field.step
        if field.kind == "choice":
            assert field.default in field.choices
            assert len(set(field.choices)) == len(field.choices) > 1


@every
def test_weights_are_pinned(annotator: type[AnyAnnotator]) -> None:
    bundled = Path(str(preprocessors.__file__)).parent / "bundled"
    weights = annotator.spec.weights
    assert len({weight.id for weight in weights}) == len(weights)
    for weight in weights:
        assert weight.unpinned or re.fullmatch(r"[0-9a-f]{64}", weight.sha256), "neither a hash nor nothing"
        assert weight.size >= 0, "0: not known, the hash alone decides"
        assert weight.file
        assert weight.licence
        assert weight.repo or (weight.bundled and weight.size > 0)
        assert not weight.repo or re.fullmatch(r"[0-9a-f]{40}|main", weight.revision), "a commit where one is known"
        assert not weight.bundled or (bundled / weight.bundled).stat().st_size == weight.size
    default = annotator.weights_for(annotator.params())
    assert set(default) <= set(weights)
    assert annotator.spec.commercial or weights, "without weights nothing forbids commercial use"
    assert not annotator.spec.commercial or all(weight.commercial for weight in default)


@every
def test_aliases_resolve_with_their_presets(annotator: type[AnyAnnotator]) -> None:
    for alias in annotator.spec.aliases:
        found = registry.resolve(alias.name)
        assert found.annotator is annotator
        assert found.presets == alias.presets
        assert alias.host in get_args(Host)
        annotator.params(**alias.presets)


def test_no_name_is_taken_twice() -> None:
    owners: dict[str, set[str]] = {}
    for annotator in ANNOTATORS:
        for name in {annotator.spec.id, *(alias.name for alias in annotator.spec.aliases)}:
            owners.setdefault(name, set()).add(annotator.spec.id)
    assert {name: ids for name, ids in owners.items() if len(ids) > 1} == {}
    assert not {a.spec.id for a in ANNOTATORS} & {alias.name for a in ANNOTATORS for alias in a.spec.aliases}


# Sizes.


@every
@pytest.mark.parametrize(("size", "resolution"), [((97, 65), 0), ((33, 120), 48), ((64, 64), 131)], ids=str)
def test_the_map_has_the_promised_size(annotator: type[AnyAnnotator], size: tuple[int, int], resolution: int) -> None:
    result = run(ready(annotator), photo(*size)[None], resolution)
    check(result, 1, find_target_size(Size(*size), resolution))


@every
def test_any_size_at_any_resolution(annotator: type[AnyAnnotator]) -> None:
    made = ready(annotator)

    @settings(max_examples=3 if annotator.spec.weights else 40, deadline=None, database=None)
    @given(height=st.integers(1, 90), width=st.integers(1, 90), resolution=st.integers(0, 100))
    def holds(height: int, width: int, resolution: int) -> None:
        long, short = max(height, width), min(height, width)
        resolution = min(resolution, short * 400 // long)
        result = run(made, photo(height, width)[None], resolution)
        check(result, 1, find_target_size(Size(height, width), resolution))

    holds()


@every
@pytest.mark.parametrize("size", [(1, 1), (1, 64), (64, 1), (17, 200), (2, 3)], ids=str)
def test_tiny_and_long_pictures(annotator: type[AnyAnnotator], size: tuple[int, int]) -> None:
    pictures = np.stack([photo(*size), flat(*size, 0)])
    check(run(ready(annotator), pictures), 2, Size(*size))


@every
def test_flat_pictures(annotator: type[AnyAnnotator]) -> None:
    pictures = np.stack([flat(63, 50, level) for level in (0, 1, 128, 255)])
    check(run(ready(annotator), pictures), 4, Size(63, 50))


@each_of(filter(is_placed, ANNOTATORS))
def test_the_map_is_aligned_with_the_picture(annotator: type[AnyAnnotator]) -> None:
    """A network has learnt where its teachers drew: BSDS500's borders lie half a pixel right of and below the step.

    Segments between predicted ends lie up to a pixel off, and are cut off to whole pixels when they are drawn.
    """
    spec, made = annotator.spec, ready(annotator)
    is_segments = spec.kind is Kind.LINES and not spec.smooth
    limit = alignment.LIMIT if not spec.weights else 1.5 if is_segments else 0.75
    for resolution in (160,) if spec.weights else (0, 160, 333):
        found = CHART.offset(run(made, CHART.picture()[None], resolution).images[0])
        assert found.bars >= 4
        assert found.worst <= limit


# What a map may depend on.


@every
def test_the_same_input_gives_the_same_bytes(annotator: type[AnyAnnotator]) -> None:
    made, picture = ready(annotator), photo(80, 64)[None]
    same(run(made, picture, 60), run(made, picture, 60))


@every
def test_a_batch_equals_its_pictures_alone(annotator: type[AnyAnnotator]) -> None:
    made, pictures = ready(annotator), mixed(72, 61)[: 3 if annotator.spec.weights else None]
    together = run(made, pictures, 64)
    check(together, len(pictures), find_target_size(Size(72, 61), 64))
    for index in range(len(pictures)):
        alone = run(made, pictures[index : index + 1], 64)
        values = None if together.values is None else together.values[index : index + 1]
        poses = None if together.poses is None else together.poses[index : index + 1]
        segments = None if together.segments is None else together.segments[index : index + 1]
        same(alone, ControlMap(together.images[index : index + 1], values, poses, segments))


@every
def test_tiles_make_a_map_of_the_same_size(annotator: type[AnyAnnotator], monkeypatch: pytest.MonkeyPatch) -> None:
    made, way = ready(annotator), find_way(annotator)
    monkeypatch.setattr(made, "tiles", TileOptions(tile=64, overlap=16))
    tiled = run(made, photo(80, 64)[None], 0)
    if way == "whole":
        assert "one piece" in tiled.notes[0]
        return
    check(tiled, 1, Size(80, 64))
    assert tiled.info["tiles"] == {"tile": 64, "overlap": 16, "join": way}


@every
@pytest.mark.parametrize("resolution", [0, 50])
def test_the_input_is_left_alone(annotator: type[AnyAnnotator], resolution: int) -> None:
    pictures = photo(64, 62)[None]
    before = pictures.copy()
    result = run(ready(annotator), pictures, resolution)
    result.images[:] = 7
    assert np.array_equal(pictures, before)


@every
def test_an_annotator_only_reads_what_it_is_handed(annotator: type[AnyAnnotator]) -> None:
    """Past the driver, which hands over copies."""
    made, picture = ready(annotator), photo(64, 64)[None]
    picture.setflags(write=False)
    masks = np.zeros((1, 64, 64), bool) if annotator.spec.takes_mask else None
    result = made.run(Request(picture, made.defaults, Size(64, 64), masks))
    assert not np.shares_memory(result.images, picture)


@every
def test_the_hosts_random_numbers_are_left_alone(annotator: type[AnyAnnotator]) -> None:
    made, picture = ready(annotator), photo(64, 64)[None]
    np.random.seed(5)
    random.seed(5)
    one = run(made, picture)
    assert np.random.randint(2**30) == np.random.RandomState(5).randint(2**30)
    assert random.random() == random.Random(5).random()
    same(one, run(made, picture))


@every
def test_the_result_says_what_made_it(annotator: type[AnyAnnotator]) -> None:
    info = plain(annotator).info
    assert json.loads(json.dumps(info)) == info
    assert (info["annotator"], info["version"]) == (annotator.spec.id, annotator.spec.version)
    assert set(info["params"]) == {field.name for field in annotator.fields()}


@every
def test_classes_come_with_labels(annotator: type[AnyAnnotator]) -> None:
    result = plain(annotator)
    assert (annotator.spec.values == "labels") is (result.segments is not None)


@each_of(a for a in ANNOTATORS if a.spec.kind in BINARY_KINDS)
def test_binary_maps_are_binary(annotator: type[AnyAnnotator]) -> None:
    images = run(ready(annotator), mixed(128, 128)[:2]).images
    assert set(np.unique(images).tolist()) == {0, 255}
    assert (images == images[..., :1]).all()


# Parameters.


def _settings() -> Iterator[Any]:
    """The defaults, and every field at its ends and at each of its choices."""
    for annotator in ANNOTATORS:
        yield pytest.param(annotator, {}, id=f"{annotator.spec.id}-defaults")
        for field in annotator.fields():
            for value in _values(field):
                if value == field.default:
                    continue
                yield pytest.param(annotator, {field.name: value}, id=f"{annotator.spec.id}-{field.name}={value}")


def _values(field: Field) -> list[Value]:
    if field.kind == "choice":
        return list(field.choices)
    if field.kind == "bool":
        return [False, True]
    ends = [end for end in (field.low, field.high) if end is not None]
    return [int(end) if field.kind == "int" else float(end) for end in ends]


def _mistakes() -> Iterator[Any]:
    """Every field below, above, of a wrong type and not a number."""
    for annotator in ANNOTATORS:
        for field in annotator.fields():
            wrong: list[Any] = [None, [1]]
            if field.kind != "text":
                wrong.append("no such thing")
            if field.kind in ("int", "float") and field.low is not None and field.high is not None:
                wrong += [field.low - 1, field.high + 1, math.nan, math.inf, True]
            if field.kind == "int":
                wrong.append(field.default + 0.5)  # type: ignore[operator]
            for value in wrong:
                yield pytest.param(annotator, field.name, value, id=f"{annotator.spec.id}-{field.name}={value}")


@pytest.mark.parametrize(("annotator", "chosen"), list(_settings()))
def test_every_setting_runs(annotator: type[AnyAnnotator], chosen: dict[str, Value]) -> None:
    made = ready(annotator, chosen)
    for height, width, resolution in ((70, 96, 64), (1, 1, 0), (3, 40, 0)):
        result = run(made, photo(height, width)[None], resolution)
        check(result, 1, find_target_size(Size(height, width), resolution))


@every
def test_every_alias_runs(annotator: type[AnyAnnotator]) -> None:
    presets = {tuple(sorted(alias.presets.items())): alias.presets for alias in annotator.spec.aliases}
    reasons = [made for key in presets if isinstance(made := _ready(annotator, key), str)]
    for key, values in presets.items():
        if not isinstance(_ready(annotator, key), str):
            check(run(ready(annotator, values), photo(64, 72)[None]), 1, Size(64, 72))
    if reasons:
        pytest.skip(reasons[0])


@pytest.mark.parametrize(("annotator", "name", "value"), list(_mistakes()))
def test_a_mistake_is_named(annotator: type[AnyAnnotator], name: str, value: Any) -> None:
    with pytest.raises(BadParameter) as caught:
        annotator.params(**{name: value})
    assert name in str(caught.value)
    assert annotator.spec.id in str(caught.value)


@every
def test_an_unknown_parameter_is_named(annotator: type[AnyAnnotator]) -> None:
    with pytest.raises(BadParameter, match="nonsense"):
        annotator.params(nonsense=1)


# Masks.


@every
def test_masks_are_asked_for_or_refused(annotator: type[AnyAnnotator]) -> None:
    made, picture = ready(annotator), photo(64, 64)[None]
    mask = np.ones((1, 64, 64), bool)
    with pytest.raises(BadImage, match="mask"):
        made(picture, resolution=0, masks=None if annotator.spec.takes_mask else mask)


@each_of(a for a in ANNOTATORS if a.spec.takes_mask)
def test_a_mask_that_does_not_fit_is_refused(annotator: type[AnyAnnotator]) -> None:
    made, pictures = ready(annotator), mixed(64, 64)[:3]
    for mask in (np.ones((2, 64, 64), bool), np.ones((64,), bool), np.zeros((0, 64, 64), bool)):
        with pytest.raises(BadImage):
            made(pictures, resolution=0, masks=mask)
    check(made(pictures, resolution=0, masks=np.ones((32, 16), bool)), 3, Size(64, 64))
