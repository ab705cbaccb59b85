"""The depth networks against their authors' code, their files, and what OpenVINO makes of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import torch
from tests.support import light_depth, random_weights
from tests.support.depth_keys import HEADS, WIDTH, Shapes, hybrid, to_transformers, vit_small, whole_numbers, zoe
from tests.support.depth_reference import build_reference
from tests.support.similarity import photograph, ssim
from torch import nn
from torch.nn import functional as F

from underdrawing.core.errors import BadWeights
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks import cache as models
from underdrawing.core.networks.placement import Placement
from underdrawing.core.weights import store
from underdrawing.core.weights.record import Weight
from underdrawing.preprocessors.layers.imagenet import normalise
from underdrawing.preprocessors.layers.key_renaming import KeyRenaming
from underdrawing.preprocessors.maps import depth
from underdrawing.preprocessors.nets import depth_anything, dpt_hybrid, zoedepth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from underdrawing.preprocessors.layers.pretrained import Pretrained

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "depth" / "depth.npz"
TOLERANCE = 1e-4
"""Of the golden data's own span."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def golden() -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def narrow_hybrid() -> Any:
    """Configuration of the golden data's trunk."""
    config = dpt_hybrid.build_config()
    config.hidden_size, config.num_attention_heads, config.intermediate_size = WIDTH, HEADS, 4 * WIDTH
    return config


def narrow_zoe() -> Any:
    """Configuration of the golden data's trunk."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"WIDTH": WIDTH, "HEADS": HEADS, "BLOCKS": 4}.items():
            patch.setattr(zoedepth, name, value)
        return zoedepth.build_config("nyu")


@dataclass(frozen=True)
class Case:
    """A network: its official keys, how it is put together, and the bias that the golden data raised."""

    shapes: Callable[[], Shapes]
    load: Strict | Pretrained
    last: str = ""
    gain: float = 1.0
    extra: Callable[[], dict[str, torch.Tensor]] = dict[str, torch.Tensor]


class Strict(NamedTuple):
    """Puts one of our networks together from a file, as `load_network` does."""

    build: Callable[[dict[str, str]], nn.Module]
    convert: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]

    def __call__(self, tensors: dict[str, torch.Tensor], metadata: dict[str, str], where: str) -> nn.Module:
        converted, module = self.convert(tensors), self.build(metadata)
        models.check_shapes(models._list_shapes(module.state_dict()), models._list_shapes(converted), where)
        module.load_state_dict(converted)
        return module


def dav(version: int, model: str = "small") -> Strict:
    return Strict(depth_anything.Builder(version, model), depth_anything.convert)


LAST = "depth_head.scratch.output_conv2.2.bias"
CASES = {
    "depth_anything_1": Case(vit_small, dav(1), LAST),
    "depth_anything_2": Case(vit_small, dav(2), LAST),
    "dpt_hybrid": Case(
        hybrid, dpt_hybrid.RECIPES["original"]._replace(config=narrow_hybrid), "scratch.output_conv.4.bias"
    ),
    "zoedepth": Case(
        zoe, zoedepth.build_recipe("nyu", "original")._replace(config=narrow_zoe), gain=0.9, extra=whole_numbers
    ),
}


@cache
def made(shapes: Callable[[], Shapes], gain: float) -> dict[str, torch.Tensor]:
    return random_weights.tensors(shapes(), gain=gain)


def tensors(case: Case) -> dict[str, torch.Tensor]:
    """Official table of random weights, as the golden data's."""
    table = {**made(case.shapes, case.gain), **case.extra()}
    return {**table, case.last: table[case.last] + 10} if case.last else table


def pixels(name: str) -> torch.Tensor:
    """What the golden data's network was given."""
    image = golden()["picture"]
    if name.startswith("depth_anything"):
        return normalise(depth_anything._resize(image[None], depth_anything.compute_input_size(Size(90, 112), 70)))
    return torch.from_numpy(image[:64, :96].copy()).permute(2, 0, 1)[None] / 127.5 - 1


