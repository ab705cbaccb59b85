"""Segmentation: palettes, enlarging, the networks against transformers' own, their files, their names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import random_weights
from tests.support.pictures import photo
from tests.support.tiny_segmentation import NARROW, tensor
from torch.nn.functional import interpolate

from underdrawing.core.errors import BadParameter, BadWeights
from underdrawing.core.images.geometry import Size
from underdrawing.core.networks import cache
from underdrawing.core.networks.placement import Placement
from underdrawing.core.weights import store as stores
from underdrawing.core.weights.record import Weight
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.maps import labels, palettes
from underdrawing.preprocessors.nets import segmentation
from underdrawing.preprocessors.weights.segmentation_files import SEGFORMER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Tensors = dict[str, torch.Tensor]

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "segmentation" / "networks.npz"
RECIPES = {
    "upernet": segmentation.UPERNET,
    "oneformer_ade20k": segmentation.ONEFORMER_ADE20K,
    "mask2former": segmentation.MASK2FORMER,
    "segformer_b0": segmentation.build_segformer("b0"),
    "segformer_b2": segmentation.build_segformer("b2"),
    "segformer_b5": segmentation.build_segformer("b5"),
}
SIDES = {"upernet": 512, "oneformer_ade20k": 640, "oneformer_coco": 800, "mask2former": 640, "segformer": 512}
library: Any = transformers

every = pytest.mark.parametrize("name", RECIPES)


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN) as opened:
        return dict(opened)


@pytest.fixture
def weightless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with random_weights.stand_in(monkeypatch):
        yield


# Palettes.


@pytest.mark.parametrize(("classes", "count", "digest"), [
    (palettes.ADE20K, 150, "ce475c9151035eff51f4cf27fd7d906959b1480f6d15b9423ae2417c1b23a0ed"),
    (palettes.COCO, 133, "efcc320916d0acb3f51547ec72e0c0218aafc04dc222894062fb087f5233dbc2"),
])  # fmt: skip
def test_palettes_are_the_published_ones(classes: Any, count: int, digest: str) -> None:
    assert hashlib.sha256(classes.palette).hexdigest() == digest
    assert len(classes.names) == len(set(classes.names)) == count == len(classes.palette) / 3


def test_classes_stand_where_the_datasets_have_them() -> None:
    ade, coco = palettes.ADE20K, palettes.COCO
    assert [ade.names[i] for i in (0, 2, 12, 48, 149)] == ["wall", "sky", "person", "skyscraper", "flag"]
    assert [coco.names[i] for i in (0, 79, 80, 119, 132)] == [
        "person", "toothbrush", "banner", "sky-other-merged", "rug-merged",
    ]  # fmt: skip
    assert (ade.colour(0), ade.colour(149), coco.colour(0)) == ((120, 120, 120), (92, 0, 255), (220, 20, 60))
    assert ade.colour(6) == ade.colour(48)
    colours = {coco.colour(index) for index in range(133)}
    assert len(colours) == 133


@pytest.mark.parametrize("classes", [palettes.ADE20K, palettes.COCO], ids=lambda c: c.dataset)
def test_painting_equals_a_loop_over_the_classes(classes: Any) -> None:
    shown = np.random.default_rng(0).integers(0, len(classes.names), (2, 60, 50)).astype(np.uint8)
    expected = np.zeros((2, 60, 50, 3), np.uint8)
    for index in range(len(classes.names)):
        expected[shown == index, :] = classes.colour(index)
    assert np.array_equal(labels.colour_labels(shown, classes), expected)
    flipped = shown[:, ::-1, ::-1]
    assert np.array_equal(labels.colour_labels(flipped, classes), expected[:, ::-1, ::-1])


# Enlarging.


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 40), st.integers(1, 40), st.integers(1, 12), st.integers(0, 99)
)
def test_best_classes_equal_argmax_of_enlarged_scores(
    h: int, w: int, height: int, width: int, classes: int, seed: int
) -> None:
    scores = torch.randn(2, classes, h, w, generator=torch.Generator().manual_seed(seed))
    found = labels.find_best_classes(scores, Size(height, width)).long()
    enlarged = interpolate(scores, size=(height, width), mode="bilinear", align_corners=False)
    chosen = enlarged.gather(1, found[:, None])[:, 0]
    assert found.shape == (2, height, width)
    assert (enlarged.amax(1) - chosen).max() <= 1e-5  # equal but for classes that are equally good


def test_a_class_that_is_second_everywhere_wins_between() -> None:
    scores = torch.tensor([[10.0, 0.0], [9.0, 9.0], [0.0, 10.0]])[None, :, None]
    assert labels.find_best_classes(scores, Size(1, 8))[0, 0].tolist() == [0, 0, 1, 1, 1, 1, 2, 2]


def test_scores_become_exact_colours_and_names() -> None:
    """Stripes of a picture, half of it sky, then tree and road; each known to the pixel."""
    scores = torch.zeros(1, 150, 8, 8)
    scores[:, 2, :4], scores[:, 4, 4:6], scores[:, 6, 6:] = 5, 5, 5
    shown = labels.find_best_classes(scores, Size(64, 40)).numpy()
    expected = np.repeat(np.array([2, 4, 6], np.uint8), [32, 16, 16])[:, None].repeat(40, 1)
    assert np.array_equal(shown[0], expected)
    image = labels.colour_labels(shown, palettes.ADE20K)[0]
    assert image[[0, 32, 63], 0].tolist() == [[6, 230, 230], [4, 200, 3], [140, 140, 140]]
    found = palettes.ADE20K.count(shown[0]).classes
    assert [(one.name, one.share) for one in found] == [("sky", 0.5), ("tree", 0.25), ("road", 0.25)]


# Sizes.


@pytest.mark.parametrize(("size", "short", "longest", "seen"), [
    ((512, 512), 512, 2048, (512, 512)),
    ((1080, 1920), 512, 2048, (512, 896)),
    ((480, 640), 640, 2560, (640, 864)),
    ((1000, 3000), 800, 1333, (448, 1344)),
    ((1, 64), 512, 2048, (32, 2048)),
    ((1, 1), 640, 2560, (640, 640)),
])  # fmt: skip
def test_the_size_a_network_sees(size: tuple[int, int], short: int, longest: int, seen: tuple[int, int]) -> None:
    assert segmentation.compute_input_size(Size(*size), short, longest) == seen


# The networks, with every published layer and few channels.


def published(golden: dict[str, NDArray[Any]], name: str) -> Tensors:
    """Random tensors under the published keys."""
    tensors: Tensors = {}
    for key, shape in json.loads(golden["keys"].tobytes())[name].items():
        if key.endswith("relative_position_index"):
            tensors[key] = torch.from_numpy(golden["index"].copy())
        elif key.startswith("criterion."):
            tensors[key] = torch.zeros(shape)
        else:
            tensors[key] = tensor(key, tuple(shape))
    return tensors


def narrow(name: str) -> Any:
    load = RECIPES[name].load
    return load._replace(config=lambda: NARROW[load.model](load.config()))


def x_of(golden: dict[str, NDArray[Any]]) -> torch.Tensor:
    height, width = golden["picture"].shape[:2]
    return segmentation.preprocess(golden["picture"][None], Size(height, width))


def scores_of(golden: dict[str, NDArray[Any]], name: str) -> torch.Tensor:
    if name in golden:
        return torch.from_numpy(golden[name])[None]
    classes, masks = (torch.from_numpy(golden[f"{name}.{part}"])[None] for part in ("classes", "masks"))
    return segmentation.combine_masks(classes, masks)


@every
def test_published_keys_load_strictly_and_compute_the_same(golden: dict[str, NDArray[Any]], name: str) -> None:
    module = narrow(name)(published(golden, name), {}, name).eval()
    expected = scores_of(golden, name)
    with torch.inference_mode():
        scores = module(x_of(golden))
    assert (scores - expected).abs().max() <= 1e-4 * expected.abs().max()
    assert expected.argmax(1).unique().numel() >= 2  # the outputs are alive


@pytest.mark.parametrize("name", ["upernet", "segformer_b0", "oneformer_ade20k"])
def test_half_precision_files_load(golden: dict[str, NDArray[Any]], name: str) -> None:
    halves = {key: t.half() if t.is_floating_point() else t for key, t in published(golden, name).items()}
    module = narrow(name)(halves, {}, name).float().eval()
    expected = scores_of(golden, name)
    with torch.inference_mode():
        assert (module(x_of(golden)) - expected).abs().mean() <= 0.02 * expected.std()


@pytest.mark.parametrize(("name", "fault"), [
    ("upernet", "missing"),
    ("upernet", "unexpected"),
    ("segformer_b0", "shaped"),
    ("oneformer_ade20k", "missing"),
    ("mask2former", "missing"),
    ("mask2former", "shaped"),
])  # fmt: skip
def test_a_file_that_does_not_fit_is_refused(golden: dict[str, NDArray[Any]], name: str, fault: str) -> None:
    tensors, unused = published(golden, name), ("auxiliary_head.", "criterion.")
    key = next(key for key in reversed(tensors) if key.endswith("weight") and not key.startswith(unused))
    if fault == "missing":
        del tensors[key]
    elif fault == "unexpected":
        tensors["decode_head.extra.weight"] = torch.zeros(1)
    else:
        tensors[key] = torch.zeros(3, 3, 3)
    with pytest.raises(BadWeights, match="does not fit"):
        narrow(name)(tensors, {}, name)


def test_published_files_are_as_large_as_these_keys_say(golden: dict[str, NDArray[Any]]) -> None:
    """Sizes that catalogues state: what a file has beyond its tensors is its header, some 150 or 350 bytes a key."""
    full = json.loads(golden["keys"].tobytes())["full"]
    keys, size = full["mask2former"]
    assert 866052064 - size == pytest.approx(keys * 147, rel=0.01)
    keys, size = full["oneformer_ade20k"]
    assert 879517517 - size == pytest.approx(keys * 350, rel=0.05)
    assert full["upernet"][1] == pytest.approx(327e6, rel=0.01)


def test_a_pickled_file_is_read_without_running_it(
    golden: dict[str, NDArray[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stores.Store(tmp_path / "cache")
    monkeypatch.setattr(cache, "get_store", lambda: store)
    monkeypatch.setenv("UNDERDRAWING_WEIGHTS", str(tmp_path))
    path = tmp_path / "pytorch_model.bin"
    torch.save(published(golden, "segformer_b0"), path)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    weight = Weight(repo="a/b", file=path.name, sha256=digest, size=len(data), licence="none", commercial=True)
    scores = cache.load_assembled(weight, narrow("segformer_b0"), Placement())(x_of(golden))
    expected = scores_of(golden, "segformer_b0")
    assert (scores - expected).abs().max() <= 1e-4 * expected.abs().max()
    cache.unload()


@pytest.mark.parametrize("name", ["upernet", "segformer_b0", "oneformer_ade20k", "mask2former"])
def test_networks_run_in_bfloat16(golden: dict[str, NDArray[Any]], name: str) -> None:
    module = narrow(name)(published(golden, name), {}, name).eval().bfloat16()
    with torch.inference_mode():
        scores = module(x_of(golden).bfloat16())
    assert torch.isfinite(scores.float()).all()


# Whole annotators against transformers' own parts, on the same random network.


def processor(name: str, size: Size) -> Any:
    """Image processor of transformers that resizes with Pillow."""
    found = getattr(library, f"{name}Pil", None) or getattr(library, name)
    return found(size={"height": size.height, "width": size.width}, do_resize=True)


def pipeline(model: Any, kind: str, picture: NDArray[np.uint8], seen: Size, size: Size) -> NDArray[Any]:
    """Labels as the documentation of transformers makes them."""
    prepare = processor("Mask2FormerImageProcessor" if "Former" in kind else "SegformerImageProcessor", seen)
    x = prepare(picture, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        if kind == "OneFormerModel":
            task = torch.tensor([[*segmentation.TASK, *[0] * 70]])
            found = model(x, task)
            found = SimpleNamespace(
                class_queries_logits=found.transformer_decoder_class_predictions,
                masks_queries_logits=found.transformer_decoder_mask_predictions,
            )
            prepare = getattr(library, "OneFormerImageProcessorPil", None) or library.OneFormerImageProcessor
            return prepare.post_process_semantic_segmentation(None, found, target_sizes=[size])[0].numpy()
        return prepare.post_process_semantic_segmentation(model(x), target_sizes=[size])[0].numpy()


@pytest.mark.parametrize("name", ["upernet", "segformer_b0", "oneformer_ade20k"])
def test_maps_equal_transformers_pipeline(
    golden: dict[str, NDArray[Any]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Own resizing, normalising, enlarging and painting against the library's, at the network's size and at another."""
    load, tensors, picture = narrow(name), published(golden, name), photo(120, 150)
    kind = load.model
    theirs = load._replace(wrap=None)(dict(tensors), {}, name).eval()
    recipe = segmentation.Recipe(load, 96, 2048, palettes.ADE20K)
    network = load(dict(tensors), {}, name).eval()

    def assembled(*given: Any) -> Any:
        return torch.inference_mode()(network)

    monkeypatch.setattr(segmentation, "load_assembled", assembled)
    weight = SEGFORMER["b0"]
    seen = segmentation.compute_input_size(Size(120, 150), 96, 2048)
    assert seen == (96, 128)
    for size in (seen, Size(120, 150)):
        ours = segmentation.predict_labels(picture[None], size, recipe, weight, Placement())[0]
        expected = pipeline(theirs, kind, picture, seen, size)
        twice = name == "upernet" and size != seen  # the library enlarges twice there: borders move by a fraction
        assert (ours == expected).mean() >= (0.98 if twice else 0.9999)
        assert len(np.unique(ours)) >= 2


