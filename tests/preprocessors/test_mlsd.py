"""M-LSD against controlnet-aux on the same random weights, its decoder on synthetic outputs, its files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
import torch
from tests.golden.lines import synthetic
from tests.support.boxes import render_boxes, score_lines
from tests.support.pictures import flat, photo
from tests.support.random_weights import stand_in, tensors
from tests.support.similarity import photograph

from underdrawing.core.errors import BadWeights
from underdrawing.core.networks import cache
from underdrawing.core.networks.placement import Placement
from underdrawing.core.weights import store
from underdrawing.core.weights.record import Weight
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.layers import row_tiling
from underdrawing.preprocessors.maps import mlsd_lines
from underdrawing.preprocessors.mlsd import Mlsd
from underdrawing.preprocessors.nets import mlsd
from underdrawing.preprocessors.weights.mlsd_files import CONTROLNET, WEIGHTS, Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "lines" / "lines.npz"
MODELS: tuple[Model, ...] = get_args(Model)
GAIN = {"large": 1.0, "tiny": 0.9}
"""As in benchmarks/peers/peer_lines.py, which made the golden data."""


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.fixture(autouse=True)
def _one_thread() -> Any:  # pyright: ignore[reportUnusedFunction]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


TRAINED = GOLDEN.parents[1] / "mlsd" / "mlsd.npz"


@pytest.mark.parametrize("model", MODELS)
def test_the_bundled_networks_answer_as_the_graphs_that_they_came_from(model: Model) -> None:
    """Probabilities to 1e-4, ends of lines to a twentieth of a pixel of the picture."""
    with np.load(TRAINED) as arrays:
        places, scores, ends = (arrays[f"{model}_{name}"] for name in ("places", "scores", "ends"))
    net = cache.load_network(WEIGHTS[model], mlsd.BUILD_ORIGINAL[model], Placement(), mlsd.make_converter(model, "x"))
    output = net(torch.from_numpy(photograph("camera")).permute(0, 3, 1, 2).float())[0].numpy()
    rows, columns = places.T
    assert len(places) > 60
    assert np.abs(1 / (1 + np.exp(-output[0, rows, columns])) - scores).max() <= 1e-4
    assert np.abs(output[1:, rows, columns].T - ends).max() <= 0.025


@pytest.mark.parametrize("model", MODELS)
def test_lines_lie_on_the_edges_of_boxes_and_the_original_s_closer(model: Model) -> None:
    scenes = [render_boxes(seed) for seed in range(2)]
    errors: dict[bool, float] = {}
    for original in (False, True):
        found = [mlsd.detect_segments(s.picture[None], model, 0.1, 0.1, Placement(), original=original) for s in scenes]
        scores = [score_lines(lines, scene.lines) for (lines,), scene in zip(found, scenes, strict=True)]
        assert min(score.recall for score in scores) >= 0.95
        assert max(abs(shift) for score in scores for shift in score.shift) <= 0.5
        errors[original] = float(np.mean([score.error for score in scores]))
    assert errors[False] <= 3
    assert errors[True] <= 1
    assert errors[True] < errors[False] / 2


def test_bfloat16_finds_other_lines_and_is_not_the_default() -> None:
    """One line in seven is another or ends more than a pixel elsewhere, so float32 stays the default."""
    picture = photograph("astronaut", 320)  # CPUs without bfloat16 emulate it
    (exact,) = mlsd.detect_segments(picture, "large", 0.1, 0.1, Placement())
    (short,) = mlsd.detect_segments(picture, "large", 0.1, 0.1, Placement(dtype="bfloat16"))
    apart = np.abs(exact[:, None] - short[None]).max(axis=-1).min(axis=1)
    assert 0.7 <= (apart <= 1.5).mean() < 1
    assert not Mlsd.spec.bf16


@pytest.mark.parametrize("upsampling", ["port", "original"])
def test_the_trained_network_draws_a_photograph_without_a_download(upsampling: str) -> None:
    result = Mlsd.create(Mlsd.params(upsampling=upsampling), device="cpu")(photograph("camera"), resolution=0)
    assert 0.005 < (result.images > 0).mean() < 0.05
    assert result.notes == ()


def test_the_port_s_files_can_be_chosen() -> None:
    assert Mlsd.weights_for(Mlsd.params(checkpoint="controlnet")) == (CONTROLNET["large"],)


def published(keys: NDArray[np.uint8]) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the reference implementation."""
    rows = (line.split(" ") for line in keys.tobytes().decode().splitlines())
    return {name: tuple(map(int, shape)) for name, *shape in rows}