@pytest.mark.parametrize("name", CASES)
def test_network_equals_its_authors(name: str) -> None:
    module = CASES[name].load(tensors(CASES[name]), {}, name).eval()
    with torch.inference_mode():
        found = module(pixels(name))
    expected = golden()[name]
    assert tuple(found.shape) in ((1, *expected.shape), (1, 1, *expected.shape))
    error = np.abs(found.numpy().reshape(expected.shape) - expected).max()
    assert np.ptp(expected) > 0.1
    assert error <= TOLERANCE * np.ptp(expected)


def test_transformers_own_file_gives_the_same_network() -> None:
    case = CASES["depth_anything_2"]
    published = to_transformers(tensors(case))
    assert "backbone.encoder.layer.11.attention.attention.query.weight" in published
    module = dav(2)(published, {}, "x").eval()
    with torch.inference_mode():
        found = module(pixels("depth_anything_2"))[0].numpy()
    expected = golden()["depth_anything_2"]
    assert np.abs(found - expected).max() <= TOLERANCE * np.ptp(expected)


def test_metric_models_give_metres() -> None:
    """The same network with a sigmoid behind it, times the furthest distance."""
    table = tensors(CASES["depth_anything_2"])
    network: Any = dav(2)(table, {}, "x").eval()
    x = torch.randn(1, 3, 28, 42, generator=torch.Generator().manual_seed(4))
    for model, furthest in (("small_indoor", 20), ("small_outdoor", 80)):
        metric = dav(2, model)(table, {}, "x").eval()
        with torch.inference_mode():
            raw = network.depth_head(network.pretrained(x), x.shape[-2:])[:, 0]
            assert torch.allclose(metric(x), torch.sigmoid(raw) * furthest, atol=1e-4)


@pytest.mark.skipif(find_spec("transformers") is None, reason="compares with transformers, which is not installed")
@pytest.mark.parametrize(("model", "size"), [("small", (518, 518)), ("small", (42, 70)), ("small_indoor", (98, 28))])
def test_network_equals_transformers(model: str, size: tuple[int, int]) -> None:
    """On its own position table, which it samples in another way (see the module) off 518 x 518."""
    module: Any = random_weights.fill(light_depth.build(model)({}), seed=3).eval()
    module.depth_head.scratch.output_conv2[2].bias.data += 0 if module.max_depth else 10
    heads = {f"depth_head.scratch.refinenet4.resConfUnit1.conv{i}": (8, 8, 3, 3) for i in (1, 2)}  # in files, and idle
    idle = {f"{name}.{part}": torch.ones(shape[: 4 if part == "weight" else 1])
            for name, shape in heads.items() for part in ("weight", "bias")}  # fmt: skip
    published = to_transformers({**module.state_dict(), **idle, "pretrained.mask_token": torch.zeros(1, 8)})
    peer = build_reference(light_depth.TINY, (1, 2, 3, 4), published, module.max_depth)
    rows, columns = size[0] // 14, size[1] // 14
    table = depth_anything._interpolate_positions(module.pretrained.pos_embed, rows, columns)
    peer.backbone.embeddings.interpolate_pos_encoding = lambda *_: table  # pyright: ignore[reportUnknownLambdaType]
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(6))
    with torch.inference_mode():
        found, expected = module(x), peer(x).predicted_depth
    assert expected.std() > 0
    assert (found - expected).abs().max() <= 1e-5 * (expected.max() - expected.min())
    again = depth_anything.convert(published)
    assert again.keys() == module.state_dict().keys()
    assert all(torch.equal(again[name], value) for name, value in module.state_dict().items())


def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: dict[str, Any]) -> Weight:
    """Record of a pickled checkpoint that lies where a user put it."""
    monkeypatch.setattr(store, "get_store", lambda: store.Store(tmp_path / "cache"))
    monkeypatch.setattr(models, "get_store", store.get_store)
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv("UNDERDRAWING_WEIGHTS", str(folder))
    path = folder / "official.pth"
    torch.save(content, path)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return Weight(repo="a/b", file=path.name, sha256=digest, size=len(data), licence="none", commercial=True)


