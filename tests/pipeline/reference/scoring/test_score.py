from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from tests.support.reference_runs import write_base, write_state

from underdrawing.core.progress import Progress
from underdrawing.pipeline.reference.scoring.judge import Judge
from underdrawing.pipeline.reference.scoring.score import Scorer, Settings
from underdrawing.pipeline.reference.training import controls
from underdrawing.pipeline.reference.training.export import export_run
from underdrawing.pipeline.reference.training.latents import tokenize
from underdrawing.pipeline.training.controls.low_rank import LowRankControl

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    find_spec("diffusers") is None or find_spec("transformers") is None, reason="the extra pipeline is not installed"
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    unet = write_base(folder)
    write_state(folder / "judge.safetensors", Judge())
    for kind in controls.KINDS:
        control = controls.build_control(unet)
        whole = kind in controls.WHOLE
        write_state(
            folder / f"control_{kind}.safetensors", control if whole else LowRankControl(control, controls.RANK)
        )
    export_run(folder, folder / "weights")
    return folder / "weights"


def test_controls_are_scored_with_empty_prompts_and_with_captions(weights: Path) -> None:
    kinds = ("inpaint", "lines")
    settings = Settings(weights=weights, kinds=kinds, pairs=[("inpaint", "lines")], scenes=1, steps=1, batch=2)
    scores = Scorer(settings, Progress()).run()
    for rows in (scores, scores["with_captions"]):
        assert set(rows["kinds"]) == set(kinds)
        assert set(rows["together"]["inpaint + lines"]) == set(kinds)
    assert scores["kinds"]["inpaint"]["ceiling"] > 0, "the VAE's own error"
    assert set(scores["prompt"]) == {"kind", "colour", "shiny", "pose", "ground", "time", "hills"}


def test_true_scenes_obey_maps_of_every_kind(weights: Path) -> None:
    scorer = Scorer(Settings(weights=weights, kinds=(), scenes=1), Progress())
    measured = {kind: scorer.measure(kind, scorer.scenes.pictures, scorer.draw_maps(kind)) for kind in controls.KINDS}
    for kind in ("canny", "softedge", "scribble"):
        assert measured.pop(kind) == pytest.approx(1), kind
    assert measured.pop("inpaint") == 0
    assert 0 < measured.pop("lines") < 1, "Canny finds other edges than straight ones too"
    assert set(measured) == {"depth", "seg", "pose"}, "which an untrained judge reads"


def test_the_same_noise_each_time(weights: Path) -> None:
    settings = Settings(weights=weights, kinds=(), scenes=2, steps=1, batch=1)
    scorer = Scorer(settings, Progress())
    tokens = tokenize(["a red ball, grass, by day"] * 2)
    first = scorer.draw(tokens)
    again = scorer.draw(tokens)
    assert (first == again).all()
    assert first.shape == (2, 128, 128, 3)
