"""The line networks against controlnet-aux and the ComfyUI pack on the same random weights; names, files, geometry."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.golden.lineart.weights import weights
from tests.support import light_lineart
from tests.support.random_weights import fill
from tests.support.similarity import NAMES, photograph, ssim

from underdrawing.core.errors import BadWeights
from underdrawing.core.networks import cache
from underdrawing.core.networks.openvino import OpenVinoNetwork
from underdrawing.core.networks.placement import Placement
from underdrawing.core.weights import store
from underdrawing.core.weights.record import Weight
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.layers import norms
from underdrawing.preprocessors.maps import anyline, edges
from underdrawing.preprocessors.nets import lineart, lineart_anime, manga_line, teed
from underdrawing.preprocessors.weights.lineart_files import ANIME, LINEART, MANGA
from underdrawing.preprocessors.weights.teed_files import MTEED, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from underdrawing.core.annotator import Annotator, ControlMap

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "lineart" / "lineart.npz"
NETWORKS: dict[str, Any] = {"lineart": lineart, "anime": lineart_anime, "manga": manga_line, "teed": teed}
OWNERS = {
    **{weight.id: "lineart" for weight in LINEART.values()},
    **{weight.id: "teed" for weight in (*WEIGHTS.values(), MTEED)},
    ANIME.id: "anime",
    MANGA.id: "manga",
}
"""Weight -> whose random tensors stand for it."""


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def shapes(golden: dict[str, NDArray[Any]], name: str) -> dict[str, tuple[int, ...]]:
    """Official keys and shapes of a network."""
    table = golden[f"{name}_shapes"].tolist()
    return {str(key): tuple(n for n in shape if n) for key, shape in zip(golden[f"{name}_keys"], table, strict=True)}


def official(golden: dict[str, NDArray[Any]], name: str) -> dict[str, torch.Tensor]:
    made = weights(name, shapes(golden, name))
    prefix = "module." if name in ("anime", "manga") else ""
    return {prefix + key: tensor for key, tensor in made.items()}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", autouse=True)
def _random_weights(golden: dict[str, NDArray[Any]]) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Let every record mean a file with random tensors under the official keys."""

    opened, required = store.Store.read_tensors, store.Store.require
    known: dict[str, dict[str, torch.Tensor]] = {}  # networks are built of copies; a hundred million numbers take long

    def require(self: Any, weight: Weight, progress: Any = None) -> Path:
        return Path("random") if weight.id in OWNERS else required(self, weight, progress)

    def tensors(self: Any, weight: Weight) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
        if weight.id not in OWNERS:
            return opened(self, weight)
        name = OWNERS[weight.id]
        if name not in known:
            known[name] = official(golden, name)
        return dict(known[name]), {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store.Store, "require", require)
        patch.setattr(store.Store, "read_tensors", tensors)
        cache.unload()
        yield
    cache.unload()


def run(name: str, image: NDArray[np.uint8], dtype: str = "float32", **params: Any) -> ControlMap:
    found = registry.resolve(name)
    made: Annotator[Any] = found.annotator.create(found.annotator.params(**params), device="cpu", dtype=dtype)
    return made(image, resolution=0)


def values(result: ControlMap) -> NDArray[np.float32]:
    assert result.values is not None
    return result.values[0]


# Against the others.


def test_lineart_equals_the_peers(golden: dict[str, NDArray[Any]]) -> None:
    result = run("lineart", golden["image"][None])
    assert np.abs(1 - values(result) - golden["lineart"] / 65535).max() <= 2e-5
    assert (result.images[0] != golden["lineart_map"][..., None]).mean() <= 0.001


def test_anime_network_equals_the_peers(golden: dict[str, NDArray[Any]]) -> None:
    stretched = lineart_anime._resize(golden["image"][None], lineart_anime.Size(256, 256))
    drawn = lineart_anime.draw_lines(stretched, "stretch", Placement())
    assert np.abs(drawn[0, ::3, ::3] - golden["anime"] / 65535).max() <= 2e-5


def test_anime_map_equals_the_peers(golden: dict[str, NDArray[Any]]) -> None:
    result = run("lineart_anime", golden["image"][None])
    assert (result.images[0] != golden["anime_map"][..., None]).mean() <= 0.001


def test_manga_equals_the_original(golden: dict[str, NDArray[Any]]) -> None:
    result = run("lineart_manga", golden["image"][None])
    drawn = golden["manga"]
    assert np.abs(values(result) - np.clip(1 - drawn / 255, 0, 1)).max() <= 2e-5
    assert (result.images[0] != np.clip(255 - drawn, 0, 255).astype(np.uint8)[..., None]).mean() <= 0.001