def test_a_checkpoint_of_half_precision_in_a_wrapper_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["depth_anything_2"]
    half = {name: tensor.half() for name, tensor in tensors(case).items()}
    weight = saved(tmp_path, monkeypatch, {"model": half})
    network = models.load_network(weight, dav(2).build, Placement(), dav(2).convert)
    loaded = network.module.state_dict()["depth_head.scratch.layer1_rn.weight"]
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded, half["depth_head.scratch.layer1_rn.weight"].float())
    assert network(torch.zeros(1, 3, 28, 42)).shape == (1, 28, 42)


@pytest.mark.parametrize("fault", ["missing", "unexpected", "mismatched", "half of a projection"])
def test_a_file_that_does_not_fit_is_refused(fault: str) -> None:
    case = CASES["depth_anything_2"]
    table = tensors(case)
    if fault == "half of a projection":
        table = to_transformers(table)
        del table["backbone.encoder.layer.3.attention.attention.key.bias"]
    elif fault == "missing":
        del table["depth_head.projects.2.bias"]
    elif fault == "unexpected":
        table["depth_head.readout.weight"] = torch.zeros(3, 3)
    else:
        table["depth_head.projects.2.bias"] = torch.zeros(7)
    with pytest.raises(BadWeights, match="does not fit the network"):
        case.load(table, {}, "x")


def test_bfloat16_keeps_the_levels_of_the_head() -> None:
    case = CASES["depth_anything_2"]
    module = case.load(tensors(case), {}, "x").eval()
    x = pixels("depth_anything_2")
    with torch.inference_mode():
        full = module(x)
        short = module.to(torch.bfloat16)(x.bfloat16())
    assert short.dtype == torch.float32
    assert len(torch.unique(short)) > 0.9 * len(torch.unique(full))
    assert (short - full).abs().mean() <= 0.02 * (full.max() - full.min())


def test_bfloat16_leaves_the_map_unchanged() -> None:
    """With random weights, which are harder to keep than trained ones; the last bias keeps the ReLU open."""
    case = CASES["depth_anything_2"]
    table = {**made(case.shapes, case.gain)}
    table[case.last] = table[case.last] + 10000
    module = case.load(table, {}, "x").eval()
    x = normalise(depth_anything._resize(photograph("astronaut", 256), Size(252, 252)))
    with torch.inference_mode():
        full = module(x)
        short = module.to(torch.bfloat16)(x.bfloat16())
    one, other = (depth.render_disparity(values.numpy()).images[0, ..., 0] for values in (full, short))
    assert one.std() > 20
    assert not np.array_equal(one, other)
    assert ssim(one, other) >= 0.99


def test_positions_are_sampled_as_torch_does_with_dinos_scale() -> None:
    table = torch.randn(1, 1 + 37 * 37, 6, generator=torch.Generator().manual_seed(1))
    for rows, columns in ((5, 9), (37, 40), (60, 37)):
        found = depth_anything._interpolate_positions(table, rows, columns)
        grid = table[:, 1:].reshape(1, 37, 37, 6).permute(0, 3, 1, 2)
        scales = ((rows + 0.1) / 37, (columns + 0.1) / 37)
        expected = F.interpolate(grid, scale_factor=scales, mode="bicubic").flatten(2).transpose(1, 2)
        assert torch.allclose(found[:, 1:], expected, atol=1e-4)
        assert torch.equal(found[:, :1], table[:, :1])
    assert torch.equal(depth_anything._interpolate_positions(table, 37, 37), table)


