"""PiDiNet, its scribbles and its sketches against controlnet-aux on the same random weights, and its file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.support.pictures import photo
from tests.support.random_weights import tensors
from tests.support.similarity import NAMES, photograph, ssim
from torch.nn import functional as F

from underdrawing.core.errors import BadWeights
from underdrawing.core.networks import cache
from underdrawing.core.networks.placement import Placement
from underdrawing.core.weights import store
from underdrawing.core.weights.record import Weight
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.layers import row_tiling
from underdrawing.preprocessors.maps import edges
from underdrawing.preprocessors.nets import pidinet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "lines" / "lines.npz"
GAIN = 0.85
"""As in benchmarks/peers/peer_lines.py, which made the golden data."""


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def saved(folder: Path, patch: pytest.MonkeyPatch, table: dict[str, torch.Tensor]) -> Weight:
    """Record of a checkpoint as the authors saved theirs, lying where a user put it."""
    patch.setattr(store, "get_store", lambda: store.Store(folder / "cache"))
    patch.setattr(cache, "get_store", store.get_store)
    mine = folder / "mine"
    mine.mkdir()
    patch.setenv("UNDERDRAWING_WEIGHTS", str(mine))
    path = mine / "table5_pidinet.pth"
    torch.save({"epoch": 19, "state_dict": {f"module.{name}": value for name, value in table.items()}}, path)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return Weight(repo="a/b", file=path.name, sha256=digest, size=len(data), licence="none", commercial=False)


def loaded(weight: Weight) -> cache.Network:
    return cache.load_network(weight, pidinet.build, Placement(), pidinet.convert)


@pytest.fixture
def random_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weight:
    """Let the annotators run on the weights of the golden data."""
    weight = saved(tmp_path, monkeypatch, tensors(pidinet.official_shapes(), gain=GAIN))
    monkeypatch.setattr(pidinet, "WEIGHT", weight)
    require = store.Store.require

    def redirected(self: store.Store, asked: Weight, progress: Any = None) -> Path:
        return require(self, weight, progress)

    monkeypatch.setattr(store.Store, "require", redirected)
    return weight


def run(name: str, image: NDArray[np.uint8], **params: Any) -> Any:
    annotator = registry.resolve(name).annotator
    return annotator.create(annotator.params(**params), device="cpu", dtype="float32")(image[None], resolution=0)


def test_keys_are_the_published_ones(golden: dict[str, NDArray[Any]]) -> None:
    rows = (line.split(" ") for line in golden["keys_pidinet"].tobytes().decode().splitlines())
    assert pidinet.official_shapes() == {name: tuple(map(int, shape)) for name, *shape in rows}


@pytest.mark.usefixtures("random_file")
def test_probability_equals_the_peers(golden: dict[str, NDArray[Any]]) -> None:
    values = run("pidinet", golden["image"]).values[0]
    assert golden["probability"].std() > 0.1
    assert np.abs(values - golden["probability"]).max() <= 1e-4


@pytest.mark.usefixtures("random_file")
@pytest.mark.parametrize(("annotator", "params", "name"), [
    ("pidinet", {}, "edges"),
    ("pidinet", {"safe": True}, "safe"),
    ("sketch_pidinet", {}, "sketch"),
    ("scribble_pidinet", {}, "scribble"),
])  # fmt: skip
def test_maps_equal_the_peers(
    golden: dict[str, NDArray[Any]], annotator: str, params: dict[str, Any], name: str
) -> None:
    images = run(annotator, golden["image"], **params).images[0]
    assert (images != golden[name][..., None]).mean() <= 0.001  # within rounding of a level is either side of it
    assert golden[name].std() > 25


@pytest.mark.usefixtures("random_file")
def test_parity_quantises_and_draws_twice(golden: dict[str, NDArray[Any]]) -> None:
    images = run("scribble_pidinet", golden["image"], reference_compat=True).images[0]
    once = edges.draw_scribble(golden["safe"])
    assert (images != edges.draw_scribble(once)[..., None]).mean() <= 0.001
    assert (once != edges.draw_scribble(once)).any()


def reference(x: torch.Tensor, kernel: torch.Tensor, kind: str) -> torch.Tensor:
    """A difference convolution per channel as the paper writes it: weights on differences of pixels."""
    offsets = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    ring = [0, 1, 2, 5, 8, 7, 6, 3]  # clockwise from the top left
    wide = F.pad(x, (2, 2, 2, 2))
    height, width = x.shape[2:]

    def at(dy: int, dx: int) -> torch.Tensor:
        return wide[:, :, 2 + dy : 2 + dy + height, 2 + dx : 2 + dx + width]

    total = torch.zeros_like(x)
    for index, (dy, dx) in enumerate(offsets):
        weight = kernel[:, 0, index // 3, index % 3][None, :, None, None]
        if kind == "plain":
            total += weight * at(dy, dx)
        elif kind == "central":
            total += weight * (at(dy, dx) - at(0, 0))
        elif kind == "angular" and index != 4:
            total += weight * (at(dy, dx) - at(*offsets[ring[(ring.index(index) + 1) % 8]]))
        elif kind == "radial" and index:
            outer = [(-2, -2), (-2, 0), (-2, 2), (0, -2), (0, 2), (2, -2), (2, 0), (2, 2)][index - 1]
            total += weight * (at(*outer) - at(outer[0] // 2, outer[1] // 2))
    return total


@pytest.mark.parametrize("kind", pidinet.KINDS)
def test_a_folded_kernel_weighs_differences(kind: str) -> None:
    torch.manual_seed(3)
    x, kernel = torch.randn(1, 4, 9, 11), torch.randn(4, 1, 3, 3)
    before = kernel.clone()
    folded = pidinet.plain_kernel(kernel, kind)
    found = F.conv2d(x, folded, padding=folded.shape[2] // 2, groups=4)
    assert torch.allclose(found, reference(x, kernel, kind), atol=1e-5)
    assert torch.equal(kernel, before)


def test_a_grey_level_leaves_no_trace_in_bfloat16() -> None:
    """Differences do not see brightness, even where the kernels are rounded to eight bits."""
    kernel = pidinet.plain_kernel(torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(1)), "central") / 255
    stem = pidinet.Stem(8)
    stem.load_state_dict({"weight": pidinet.Stem.split(kernel)})
    seen = stem.bfloat16()(torch.full((1, 3, 16, 16), 255.0).bfloat16())[:, :, 1:-1, 1:-1]
    assert seen.abs().max() <= 1e-3
    rounded = F.conv2d(torch.full((1, 3, 8, 8), 255.0), kernel.bfloat16().float())
    assert rounded.abs().max() > 3e-3


@pytest.mark.parametrize("photo_name", NAMES)
@pytest.mark.parametrize(("name", "params"), [("pidinet", {}), ("pidinet", {"safe": True}), ("sketch_pidinet", {})])
def test_bfloat16_leaves_the_map_unchanged(name: str, params: dict[str, Any], photo_name: str) -> None:
    """Asked of the trained weights, where they are on this machine: random ones amplify any rounding."""
    kind = registry.resolve(name).annotator
    if any(store.get_store().find(weight) is None for weight in kind.spec.weights):
        pytest.skip("needs table5_pidinet.pth")
    maps = [
        kind.create(kind.params(**params), device="cpu", dtype=dtype)(photograph(photo_name)).images[0, ..., 0]
        for dtype in ("float32", "bfloat16")
    ]
    assert ssim(*maps) >= 0.99


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    network = pidinet.build({}).eval()
    network.load_state_dict(pidinet.convert(tensors(pidinet.official_shapes(), gain=GAIN)))
    x = torch.from_numpy(photo(448, 64)).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        whole = network(x)
        monkeypatch.setattr(row_tiling, "TILE_BYTES", 1)
        assert (network(x) - whole).abs().max() <= 1e-5
        assert whole.std() > 0.05


def test_both_ways_to_add_a_pointwise_convolution_agree() -> None:
    torch.manual_seed(5)
    x, seen, conv = torch.randn(2, 16, 7, 5), torch.randn(2, 32, 7, 5), torch.nn.Conv2d(32, 16, 1, bias=False)
    lying = [one.contiguous(memory_format=torch.channels_last) for one in (x, seen)]
    with torch.inference_mode():
        expected = conv(seen) + x
        assert torch.allclose(pidinet.add_pointwise(x.clone(), seen, conv), expected, atol=1e-5)
        assert torch.allclose(pidinet.add_pointwise(lying[0], lying[1], conv), expected, atol=1e-5)
        assert torch.equal(lying[0], pidinet.add_pointwise(lying[0], torch.zeros_like(lying[1]), conv))


@pytest.mark.parametrize("fault", ["missing", "unexpected", "mis-shaped"])
@pytest.mark.parametrize("key", ["block1_2.conv1.weight", "conv_reduces.3.conv.bias", "classifier.weight"])
def test_a_file_that_does_not_fit_is_refused(
    fault: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tensors(pidinet.official_shapes())
    if fault == "missing":
        del table[key]
    elif fault == "unexpected":
        table[f"{key}.more"] = torch.zeros(1)
    else:
        table[key] = table[key][..., None]
    with pytest.raises(BadWeights, match=f"1 {fault}: {key}"):
        loaded(saved(tmp_path, monkeypatch, table))


def test_half_precision_files_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {name: value.half() for name, value in tensors(pidinet.official_shapes()).items()}
    assert loaded(saved(tmp_path, monkeypatch, table))(torch.zeros(1, 3, 40, 50)).shape == (1, 40, 50)


@pytest.mark.parametrize(("name", "annotator", "presets"), [
    ("softedge_pidinet", "pidinet", {}),
    ("pidinet_safe", "pidinet", {"safe": True}),
    ("softedge_pidisafe", "pidinet", {"safe": True}),
    ("softedge_pidsafe", "pidinet", {"safe": True}),
    ("PiDiNetPreprocessor", "pidinet", {"safe": True}),
    ("PidiNetDetector", "pidinet", {}),
    ("pidinet_scribble", "scribble_pidinet", {}),
    ("scribble_pidsafe", "scribble_pidinet", {}),
    ("Scribble_PiDiNet_Preprocessor", "scribble_pidinet", {}),
    ("pidinet_sketch", "sketch_pidinet", {}),
    ("t2ia_sketch_pidi", "sketch_pidinet", {}),
])  # fmt: skip
def test_names_of_existing_workflows(name: str, annotator: str, presets: dict[str, Any]) -> None:
    found = registry.resolve(name)
    assert (found.annotator.spec.id, found.presets) == (annotator, presets)