def test_teed_equals_the_peers(golden: dict[str, NDArray[Any]]) -> None:
    for model in ("default", "controlnet_aux"):
        assert np.abs(values(run("teed", golden["image"][None], model=model)) - golden["teed"] / 65535).max() <= 2e-5


@pytest.mark.parametrize("steps", [0, 2, 5])
def test_teed_map_equals_the_peers(golden: dict[str, NDArray[Any]], steps: int) -> None:
    images = run("teed", golden["image"][None], safe_steps=steps).images[0]
    assert (images != golden[f"teed_map_{steps}"][..., None]).mean() <= 0.001
    assert steps == 0 or len(np.unique(images)) == steps + 1


@pytest.mark.parametrize(("number", "low", "high", "smallest", "connectivity"), [
    (0, 0.0, 1.0, 36, 1),
    (1, 0.1, 0.7, 36, 1),
    (2, 0.0, 1.0, 100, 1),
    (3, 0.05, 1.0, 100, 2),
])  # fmt: skip
def test_anyline_equals_the_original(
    golden: dict[str, NDArray[Any]], number: int, low: float, high: float, smallest: int, connectivity: int
) -> None:
    chosen: dict[str, Any] = {
        "lower_bound": low,
        "upper_bound": high,
        "object_min_size": smallest,
        "object_connectivity": connectivity,
    }
    result = run("anyline", golden["image"][None], **chosen)
    away = np.abs(values(result) - golden[f"anyline_{number}"] / 65535)
    assert (away > 2e-5).mean() <= 0.001  # where a probability lies within rounding of a safe step
    assert np.abs(result.images[0, ..., 0] / 255 - values(result)).max() <= 0.5 / 255 + 1e-6


def test_the_anyline_blends_of_the_golden_data_differ(golden: dict[str, NDArray[Any]]) -> None:
    blends = [golden[f"anyline_{n}"] for n in range(4)]
    assert all((one != other).mean() > 0.01 for i, one in enumerate(blends) for other in blends[:i])


@pytest.mark.parametrize("merge", ["lineart", "lineart_anime", "lineart_manga"])
def test_anyline_takes_the_lines_of_the_other_annotators(golden: dict[str, NDArray[Any]], merge: str) -> None:
    image = golden["image"][None]
    lines = run(merge, image).images[0, ..., 0] / 255
    soft = run("teed", image).images[0, ..., 0] / 255  # the same random weights
    blend = values(run("anyline", image, merge_with=merge, object_min_size=1))
    assert np.abs(blend - (1 - (1 - soft) * (1 - lines))).max() <= 1e-6
    assert 0.1 < lines.mean() < 0.9


