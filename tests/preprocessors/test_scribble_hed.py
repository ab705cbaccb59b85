"""Scribbles against controlnet-aux, and the suppression of non-maxima against its definition."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from tests.support.similarity import NAMES, photograph, ssim

from underdrawing.preprocessors import registry
from underdrawing.preprocessors.maps import edges
from underdrawing.preprocessors.scribble_hed import ScribbleHed
from underdrawing.preprocessors.weights.hed_files import WEIGHTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "hed" / "hed.npz"


def annotator(dtype: str = "float32") -> ScribbleHed:
    made = ScribbleHed.create(ScribbleHed.params(), device="cpu", dtype=dtype)
    assert isinstance(made, ScribbleHed)
    return made


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def test_the_recipe_equals_the_peers(golden: dict[str, NDArray[Any]]) -> None:
    assert np.array_equal(edges.draw_scribble(golden["edges"]), golden["scribble"])
    assert 0.05 < (golden["scribble"] == 255).mean() < 0.95


def test_the_map_equals_the_peers(golden: dict[str, NDArray[Any]]) -> None:
    images = annotator()(golden["image"][None], resolution=0).images[0]
    assert np.array_equal(images, np.repeat(golden["scribble"][..., None], 3, axis=-1))


def test_padding_is_cut_off_before_thinning() -> None:
    result = annotator()(photograph("astronaut", 100), resolution=0)
    assert result.values is not None
    assert np.array_equal(result.images[0, ..., 0], edges.draw_scribble(edges.to_bytes(result.values)[0]))


def test_bfloat16_leaves_the_map_unchanged() -> None:
    """One photograph: the network is that of hed, which is shown on two."""
    photo = photograph(NAMES[0], 128)  # bfloat16 is slow on CPUs without it
    full, short = (annotator(dtype)(photo, resolution=0).images[0, ..., 0] for dtype in ("float32", "bfloat16"))
    assert ssim(full, short) >= 0.99


@pytest.mark.parametrize("size", [(40, 30), (1, 9), (9, 1), (4, 1), (1, 1), (2, 2)], ids=str)
@pytest.mark.parametrize("sigma", [0.6, 3.0])
def test_thin_keeps_ridges_alone(size: tuple[int, int], sigma: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, size, np.uint8)
    x = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), sigma)
    padded = np.pad(x, 1, constant_values=-1)
    middle = (slice(1, -1), slice(1, -1))
    ridge = np.zeros(size, bool)
    for step in ((0, 1), (1, 0), (1, 1), (1, -1)):
        ahead, behind = np.roll(padded, step, (0, 1))[middle], np.roll(padded, (-step[0], -step[1]), (0, 1))[middle]
        ridge |= (x >= ahead) & (x >= behind)
    assert np.array_equal(edges.thin_edges(noise, sigma=sigma) == 255, ridge & (x > 127))


def test_flat_maps_give_no_strokes_and_full_ones_only_strokes() -> None:
    assert not edges.draw_scribble(np.zeros((50, 60), np.uint8)).any()
    assert edges.draw_scribble(np.full((50, 60), 255, np.uint8)).all()


@pytest.mark.parametrize(("name", "model"), [
    ("scribble_hed", "bsds500"),
    ("fake_scribble", "controlnet"),
    ("FakeScribblePreprocessor", "controlnet"),
    ("scribble_hedsafe", "controlnet"),
])  # fmt: skip
def test_names_of_existing_workflows(name: str, model: Any) -> None:
    found = registry.resolve(name)
    params = ScribbleHed.params(**found.presets)
    assert found.annotator is ScribbleHed
    assert ScribbleHed.weights_for(params) == (WEIGHTS[model],)