def test_masks_vote_as_mask2former_says() -> None:
    """The library first brings masks to 384 x 384, whatever the picture's shape; given such masks, it says the same."""
    generator = torch.Generator().manual_seed(1)
    classes = torch.randn(1, 7, 13, generator=generator)
    masks = interpolate(torch.randn(1, 7, 12, 12, generator=generator), size=(384, 384), mode="bicubic")
    outputs = SimpleNamespace(class_queries_logits=classes, masks_queries_logits=masks)
    prepare = processor("Mask2FormerImageProcessor", Size(384, 384))
    expected = prepare.post_process_semantic_segmentation(outputs, target_sizes=[(200, 300)])[0]
    ours = labels.find_best_classes(segmentation.combine_masks(classes, masks), Size(200, 300))[0]
    assert (ours == expected).float().mean() >= 0.9999


@pytest.mark.parametrize("size", [(120, 150), (333, 200), (700, 90)])
def test_pixel_values_equal_transformers(size: tuple[int, int]) -> None:
    picture, seen = photo(*size), segmentation.compute_input_size(Size(*size), 128, 512)
    ours = segmentation.preprocess(picture[None], seen)
    for name in ("SegformerImageProcessor", "Mask2FormerImageProcessor"):
        expected = processor(name, seen)(picture, return_tensors="pt")["pixel_values"]
        assert (ours - expected).abs().max() <= 1e-5