def saved(folder: Path, patch: pytest.MonkeyPatch, content: Any) -> Weight:
    """Record of a pickled checkpoint that lies where a user put it."""
    patch.setattr(store, "get_store", lambda: store.Store(folder / "cache"))
    patch.setattr(cache, "get_store", store.get_store)
    mine = folder / "mine"
    mine.mkdir(exist_ok=True)
    patch.setenv("UNDERDRAWING_WEIGHTS", str(mine))
    path = mine / "mlsd_large_512_fp32.pth"
    torch.save(content, path)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return Weight(repo="a/b", file=path.name, sha256=digest, size=len(data), licence="none", commercial=True)


def loaded(model: Model, weight: Weight, placement: Placement | None = None) -> cache.Network:
    return cache.load_network(
        weight, mlsd.BUILD[model], placement or Placement(), mlsd.make_converter(model, weight.id)
    )


@pytest.mark.parametrize("model", MODELS)
def test_keys_are_the_published_ones(golden: dict[str, NDArray[Any]], model: Model) -> None:
    assert mlsd.official_shapes(model) == published(golden[f"keys_{model}"])


@pytest.mark.parametrize("model", MODELS)
def test_output_and_segments_equal_the_peers(
    golden: dict[str, NDArray[Any]], model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within 1e-5 of the outputs' spread, and of the picture's pixels 1e-3."""
    weight = saved(tmp_path, monkeypatch, tensors(mlsd.official_shapes(model), gain=GAIN[model]))
    monkeypatch.setitem(mlsd.WEIGHTS, model, weight)
    image, expected = golden["image"], golden[f"output_{model}"]
    output = loaded(model, weight)(torch.from_numpy(image).permute(2, 0, 1)[None].float())[0].numpy()
    assert expected.std() > 2
    assert np.abs(output - expected).max() <= 1e-5 * (expected.max() - expected.min())
    (found,) = mlsd.detect_segments(image[None], model, 0.1, 0.1, Placement())
    wanted = golden[f"segments_{model}"]
    assert len(wanted) > 20
    assert np.abs(by_place(found) - by_place(wanted)).max() <= 1e-3


def by_place(lines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows in one order; equal scores may come in any."""
    return lines[np.lexsort(np.round(lines, 1).T)]


@pytest.mark.parametrize("count", synthetic.COUNTS)
def test_the_decoder_finds_exactly_the_peers_lines(golden: dict[str, NDArray[Any]], count: int) -> None:
    output = synthetic.output(count)
    (found,) = mlsd_lines.decode_segments(torch.from_numpy(output)[None], 0.1, 2.0)
    assert np.array_equal(found, golden[f"lines_{count}"])
    assert len(found) == (count if count <= 200 else 200 - len(range(3, 200, 7)))


def test_of_a_batch_each_picture_has_its_own_lines() -> None:
    outputs = torch.stack([torch.from_numpy(synthetic.output(count)) for count in synthetic.COUNTS])
    together = mlsd_lines.decode_segments(outputs, 0.1, 2.0)
    for output, lines in zip(outputs, together, strict=True):
        assert np.array_equal(mlsd_lines.decode_segments(output[None], 0.1, 2.0)[0], lines)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (5, 3)])
def test_fewer_pixels_than_lines(height: int, width: int) -> None:
    output = torch.zeros(1, 5, height, width)
    output[0, 0, 0, 0] = 3
    output[0, 3:, 0, 0] = 4
    (found,) = mlsd_lines.decode_segments(output, 0.6, 0.1)
    assert found.tolist() == [[0, 0, 8, 8]]


def test_thresholds_are_exceeded_and_not_met() -> None:
    output = torch.full((1, 5, 8, 8), -9.0)
    output[0, 0, 4, 4] = 0  # probability 0.5
    output[0, 1:, 4, 4] = torch.tensor((-1.0, 0.0, 2.0, 4.0))  # length 5
    for score, distance, count in ((0.49, 4.99, 1), (0.5, 4.99, 0), (0.49, 5.0, 0), (2.0, 0.1, 0)):
        assert len(mlsd_lines.decode_segments(output, score, distance)[0]) == count