def test_the_hybrids_tokens_become_maps_without_the_librarys_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers 4.30 only does it for squares."""
    module: Any = random_weights.shrunk(dpt_hybrid.RECIPES["original"]).eval()

    def fail(*_: Any) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(module.model.neck, "forward", fail)
    monkeypatch.setattr(module.model.neck.reassemble_stage, "forward", fail)
    with torch.inference_mode():
        assert module(torch.zeros(1, 3, 64, 128)).shape == (1, 64, 128)


@pytest.mark.parametrize(("size", "side", "seen"), [
    ((480, 640), 518, (518, 686)),
    ((640, 480), 518, (686, 518)),
    ((518, 518), 518, (518, 518)),
    ((1080, 1920), 518, (518, 924)),
    ((1, 1), 518, (518, 518)),
    ((100, 400), 518, (518, 2072)),
    ((1, 64), 518, (126, 8288)),
    ((300, 400), 140, (140, 182)),
    ((300, 1200), 1036, (728, 2898)),
])  # fmt: skip
def test_what_depth_anything_sees(size: tuple[int, int], side: int, seen: tuple[int, int]) -> None:
    assert depth_anything.compute_input_size(Size(*size), side) == seen


@pytest.mark.parametrize(("size", "seen"), [
    ((384, 512), (384, 512)),
    ((480, 640), (384, 512)),
    ((640, 480), (672, 512)),
    ((2000, 3000), (384, 576)),
    ((3, 3), (384, 384)),
])  # fmt: skip
def test_what_zoedepth_sees(size: tuple[int, int], seen: tuple[int, int]) -> None:
    assert zoedepth.compute_input_size(Size(*size), zoedepth.NATIVE["nyu"]) == seen


def test_zoedepths_padding_and_mirror_are_its_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    def network(
        weight: Weight, load: Strict | Pretrained, placement: Placement
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda seen: seen.mean(1, keepdim=True)

    monkeypatch.setattr(zoedepth, "load_assembled", network)
    found = zoedepth.estimate_metres(golden()["picture"][None], "nyu", zoedepth.ZOE_ORIGINAL, Placement())[0]
    assert np.abs(found - golden()["mirrored"]).max() <= TOLERANCE


@pytest.mark.skipif(find_spec("openvino") is None, reason="the extra openvino is not installed")
@pytest.mark.parametrize(("load", "sizes"), [
    pytest.param(dav(2), ((70, 98), (518, 518)), id="depth_anything"),
    pytest.param(dpt_hybrid.RECIPES["original"], ((64, 64), (128, 192)), id="dpt_hybrid"),
])  # fmt: skip
def test_openvino_runs_every_size(load: Strict | Pretrained, sizes: tuple[tuple[int, int], ...]) -> None:
    from underdrawing.core.networks.openvino import OpenVinoNetwork

    small = light_depth.build("small")({}) if isinstance(load, Strict) else random_weights.shrunk(load)
    module = small.eval()
    generator = torch.Generator().manual_seed(2)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    network = OpenVinoNetwork(module, Placement(backend="openvino"))
    for size in sizes:
        x = torch.randn(1, 3, *size, generator=generator)
        with torch.inference_mode():
            expected = module(x)
        assert (network(x) - expected).abs().max() <= TOLERANCE * (expected.max() - expected.min())


def test_renaming_cuts_drops_and_hands_on() -> None:
    rules = KeyRenaming([(r"a\.(\d)", r"x.\1,y.\1"), (r"gone", ""), (r"b", "c")])
    table = {"a.3": torch.arange(4.0), "gone": torch.zeros(1), "b": torch.ones(2), "other": torch.ones(1)}
    renamed = rules(table)
    assert {name: value.tolist() for name, value in renamed.items()} == {
        "x.3": [0, 1], "y.3": [2, 3], "c": [1, 1], "other": [1]
    }  # fmt: skip


def test_two_keys_of_one_new_name_are_both_handed_on() -> None:
    table = {"old.weight": torch.zeros(2), "older.weight": torch.ones(2)}
    found = KeyRenaming([(r"old(er)?\.weight", "new.weight")])(table)
    assert sorted(found) == ["new.weight", "older.weight"]
    assert found["new.weight"].tolist() == [0, 0]
    assert found["older.weight"].tolist() == [1, 1]