# Annotators.


@pytest.mark.usefixtures("weightless")
@pytest.mark.parametrize("name", ["seg_upernet", "seg_segformer"])
def test_a_map_is_flat_colours_with_their_names(name: str) -> None:
    annotator = registry.resolve(name).annotator
    result = annotator.create(annotator.params(), device="cpu")(photo(64, 96)[None], resolution=48)
    assert result.values is not None
    assert result.segments is not None
    shown = result.values[0].astype(int)
    palette = np.frombuffer(palettes.ADE20K.palette, np.uint8).reshape(-1, 3)
    assert np.array_equal(result.images[0], palette[shown])
    (found,) = result.segments
    assert {one.index for one in found.classes} == set(np.unique(shown).tolist())
    assert all(one.share == pytest.approx((shown == one.index).mean()) for one in found.classes)
    assert all(one.name == palettes.ADE20K.names[one.index] for one in found.classes)


def test_old_versions_do_not_initialise_a_head_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers 4.30 calls the head for training, which we leave out."""

    class Base:
        auxiliary_head: Any = None

        def __init__(self) -> None:
            self.init_weights()
            self._init_weights(self)

        def init_weights(self) -> None:
            self.auxiliary_head.init_weights()

        def _init_weights(self, module: Any) -> None:
            module.auxiliary_head.init_weights()

    class Whole(Base):
        pass

    known = {"UperNetForSemanticSegmentation": Whole, "UperNetPreTrainedModel": Base}
    monkeypatch.setattr(segmentation, "find_model_class", known.__getitem__)
    assert isinstance(segmentation.make_upernet_class()(), Whole)
    monkeypatch.delattr(Base, "init_weights")
    assert segmentation.make_upernet_class() is Whole, "newer versions are used as they are"


def test_nothing_is_said_of_losses(golden: dict[str, NDArray[Any]]) -> None:
    model = narrow("segformer_b0")(published(golden, "segformer_b0"), {}, "file").model
    assert model.segformer.loss_function is None  # or tracing it prints a warning of transformers


@pytest.mark.usefixtures("weightless")
def test_openvino_runs_what_it_can_and_refuses_the_rest() -> None:
    pytest.importorskip("openvino")
    picture = photo(64, 96)[None]
    for name in ("seg_segformer", "seg_mask2former"):
        annotator = registry.resolve(name).annotator
        made = annotator.create(annotator.params(), device="cpu", backend="openvino")
        if name == "seg_mask2former":
            with pytest.raises(BadParameter, match="OpenVINO"):
                made(picture)
        else:
            expected = annotator.create(annotator.params(), device="cpu", dtype="float32")(picture).values
            assert (made(picture).values == expected).mean() >= 0.999


@pytest.mark.parametrize(("name", "annotator", "instead"), [
    ("segmentation", "seg_upernet", True),
    ("seg_ufade20k", "seg_upernet", True),
    ("UniFormer-SemSegPreprocessor", "seg_upernet", True),
    ("SemSegPreprocessor", "seg_upernet", True),
    ("oneformer_ade20k", "seg_oneformer_ade20k", False),
    ("seg_ofade20k", "seg_oneformer_ade20k", False),
    ("OneFormer-ADE20K-SemSegPreprocessor", "seg_oneformer_ade20k", False),
    ("oneformer_coco", "seg_oneformer_coco", False),
    ("seg_ofcoco", "seg_oneformer_coco", False),
    ("OneFormer-COCO-SemSegPreprocessor", "seg_oneformer_coco", False),
])  # fmt: skip
def test_names_of_existing_workflows(name: str, annotator: str, instead: bool) -> None:
    found = registry.resolve(name).annotator
    assert found.spec.id == annotator
    (alias,) = [alias for alias in found.spec.aliases if alias.name == name]
    assert bool(alias.instead) is instead
    assert [widget.name for widget in alias.widgets] == (["resolution"] if alias.host == "comfyui" else [])