def test_neighbours_of_a_surer_centre_are_not_lines() -> None:
    output = torch.full((1, 5, 9, 9), -9.0)
    output[0, 1:3], output[0, 3:5] = -3, 3
    output[0, 0, 3:6, 3:6] = torch.tensor([[1.0, 1.5, 1.2], [0.5, 2.0, 1.9], [0.1, 0.2, 0.3]])
    output[0, 0, 8, 8] = 0.5
    (found,) = mlsd_lines.decode_segments(output, 0.1, 0.1)
    assert found.tolist() == [[2, 2, 14, 14], [10, 10, 22, 22]]


def test_what_is_no_number_is_no_line() -> None:
    output = torch.full((1, 5, 9, 9), -9.0)
    output[0, 0, 1, 1], output[0, 1:, 1, 1] = 3, torch.inf
    output[0, 0, 5, 5], output[0, 1:, 5, 5] = 3, torch.nan
    assert len(mlsd_lines.decode_segments(output, 0.1, 0.1)[0]) == 0


def test_lines_are_drawn_a_pixel_wide_and_cut_off_at_the_border() -> None:
    lines = np.array([[2.9, 3.9, 6.1, 3.2], [-5.0, 8.0, 40.0, 8.0]])
    drawn = mlsd_lines.draw_segments(lines, mlsd.Size(10, 12))
    expected = np.zeros((10, 12), np.uint8)
    expected[3, 2:7] = expected[8] = 255
    assert np.array_equal(drawn, expected)


def test_a_picture_without_a_line_is_black_and_said_so() -> None:
    with pytest.MonkeyPatch.context() as patch, stand_in(patch):
        made = Mlsd.create(Mlsd.params(score_threshold=1.0), device="cpu")
        result = made(np.stack([photo(64, 96), flat(64, 96, 90)]), resolution=0)
    assert not result.images.any()
    assert result.notes == ("no line was found in picture 1, 2: the map is black",)


def test_lines_make_a_binary_map_without_a_note() -> None:
    with pytest.MonkeyPatch.context() as patch, stand_in(patch):
        result = Mlsd.create(Mlsd.params(), device="cpu")(photo(70, 96)[None], resolution=0)
    assert set(np.unique(result.images).tolist()) == {0, 255}
    assert result.notes == ()


@pytest.mark.parametrize("model", MODELS)
def test_bands_change_nothing(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    module = mlsd.BUILD[model]({}).eval()
    module.load_state_dict(tensors({name: tuple(value.shape) for name, value in module.state_dict().items()}))
    x = torch.from_numpy(photo(448, 64)).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        whole = module(x)
        monkeypatch.setattr(row_tiling, "TILE_BYTES", 1)
        assert (module(x) - whole).abs().max() <= 1e-5 * (whole.max() - whole.min())


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_official_form_loads_from_a_pickle(wrapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {name: value.half() for name, value in tensors(mlsd.official_shapes("large")).items()}
    weight = saved(tmp_path, monkeypatch, {"state_dict": table} if wrapped else table)
    assert loaded("large", weight)(torch.zeros(1, 3, 64, 96)).shape == (1, 5, 32, 48)


@pytest.mark.parametrize("fault", ["missing", "unexpected", "mis-shaped"])
@pytest.mark.parametrize(
    "key", ["block15.conv1.1.running_mean", "block23.conv3.weight", "backbone.features.0.0.weight"]
)
def test_a_file_that_does_not_fit_is_refused(
    fault: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tensors(mlsd.official_shapes("large"))
    if fault == "missing":
        del table[key]
    elif fault == "unexpected":
        table[f"{key}.more"] = torch.zeros(1)
    else:
        table[key] = table[key][:1]
    with pytest.raises(BadWeights, match=f"1 {fault}: {key}"):
        loaded("large", saved(tmp_path, monkeypatch, table))


def test_the_other_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadWeights, match="missing"):
        loaded("large", saved(tmp_path, monkeypatch, tensors(mlsd.official_shapes("tiny"))))


def test_names_of_existing_workflows() -> None:
    for name in ("mlsd", "M-LSDPreprocessor", "MLSDdetector"):
        found = registry.resolve(name)
        params = Mlsd.params(**found.presets)
        assert found.annotator is Mlsd
        assert (params.model, params.score_threshold, params.distance_threshold) == ("large", 0.1, 0.1)
        assert Mlsd.weights_for(params) == (WEIGHTS["large"],)