@pytest.mark.parametrize(
    ("annotator", "name"),
    [("lineart", NAMES[0]), ("lineart", NAMES[1]), ("lineart_manga", NAMES[1]), ("lineart_anime", NAMES[0])],
)
def test_bfloat16_leaves_the_map_unchanged(annotator: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown for random weights only; a norm at every convolution keeps errors from growing."""
    photo = photograph(name, 96)  # bfloat16 is slow without hardware for it
    if annotator == "lineart_anime":  # every layer of it, with fewer channels: the mean of many hides more of an error
        narrow = fill(light_lineart.anime({})).state_dict()

        def read(self: Any, weight: Weight) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
            return dict(narrow), {}

        monkeypatch.setattr(lineart_anime, "build", light_lineart.anime)
        monkeypatch.setattr(store.Store, "read_tensors", read)
    full, short = (run(annotator, photo, dtype).images[0, ..., 0] for dtype in ("float32", "bfloat16"))
    assert full.std() > 20
    assert ssim(full, short) >= 0.99


# Norms, activations and folds.


def test_instance_norm_keeps_its_digits_far_from_zero() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(2, 24, 90, 130, generator=generator) + torch.arange(24.0).view(1, -1, 1, 1) * 4
    exact = torch.nn.functional.instance_norm(x.double())
    with torch.inference_mode():
        ours = norms.apply_instance_norm(x.clone().to(memory_format=torch.channels_last))
        relu = norms.apply_instance_norm(x.clone().to(memory_format=torch.channels_last), 0)
    assert float((ours - exact).abs().max()) <= 1e-4
    assert float((relu - exact.clamp_min(0)).abs().max()) <= 1e-4
    grouped = torch.nn.functional.group_norm(x.to(memory_format=torch.channels_last), 24)
    assert float((grouped - exact).abs().max()) > 1e-3, "torch's group norm could be used after all"


@settings(max_examples=30, deadline=None)
@given(st.floats(-60, 60, width=32), st.booleans())
def test_smish_is_the_published_function(number: float, last: bool) -> None:
    x = torch.full((1, 3, 2, 4), number)
    expected = x.double() * torch.tanh(torch.log(1 + torch.sigmoid(x.double())))
    given = x.clone().to(memory_format=torch.channels_last if last else torch.contiguous_format)
    assert torch.allclose(teed.apply_smish(given).double(), expected, rtol=1e-5, atol=1e-7)


# Specks.


def test_specks_are_counted_in_three_channels_as_the_original_does() -> None:
    lines = np.zeros((1, 20, 40), np.float32)
    lines[0, 2, 2:13] = 0.5  # 11 pixels, 33 in three channels
    lines[0, 6, 2:14] = 0.5  # 12 pixels, 36
    for i in range(12):
        lines[0, 8 + i, 20 + i] = 0.5  # a diagonal
    sideways, diagonally = (anyline.filter_lines(lines, (0, 1), 36, connectivity)[0] > 0 for connectivity in (1, 2))
    assert sideways.sum() == 12
    assert sideways[6].sum() == 12
    assert diagonally.sum() == 24


# Geometry.


@pytest.mark.parametrize("size", [(64, 128), (70, 130), (8, 300)])
def test_lineart_sees_no_more_padding_than_it_needs(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    whole = lineart.Generator.forward

    def watched(self: lineart.Generator, x: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(x.shape))
        return whole(self, x)

    monkeypatch.setattr(lineart.Generator, "forward", watched)
    run("lineart", np.zeros((1, *size, 3), np.uint8))
    assert seen == [(1, 3, -(-size[0] // 4) * 4, -(-size[1] // 4) * 4)]


def test_the_anime_map_lies_on_the_picture_either_way() -> None:
    """A picture of 200 x 300 gives what the network drew, brought back corner on corner or cropped."""
    photo = photograph("astronaut", 300)[:, :200]
    stretched = lineart_anime._resize(photo, lineart_anime.Size(256, 512))
    drawn = lineart_anime.draw_lines(stretched, "stretch", Placement())
    back = lineart_anime._resize(drawn, lineart_anime.Size(200, 300))
    assert np.abs(lineart_anime.draw_lines(photo, "stretch", Placement()) - back.clip(0, 1)).max() == 0
    padded = np.pad(photo, ((0, 0), (0, 56), (0, 212), (0, 0)), mode="edge")
    whole = lineart_anime.draw_lines(padded, "pad", Placement())
    assert np.array_equal(lineart_anime.draw_lines(photo, "pad", Placement()), whole[:, :200, :300])
    assert not np.array_equal(back, whole[:, :200, :300])


# Names.


@pytest.mark.parametrize(("name", "annotator", "presets"), [
    ("lineart", "lineart", {}),
    ("lineart_realistic", "lineart", {}),
    ("lineart_coarse", "lineart", {"coarse": True}),
    ("LineArtPreprocessor", "lineart", {}),
    ("lineart_anime", "lineart_anime", {}),
    ("AnimeLineArtPreprocessor", "lineart_anime", {}),
    ("lineart_anime_denoise", "lineart_manga", {}),
    ("Manga2Anime_LineArt_Preprocessor", "lineart_manga", {}),
    ("softedge_teed", "teed", {}),
    ("TEEDPreprocessor", "teed", {}),
    ("TEEDdetector", "teed", {"model": "controlnet_aux"}),
    ("softedge_anyline", "anyline", {}),
    ("AnyLineArtPreprocessor_aux", "anyline", {}),
])  # fmt: skip
def test_names_of_existing_workflows(name: str, annotator: str, presets: dict[str, Any]) -> None:
    found = registry.resolve(name)
    assert (found.annotator.spec.id, found.presets) == (annotator, presets)


def test_anyline_widgets_keep_the_misspelt_choice() -> None:
    aliases = {alias.name: alias for alias in registry.resolve("anyline").annotator.spec.aliases}
    merge, *_, connectivity = aliases["AnyLineArtPreprocessor_aux"].widgets
    assert merge.values("lineart_realisitic") == {"merge_with": "lineart"}
    assert connectivity.values(3) == {"object_connectivity": 2}


# Files.


@pytest.mark.parametrize("name", list(NETWORKS))
@pytest.mark.parametrize("fault", ["missing", "unexpected", "mis-shaped"])
def test_a_file_that_does_not_fit_is_refused(golden: dict[str, NDArray[Any]], name: str, fault: str) -> None:
    table = {key: torch.empty(shape, device="meta") for key, shape in shapes(golden, name).items()}
    last = next(key for key in reversed(table) if key.endswith("bias") and ".residual." not in key)
    if fault == "missing":
        del table[last]
    elif fault == "unexpected":
        table["fuse.weight"] = torch.zeros(1)
    else:
        table[last] = torch.zeros(7)
    convert = getattr(NETWORKS[name], "convert", dict)
    with torch.device("meta"):
        module = NETWORKS[name].build({})
    found, expected = (cache._list_shapes(one) for one in (convert(table), module.state_dict()))
    with pytest.raises(BadWeights, match=fault):
        cache.check_shapes(expected, found, name)


@pytest.mark.parametrize("part", ["weight", "bias", "running_mean", "running_var"])
def test_a_batch_norm_that_lacks_a_part_is_not_folded(golden: dict[str, NDArray[Any]], part: str) -> None:
    table = {key: torch.empty(shape, device="meta") for key, shape in shapes(golden, "manga").items()}
    lost = f"block3.model.2.residual.model.0.{part}"
    del table[lost]
    with torch.device("meta"):
        module = manga_line.build({})
    found, expected = (cache._list_shapes(one) for one in (manga_line.convert(table), module.state_dict()))
    with pytest.raises(BadWeights, match="unexpected"):
        cache.check_shapes(expected, found, "manga")


def test_numbers_of_tensors_are_the_published_ones(golden: dict[str, NDArray[Any]]) -> None:
    counts = {name: (len(shapes(golden, name)), _numbers(shapes(golden, name))) for name in NETWORKS}
    assert counts["lineart"] == (24, 4_290_945)
    assert counts["anime"] == (32, 54_405_505)
    assert counts["manga"][0] == 707
    assert counts["teed"] == (36, 58_910)


def _numbers(table: dict[str, tuple[int, ...]]) -> int:
    return sum(int(np.prod(shape)) for shape in table.values())


@pytest.mark.parametrize("name", ["lineart", "teed"])
def test_a_pickled_file_loads_strictly(
    golden: dict[str, NDArray[Any]], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "get_store", lambda: store.Store(tmp_path / "cache"))
    monkeypatch.setattr(cache, "get_store", store.get_store)
    monkeypatch.setenv("UNDERDRAWING_WEIGHTS", str(tmp_path))
    tensors = {key: tensor.half() for key, tensor in official(golden, name).items()}
    path = tmp_path / "mine.pth"
    torch.save(tensors, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    size = path.stat().st_size
    record = Weight(repo="a/b", file=path.name, sha256=digest, size=size, licence="none", commercial=True)
    loaded = cache.load_network(record, NETWORKS[name].build, Placement()).module.state_dict()
    assert {key: tuple(value.shape) for key, value in loaded.items()} == shapes(golden, name)
    assert all(torch.equal(loaded[key], tensor.float()) for key, tensor in tensors.items())


def test_inverting_cuts_off_before_it_inverts() -> None:
    assert edges.invert_drawing(np.array([[0, 0.5, 0.9999, 1]], np.float32)).tolist() == [[255, 128, 1, 0]]


# OpenVINO.


@pytest.mark.parametrize(("module", "shape"), [
    (lineart.build({}), (3, 72, 88)),
    (light_lineart.anime({}), (3, 256, 512)),
    (light_lineart.manga({}), (1, 80, 96)),
    (teed.build({}), (3, 72, 88)),
], ids=["lineart", "anime", "manga", "teed"])  # fmt: skip
def test_openvino_computes_the_same(module: torch.nn.Module, shape: tuple[int, ...]) -> None:
    """Of pictures whose size is not the one the network was traced with."""
    pytest.importorskip("openvino")
    generator = torch.Generator().manual_seed(2)
    x = torch.randint(0, 256, (1, *shape), generator=generator).float()
    filled = fill(module).eval()
    with torch.inference_mode():
        expected = filled(x)
    found = OpenVinoNetwork(filled, Placement(backend="openvino"))(x)
    assert float(expected.std()) > 0.01
    assert float((found - expected).abs().max()) <= 1e-3 * float(expected.abs().max())
